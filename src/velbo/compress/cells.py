"""Intervals of a coder for the cells of a row, from the laws of its likelihoods.

    few values        F_k = sum of the first k whole frequencies, each at least 1
    a distribution    F_k = k + floor(P(X < edge_k) (2^b - n)), with P = 0 at the first edge and 1 at the last

The interval of k is [F_k, F_k+1) of 2^b.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..likelihoods.laws import Below, Counts, Masses
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats, Ints
from .coder import MOST_BITS
from .grids import Grid
from .search import interval_with

LEAST_BITS = 20
SPARE_BITS = 8
MOST_AT_ONCE = 1 << 22
"""Numbers of a table."""
AT_A_TIME = 1 << 14
"""Cells, on grids."""
MOST_KNOWN = 1 << 12
"""Edges of a grid that are kept."""


class Cells(Protocol):
    """Some cells of B rows, coded a few beside each other: the t-th step codes the cells t, t + S, t + 2 S, ..."""

    places: Sequence[int]
    """Where they are in x."""
    is_alike: bool
    """Whether several of them can be coded at a step."""

    def bits(self, i: int) -> int:
        """Of the intervals of the i-th of them."""
        ...

    def starts_and_freqs(self, k: Ints) -> tuple[Ints, Ints]:
        """Of the intervals of all of them, k (B, n)."""
        ...

    def find(self, some: slice, at: Ints) -> tuple[Ints, Ints, Ints]:
        """(k, start, freq) of some of them, in whose intervals ``at`` is, (m B,) each: cell by cell."""
        ...


class FewValues:
    """Cells whose law is a table."""

    is_alike = True

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

    def bits(self, i: int) -> int:
        return self._bits

    def starts_and_freqs(self, k: Ints) -> tuple[Ints, Ints]:
        return _interval(self.below, k)

    def find(self, some: slice, at: Ints) -> tuple[Ints, Ints, Ints]:
        below = self.below[:, some].swapaxes(0, 1)
        below = below.reshape(-1, below.shape[-1])
        k = (below[:, 1:] <= at[:, None]).sum(-1)
        return k, *_interval(below, k)


def _interval(below: Ints, k: Ints) -> tuple[Ints, Ints]:
    start, end = (np.take_along_axis(below, (k + i)[..., None], -1)[..., 0] for i in (0, 1))
    return start, end - start


class OnGrids:
    """Cells whose law has a distribution function."""

    def __init__(self, places: Sequence[int], law: Below, grids: Sequence[Grid]) -> None:
        self.places, self.law, self.grids = places, law, grids
        self.is_alike = all(grid is grids[0] for grid in grids)

    def bits(self, i: int) -> int:
        return _bits(self.grids[i])

    def starts_and_freqs(self, k: Ints) -> tuple[Ints, Ints]:
        starts, ends = np.empty_like(k), np.empty_like(k)
        for some in self._blocks(len(k)):
            starts[:, some], ends[:, some] = (self._below(some, k[:, some] + i) for i in (0, 1))
        return starts, ends - starts

    def _blocks(self, n_rows: int) -> Iterator[slice]:
        """Some of the cells at a time, lest much memory be asked for, and what is computed leave the cache."""
        step = max(1, AT_A_TIME // n_rows)
        for start in range(0, len(self.grids), step):
            yield slice(start, min(start + step, len(self.grids)))

    def _below(self, some: slice, k: Ints) -> Ints:
        if self.is_alike:
            return OnGrid.of(self.law.of(slice(None), some), self.grids[0]).below(k)
        each = [self.law.of(slice(None), slice(i, i + 1)) for i in range(some.start, some.stop)]
        pairs = enumerate(zip(each, self.grids[some], strict=True))
        return np.concatenate([OnGrid.of(*pair).below(k[:, i : i + 1]) for i, pair in pairs], -1)

    @cached_property
    def _turned(self) -> Below:
        return self.law.turned()

    def find(self, some: slice, at: Ints) -> tuple[Ints, Ints, Ints]:
        law, grid = self._turned.of(some, slice(None)).in_one_row(), self.grids[some.start]
        likely = law.likely()
        guess = None if likely is None else grid.near(likely[0])
        k, first, after = interval_with(OnGrid.of(law, grid), at, grid.n, 1 << _bits(grid), guess)
        return k, first, after - first


def _bits(grid: Grid) -> int:
    return min(MOST_BITS, max(24, grid.n.bit_length() + SPARE_BITS))


class OnGrid(NamedTuple):
    """F_k of cells that have one grid."""

    law: Below
    n: int
    room: int
    edges: Callable[[Ints], Floats]

    @classmethod
    def of(cls, law: Below, grid: Grid) -> OnGrid:
        edges = grid.known_edges.take if grid.n <= MOST_KNOWN else grid.edges
        return cls(law, grid.n, (1 << _bits(grid)) - grid.n, edges)

    def below(self, k: Ints) -> Ints:
        """F_k."""
        return np.where(k <= 0, 0, np.where(k >= self.n, self.room + self.n, self.inside(k)))

    def inside(self, k: Ints) -> Ints:
        """The same for 0 < k < n."""
        p = self.law.below(slice(None), self.edges(k)).reshape(k.shape)
        p *= self.room
        p >>= fixed.CDF_BITS
        p += k
        return p

    def some(self, which: NDArray[np.intp]) -> OnGrid:
        return self._replace(law=self.law.of(slice(None), which))


def coded(places: Sequence[int], law: Masses | Below, grids: Sequence[Grid], n_rows: int) -> list[Callable[[], Cells]]:
    """What makes the cells of one law, in blocks of bounded memory.

    Args:
        places: where they are in x, (D,).
        law: of D cells.
        grids: of every cell of a row.
        n_rows: B.
    """
    own = [grids[place] for place in places]
    if isinstance(law, Below):
        return [lambda: OnGrids(places, law, own)]
    found = list[Callable[[], Cells]]()
    sizes = np.array([grid.n for grid in own])
    # a table of names is as wide as the widest; those of counts are large, and so of one power of 2 each
    wide = (
        1 << np.frexp(sizes - 0.5)[1].astype(np.int64) if isinstance(law, Counts) else np.full_like(sizes, sizes.max())
    )
    for n in np.unique(wide):
        at = np.flatnonzero(wide == n)
        for some in np.array_split(at, min(len(at), -(-len(at) * int(n) * n_rows // MOST_AT_ONCE))):
            found.append(lambda some=some, n=int(n): FewValues([places[i] for i in some], law.masses(some, n)))
    return found
