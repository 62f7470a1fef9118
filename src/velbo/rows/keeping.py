"""Made rows that keep the constraints of their schema (constraints/).

Draws are kept or drawn again, which is sampling from p(x | the constraints hold): rejection. Two things are made so by
construction instead, as no draw of a density meets them: sums, and combinations with a column of a density. What is
asked, and what is changed, are values as they come out: with the decimals, steps and names of their columns.

    settled     what holds by construction
    broken      which rows are to be drawn again
    nearest     values nearby that keep all, for point estimates and for what no draw met
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy as np
from numpy.typing import NDArray

from .arrow import numbers
from .constraints import Constraint, Linear
from .field import Field
from .kinds import Measured, kind_of
from .kinds.base import as_trained
from .schema import Schema

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
ROUNDS, TOGETHER = 20, 6
TRIES = (4, 16, 64, 256)
"""Draws for each row that is to be drawn again, round after round."""
MOST_AT_ONCE = 2**16


@dataclass(frozen=True)
class Kept:
    """Rows, and what is to be said of them.

    Attributes:
        v: (n, N, D).
        moved: how many rows no draw of which kept all, so that their values were moved to the nearest that do.
        left: which rows cannot keep a constraint, as cells that may not be changed break it, and were left, (n, N).
        broken: the first constraint that is broken there, or was by draws, as it was declared; "" for none.
    """

    v: Floats
    moved: int
    left: Flags
    broken: str


@dataclass(frozen=True)
class Keeping:
    """The constraints of a schema at work.

    Attributes:
        schema: of the rows.
    """

    schema: Schema

    @cached_property
    def constraints(self) -> tuple[Constraint, ...]:
        return self.schema.constraints.all

    @cached_property
    def at(self) -> list[list[int]]:
        """Where the columns of each stand in x."""
        return [[self.schema.places[name].start for name in c.columns] for c in self.constraints]

    @cached_property
    def fields(self) -> list[list[Field]]:
        return [[self.schema.field(name) for name in c.columns] for c in self.constraints]

    def written(self, v: Floats) -> Floats:
        """v (N, D) with the columns that constraints name as they come out."""
        v = v.copy()
        for at, fields in zip(self.at, self.fields, strict=True):
            for place, field in zip(at, fields, strict=True):
                v[:, place] = _written(v[:, place], field)
        return v

    def settled(self, v: Floats, free: Flags) -> Floats:
        """v (N, D), written, with what holds by construction, if free cells can make it hold."""
        return self._nearest(v, free, [i for i in range(len(self.constraints)) if self._by_construction(i)])

    def nearest(self, v: Floats, free: Flags) -> Floats:
        """Values near v (N, D), written, that keep all, if those of free cells can; other cells are as they were."""
        return self._nearest(v, free, range(len(self.constraints)))

    def broken(self, v: Floats, free: Flags, drawn: bool = False) -> Flags:
        """Which rows of v (N, D), written, break which constraint, (N, n); only where a cell of it is free.

        Args:
            v: rows.
            free: cells that velbo makes, (N, D).
            drawn: whether a column that followed from others shall stay within the range of the data too.
        """
        found = np.zeros((len(v), len(self.constraints)), dtype=bool)
        for i, (at, fields) in enumerate(zip(self.at, self.fields, strict=True)):
            some = free[:, at].sum(1)
            wrong = self._breaks(i, v) | np.any([_misfit(v[:, p], f) for p, f in zip(at, fields, strict=True)], 0)
            if drawn and self._by_construction(i):
                ends = [(f.one("low"), f.one("high")) for f in fields]
                beyond = [(v[:, p] < low) | (v[:, p] > high) for p, (low, high) in zip(at, ends, strict=True)]
                wrong |= np.any(np.array(beyond).T & free[:, at], 1) & (some > 1)
            found[:, i] = wrong & (some > 0)
        return found

    def keep(
        self,
        v: Floats,
        free: Flags,
        draw: Callable[[NDArray[np.int64], int, int], Floats] | None,
        drawn: Flags | None = None,
    ) -> Kept:
        """Rows that keep all constraints.

        Args:
            v: n tables of N rows, (n, N, D).
            free: cells that velbo makes, (N, D).
            draw: (which of the N rows, n, a number of the call) -> n more draws of each, (n, rows, D), other ones at
                every call; None for point estimates.
            drawn: cells that draws make, (N, D), where these are more than may be moved.
        """
        n, n_rows, _ = v.shape
        every = np.tile(free, (n, 1))
        first = self.settled(self._made(v.reshape(-1, v.shape[-1]), every), every)
        drawn = free if drawn is None or draw is None else drawn
        found, wrong = first.reshape(v.shape), self.broken(first, np.tile(drawn, (n, 1)), draw is not None)
        said = self._first(wrong)
        bad = wrong.any(1).reshape(n, n_rows)
        if draw is not None:
            calls = count()
            for tries in TRIES:
                rows = np.flatnonzero(bad.any(0))
                size = max(1, MOST_AT_ONCE // (tries * n))
                for some in (rows[start : start + size] for start in range(0, len(rows), size)):
                    more = draw(some, tries * n, next(calls))
                    self._take(found, bad, some, more, free, drawn)
        return self._mended(found, v, bad, free, said)

    def _take(
        self, found: Floats, bad: Flags, rows: NDArray[np.int64], more: Floats, free: Flags, drawn: Flags
    ) -> None:
        """Put draws (k, rows, D) that keep all in the place of bad ones."""
        k, n_rows, n_dims = more.shape
        every = np.tile(free[rows], (k, 1))
        v = self.settled(self._made(more.reshape(-1, n_dims), every), every)
        good = ~self.broken(v, np.tile(drawn[rows], (k, 1)), True).any(1).reshape(k, n_rows)
        v = v.reshape(more.shape)
        for place, row in enumerate(rows):
            tables, draws = np.flatnonzero(bad[:, row]), np.flatnonzero(good[:, place])
            enough = min(len(tables), len(draws))
            found[tables[:enough], row] = v[draws[:enough], place]
            bad[tables[:enough], row] = False

    def _made(self, v: Floats, free: Flags) -> Floats:
        """v with the cells that velbo makes as they come out; others are as they are."""
        return np.where(free, self.written(v), v)

    def _mended(self, found: Floats, plain: Floats, bad: Flags, free: Flags, said: str) -> Kept:
        left = np.zeros_like(bad)
        tables, rows = np.nonzero(bad)
        if len(rows):
            near = self.nearest(found[tables, rows], free[rows])
            wrong = self.broken(near, free[rows])
            can = ~wrong.any(1)
            found[tables[can], rows[can]] = near[can]
            left[tables[~can], rows[~can]] = True
            found[left] = plain[left]
            said = self._first(wrong) or said
        return Kept(found, int(bad.sum() - left.sum()), left, said)

    def _first(self, wrong: Flags) -> str:
        return next((c.text for i, c in enumerate(self.constraints) if wrong[:, i].any()), "")

    def _by_construction(self, i: int) -> bool:
        constraint = self.constraints[i]
        if isinstance(constraint, Linear):
            return constraint.relation == "="
        return any(kind_of(f).is_density for f in self.fields[i])

    def _breaks(self, i: int, v: Floats) -> Flags:
        constraint, fields = self.constraints[i], self.fields[i]
        return constraint.broken(self._seen(i, v), fields)

    def breaks(self, v: Floats) -> Flags:
        """Which rows of data v (N, D) break which constraint, (N, n)."""
        return np.stack([self._breaks(i, v) for i in range(len(self.constraints))], 1)

    def _seen(self, i: int, v: Floats) -> Floats:
        """The columns of a constraint, (N, C): of inequalities and sums the numbers that codes stand for."""
        columns = v[:, self.at[i]]
        if isinstance(self.constraints[i], Linear):
            for j, field in enumerate(self.fields[i]):
                columns[:, j] = _decoded(columns[:, j], field)
        return columns

    def _nearest(self, v: Floats, free: Flags, which: range | list[int]) -> Floats:
        v = v.copy()
        for round_ in range(ROUNDS if len(which) > 1 else 1):
            done = True
            for i in which:
                rows = np.flatnonzero(self._breaks(i, v) & free[:, self.at[i]].any(1))
                if len(rows):
                    done = False
                    movable = _some(free[rows][:, self.at[i]], round_)
                    near = self.constraints[i].nearest(self._seen(i, v[rows]), movable, self.fields[i])
                    self._put(i, v, rows, near, free)
            if done:
                break
        return v

    def _away(self, i: int, j: int) -> float:
        """Where the j-th column of a constraint may lie beyond what keeps it: below (-1), above (1), nowhere (0)."""
        constraint = self.constraints[i]
        if not isinstance(constraint, Linear) or constraint.relation == "=":
            return 0.0
        return -float(np.sign(constraint.coefficients[j]))

    def _put(self, i: int, v: Floats, rows: NDArray[np.int64], near: Floats, free: Flags) -> None:
        for j, (place, field) in enumerate(zip(self.at[i], self.fields[i], strict=True)):
            new = _coded(near[:, j], field, self._away(i, j)) if isinstance(self.constraints[i], Linear) else near[:, j]
            v[rows, place] = np.where(free[rows, place], _written(new, field), v[rows, place])


def _some(free: Flags, round_: int) -> Flags:
    """Which cells give way: all free ones, and after rounds in which constraints undid each other one at a time."""
    one = free & (np.arange(free.shape[1]) == round_ % free.shape[1])
    return np.where(one.any(1, keepdims=True), one, free) if round_ >= TOGETHER else free


def _written(v: Floats, field: Field) -> Floats:
    """v (N,) as it comes out."""
    if field.categories:
        return np.rint(v)
    return as_trained(numbers(kind_of(field).restored(v, field), field.name, "made"), field)


def _decoded(v: Floats, field: Field) -> Floats:
    """The numbers that codes stand for; other numbers as they are."""
    if not field.categories:
        return v
    values = np.array([*field.categories, np.nan], np.float64)
    return values[np.where(np.isnan(v), -1, v).astype(np.int64)]


def _coded(v: Floats, field: Field, away: float = 0.0) -> Floats:
    """The inverse, of the nearest category; of those below or above alone, if there are any."""
    if not field.categories:
        return v
    values = np.array(field.categories, np.float64)
    apart = values - v[:, None]
    far = np.abs(apart)
    if away:
        far = np.where(away * apart < -1e-12 * (1 + np.abs(values)), far + 2 * far.max(), far)
    return far.argmin(1).astype(np.float64)


def _misfit(v: Floats, field: Field) -> Flags:
    """Which numbers a column cannot have."""
    kind = kind_of(field)
    if field.categories or not isinstance(kind, Measured):
        return np.zeros(len(v), dtype=bool)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.any([misfit.found[:, 0] for misfit in kind.misfits(v[:, None], field)], 0)
