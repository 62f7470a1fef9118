"""What is known of a column of single cells after one pass, beyond what any field has (statistics.py).

values     distinct values and their counts, the first 10,000 of them in order of appearance; of names, 131,072
moments    of log v too, and third ones
digits     behind the point, by the size of numbers
decimals of numbers, step of dates, length of texts; the first text that is no number
type       Arrow's type that has room for the cells of all chunks
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import SchemaError
from .arrow import decoded, is_number_text, sort_of, value_type, values_of, wall_clock
from .digits import DigitCounts, Table
from .row_numbers import row_name
from .statistics import MAX_DECIMALS, ArrayStatistics, Statistics
from .tensors import shape_of

MAX_DISTINCT, MAX_NAMES = 10_000, 2**17
STEPS = (86_400.0, 3_600.0, 60.0, 1.0)
"""Seconds of a day, an hour, a minute, a second."""
EXACT = 2.0**53
"""From here on, floats are not all whole numbers."""
VALUES_PER_TALLY = 2**16
VALUES_PER_TRIAL = 100
ROWS_THAT_SHARE, NEARLY_ALL, MAX_REPEATED = 5, 0.95, 1000
"""Of values that belong to no row: cells that hold one, share of cells that all hold, and how many there are."""
NEARBY = 4
"""Distinct values on each side that a value is held against."""
PRECISIONS: dict[pa.DataType, type[np.floating]] = {pa.float16(): np.float16, pa.float32(): np.float32}


class ColumnStatistics(Statistics):
    """Of a column of single cells, whose type is learned from its chunks.

    Attributes:
        declared: categories that the type itself names: in its order where that belongs to the type, else sorted.
        counts: distinct value -> how often it was seen.
        complete: whether ``counts`` holds all values.
        sort: what cells are, in a word; see `velbo.rows.arrow.sort_of`.
        length: of all texts together.
        are_names: whether numbers stand for names too, as the user says.
    """

    is_skewed = True

    def __init__(self, name: str, are_names: bool = False) -> None:
        super().__init__(name)
        self.are_names = are_names
        self.type = pa.null()
        self.sort = sort_of(self.type)
        self.declared: tuple[Any, ...] = ()
        self.length = 0
        self.decimals = 0
        self.written = DigitCounts()
        self.counts: dict[Any, int] = {}
        self.complete = True
        self.steps = STEPS

    @property
    def is_text(self) -> bool:
        return self.sort == "text"

    @property
    def is_time(self) -> bool:
        return self.sort == "dates"

    @property
    def is_duration(self) -> bool:
        return self.sort == "durations"

    @property
    def is_bool(self) -> bool:
        return self.sort == "truth values"

    @property
    def holds_numbers(self) -> bool:
        """Whether cells are plain numbers: no text, dates or durations."""
        return not (self.is_text or self.is_time or self.is_duration)

    @property
    def ordered(self) -> bool:
        """Whether categories have an order that belongs to the type."""
        return self.native.startswith("Enum") or (pa.types.is_dictionary(self.type) and self.type.ordered)

    @property
    def step(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Largest of STEPS that all dates or durations are multiples of; 0 for other cells."""
        return self.steps[0] if self.steps and self.n and (self.is_time or self.is_duration) else 0.0

    @property
    def digits(self) -> Table:  # pyright: ignore[reportIncompatibleVariableOverride]
        """How many digits numbers have; nothing of dates and durations."""
        return () if self.is_time or self.is_duration else self.written.table()

    @property
    def values(self) -> list[Any]:
        """Distinct values in their order."""
        return sorted(self.counts)

    @property
    def all_distinct(self) -> bool:
        """Whether no value was seen twice, as far as is remembered."""
        return max(self.counts.values(), default=0) == 1

    def frequent(self, share: float, most: int) -> tuple[float, ...]:
        """Numbers that at least such a share of the observed cells hold."""
        found = sorted((-n, v) for v, n in self.counts.items() if n >= share * self.n)
        return tuple(sorted(float(v) for _, v in found[:most]))

    @property
    def repeated(self) -> tuple[float, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Numbers that are no decimals and belong to no row: those that `ROWS_THAT_SHARE` cells hold or more, if nearly
        all cells hold one of them; else none.
        """
        if not (self.complete and self.holds_numbers and self.written.are_long):
            return ()
        shared = {v: n for v, n in self.counts.items() if n >= ROWS_THAT_SHARE}
        enough = 2 <= len(shared) <= MAX_REPEATED and sum(shared.values()) >= NEARLY_ALL * self.n
        return tuple(sorted(map(float, shared))) if enough else ()

    def heaped(self, least: int, times: float, most: int) -> tuple[float, ...]:
        """Numbers that stand out: so many cells hold one, and so many times as many as a number nearby, by the median
        of the `NEARBY` next ones on both sides. The most frequent ones, if there are too many.

        That is what rounding (45 and 50 hours of work), rules (an amount that many pay) and codes among numbers look
        like; numbers that are merely common, such as ages, are as common as their neighbours.
        """
        values = np.array(self.values, np.float64)
        n = np.array([self.counts[v] for v in self.values], np.float64)
        found = list[tuple[float, float]]()
        for i in np.flatnonzero(n >= least):
            near = [j for j in range(max(0, i - NEARBY), min(len(n), i + NEARBY + 1)) if j != i]
            span = values[near].max() - values[near].min() if len(near) > 1 else 0.0
            nearby = float(np.median(n[near])) * min(1.0, len(near) / span) if span else 0.0
            if n[i] >= times * nearby + 4 * nearby**0.5:
                found.append((-n[i], values[i]))
        return tuple(sorted(float(v) for _, v in sorted(found)[:most]))

    def place(self, row: int, *d: int) -> str:
        return row_name(self.n_rows + row)

    def add(self, column: Any, native: str = "") -> None:
        """
        Raises:
            SchemaError: for cells that are neither numbers, text nor dates, that are infinite or too large, or of a
                type that does not go with that of the chunks before.
        """
        self._refuse_unknown(column.type)
        cells = decoded(column)
        self._widen(column.type, native, is_empty=cells.null_count == len(cells))
        if pa.types.is_dictionary(column.type) and pa.types.is_dictionary(self.type):
            self._declare(column)
        if cells.null_count < len(cells):
            if self.is_text or self.is_bool:
                self._count(cells)
            if self.is_text:
                self.length += pc.sum(pc.utf8_length(cells)).as_py()
            else:
                self._take_numbers(cells)
        self.n_missing += cells.null_count
        self.n_rows += len(cells)

    def _widen(self, type_: pa.DataType, native: str, is_empty: bool) -> None:
        """Let the type have room for one more chunk: whole numbers may turn out to be fractions, and a chunk of missing
        cells tells little of its type.
        """
        if type_ != self.type and not pa.types.is_null(type_):
            joined = type_ if pa.types.is_null(self.type) else self._joined(type_, is_empty)
            if joined != self.type:
                self.type, self.native = joined, native if joined == type_ else ""
                self.sort = sort_of(joined)
        self.native = self.native or native

    def _refuse_unknown(self, type_: pa.DataType) -> None:
        if sort_of(type_) in ("", "arrays"):
            raise SchemaError(
                f"column '{self.name}' holds cells of type {type_}, which are no numbers, text, dates or arrays of one "
                f"size; leave it out with --column {self.name}=drop, or convert it"
            )

    def _joined(self, type_: pa.DataType, is_empty: bool) -> pa.DataType:
        schemas = [pa.schema([("", t)]) for t in (self.type, type_)]
        try:
            return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
        except pa.ArrowTypeError:
            if is_empty:
                return self.type
            if not self.n:
                self.declared = ()
                return type_
            raise SchemaError(
                f"column '{self.name}' holds {self.type} before row {self.n_rows} and {type_} from there on; convert "
                "it to one type"
            ) from None

    def _declare(self, column: Any) -> None:
        fixed = self.ordered or self.native.startswith(("category", "Enum"))
        if self.is_text and not fixed:
            return  # the dictionary is how this chunk is stored, and no more
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        for chunk in chunks:
            found = tuple(decoded(chunk.dictionary).drop_null().to_pylist())
            longer, shorter = sorted((self.declared, found), key=len, reverse=True)
            if fixed and longer[: len(shorter)] == shorter:
                self.declared = longer
            elif self.ordered:
                raise SchemaError(f"column '{self.name}' has categories of another order from row {self.n_rows} on")
            else:
                self.declared = tuple(sorted({*longer, *shorter}))

    def _count(self, cells: Any) -> None:
        pairs = pc.value_counts(cells)  # in order of first appearance
        if not self.complete:
            pairs = pairs.filter(pc.is_in(pairs.field("values"), pa.array(list(self.counts))))
        found = [(pair["values"], pair["counts"]) for pair in pairs.to_pylist() if pair["values"] is not None]
        if self.is_text and "word" not in self.first:
            words = (value for value, _ in found if not is_number_text(value))
            if (word := next(words, None)) is not None:
                self.first["word"] = self.place(pc.index(cells, word).as_py()), word
        self._tally(found)

    def _tally(self, pairs: Iterable[tuple[Any, int]]) -> None:
        """Count values, given in order of first appearance; new ones as long as there is room."""
        most = MAX_NAMES if self.is_text or self.are_names else MAX_DISTINCT
        for value, n in pairs:
            if value in self.counts or len(self.counts) < most:
                self.counts[value] = self.counts.get(value, 0) + n
            else:
                self.complete = False

    def _take_numbers(self, cells: Any) -> None:
        v = values_of(cells, self.name)
        self.measure(v)
        if cells.null_count:
            v = v[~np.isnan(v)]
        if self.steps and (self.is_time or self.is_duration):
            clock = values_of(wall_clock(cells), self.name)
            self.steps = tuple(s for s in self.steps if not np.any(clock % s > 0))
        precision = PRECISIONS.get(value_type(self.type), np.float64)
        self.decimals = _decimals(v, self.decimals, precision)
        self.written.add(v, precision)
        if pa.types.is_integer(cells.type) and max(-self.low, self.high) >= EXACT:
            self._count(cells)  # floats do not tell neighbours apart
        elif not self.is_bool:
            for start in range(0, len(v), VALUES_PER_TALLY):
                self._tally_numbers(v[start : start + VALUES_PER_TALLY])

    def _tally_numbers(self, v: NDArray[np.float64]) -> None:
        if not (self.whole or self.complete):
            return  # of numbers that are not whole, all that matters is that there are many
        distinct, first, n = np.unique(v, return_index=True, return_counts=True)
        order = np.argsort(first)
        if not self.complete:
            order = order[np.isin(distinct[order], list(self.counts))]
        self._tally(zip(distinct[order].tolist(), n[order].tolist(), strict=True))


def _decimals(v: NDArray[np.float64], least: int, precision: type[np.floating]) -> int:
    """Digits behind the point that all numbers have room in, at the precision that they came in; MAX_DECIMALS + 1 if
    there are more.
    """
    powers = 10.0 ** np.arange(least, MAX_DECIMALS + 1)
    trial = v[:VALUES_PER_TRIAL, None]
    fits = ((np.rint(trial * powers) / powers).astype(precision) == trial.astype(precision)).all(0)
    for d in least + np.flatnonzero(fits):
        if (np.round(v, d).astype(precision) == v.astype(precision)).all():
            return int(d)
    return MAX_DECIMALS + 1


def statistics_of(name: str, kind: pa.DataType, are_names: bool = False) -> Statistics:
    """The statistics of a field whose first chunk is of this type; of names, if the user says that it holds such."""
    return ArrayStatistics(name, kind) if shape_of(kind) else ColumnStatistics(name, are_names)
