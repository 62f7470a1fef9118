"""Intervals of a coder for the cells of a row, from the laws of its likelihoods.

    few values        F_k = sum of the first k whole frequencies, each at least 1
    a distribution    F_k = k + floor(P(X < edge_k) (2^b - n)), with P = 0 at the first edge and 1 at the last

The interval of k is [F_k, F_k+1) of 2^b. A cell that is not coded has the interval of everything, which costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..likelihoods.laws import Below, Counts, Masses
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Ints
from .coder import MOST_BITS
from .grids import Grid

LEAST_BITS = 20
SPARE_BITS = 8
MOST_AT_ONCE = 1 << 23


class Interval(NamedTuple):
    """[start, start + freq) of 2^bits, (B,) each."""

    start: Ints
    freq: Ints
    bits: int

    def where(self, coded: NDArray[np.bool_] | None) -> Interval:
        """That of everything where a cell is not coded."""
        if coded is None:
            return self
        return Interval(np.where(coded, self.start, 0), np.where(coded, self.freq, 1 << self.bits), self.bits)


class Cells(Protocol):
    """Some cells of B rows."""

    places: Sequence[int]
    """Where they are in x."""

    def bits(self, i: int) -> int:
        """Of the intervals of the i-th of them."""
        ...

    def interval(self, i: int, k: Ints) -> Interval: ...

    def find(self, i: int, at: Ints) -> tuple[Ints, Interval]:
        """k, in whose interval ``at`` is."""
        ...

    def intervals(self, k: Ints) -> list[Interval]:
        """Of all of them, k (B, n)."""
        ...


class FewValues:
    """Cells whose law is a table."""

    def __init__(self, places: Sequence[int], masses: Ints) -> None:
        self.places = places
        n = masses.shape[-1]
        self._bits = max(LEAST_BITS, n.bit_length() + SPARE_BITS)
        # the masses are 2^30 at most, so that their product with 2^bits is below 2^63
        share = (masses * ((1 << self._bits) - n)) // np.maximum(masses.sum(-1, keepdims=True), 1) + 1
        best = share.argmax(-1)[..., None]
        rest = (1 << self._bits) - share.sum(-1, keepdims=True)
        np.put_along_axis(share, best, np.take_along_axis(share, best, -1) + rest, -1)
        self.below = np.zeros((*masses.shape[:-1], n + 1), np.int64)
        np.cumsum(share, -1, out=self.below[..., 1:])
        self._rows = np.arange(len(masses))

    def bits(self, i: int) -> int:
        return self._bits

    def interval(self, i: int, k: Ints) -> Interval:
        start = self.below[self._rows, i, k]
        return Interval(start, self.below[self._rows, i, k + 1] - start, self._bits)

    def intervals(self, k: Ints) -> list[Interval]:
        start, end = (np.take_along_axis(self.below, (k + i)[..., None], -1)[..., 0] for i in (0, 1))
        return [Interval(start[:, i], end[:, i] - start[:, i], self._bits) for i in range(k.shape[1])]

    def find(self, i: int, at: Ints) -> tuple[Ints, Interval]:
        k = (self.below[:, i, 1:] <= at[:, None]).sum(-1)
        return k, self.interval(i, k)


class OnGrids:
    """Cells whose law has a distribution function."""

    def __init__(self, places: Sequence[int], law: Below, grids: Sequence[Grid]) -> None:
        self.places, self.law, self.grids = places, law, grids

    def bits(self, i: int) -> int:
        return min(MOST_BITS, max(24, self.grids[i].n.bit_length() + SPARE_BITS))

    def interval(self, i: int, k: Ints) -> Interval:
        start = self._below(i, k)
        return Interval(start, self._below(i, k + 1) - start, self.bits(i))

    def intervals(self, k: Ints) -> list[Interval]:
        found = list[Interval]()
        for some in self._blocks(len(k)):
            grids, part = self.grids[some], k[:, some]
            starts, ends = (self._of_several(some, part + i) for i in (0, 1))
            for i in range(len(grids)):
                found.append(Interval(starts[:, i], ends[:, i] - starts[:, i], self.bits(some.start + i)))
        return found

    def _blocks(self, n_rows: int) -> Iterator[slice]:
        """Some of the cells at a time, lest much memory be asked for."""
        step = max(1, MOST_AT_ONCE // (16 * n_rows))
        for start in range(0, len(self.grids), step):
            yield slice(start, min(start + step, len(self.grids)))

    def _of_several(self, some: slice, k: Ints) -> Ints:
        grids = self.grids[some]
        if all(grid is grids[0] for grid in grids):
            edges = grids[0].edges(k)
        else:
            edges = np.stack([grid.edges(k[:, i]) for i, grid in enumerate(grids)], -1)
        n = np.array([grid.n for grid in grids])
        room = np.array([1 << self.bits(some.start + i) for i in range(len(grids))]) - n
        p = self.law.below(some, edges)
        p = np.where(k <= 0, 0, np.where(k >= n, fixed.WHOLE, p))
        return k + ((p * room) >> fixed.CDF_BITS)

    def find(self, i: int, at: Ints) -> tuple[Ints, Interval]:
        low, high = np.zeros_like(at), np.full_like(at, self.grids[i].n)
        first, after = np.zeros_like(at), np.full_like(at, 1 << self.bits(i))
        for _ in range(self.grids[i].n.bit_length()):
            middle = (low + high) >> 1
            edge = self._below(i, middle)
            up, open_ = edge <= at, high - low > 1
            low, first = np.where(up & open_, middle, low), np.where(up & open_, edge, first)
            high, after = np.where(~up & open_, middle, high), np.where(~up & open_, edge, after)
        return low, Interval(first, after - first, self.bits(i))

    def _below(self, i: int, k: Ints) -> Ints:
        grid = self.grids[i]
        p = self.law.below(i, grid.edges(k))
        p = np.where(k <= 0, 0, np.where(k >= grid.n, fixed.WHOLE, p))
        return k + ((p * ((1 << self.bits(i)) - grid.n)) >> fixed.CDF_BITS)


def coded(places: Sequence[int], law: Masses | Below, grids: Sequence[Grid]) -> list[Cells]:
    """The cells of one law, in blocks of bounded memory.

    Args:
        places: where they are in x, (D,).
        law: of D cells.
        grids: of every cell of a row.
    """
    own = [grids[place] for place in places]
    if isinstance(law, Below):
        return [OnGrids(places, law, own)]
    found: list[Cells] = []
    sizes = np.array([grid.n for grid in own])
    # tables of counts are large, and so of one size each; a table of names is as wide as the widest
    for n in np.unique(sizes) if isinstance(law, Counts) else [sizes.max()]:
        at = np.flatnonzero(sizes == n) if isinstance(law, Counts) else np.arange(len(own))
        for some in np.array_split(at, max(1, -(-len(at) * int(n) * ROWS // MOST_AT_ONCE))):
            masses = law.masses(some, int(n))
            found.append(FewValues([places[i] for i in some], masses))
    return found


ROWS = 256
