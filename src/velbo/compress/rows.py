"""Bits-back: rows v (N, D) -> a stack of bits -> the same rows.

    pop z with q(z|x),   push x with p(x|z),   push z with p(z)          costs -log p(x|z) - log p(z) + log q(z|x) bits

on average minus the bound (1): what the choice of z takes from the stack was there before, and comes back when rows are
decoded in the reverse order, by pushing z with q(z|x) again. Rows are coded from the last to the first, so that they
are decoded from the first to the last, and as many at a time as what is on the stack can pay for: few at first, lest
much be borrowed.

Source: Practical lossless compression with latent variables using bits back coding, Townsend, Bird and Barber, 2019,
https://arxiv.org/abs/1901.04866 (section 2.4; growing chunks are velbo's).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..build import Plan
from ..errors import DataError
from ..likelihoods import LIKELIHOODS
from ..runtime.fixed_point import Floats, Ints
from .cells import Cells, coded
from .coder import Coder, pop_number, push_number
from .grids import Grid, grids_of, unit_of
from .groups import WholeHierarchy
from .model import WholeModel
from .patterns import Patterns

CELLS_PER_LANE = 1024
LEAST_LANES, MOST_LANES = 4, 4096
MOST_CELLS = 1 << 18
"""Of a chunk."""
CELLS_PER_SIDE, MOST_SIDES = 48, 64
GROWTH = 2
LANE_BITS, LANES_BITS, LANES_SHARE = 4.5, 1 << 12, 1e-3
"""What a lane costs, and what all may cost beside each other: so many bits, and such a share of the stack."""


@dataclass(frozen=True)
class Placed:
    """Rows as whole numbers, (N, D) each.

    Attributes:
        v: values; NaN where the model does not code the cell.
        k: see grids.py.
        rest: likewise.
        coded: whether the model codes the cell.
    """

    v: Floats
    k: Ints
    rest: Ints
    coded: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.v)

    def __getitem__(self, rows: slice | Ints) -> Placed:
        return Placed(self.v[rows], self.k[rows], self.rest[rows], self.coded[rows])

    def digest(self) -> bytes:
        """Of the values, (8,)."""
        return hashlib.blake2b(np.where(self.coded, self.v, np.nan).tobytes(), digest_size=8).digest()


def joined_rows(chunks: Sequence[Placed]) -> Placed:
    """One below the other."""
    parts = zip(*((c.v, c.k, c.rest, c.coded) for c in chunks), strict=True)
    return Placed(*(np.concatenate(part) for part in parts))


class RowCoder:
    """Codes rows by a model.

    Args:
        model: in whole numbers.
        plan: that it was made by.
    """

    def __init__(self, model: WholeModel | WholeHierarchy, plan: Plan) -> None:
        self.model = model
        self.grids: list[Grid] = []
        units: list[tuple[Floats, Floats]] = []
        for field in plan.schema.modelled:
            self.grids += grids_of(field)
            units.append(unit_of(field, LIKELIHOODS[field.likelihood].encoding(field)))
        self.location = np.concatenate([location for location, _ in units])
        self.scale = np.concatenate([scale for _, scale in units])

    @property
    def n_dims(self) -> int:
        """D."""
        return len(self.grids)

    def placed(self, v: Floats) -> Placed:
        """Values (N, D) as whole numbers."""
        k, rest = np.zeros(v.shape, np.int64), np.zeros(v.shape, np.int64)
        fits = np.zeros(v.shape, bool)
        for grid, columns in self._alike():
            part = grid.placed(v[:, columns])
            k[:, columns] = np.where(part.fits, part.k, 0)
            rest[:, columns] = np.where(part.fits, part.rest, 0)
            fits[:, columns] = part.fits
        return Placed(np.where(fits, v, np.nan), k, rest, fits)

    def values(self, k: Ints, rest: Ints, is_coded: NDArray[np.bool_]) -> Floats:
        """The inverse."""
        v = np.empty(k.shape)
        for grid, columns in self._alike():
            v[:, columns] = grid.values(k[:, columns], rest[:, columns])
        return np.where(is_coded, v, np.nan)

    def _alike(self) -> Iterator[tuple[Grid, Sequence[int]]]:
        """Grids, each with the columns that it is of."""
        columns: dict[Grid, list[int]] = {}
        for place, grid in enumerate(self.grids):
            columns.setdefault(grid, []).append(place)
        yield from columns.items()

    def _seen(self, v: Floats) -> Floats:
        return (v - self.location) / self.scale

    # one chunk

    @property
    def n_sides(self) -> int:
        """How many cells of a row are coded beside each other, where they are many and alike."""
        return min(MOST_SIDES, max(1, self.n_dims // CELLS_PER_SIDE))

    @property
    def most_rows(self) -> int:
        """Of a chunk."""
        return max(1, min(MOST_LANES // self.n_sides, MOST_CELLS // self.n_dims))

    def push(self, coder: Coder, rows: Placed, patterns: Patterns, ids: Ints) -> float:
        """Rows onto the stack, as many as there are lanes at most; the bits that their z took from it."""
        posterior, before = self.model.posterior(self._seen(rows.v)), coder.n_bits
        z = posterior.pop(coder, len(rows))
        taken = before - coder.n_bits
        for make in reversed(self._cells(z)):
            cells = make()
            places = np.array(cells.places)
            k, rest, mask = rows.k[:, places], rows.rest[:, places], rows.coded[:, places]
            starts, freqs = cells.starts_and_freqs(k)
            for some in reversed(self._steps(cells)):
                bits, grid, is_coded = cells.bits(some.start), self.grids[places[some][0]], beside(mask, some)
                if not grid.is_plain:
                    sizes = np.where(is_coded, grid.sizes(beside(k, some)), 1)
                    push_number(coder, beside(rest, some), sizes)
                start, freq = beside(starts, some), beside(freqs, some)
                coder.push(np.where(is_coded, start, 0), np.where(is_coded, freq, 1 << bits), bits)
        self.model.prior.push(coder, z)
        patterns.push(coder, ids)
        return taken

    def pop(self, coder: Coder, n: int, patterns: Patterns, first: int) -> Placed:
        """The inverse: the n rows on top of the stack.

        Args:
            coder: the stack.
            n: how many.
            patterns: which cells are coded.
            first: number of the first of them in the block.

        Raises:
            DataError: if the stack is that of no rows.
        """
        is_coded = patterns.pop(coder, n, first)
        z = self.model.prior.pop(coder, n)
        k, rest = np.zeros((n, self.n_dims), np.int64), np.zeros((n, self.n_dims), np.int64)
        n_values = np.array([grid.n for grid in self.grids])
        for make in self._cells(z):
            cells = make()
            places = np.array(cells.places)
            for some in self._steps(cells):
                d, bits = places[some], cells.bits(some.start)
                at = coder.peek(len(d) * n, bits)
                found, start, freq = cells.find(some, at)
                mask = is_coded[:, d].T.ravel()
                coder.pop(at, np.where(mask, start, 0), np.where(mask, freq, 1 << bits), bits)
                found = np.where(mask, found, 0)
                k[:, d] = found.reshape(len(d), n).T
                if (k[:, d] >= n_values[d]).any():
                    raise DataError("its code is that of no rows")  # the padding of a table that is as wide as another
                grid = self.grids[d[0]]
                if not grid.is_plain:
                    sizes = np.where(mask, grid.sizes(found), 1)
                    rest[:, d] = pop_number(coder, sizes).reshape(len(d), n).T
        rows = Placed(self.values(k, rest, is_coded), k, rest, is_coded)
        self.model.posterior(self._seen(rows.v)).push(coder, z)
        return rows

    def _cells(self, z: Ints) -> list[Callable[[], Cells]]:
        return [make for at, law in self.model.heads(z) for make in coded(at, law, self.grids, len(z))]

    def _steps(self, cells: Cells) -> list[slice]:
        """Which cells are coded beside each other."""
        n = len(cells.places)
        n_steps = -(-n // self.n_sides) if cells.is_alike else n
        return [slice(t, None, n_steps) for t in range(n_steps)]


def beside(t: NDArray[Any], some: slice) -> NDArray[Any]:
    """Some columns of t (B, n) below each other, as they are coded beside each other."""
    return t[:, some].T.ravel()


@dataclass(frozen=True)
class Stack:
    """Rows that are coded.

    Attributes:
        heads: states of the lanes, of one where the others are folded.
        words: all others.
        sizes: of the chunks, from the first rows to the last.
        n_borrowed: words that were.
    """

    heads: NDArray[np.uint64]
    words: NDArray[np.uint32]
    sizes: tuple[int, ...]
    n_borrowed: int


def push_rows(codec: RowCoder, rows: Placed, patterns: Patterns, ids: Ints) -> Stack:
    """All rows onto a new stack."""
    coder, most = Coder(1), most_rows(codec, rows)
    sizes, left, taken = list[int](), len(rows), 1.0
    size = 1
    while left:
        size = min(left, most, next_size(coder, codec, taken, size))
        coder.spread(codec.n_sides * size)
        chunk = slice(left - size, left)
        taken = codec.push(coder, rows[chunk], patterns, ids[chunk]) / size
        sizes.append(size)
        left -= size
    return stack_of(coder, sizes)


def stack_of(coder: Coder, sizes: list[int]) -> Stack:
    """What is on it when chunks of these sizes were pushed."""
    coder.fold()
    return Stack(coder.heads, coder.words.copy(), tuple(reversed(sizes)), coder.n_borrowed)


def most_rows(codec: RowCoder, rows: Placed) -> int:
    """Of a chunk: more lanes are faster, and each costs 4.5 bits."""
    n_lanes = max(LEAST_LANES, rows.v.size // CELLS_PER_LANE)
    return max(1, min(codec.most_rows, n_lanes // codec.n_sides))


def next_size(coder: Coder, codec: RowCoder, taken: float, last: int) -> int:
    """Rows of the next chunk, a power of 2: those that the stack can pay for, in bits for z and in lanes.

    Args:
        coder: the stack.
        codec: of its rows.
        taken: bits that a row of the last chunk took for its z.
        last: rows of the last chunk.
    """
    n_bits, n_lanes, a_row = 32 * len(coder.words), len(coder.heads), max(1.05 * taken, 1.0)
    size = n_bits / a_row
    if size * codec.n_sides > n_lanes:  # new lanes take a word each
        size = (n_bits + 32 * n_lanes) / (a_row + 32 * codec.n_sides)
    size = min(size, (LANES_BITS + LANES_SHARE * n_bits) / (LANE_BITS * codec.n_sides))
    return 1 << (max(1, min(GROWTH * last, int(size))).bit_length() - 1)


def pop_rows(codec: RowCoder, stack: Stack, patterns: Patterns) -> tuple[Coder, list[Placed]]:
    """The inverse of `push_rows`, and the stack as it is left."""
    rows, first = list[Placed](), 0
    coder = Coder.of(stack.heads, stack.words, most_borrowed=0)
    for size in chunks_of(codec, coder, stack):
        rows.append(codec.pop(coder, size, patterns, first))
        first += size
    return coder, rows


def chunks_of(codec: RowCoder, coder: Coder, stack: Stack) -> Iterator[int]:
    """Sizes of the chunks, each when the coder has the lanes that it had.

    Raises:
        DataError: if the stack is that of no rows.
        EndOfWordsError: likewise.
    """
    if max(stack.sizes) > codec.most_rows or len(stack.heads) != 1:
        raise DataError("its chunks are too large, or its states too many or too few")
    n_lanes = codec.n_sides * np.maximum.accumulate(stack.sizes[::-1])[::-1]
    coder.unfold(int(n_lanes[0]))
    for size, n in zip(stack.sizes, n_lanes, strict=True):
        coder.unspread(int(n))
        yield size
    coder.unspread(1)
