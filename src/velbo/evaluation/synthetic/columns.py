"""Each column of a synthetic table against the real one.

p, q shares of categories, F, G distribution functions of the known cells, real and synthetic; s the standard deviation
of the real ones:

    codes      total variation   1/2 sum_c |p_c - q_c|
    numbers    Kolmogorov-Smirnov   max_v |F(v) - G(v)|,     Wasserstein-1   1/s integral |F(v) - G(v)| dv

The first two are shares of cells: that share would have to move. The third says how far, in standard deviations.
By chance: the mean of the same for two samples of the real column, of as many cells (chance.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...rows import Field
from ..samples import Floats
from .chance import mean_difference, pool
from .table import as_table, deviation

RELABELLINGS = 100
MOST_RELABELLED = 2000


@dataclass(frozen=True)
class ColumnQuality:
    """One column.

    Attributes:
        name: of the column.
        kind: of the column.
        distance: total variation for codes, Kolmogorov-Smirnov for numbers, in [0, 1]; 1 if one table has known cells
            and the other none, 0 if neither has.
        distance_by_chance: what two samples of the real column give on average.
        wasserstein: of numbers, in standard deviations of the real column (in the column's scale if that is 0); None
            for codes, and where a table has no known cell.
        wasserstein_by_chance: alike.
        missing_real: share of missing cells.
        missing_synthetic: share of missing cells.
        missing_by_chance: what the shares of two samples of the real column differ by on average.
    """

    name: str
    kind: str
    distance: float
    distance_by_chance: float
    wasserstein: float | None
    wasserstein_by_chance: float | None
    missing_real: float
    missing_synthetic: float
    missing_by_chance: float


def column_quality(real: Any, synthetic: Any, columns: Sequence[Field], seed: int = 0) -> tuple[ColumnQuality, ...]:
    """How far is each column from the real one, and how far would another real sample be?

    Args:
        real: codes (N, D), NaN missing.
        synthetic: codes (M, D).
        columns: the D modelled ones.
        seed: of the random samples that give the Kolmogorov-Smirnov statistic by chance; all else is exact.

    Raises:
        ConfigError: for columns that are not modelled.
        DataError: for tables that do not fit the columns.
    """
    x, y = as_table(real, columns, "real").codes, as_table(synthetic, columns, "synthetic").codes
    return tuple(_one(c, x[:, j], y[:, j], np.random.default_rng(seed)) for j, c in enumerate(columns))


def _one(column: Field, real: Floats, synthetic: Floats, rng: np.random.Generator) -> ColumnQuality:
    holes = np.isnan(real), np.isnan(synthetic)
    x, y = np.sort(real[~holes[0]]), np.sort(synthetic[~holes[1]])
    if len(x) and len(y):
        found = (
            _codes(x, y, column.n_categories) if bool(column.categories) else _numbers(x, y, column.one("scale"), rng)
        )
    else:
        found = (float(len(x) != len(y)), 0.0, None, None)
    n, m = len(real), len(synthetic)
    missing = mean_difference(pool(np.sort(holes[0]), n + m).sum(), n, m)
    shares = float(holes[0].mean()), float(holes[1].mean())
    return ColumnQuality(column.name, column.kind, *found, *shares, missing_by_chance=float(missing))


def _codes(x: Floats, y: Floats, n_categories: int) -> tuple[float, float, None, None]:
    def count(codes: Floats) -> Any:
        return np.bincount(codes.astype(np.int64), minlength=n_categories)

    n, m = len(x), len(y)
    chance = mean_difference(count(pool(x, n + m)), n, m).sum() / 2
    return float(np.abs(count(x) / n - count(y) / m).sum() / 2), float(chance), None, None


def _numbers(x: Floats, y: Floats, unit: float, rng: np.random.Generator) -> tuple[float, float, float, float]:
    scale, n, m = deviation(x) or unit, len(x), len(y)
    grid = np.unique(np.concatenate((x, y)))
    gap = np.abs(np.searchsorted(x, grid, "right") / n - np.searchsorted(y, grid, "right") / m)
    values = pool(x, n + m)
    steps = np.unique(values)
    chance = mean_difference(np.searchsorted(values, steps[:-1], "right"), n, m) @ np.diff(steps / scale)
    return float(gap.max()), _largest_by_chance(x, n, m, rng), float(gap[:-1] @ np.diff(grid / scale)), float(chance)


def _largest_by_chance(x: Floats, n: int, m: int, rng: np.random.Generator) -> float:
    """E max |F - G| by relabelling a pool; that of more cells is smaller by the root of 1/n + 1/m."""
    few, rest = min(n, MOST_RELABELLED), min(m, MOST_RELABELLED)
    values, place, times = np.unique(x, return_inverse=True, return_counts=True)
    place = pool(place, few + rest)
    # copies of a value that the real column has once stand for neighbours that differ
    ends = np.append(np.diff(values[place]) > 0, True) | (times[place] == 1)
    # whole numbers, so that paths end at exactly 0
    steps = np.tile(np.repeat((rest, -few), (few, rest)), (RELABELLINGS, 1))
    paths = np.abs(rng.permuted(steps, axis=1).cumsum(1)[:, ends])
    return float(paths.max(1).mean()) / (few * rest) * math.sqrt((1 / n + 1 / m) / (1 / few + 1 / rest))
