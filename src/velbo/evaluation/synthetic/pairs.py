"""How much the columns of a table say of each other, and how much of that a synthetic table keeps.

    two numbers          Spearman's rho, in [-1, 1]
    two codes            Cramer's V, corrected for its bias, in [0, 1]
    a number and a code  correlation ratio, corrected for its bias, in [0, 1]

From n rows in which both are known, r and c categories among them, phi^2 = chi^2 / n, eta^2 = between / total sum of
squares:

    V^2   = max(0, phi^2 - (r-1)(c-1)/(n-1)) / (min(r~, c~) - 1),     r~ = r - (r-1)^2/(n-1), c~ alike
    eps^2 = max(0, 1 - (1 - eta^2)(n-1)/(n-r))

Without the corrections independent columns would seem to be associated, the more so the smaller the table. Ranks are
among all known cells of a column. A column that is constant says nothing: 0.

Sources: A bias-correction for Cramer's V and Tschuprow's T, Bergsma, 2013,
https://doi.org/10.1016/j.jkss.2012.10.002 (section 3); An unbiased correlation ratio measure, Kelley, 1935,
https://doi.org/10.1073/pnas.21.9.554.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import rankdata

from ...errors import ConfigError
from ...rows import Field
from ..samples import Floats
from .table import Table, as_table, deviation

SPLITS = 3
ROUNDING = 1e-12


@dataclass(frozen=True)
class PairDifference:
    """One pair of columns: its association in both tables."""

    first: str
    second: str
    real: float
    synthetic: float

    @property
    def difference(self) -> float:
        """Absolute."""
        return abs(self.real - self.synthetic)


@dataclass(frozen=True)
class PairQuality:
    """All pairs of columns.

    Attributes:
        count: of pairs, D (D - 1) / 2.
        mean: absolute difference of the associations.
        largest: absolute difference.
        mean_by_chance: that of two samples of the real table, from random halves of it.
        largest_by_chance: alike.
        worst: the pairs that differ most, first.
    """

    count: int
    mean: float
    largest: float
    mean_by_chance: float
    largest_by_chance: float
    worst: tuple[PairDifference, ...]


def pair_quality(real: Any, synthetic: Any, columns: Sequence[Field], worst: int = 10, seed: int = 0) -> PairQuality:
    """How far are the associations of columns from the real ones?

    Differences shrink with the root of rows, so those of halves of the real table, of h and h' rows, are scaled by
    sqrt((1/N + 1/M) / (1/h + 1/h')).

    Args:
        real: codes (N, D), NaN missing.
        synthetic: codes (M, D).
        columns: the D modelled ones.
        worst: pairs to name.
        seed: of the halves.

    Raises:
        ConfigError: for columns that are not modelled, or a negative number of pairs.
        DataError: for tables that do not fit the columns, or have fewer than 2 rows.
    """
    if worst < 0:
        raise ConfigError(f"worst = {worst}: give how many pairs to name, 0 or more")
    x, y = (as_table(t, columns, w, 2).in_order() for t, w in ((real, "real"), (synthetic, "synthetic")))
    if len(columns) < 2:
        return PairQuality(0, 0.0, 0.0, 0.0, 0.0, ())
    a, b = _upper(_all_pairs(x)), _upper(_all_pairs(y))
    differences = np.abs(a - b)
    rng = np.random.default_rng(seed)
    mean, largest = np.mean([_halves(x, rng) for _ in range(SPLITS)], 0)
    n, m = len(x.codes), len(y.codes)
    scale = math.sqrt((1 / n + 1 / m) / (1 / (n // 2) + 1 / (n - n // 2)))
    names = [(p.name, q.name) for i, p in enumerate(x.columns) for q in x.columns[i + 1 :]]
    most = np.argsort(-differences, kind="stable")[:worst]
    return PairQuality(
        len(differences),
        float(differences.mean()),
        float(differences.max()),
        float(mean * scale),
        float(largest * scale),
        tuple(PairDifference(names[i][0], names[i][1], float(a[i]), float(b[i])) for i in most),
    )


def associations(codes: Any, columns: Sequence[Field]) -> Floats:
    """Association of every pair of columns, (D, D), symmetric, 1 on the diagonal.

    Args:
        codes: (N, D), NaN missing.
        columns: the D modelled ones.

    Raises:
        ConfigError: for columns that are not modelled.
        DataError: for codes that do not fit the columns.
    """
    return _all_pairs(as_table(codes, columns, "codes"))


def _upper(matrix: Floats) -> Floats:
    return matrix[np.triu_indices(len(matrix), 1)]


def _halves(table: Table, rng: np.random.Generator) -> tuple[float, float]:
    """(mean, largest) difference of the associations of two random halves."""
    order, h = rng.permutation(len(table.codes)), len(table.codes) // 2
    one, other = (_upper(_all_pairs(Table(table.codes[p], table.columns))) for p in (order[:h], order[h:]))
    return float(np.abs(one - other).mean()), float(np.abs(one - other).max())


def _all_pairs(table: Table) -> Floats:
    coded = np.flatnonzero(table.is_coded)
    numbers = np.flatnonzero(~table.is_coded)
    found = np.eye(len(table.columns))
    if len(numbers):
        found[np.ix_(numbers, numbers)] = _spearman(table.codes[:, numbers])
    if len(coded):
        one_hot = _OneHot.of(table.codes[:, coded], [table.columns[j].n_categories for j in coded])
        found[np.ix_(coded, coded)] = _cramer(one_hot)
        if len(numbers):
            ratios = _correlation_ratio(one_hot, table.codes[:, numbers])
            found[np.ix_(coded, numbers)], found[np.ix_(numbers, coded)] = ratios, ratios.T
    np.fill_diagonal(found, 1)
    return (found + found.T) / 2


def _spearman(values: Floats) -> Floats:
    """(P, P) from values (N, P): Pearson's correlation of ranks over the rows in which both are known."""
    known = (~np.isnan(values)).astype(np.float64)
    ranks = np.zeros(values.shape)
    for j in range(values.shape[1]):
        here = known[:, j] > 0
        r = rankdata(values[here, j])
        ranks[here, j] = (r - r.mean()) / len(values) if len(r) else r
    n, total, squares = known.T @ known, ranks.T @ known, np.square(ranks).T @ known
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = ranks.T @ ranks - total * total.T / n
        spread = squares - total**2 / n
        rho = covariance / np.sqrt(spread * spread.T)
    varies = spread > ROUNDING * squares
    return np.where(varies & varies.T, np.clip(rho, -1, 1), 0.0)


@dataclass(frozen=True)
class _OneHot:
    """Codes (N, Q) as one sparse matrix.

    Attributes:
        cells: (N, C), C the categories of all columns, one after the other.
        column: of each category, (C,).
        known: (N, Q), 1 where the cell is not missing.
    """

    cells: Any
    column: NDArray[np.int64]
    known: Floats

    @classmethod
    def of(cls, codes: Floats, sizes: Sequence[int]) -> _OneHot:
        first = np.concatenate(([0], np.cumsum(sizes)))
        rows, columns = np.nonzero(~np.isnan(codes))
        places = first[columns] + codes[rows, columns].astype(np.int64)
        cells = csr_array((np.ones(len(rows)), (rows, places)), shape=(len(codes), first[-1]))
        return cls(cells, np.repeat(np.arange(len(sizes)), sizes), (~np.isnan(codes)).astype(np.float64))

    def by_column(self, of_categories: Floats) -> Floats:
        """Sums over the categories of each column, (C, ...) -> (Q, ...)."""
        found = np.zeros((self.known.shape[1], *of_categories.shape[1:]))
        np.add.at(found, self.column, of_categories)
        return found


def _cramer(codes: _OneHot) -> Floats:
    """Bergsma's V of every pair of columns, (Q, Q), from one product that holds all contingency tables."""
    counts = (codes.cells.T @ codes.cells).tocoo()
    a, b = counts.row, counts.col
    i, j = codes.column[a], codes.column[b]
    margin = codes.cells.T @ codes.known  # how often a category is there together with a known cell of a column
    n = codes.known.T @ codes.known
    q = len(n)
    shares = counts.data**2 / (margin[a, j] * margin[b, i])
    phi = np.bincount(i * q + j, shares, q * q).reshape(q, q) - 1
    r = codes.by_column((margin > 0).astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = np.maximum(phi - (r - 1) * (r.T - 1) / (n - 1), 0)
        corrected = r - (r - 1) ** 2 / (n - 1)
        v = np.sqrt(excess / (np.minimum(corrected, corrected.T) - 1))
    varies = (np.minimum(r, r.T) > 1) & (n > 2)
    return np.where(varies & (np.minimum(corrected, corrected.T) > 1), np.minimum(v, 1), 0.0)


def _correlation_ratio(codes: _OneHot, values: Floats) -> Floats:
    """Kelley's epsilon of codes (N, Q) and numbers (N, P), (Q, P)."""
    known = (~np.isnan(values)).astype(np.float64)
    y = np.zeros(values.shape)
    for p in range(values.shape[1]):
        here = known[:, p] > 0
        v = values[here, p]
        # one scale before the mean, so that neither overflows
        unit = deviation(v) or 1.0
        y[here, p] = v / unit - (v / unit).mean() if len(v) else v
    size, total = codes.cells.T @ known, codes.cells.T @ y
    n, sums, squares = codes.known.T @ known, codes.known.T @ y, codes.known.T @ np.square(y)
    r = codes.by_column((size > 0).astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        between = codes.by_column(np.where(size > 0, total**2 / size, 0.0)) - sums**2 / n
        spread = squares - sums**2 / n
        epsilon = 1 - (1 - between / spread) * (n - 1) / (n - r)
    return np.where((spread > ROUNDING * squares) & (n > r) & (r > 1), np.sqrt(np.clip(epsilon, 0, 1)), 0.0)
