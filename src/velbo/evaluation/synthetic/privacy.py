"""Does a synthetic table give away the rows that its model was trained on?

Training rows and held-out rows from the same source are alike to a model that has learned nothing by heart: whatever
tells them apart is a leak. Distances are Gower's (distances.py), to n training and n held-out rows.

    closer     share of synthetic rows whose nearest real row is a training row; 1/2 for no leak, 1 for copies
    ratio      distance to the nearest over that to the second nearest real row; 0 for a copy, 1 for 0 / 0
    attacks    membership by distance to the nearest synthetic row, and by log-likelihood (attack.py)

Let c_i count the synthetic rows that have real row i as nearest, sum c_i = M. Without a leak labels are exchangeable,
so the sum of c_i over training rows is that of n rows drawn from 2n without replacement, whatever the dependence of
synthetic rows: standard error sqrt(n S^2 / 2) / M with S^2 the variance of c; p-values are by permutation, exact.

No measure of distances proves that a table is private: it shows leaks, and does not see those of another kind (The DCR
delusion, Yao, Krco, Ganev and de Montjoye, 2025, https://arxiv.org/abs/2505.01524). The held-out rows must have had no
part in training, early stopping included.

Sources: Holdout-based empirical assessment of mixed-type synthetic data, Platzer and Reutterer, 2021,
https://doi.org/10.3389/fdata.2021.679939 (closer); CTAB-GAN: effective table data synthesizing, Zhao, Kunar, Birke and
Chen, 2021, https://arxiv.org/abs/2102.08369 (ratio); GAN-Leaks: a taxonomy of membership inference attacks
against generative models, Chen, Yu, Zhang and Fritz, 2020, https://arxiv.org/abs/1909.03935 (distance).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ConfigError
from ...rows import Field
from ..samples import Floats
from .attack import Attack, attack
from .distances import coordinates, nearest
from .table import Table, as_table

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
ROUNDING = 1e-9


@dataclass(frozen=True)
class Privacy:
    """Synthetic rows against as many training as held-out rows.

    Attributes:
        rows: n, of training and of held-out rows that were compared.
        synthetic: M, synthetic rows that were compared.
        closer: share of synthetic rows whose nearest real row is a training row, equally near ones shared out.
        closer_error: standard error of ``closer`` if nothing leaks, around 1/2.
        closer_p_value: of nothing leaking, one-sided.
        copies_training: synthetic rows that are equal to a training row.
        copies_holdout: synthetic rows that are equal to a held-out row.
        distance_training: QUANTILES of the distance to the nearest training row, in [0, 1] but for outliers.
        distance_holdout: the same to held-out rows.
        ratio_training: QUANTILES of the ratio of the nearest to the second nearest.
        ratio_holdout: alike.
        distance_attack: by minus the distance to the nearest synthetic row.
        likelihood_attack: by log-likelihood, of all rows for which it was given; None if it was not.
    """

    rows: int
    synthetic: int
    closer: float
    closer_error: float
    closer_p_value: float
    copies_training: int
    copies_holdout: int
    distance_training: tuple[float, ...]
    distance_holdout: tuple[float, ...]
    ratio_training: tuple[float, ...]
    ratio_holdout: tuple[float, ...]
    distance_attack: Attack
    likelihood_attack: Attack | None


def privacy(
    real_train: Any,
    synthetic: Any,
    holdout: Any,
    columns: Sequence[Field],
    *,
    log_likelihoods: tuple[Any, Any] | None = None,
    rows: int = 10_000,
    permutations: int = 999,
    seed: int = 0,
) -> Privacy:
    """Does the synthetic table know its training rows better than rows from the same source that it has not seen?

    The larger of training and held-out table is thinned at random to the rows of the smaller. Time is quadratic in
    rows, memory is not.

    Args:
        real_train: codes (N, D), NaN missing.
        synthetic: codes (M, D).
        holdout: codes (L, D).
        columns: the D modelled ones.
        log_likelihoods: log p(x) of training rows and of held-out rows, in nats, for the attack by likelihood.
        rows: most rows of each table to compare, drawn at random; at least 2.
        permutations: for p-values.
        seed: of everything random.

    Raises:
        ConfigError: for columns that are not modelled, fewer than 2 rows to compare, or no permutations.
        DataError: for tables that do not fit the columns, fewer than 2 training or held-out rows, or log-likelihoods
            that are NaN.
    """
    if rows < 2:
        raise ConfigError(f"rows = {rows}: at least 2 are needed; give rows=10000")
    given = ((real_train, "real_train", 2), (holdout, "holdout", 2), (synthetic, "synthetic", 1))
    train, held, fake = (as_table(t, columns, what, least).in_order() for t, what, least in given)
    n = min(len(train.codes), len(held.codes), rows)
    rng = np.random.default_rng(seed)
    train, held, fake = train.some(n, rng), held.some(n, rng), fake.some(rows, rng)
    both = Table(np.concatenate((train.codes, held.codes)), train.columns)
    found = nearest(*coordinates((fake, train, held), both))
    return Privacy(
        n,
        len(fake.codes),
        *_closer(found.claims, n, permutations, rng),
        _copies(train, fake),
        _copies(held, fake),
        _quantiles(found.training[:, 0]),
        _quantiles(found.holdout[:, 0]),
        _quantiles(_ratio(found.training)),
        _quantiles(_ratio(found.holdout)),
        attack(-found.synthetic[:n], -found.synthetic[n:], permutations, seed),
        None if log_likelihoods is None else attack(*log_likelihoods, permutations, seed),
    )


def copies(real: Any, synthetic: Any, columns: Sequence[Field]) -> int:
    """Synthetic rows that are equal to a real row in every cell, missing ones included.

    Args:
        real: codes (N, D), NaN missing.
        synthetic: codes (M, D).
        columns: the D modelled ones.

    Raises:
        ConfigError: for columns that are not modelled.
        DataError: for tables that do not fit the columns.
    """
    return _copies(as_table(real, columns, "real"), as_table(synthetic, columns, "synthetic"))


def _copies(real: Table, synthetic: Table) -> int:
    known = {row.tobytes() for row in real.codes}
    return sum(row.tobytes() in known for row in synthetic.codes)


def _closer(claims: Floats, n: int, permutations: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """(share, its standard error without a leak, p-value)."""
    total = claims.sum()
    observed = claims[:n].sum()
    error = math.sqrt(n * claims.var(ddof=1) / 2) / total
    beaten = sum(rng.permutation(claims)[:n].sum() >= observed - ROUNDING * total for _ in range(permutations))
    return float(observed / total), error, (1 + int(beaten)) / (1 + permutations)


def _ratio(two: Floats) -> Floats:
    return np.divide(two[:, 0], two[:, 1], out=np.ones(len(two)), where=two[:, 1] > 0)


def _quantiles(values: Floats) -> tuple[float, ...]:
    return tuple(float(q) for q in np.quantile(values, QUANTILES))
