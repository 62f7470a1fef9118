"""Do single codes stand for single factors? Codes z (N, Z) against the known factors v (N, V) of the same rows.

With I_ij = I(z_i; v_j) and H_j = H(v_j) in nats, exact on the joint histogram of the rows (upwards biased for few of
them: independent columns of A and B values share about (A - 1)(B - 1) / 2N nats):

    MIG          mean_j (largest - second largest of I_.j) / H_j
    SAP          mean_j (largest - second largest of S_.j);  S_ij tells how well z_i alone gives v_j:
                     real v_j      squared correlation
                     classes       balanced accuracy, 1/C sum_b max_c P(b | c): each bin b of z_i names one class c
                     constant z_i  0
    modularity   mean_i 1 - sum_{j != best} I_ij^2 / (max_j I_ij^2 (V - 1))         over codes with max_j I_ij > 0
    DCI, with the importance R_ij of z_i in a random forest that predicts v_j from all codes, each column of sum 1:
        disentanglement  sum_i rho_i (1 - H_V(R_i. / sum_j R_ij)),  rho_i = sum_j R_ij / sum_ij R_ij
        completeness     mean_j (1 - H_Z(R_.j))                     H_n is the entropy in units of log n
        informativeness  mean_j 1 - error_j / error_j of the best constant guess, on rows held out: 1 is perfect

One code a factor scores 1 (but for SAP with C classes: 1 - 1/C, as codes of nothing still guess), and the order, units
and signs of the codes do not count. With a single code the second largest is 0; with a single code or factor nothing
can be mixed, and the terms that would divide by log 1 or V - 1 = 0 are 1.

Which factors have classes, and how codes and real factors are cut into the bins of I, H and S, is told in factors.py.
A factor of more classes than a code has bins cannot reach 1.

Codes that are constant say nothing and are counted. Codes of a collapsed posterior, which almost are, blur modularity:
leave them out (active units).

Sources: Isolating sources of disentanglement in variational autoencoders, Chen, Li, Grosse and Duvenaud, 2018,
https://arxiv.org/abs/1802.04942 (section 4); Variational inference of disentangled latent concepts from unlabeled
observations, Kumar, Sattigeri and Balakrishnan, 2018, https://arxiv.org/abs/1711.00848 (section 3); A framework for the
quantitative evaluation of disentangled representations, Eastwood and Williams, 2018,
https://openreview.net/forum?id=By-7dz-AZ; Learning deep disentangled embeddings with the F-statistic loss,
Ridgeway and Mozer, 2018, https://arxiv.org/abs/1802.05312.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import entr
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.model_selection import train_test_split

from ...errors import ConfigError
from ..samples import Floats
from .factors import Factor, Labels, bins_of, checked, factors_of

HELD_OUT = 0.25


@dataclass(frozen=True)
class DCI:
    """Scores, and the importances (Z, V) that they come from; a column is 0 where no code helps to predict."""

    disentanglement: float
    completeness: float
    informativeness: float
    importance: Floats


@dataclass(frozen=True)
class Disentanglement:
    """All scores of a set of codes; 1 is best.

    Attributes:
        rows: N.
        codes: Z.
        constant_codes: codes that never change, and score nothing.
        factors: V.
        mig: mutual information gap.
        sap: separated attribute predictability.
        modularity: of Ridgeway and Mozer.
        disentanglement: of DCI, does a code serve one factor?
        completeness: of DCI, is a factor served by one code?
        informativeness: of DCI, can the factors be predicted? Below 0 worse than a constant guess.
    """

    rows: int
    codes: int
    constant_codes: int
    factors: int
    mig: float
    sap: float
    modularity: float
    disentanglement: float
    completeness: float
    informativeness: float

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)


def disentanglement(codes: Any, factors: Any, bins: int = 20, seed: int = 0) -> Disentanglement:
    """Every score of this module; `dci` with its defaults.

    Args:
        codes: z (N, Z), such as posterior means.
        factors: v (N, V), of the same rows.
        bins: of codes and real factors, at least 2.
        seed: of the forests.

    Raises:
        DataError: for missing cells, different numbers of rows, constant factors, or too few rows for the classes.
        ConfigError: for fewer than 2 bins.
    """
    z, v = checked(codes, factors)
    gap, separated, modular = mig(codes, factors, bins), sap(codes, factors, bins), modularity(codes, factors, bins)
    forests = dci(codes, factors, seed=seed)
    return Disentanglement(
        rows=len(z),
        codes=z.shape[1],
        constant_codes=int((~z.any(0)).sum()),
        factors=len(v),
        mig=gap,
        sap=separated,
        modularity=modular,
        disentanglement=forests.disentanglement,
        completeness=forests.completeness,
        informativeness=forests.informativeness,
    )


def mutual_information(codes: Any, factors: Any, bins: int = 20) -> Floats:
    """I of every code and factor, (Z, V) in nats; arguments and errors as for `disentanglement`."""
    z, v = checked(codes, factors)
    labels = [f.labels(bins) for f in v]
    return np.array(
        [[_information(_counts(code, label)) for label in labels] for code in (bins_of(c, bins) for c in z.T)]
    )


def entropy(factors: Any, bins: int = 20) -> Floats:
    """H of every factor, (V,) in nats; arguments and errors as for `disentanglement`."""
    return np.array([entr(np.bincount(f.labels(bins)) / len(f.values)).sum() for f in factors_of(factors)])


def mig(codes: Any, factors: Any, bins: int = 20) -> float:
    """Mutual information gap, in [0, 1]; arguments and errors as for `disentanglement`."""
    return float((_gaps(mutual_information(codes, factors, bins)) / entropy(factors, bins)).mean())


def sap(codes: Any, factors: Any, bins: int = 20) -> float:
    """Separated attribute predictability, in [0, 1]; arguments and errors as for `disentanglement`."""
    z, v = checked(codes, factors)
    return float(_gaps(np.array([[_predictability(c, f, bins) for f in v] for c in z.T])).mean())


def modularity(codes: Any, factors: Any, bins: int = 20) -> float:
    """How far each code tells one factor alone, in [0, 1]; 0 where no code tells anything.

    Arguments and errors as for `disentanglement`.
    """
    squares = mutual_information(codes, factors, bins) ** 2
    squares = squares[squares.any(1)]
    if not len(squares):
        return 0.0
    best, others = squares.max(1), max(squares.shape[1] - 1, 1)
    return float((1 - (squares.sum(1) - best) / (best * others)).mean())


def dci(codes: Any, factors: Any, trees: int = 100, leaf: float = 0.01, seed: int = 0) -> DCI:
    """Disentanglement, completeness and informativeness by random forests on three quarters of the rows.

    Every split looks at all codes; importance is the mean decrease of impurity.

    Args:
        codes: z (N, Z).
        factors: v (N, V).
        trees: of a forest.
        leaf: smallest share of the rows in a leaf. Smaller ones fit noise with whatever code is at hand, which spreads
            the importance; a class rarer than a leaf cannot be predicted.
        seed: of the split and the forests.

    Raises:
        DataError: as `disentanglement`.
        ConfigError: for fewer than 1 tree, or a leaf that is not in (0, 0.5].
    """
    if trees < 1 or not 0 < leaf <= 0.5:
        raise ConfigError(f"trees = {trees}, leaf = {leaf}: give at least 1 tree and a leaf in (0, 0.5]")
    z, v = checked(codes, factors)
    # every split sees all codes: else some would have to make do with codes that say nothing
    settings = {"n_estimators": trees, "min_samples_leaf": leaf, "max_features": 1.0, "random_state": seed}
    importance, skill = zip(*(_forest(z, f, settings) for f in v), strict=True)
    table = np.stack(importance, 1)
    disentangled, complete = importance_scores(table)
    return DCI(disentangled, complete, float(np.mean(skill)), table)


def importance_scores(importance: Floats) -> tuple[float, float]:
    """(disentanglement, completeness) of non-negative importances (Z, V); 0 where all are 0."""
    weights = importance.sum(1)
    shares = weights / max(weights.sum(), np.finfo(np.float64).tiny)
    return float(shares @ _concentration(importance)), float(_concentration(importance.T).mean())


def _counts(a: Labels, b: Labels) -> Floats:
    """Joint histogram of two columns of labels, (A, B)."""
    shape = (a.max() + 1, b.max() + 1)
    return np.bincount(a * shape[1] + b, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)


def _information(counts: Floats) -> float:
    """Nats; exactly 0 for columns that are independent, and for constant ones."""
    a, b = np.nonzero(counts)
    n, found = counts.sum(), counts[a, b]
    return max(float(found @ np.log(found * n / (counts.sum(1)[a] * counts.sum(0)[b])) / n), 0.0)


def _predictability(code: Floats, factor: Factor, bins: int) -> float:
    """S_ij."""
    if not code.any():
        return 0.0
    if not factor.has_classes:
        return float(np.corrcoef(code, factor.values)[0, 1] ** 2)
    counts = _counts(bins_of(code, bins), factor.labels(bins))
    return float((counts / counts.sum(0)).max(1).sum() / counts.shape[1])


def _gaps(scores: Floats) -> Floats:
    """Largest minus second largest score of every factor, (Z, V) -> (V,)."""
    second, first = np.sort(np.vstack((np.zeros(scores.shape[1]), scores)), 0)[-2:]
    return first - second


def _forest(z: Floats, factor: Factor, settings: dict[str, Any]) -> tuple[Floats, float]:
    """(importance (Z,), skill on held-out rows)."""
    v = factor.values
    train, test = train_test_split(np.arange(len(z)), test_size=HELD_OUT, random_state=settings["random_state"])
    family = RandomForestClassifier if factor.has_classes else RandomForestRegressor
    forest = family(**settings).fit(z[train], v[train])
    wrong = forest.predict(z[test]) - v[test]
    if factor.has_classes:
        guess = 1 - np.bincount(v.astype(np.int64)).max() / len(v)
        return forest.feature_importances_, float(1 - (wrong != 0).mean() / guess)
    return forest.feature_importances_, float(1 - np.square(wrong).mean() / v.var())


def _concentration(importance: Floats) -> Floats:
    """1 - entropy / its maximum of every row, (A, B) -> (A,); 1 where B = 1, 0 for a row of zeros."""
    total = importance.sum(1, keepdims=True)
    shares = importance / np.where(total > 0, total, 1)
    largest = np.log(max(importance.shape[1], 2))
    return np.where(total[:, 0] > 0, 1 - entr(shares).sum(1) / largest, 0)
