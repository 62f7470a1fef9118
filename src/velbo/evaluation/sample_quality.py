"""How good are samples: real rows x_1 .. x_N against fake ones y_1 .. y_M, on any features of them.

Neighbours. B_k(x_i) is the closed ball around x_i that just holds the k nearest of the other real rows; B_k(y_j) alike.

    precision = 1/M   sum_j 1[ y_j in some B_k(x_i) ]          recall   = 1/N sum_i 1[ x_i in some B_k(y_j) ]
    density   = 1/(kM) sum_j #{ i: y_j in B_k(x_i) }           coverage = 1/N sum_i 1[ some y_j in B_k(x_i) ]

For equal distributions E[density] = 1 and E[coverage] = 1 - prod_{l=1..k} (N - l) / (N + M - l), about 1 - 2^-k for
N = M: a perfect model covers less than everything. Density has no upper limit.

Maximum mean discrepancy, k(a, b) = exp(-|a - b|^2 / (2 h^2)), as a U-statistic:

    MMD^2 = sum_{i != j} k(x_i, x_j) / (N (N - 1)) + sum_{i != j} k(y_i, y_j) / (M (M - 1)) - 2/(NM) sum_ij k(x_i, y_j)

It is unbiased, so it may be negative, and often is when the distributions are equal. Values compare only at one h and
on the same features. k less a constant gives the same; k - 1 is summed, which loses no digits at large h. With permuted
labels as columns of S in {0, 1}^(N + M, P), all sums are in diag(S' K S) and S' K 1: one pass over blocks of K serves
every permutation. p = (1 + #{permuted >= observed}) / (1 + permutations) is exact: P(p <= a) <= a.

Classifier two-sample test: a classifier learns to tell x from y and is scored on rows that it has not seen; the null
hypothesis of equal distributions makes each answer of a fold a fair coin. p-values of folds, which depend on each
other, are joined by twice their median.

Sources: Improved precision and recall metric for assessing generative models, Kynkaanniemi, Karras, Laine, Lehtinen and
Aila, 2019, https://arxiv.org/abs/1904.06991 (equations 1 and 2); Reliable fidelity and diversity metrics for generative
models, Naeem, Oh, Uh, Choi and Yoo, 2020, https://arxiv.org/abs/2002.09797 (section 3, lemma 2); A kernel two-sample
test, Gretton, Borgwardt, Rasch, Schoelkopf and Smola, 2012, https://jmlr.org/papers/v13/gretton12a.html (equation 3,
section 8 for the median); Revisiting classifier two-sample tests, Lopez-Paz and Oquab, 2017,
https://arxiv.org/abs/1610.06545 (section 3); twice the median: p-values for high-dimensional regression, Meinshausen,
Meier and Buehlmann, 2009, https://arxiv.org/abs/0811.2177 (section 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.special import bdtrc
from sklearn.base import BaseEstimator, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, euclidean_distances, make_scorer
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

from ..data import as_rows
from ..data.arrays import CELLS_PER_BLOCK
from ..errors import ConfigError, DataError

MEDIAN_ROWS = 1000
ROUNDING = 1e-12
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PRDC:
    """Precision, recall and coverage are shares in [0, 1]; density is at least 0, and 1 for equal distributions."""

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class MMD:
    """Kernel two-sample test.

    Attributes:
        value: the unbiased estimate of MMD^2; may be negative.
        p_value: of equal distributions, by permutation; at least 1 / (1 + permutations).
        bandwidth: h, in units of the features.
    """

    value: float
    p_value: float
    bandwidth: float


@dataclass(frozen=True)
class TwoSampleTest:
    """Classifier two-sample test: 1/2 where nothing can be told apart, 1 where everything can.

    Attributes:
        accuracy: share of held-out rows told right.
        auc: mean over folds of the area under the held-out ROC curve.
        p_value: of equal distributions, valid and a little too large; see `two_sample_test`.
    """

    accuracy: float
    auc: float
    p_value: float


@dataclass(frozen=True)
class SampleQuality:
    """The three together.

    Attributes:
        real: N.
        fake: M.
        width: number of features.
        neighbours: precision, recall, density, coverage.
        mmd: maximum mean discrepancy.
        classifier: two-sample test.
    """

    real: int
    fake: int
    width: int
    neighbours: PRDC
    mmd: MMD
    classifier: TwoSampleTest

    def to_json(self) -> dict[str, Any]:
        """Plain nested numbers."""
        return asdict(self)


def precision_recall_density_coverage(real: Any, fake: Any, k: int = 5) -> PRDC:
    """Do samples look real (precision, density), and is everything real among them (recall, coverage)?

    Distances are Euclidean in the units given: bring columns of different units to one scale first. Balls are closed,
    as in Kynkaanniemi's equation 1, so copies and discrete rows count as near; points within rounding of a ball's
    boundary are inside. Time is quadratic in rows, memory is not.

    Args:
        real: (N, ...), flattened.
        fake: (M, ...), flattened.
        k: neighbours that a ball holds.

    Raises:
        DataError: for missing cells, different widths, or k + 1 rows that are not there.
        ConfigError: for k below 1.
    """
    if k < 1:
        raise ConfigError(f"k = {k}: a ball holds at least 1 neighbour; give k=5")
    x, y = _pair(real, fake, k + 1, f"k = {k} neighbours need {k + 1}; give more, or a smaller k")
    x, y, _ = _scaled(x, y)
    balls_x, balls_y = _radii(x, k) ** 2, _radii(y, k) ** 2
    norms_x, norms_y = np.square(x).sum(1), np.square(y).sum(1)
    # bounds the rounding of |x|^2 - 2 x'y + |y|^2 here and of the same expression inside the radii
    slack = 4 * (x.shape[1] + 4) * np.finfo(np.float64).eps
    near_real, near_fake, covered = np.zeros(len(y), np.int64), np.zeros(len(x), bool), np.zeros(len(x), bool)
    for rows in _row_blocks(len(x), len(y)):
        least = euclidean_distances(x[rows], y, squared=True) - slack * (norms_x[rows, None] + norms_y)
        inside = least <= balls_x[rows, None] * (1 + slack)
        near_real += inside.sum(0)
        covered[rows] = inside.any(1)
        near_fake[rows] = (least <= balls_y * (1 + slack)).any(1)
    return PRDC(
        precision=float((near_real > 0).mean()),
        recall=float(near_fake.mean()),
        density=float(near_real.mean() / k),
        coverage=float(covered.mean()),
    )


def mmd(real: Any, fake: Any, bandwidth: float | None = None, permutations: int = 200, seed: int = 0) -> MMD:
    """Maximum mean discrepancy with a Gaussian kernel, and its permutation test.

    Time is quadratic in rows, memory is not.

    Args:
        real: (N, ...), flattened.
        fake: (M, ...), flattened.
        bandwidth: h; None takes the median of the distances, other than 0, between the rows of both (of 1,000 rows
            drawn from both where there are more). Give one to compare models.
        permutations: of the labels.
        seed: of permutations and draws.

    Raises:
        DataError: for missing cells, different widths or fewer than 2 rows.
        ConfigError: for a bandwidth that is not positive, or no permutations.
    """
    if bandwidth is not None and not 0 < bandwidth < math.inf:
        raise ConfigError(f"bandwidth = {bandwidth}: give a positive number, or None for the median distance")
    if permutations < 1:
        raise ConfigError(f"permutations = {permutations}: at least 1 is needed; give permutations=200")
    x, y = _pair(real, fake, 2, "an unbiased estimate needs 2; give more")
    x, y, scale = _scaled(x, y)
    rows, rng = np.concatenate((x, y)), np.random.default_rng(seed)
    h = _median_distance(rows, rng) if bandwidth is None else max(bandwidth / scale, np.finfo(np.float64).tiny)
    bandwidth = h * scale if bandwidth is None else float(bandwidth)
    label = np.repeat((1.0, 0.0), (len(x), len(y)))
    shuffled = rng.permuted(np.tile(label, (permutations, 1)), axis=1)
    values, size = _u_statistics(rows, np.vstack((label, shuffled)).T, h)
    # equal values may differ by rounding, and must count as equal
    beaten = int((values[1:] >= values[0] - ROUNDING * size).sum())
    return MMD(float(values[0]), (1 + beaten) / (1 + permutations), bandwidth)


def two_sample_test(real: Any, fake: Any, seed: int = 0, folds: int = 5, classifier: Any = None) -> TwoSampleTest:
    """Can a classifier tell fake from real?

    The larger set is thinned at random to the size n of the smaller, so that guessing gives 1/2; then stratified
    cross-validation. In a fold of m rows the number told right is Binomial(m, 1/2) if the distributions are equal (but
    for the equal counts of its labels, which hardly matters), so each fold has a p-value of its own. Folds depend on
    each other, for each is in the training rows of the others: ``p_value`` is twice their median, which is valid
    whatever the dependence, and a little too large for it. `mmd` has an exact one.

    Args:
        real: (N, ...), flattened.
        fake: (M, ...), flattened.
        seed: of thinning, folds and the default classifier.
        folds: at least 2.
        classifier: any scikit-learn classifier with scores (``decision_function`` or ``predict_proba``); it is cloned,
            and its randomness is its own. None takes histogram gradient boosting, which sees differences of any
            kind but needs some 25 rows of each to see anything.

    Raises:
        DataError: for missing cells, different widths or fewer rows than folds.
        ConfigError: for fewer than 2 folds, or a classifier that is none.
    """
    if folds < 2:
        raise ConfigError(f"folds = {folds}: at least 2 are needed; give folds=5")
    classifier = HistGradientBoostingClassifier(random_state=seed) if classifier is None else classifier
    scored = hasattr(classifier, "decision_function") or hasattr(classifier, "predict_proba")
    if not (scored and isinstance(classifier, BaseEstimator) and is_classifier(classifier)):
        raise ConfigError(
            f"classifier = {classifier!r}: give a scikit-learn classifier, not fitted, with decision_function or "
            "predict_proba, such as LogisticRegression()"
        )
    x, y = _pair(real, fake, folds, f"{folds} folds need {folds}; give more, or fewer folds")
    n, rng = min(len(x), len(y)), np.random.default_rng(seed)
    rows = np.concatenate([a[np.sort(rng.choice(len(a), n, replace=False))] for a in (x, y)])
    labels = np.repeat((0, 1), n)
    parts = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, labels))
    found = cross_validate(
        classifier,
        rows,
        labels,
        cv=parts,
        scoring={"right": make_scorer(accuracy_score, normalize=False), "auc": "roc_auc"},
        error_score="raise",  # pyright: ignore[reportArgumentType]
    )
    right, sizes = found["test_right"], np.array([len(held_out) for _, held_out in parts])
    p = min(1.0, 2 * float(np.median(bdtrc(right - 1, sizes, 0.5))))
    return TwoSampleTest(float(right.sum()) / (2 * n), float(found["test_auc"].mean()), p)


def sample_quality(
    real: Any,
    fake: Any,
    features: Callable[[Any], Any] | None = None,
    *,
    k: int = 5,
    bandwidth: float | None = None,
    permutations: int = 200,
    folds: int = 5,
    classifier: Any = None,
    seed: int = 0,
) -> SampleQuality:
    """All three measures on the same features.

    Args:
        real: (N, ...).
        fake: (M, ...).
        features: (n, ...) -> (n, ...), called once on ``real`` and once on ``fake`` as they are given; None compares
            the rows themselves. Pixels are poor features: Euclidean distance sees no content.
        k: see `precision_recall_density_coverage`.
        bandwidth: see `mmd`.
        permutations: see `mmd`.
        folds: see `two_sample_test`.
        classifier: see `two_sample_test`.
        seed: of everything random.

    Raises:
        DataError: as the three, or if ``features`` does not give one row for each row.
        ConfigError: as the three.
    """
    if features is not None:
        real, fake = _apply(features, real, "real"), _apply(features, fake, "fake")
    x, y = as_matrix(real, "real"), as_matrix(fake, "fake")
    return SampleQuality(
        real=len(x),
        fake=len(y),
        width=x.shape[1],
        neighbours=precision_recall_density_coverage(x, y, k),
        mmd=mmd(x, y, bandwidth, permutations, seed),
        classifier=two_sample_test(x, y, seed, folds, classifier),
    )


def as_matrix(x: Any, what: str) -> Floats:
    """Rows without missing cells, (N, ...) -> (N, D) float64.

    Raises:
        DataError: if ``x`` is no array of numbers, or has missing or infinite cells; ``what`` names it.
    """
    # NumPy has no bfloat16
    array = x.detach().cpu().double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x
    rows = as_rows(array, what)
    rows = rows.reshape(len(rows), -1).astype(np.float64, copy=False)
    missing = np.isnan(rows)
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise DataError(
            f"{what}: {int(missing.any(1).sum())} of {len(rows)} rows have missing cells, first row {row}, column "
            f"{column}; impute them, or leave those rows out: x[~np.isnan(x.reshape(len(x), -1)).any(1)]"
        )
    return rows


def _apply(features: Callable[[Any], Any], rows: Any, what: str) -> Any:
    found = features(rows)
    if np.shape(found)[:1] != np.shape(rows)[:1]:
        raise DataError(
            f"{what}: features turned shape {tuple(np.shape(rows))} into {tuple(np.shape(found))}; it must give one "
            "row for each row"
        )
    return found


def _pair(real: Any, fake: Any, least: int, advice: str) -> tuple[Floats, Floats]:
    """Both as matrices, of one width and with at least ``least`` rows."""
    x, y = as_matrix(real, "real"), as_matrix(fake, "fake")
    if x.shape[1] != y.shape[1]:
        raise DataError(
            f"real has {x.shape[1]} numbers a row, fake has {y.shape[1]}; give both the same columns in the same order"
        )
    for rows, what in ((x, "real"), (y, "fake")):
        if len(rows) < least:
            raise DataError(f"{what} has too few rows, {len(rows)}: {advice}")
    return x, y


def _scaled(x: Floats, y: Floats) -> tuple[Floats, Floats, float]:
    """Both centred on their common mean and divided by a power of 2 (that is exact) near the largest cell; the power.

    Otherwise squares would lose digits far from zero, and overflow for huge cells.
    """
    largest = max(np.abs(x).max(), np.abs(y).max())
    scale = math.ldexp(1.0, min(math.frexp(largest)[1], 1023)) if largest > 0 else 1.0
    x, y = x / scale, y / scale
    mean = (x.sum(0) + y.sum(0)) / (len(x) + len(y))
    return x - mean, y - mean, scale


def _radii(rows: Floats, k: int) -> Floats:
    """Distance of each row to the k-th nearest of the others, (N,)."""
    distances, _ = NearestNeighbors(n_neighbors=k).fit(rows).kneighbors()
    return distances[:, -1]


def _row_blocks(n: int, width: int) -> Iterator[slice]:
    return gen_batches(n, max(1, CELLS_PER_BLOCK // width))


def _median_distance(rows: Floats, rng: np.random.Generator) -> float:
    """Median of the distances that are not 0; where all rows are equal, any number does."""
    some = rows if len(rows) <= MEDIAN_ROWS else rows[rng.choice(len(rows), MEDIAN_ROWS, replace=False)]
    distances = pdist(some)
    distances = distances[distances > 0]
    return float(np.median(distances)) if len(distances) else 1.0


def _u_statistics(rows: Floats, labels: Floats, h: float) -> tuple[Floats, float]:
    """MMD^2 for every column of labels (N + M, P), 1 for real; and the mean size of the summands."""
    within, sums = np.zeros(labels.shape[1]), np.empty(len(rows))
    for block in _row_blocks(len(rows), len(rows)):
        with np.errstate(over="ignore"):  # at a tiny h every distance is infinite, and that is right
            kernel = np.expm1(euclidean_distances(rows[block], rows, squared=True) / h / (-2 * h))
        kernel[np.arange(len(kernel)), np.arange(block.start, block.start + len(kernel))] = 0  # i = j is left out
        sums[block] = kernel.sum(1)
        within += np.einsum("ip,ip->p", labels[block], kernel @ labels)
    touching, total, n = sums @ labels, sums.sum(), labels[:, 0].sum()
    m = len(rows) - n
    across, without = touching - within, total - 2 * touching + within
    values = within / (n * (n - 1)) + without / (m * (m - 1)) - 2 * across / (n * m)
    return values, float(-total / (len(rows) * (len(rows) - 1)))
