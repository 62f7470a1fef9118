"""Digits behind the point, as people write numbers.

Prices have two digits, and one price in ten has a last one of 0, and so is seen with one; a few cells of a column were
averaged, and have fifteen. A number that a model draws has all the digits of a float, by which any classifier tells it
from data. So it is written as numbers of its size are:

    n_d    observed numbers of a size, 10^e <= |v| < 10^(e + 1), that d digits write and no fewer
    w_d    share of them that are written with d digits, last digits that are 0 included:

    n_d / n = 9/10 sum_{j >= d} w_j 10^-(j - d)    as one number in ten ends in 0,
              1 instead of 9/10 where the last of d digits is the first that is not 0, d = -e, or there is none, d = 0

solved from the largest d down. Sizes are told apart, as numbers with a decimal exponent have more digits the smaller
they are. Numbers that are no decimals and yet repeat, such as a scale of twenty steps in units of its own deviation,
are written as the nearest that repeats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .field import Field
from .statistics import MAX_DECIMALS

N_FIRST, EVERY = 20_000, 64
"""Numbers that are looked at: so many at first, then one in so many."""
SMALLEST, LARGEST = -9, 15
"""Decimal exponents that are told apart."""
LEAST = 10
"""Numbers of a size from which something can be learned."""
WIDTH = MAX_DECIMALS + 3
"""Of a row of the table."""
Table = tuple[tuple[int, ...], ...]
"""A row a size: its exponent, then n_0, n_1, ..., and how many need more than MAX_DECIMALS digits."""


class DigitCounts:
    """n_d of a column, chunk by chunk; the same however rows are divided into chunks."""

    def __init__(self) -> None:
        self.n_seen = 0
        self.counts = np.zeros((LARGEST - SMALLEST + 1, MAX_DECIMALS + 2), np.int64)

    def add(self, v: NDArray[np.float64], precision: type[np.floating]) -> None:
        """Take in numbers v (N,), none of them NaN, of the precision that they came in."""
        at = np.arange(self.n_seen, self.n_seen + len(v))
        self.n_seen += len(v)
        some = v[((at < N_FIRST) | (at % EVERY == 0)) & (v != 0)]
        np.add.at(self.counts, (_size(some) - SMALLEST, _digits(some, precision)), 1)

    @property
    def are_long(self) -> bool:
        """Whether most numbers have more digits than decimals have."""
        return bool(2 * self.counts[:, -1].sum() > self.counts.sum())

    def table(self) -> Table:
        """Nothing, if every number has all the digits that the column has."""
        at = np.flatnonzero(self.counts.sum(1) >= LEAST)
        enough = self.counts[at]
        if not enough[:, 1:].any() or not enough[:, :-1].any():  # all of them whole, or all of them long
            return ()
        return tuple((int(i) + SMALLEST, *n.tolist()) for i, n in zip(at, enough, strict=True))


def _size(v: NDArray[np.float64]) -> NDArray[np.int64]:
    """e."""
    return np.floor(np.log10(np.abs(v))).astype(np.int64).clip(SMALLEST, LARGEST)


def _digits(v: NDArray[np.float64], precision: type[np.floating]) -> NDArray[np.int64]:
    """d of each."""
    least = np.full(len(v), MAX_DECIMALS + 1)
    for d in range(MAX_DECIMALS, -1, -1):
        least[np.round(v, d).astype(precision) == v.astype(precision)] = d
    return least


def shares(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """w (E, MAX_DECIMALS + 2) of a table (E, WIDTH)."""
    sizes, counts = table[:, 0], table[:, 1:]
    seen = counts / counts.sum(1, keepdims=True)
    w = np.zeros(counts.shape)
    w[:, -1] = seen[:, -1]
    for d in range(MAX_DECIMALS, -1, -1):
        longer = sum((w[:, j] * 10.0 ** (d - j) for j in range(d + 1, MAX_DECIMALS + 1)), np.zeros(len(w)))
        w[:, d] = (seen[:, d] / np.where(d > np.maximum(-sizes, 0), 0.9, 1.0) - longer).clip(0.0)
    return w / w.sum(1, keepdims=True)


def as_written(v: NDArray[np.float64], field: Field, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drawn numbers v (N,) as numbers of the field are; never out of its range.

    Args:
        v: draws; NaN stays.
        field: of one cell.
        uniform: (N,) in [0, 1): which of the digits that its size may have a number gets.
    """
    if field.repeated:
        values = np.array(field.repeated)
        nearest = values[np.searchsorted((values[1:] + values[:-1]) / 2, v)]
        return np.where(np.isnan(v), v, nearest)
    if not field.digits:
        return v
    table = np.array(field.digits)
    sizes, upto = table[:, 0], shares(table).cumsum(1)
    known = np.isfinite(v) & (v != 0)
    size = _size(v[known])
    nearest = np.abs(size[:, None] - sizes).argmin(1)
    d = (uniform[known, None] >= upto[nearest, :-1]).sum(1)
    fewer, found = v[known], v.copy()
    for digits in range(MAX_DECIMALS + 1):
        fewer[d == digits] = np.round(fewer[d == digits], digits)
    found[known] = np.clip(fewer, np.minimum(v[known], field.one("low")), np.maximum(v[known], field.one("high")))
    return found
