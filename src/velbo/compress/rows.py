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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..build import Plan
from ..errors import DataError
from ..likelihoods import LIKELIHOODS
from ..runtime.fixed_point import Floats, Ints
from .cells import coded
from .coder import Coder, pop_number, push_number
from .grids import Grid, grids_of, unit_of
from .groups import WholeHierarchy
from .model import WholeModel
from .patterns import Patterns

CELLS_PER_LANE = 4096
LEAST_LANES, MOST_LANES = 4, 160
GROWTH = 2


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

    def push(self, coder: Coder, rows: Placed, patterns: Patterns, ids: Ints) -> float:
        """Rows onto the stack, as many as there are lanes at most; the bits that their z took from it."""
        posterior, before = self.model.posterior(self._seen(rows.v)), coder.n_bits
        z = posterior.pop(coder, len(rows))
        taken = before - coder.n_bits
        all_coded = np.asarray(rows.coded.all(0))
        for cells in reversed(self._cells(z)):
            intervals = cells.intervals(rows.k[:, list(cells.places)])
            for d, interval in zip(reversed(cells.places), reversed(intervals), strict=True):
                mask = None if all_coded[d] else rows.coded[:, d]
                if not self.grids[d].is_plain:
                    push_number(coder, rows.rest[:, d], self._sizes(d, rows.k[:, d], mask))
                coder.push(*interval.where(mask))
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
        all_coded = np.asarray(is_coded.all(0))
        for cells in self._cells(z):
            for i, d in enumerate(cells.places):
                mask = None if all_coded[d] else is_coded[:, d]
                at = coder.peek(n, cells.bits(i))
                found, interval = cells.find(i, at)
                if mask is not None:
                    found, interval = np.where(mask, found, 0), interval.where(mask)
                coder.pop(at, *interval)
                if (found >= self.grids[d].n).any():
                    raise DataError("its code is that of no rows")  # the padding of a table that is as wide as another
                k[:, d] = found
                if not self.grids[d].is_plain:
                    rest[:, d] = pop_number(coder, self._sizes(d, found, mask))
        rows = Placed(self.values(k, rest, is_coded), k, rest, is_coded)
        self.model.posterior(self._seen(rows.v)).push(coder, z)
        return rows

    def _cells(self, z: Ints) -> list:
        return [cells for at, law in self.model.heads(z) for cells in coded(at, law, self.grids)]

    def _sizes(self, d: int, k: Ints, mask: NDArray[np.bool_] | None) -> Ints:
        sizes = self.grids[d].sizes(k)
        return sizes if mask is None else np.where(mask, sizes, 1)


@dataclass(frozen=True)
class Stack:
    """Rows that are coded.

    Attributes:
        heads: states of the lanes.
        words: all others.
        sizes: of the chunks, from the first rows to the last.
        n_borrowed: words that were.
    """

    heads: NDArray[np.uint64]
    words: NDArray[np.uint32]
    sizes: tuple[int, ...]
    n_borrowed: int


def lanes_for(rows: Placed) -> int:
    """More lanes are faster, and each costs 50 bits or so."""
    return min(MOST_LANES, max(LEAST_LANES, rows.v.size // CELLS_PER_LANE))


def push_rows(codec: RowCoder, rows: Placed, patterns: Patterns, ids: Ints) -> Stack:
    """All rows onto a new stack."""
    coder = Coder(lanes_for(rows))
    sizes, left, taken = list[int](), len(rows), 1.0
    size = 1
    while left:
        size = next_size(coder, taken, size, left)
        chunk = slice(left - size, left)
        taken = codec.push(coder, rows[chunk], patterns, ids[chunk]) / size
        sizes.append(size)
        left -= size
    return Stack(coder.heads, coder.words.copy(), tuple(reversed(sizes)), coder.n_borrowed)


def next_size(coder: Coder, taken: float, last: int, left: int) -> int:
    """Rows of the next chunk: those that the stack can pay for.

    Args:
        coder: the stack.
        taken: bits that a row of the last chunk took for its z.
        last: rows of the last chunk.
        left: rows that are left.
    """
    can_pay = 32 * len(coder.words) / max(1.05 * taken, 1.0)
    return max(1, min(len(coder.heads), left, GROWTH * last, int(can_pay)))


def pop_rows(codec: RowCoder, stack: Stack, patterns: Patterns) -> tuple[Coder, list[Placed]]:
    """The inverse of `push_rows`, and the stack as it is left."""
    coder = Coder.of(stack.heads, stack.words, most_borrowed=0)
    rows, first = list[Placed](), 0
    for size in stack.sizes:
        rows.append(codec.pop(coder, size, patterns, first))
        first += size
    return coder, rows
