"""What is known of a field after one pass, in constant memory, however its rows are cut into chunks.

    n, mean, M2, M3     of v, and of log v if all v > 0:  M_k = sum (v - mean)^k, merged chunk by chunk
    values              distinct values and their counts, the first 10,000 of them in order of appearance
    low, high, decimals, step of dates, missing cells, length of texts
    first               row and cell of the first fraction, negative number, number not above 0, text that is no number

`ColumnStatistics` is of a column; `ArrayStatistics` of a column of arrays, whose cells have moments of their own each
and no distinct values.

Source of the merging: Updating formulae and a pairwise algorithm for computing sample variances, Chan, Golub and
LeVeque, 1979, http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import SchemaError
from .arrays import blocks
from .arrow import (
    block_of,
    decoded,
    is_number,
    is_number_text,
    is_text,
    is_time,
    numbers,
    shape_of,
    value_type,
    wall_clock,
)

MAX_DISTINCT = 10_000
MAX_DECIMALS = 8
LARGEST = 1e90
"""Third powers of larger numbers, summed over rows, overflow."""
STEPS = (86_400.0, 3_600.0, 60.0, 1.0)
"""Seconds of a day, an hour, a minute, a second."""


@dataclass(frozen=True)
class Moments:
    """Of numbers (n,), or of each column of numbers (n, D): then all but ``n`` of a number are (D,)."""

    n: Any = 0
    mean: Any = 0.0
    m2: Any = 0.0
    m3: Any = 0.0

    @classmethod
    def of(cls, v: NDArray[np.floating]) -> Moments:
        """Of observed cells; NaN does not count."""
        observed = ~np.isnan(v)
        n = observed.sum(0)
        mean = np.where(observed, v, 0.0).sum(0, dtype=np.float64) / np.maximum(n, 1)
        d = np.where(observed, v - mean, 0.0)
        return cls(n, mean, (d**2).sum(0), (d**3).sum(0))

    def merged(self, other: Moments) -> Moments:
        n, delta = np.maximum(self.n + other.n, 1), other.mean - self.mean
        a, b = self.n, other.n
        m2 = self.m2 + other.m2 + delta**2 * a * b / n
        m3 = self.m3 + other.m3 + delta**3 * a * b * (a - b) / n**2 + 3 * delta * (a * other.m2 - b * self.m2) / n
        return Moments(a + b, self.mean + delta * b / n, m2, m3)

    @property
    def spread(self) -> Any:
        """Standard deviation; 0 where there is nothing but rounding error."""
        s = np.sqrt(self.m2 / np.maximum(self.n, 1))
        return np.where(s > 1e-12 * np.abs(self.mean), s, 0.0)

    @property
    def skewness(self) -> float:
        spread = float(self.spread)
        return float(self.m3 / self.m2 / spread) if spread else 0.0


class Statistics(ABC):
    """What both sorts have.

    Args:
        name: of the field.

    Attributes:
        shape: of its cells in one row.
        type: Arrow's type that has room for the cells of all chunks.
        native: the data frame library's name of that type; empty for Arrow itself.
        moments: of v.
        log_mean: mean of log v, where all v are above 0.
        low: smallest v; ``high``: largest; one number, or one for each cell of a row.
        first: what -> (place, cell) of the first "fraction", "negative" and "not positive" number.
    """

    shape: tuple[int, ...] = ()
    native = ""
    type: pa.DataType
    decimals: int = MAX_DECIMALS + 1
    step = 0.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.n_rows = self.n_missing = 0
        self.moments, self.logs = Moments(), Moments()
        self.low: Any = math.inf
        self.high: Any = -math.inf
        self.first: dict[str, tuple[str, Any]] = {}

    @abstractmethod
    def add(self, column: Any, native: str = "") -> None:
        """Take in a chunk of the column: Arrow cells, and the data frame library's own name of their type."""

    @property
    def n(self) -> int:
        """Observed cells."""
        return self.n_rows * math.prod(self.shape) - self.n_missing

    @property
    def whole(self) -> bool:
        """Whether no number has a fraction."""
        return "fraction" not in self.first

    @property
    def log_mean(self) -> Any:
        return self.logs.mean

    @property
    def spread(self) -> Any:
        """Standard deviation of v, 1 where it is 0."""
        return np.where(self.moments.spread > 0, self.moments.spread, 1.0)

    def _place(self, row: int, *d: int) -> str:
        return f"row {self.n_rows + row}"

    def _note(self, what: str, found: NDArray[np.bool_], v: NDArray[Any]) -> None:
        if what not in self.first and found.any():
            at = tuple(int(i) for i in np.argwhere(found)[0])
            self.first[what] = self._place(*at), float(v[at])

    def _measure(self, v: NDArray[Any]) -> None:
        """Take in numbers (n,) or (n, D), NaN where missing."""
        self._note("fraction", v % 1 > 0, v)
        self._note("negative", v < 0, v)
        self._note("not positive", v <= 0, v)
        low, high = (f(v, 0, where=~np.isnan(v), initial=i) for f, i in ((np.min, math.inf), (np.max, -math.inf)))
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self.moments = self.moments.merged(Moments.of(v))
        if "not positive" not in self.first:
            self.logs = self.logs.merged(Moments.of(np.log(v)))

    def _refuse_far(self, v: NDArray[Any]) -> None:
        far = np.abs(v) > LARGEST if float(np.finfo(v.dtype).max) > LARGEST else np.zeros(0, dtype=bool)
        if far.any():
            at = tuple(int(i) for i in np.argwhere(far)[0])
            raise SchemaError(
                f"{self._place(*at)} of '{self.name}' holds {v[at]:g}, too large to square and compute with; change "
                "its units, take logarithms, or mark it missing"
            )


class ArrayStatistics(Statistics):
    """Of a column of arrays, cell by cell: (D,) each, D the size of one array.

    Attributes:
        is_binary: whether every observed cell is 0 or 1.
    """

    def __init__(self, name: str, kind: pa.DataType) -> None:
        super().__init__(name)
        self.type, self.shape, self.is_binary = kind, shape_of(kind), True

    @property
    def value_type(self) -> pa.DataType:
        """Of a cell."""
        return self.type.value_type

    def _place(self, row: int, *d: int) -> str:
        at = tuple(int(i) for i in np.unravel_index(d[0], self.shape))
        return f"row {self.n_rows + row}, {at if len(at) > 1 else at[0]}"

    def add(self, column: Any, native: str = "") -> None:
        """
        Raises:
            SchemaError: for arrays of another shape, infinite or too large numbers.
        """
        if shape_of(column.type) != self.shape:
            raise SchemaError(
                f"'{self.name}' holds arrays of shape {self.shape} before row {self.n_rows} and {column.type} from "
                "there on; give all rows one shape"
            )
        for _, part in blocks(block_of(column)):
            v = part if part.dtype.kind == "f" else part.astype(np.float64)
            infinite = np.isinf(v)
            if infinite.any():
                place = self._place(*(int(i) for i in np.argwhere(infinite)[0]))
                raise SchemaError(
                    f"{place} of '{self.name}' holds infinity, which has no likelihood: cap it, or mark it missing"
                )
            self._refuse_far(v)
            self.is_binary = self.is_binary and bool(((v == 0) | (v == 1) | np.isnan(v)).all())
            self._measure(v)
            self.n_missing += int(np.isnan(v).sum())
            self.n_rows += len(part)


class ColumnStatistics(Statistics):
    """Of a column of single cells, whose type is learned from its chunks.

    Attributes:
        declared: categories that the type itself names: in its order where that belongs to the type, else sorted.
        counts: distinct value -> how often it was seen.
        complete: whether ``counts`` holds all values.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.type = pa.null()
        self.declared: tuple[Any, ...] = ()
        self.length = 0
        self.decimals = 0
        self.counts: dict[Any, int] = {}
        self.complete = True
        self.steps = list(STEPS)

    @property
    def _cell(self) -> pa.DataType:
        return value_type(self.type)

    @property
    def is_text(self) -> bool:
        return is_text(self._cell)

    @property
    def is_time(self) -> bool:
        return is_time(self._cell)

    @property
    def is_duration(self) -> bool:
        return pa.types.is_duration(self._cell)

    @property
    def is_bool(self) -> bool:
        return pa.types.is_boolean(self._cell)

    @property
    def holds_numbers(self) -> bool:
        """Whether cells are plain numbers: no text, dates or durations."""
        return not (self.is_text or self.is_time or self.is_duration)

    @property
    def is_null(self) -> bool:
        return pa.types.is_null(self._cell)

    @property
    def ordered(self) -> bool:
        return self.native.startswith("Enum") or (pa.types.is_dictionary(self.type) and self.type.ordered)

    @property
    def step(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Largest of STEPS that all dates or durations are multiples of; 0 for other cells."""
        return self.steps[0] if self.steps and self.n and (self.is_time or self.is_duration) else 0.0

    def add(self, column: Any, native: str = "") -> None:
        """
        Raises:
            SchemaError: for cells that are neither numbers, text nor dates, that are infinite or too large, or of a
                type that does not go with that of the chunks before.
        """
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
            joined = type_ if self.is_null else self._joined(type_, is_empty)
            if joined != self.type:
                self.type, self.native = joined, native if joined == type_ else ""
        self.native = self.native or native
        if not (self.is_text or self.is_time or self.is_bool or self.is_null or is_number(self._cell)):
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
                self.first["word"] = self._place(pc.index(cells, word).as_py()), word
        self._tally(found)

    def _tally(self, pairs: Iterable[tuple[Any, int]]) -> None:
        """Count values, given in order of first appearance; new ones as long as there is room."""
        for value, n in pairs:
            if value in self.counts or len(self.counts) < MAX_DISTINCT:
                self.counts[value] = self.counts.get(value, 0) + n
            else:
                self.complete = False

    def _take_numbers(self, cells: Any) -> None:
        if pa.types.is_floating(cells.type):
            row = pc.index(pc.is_inf(cells.cast(pa.float64())), True).as_py()
            if row >= 0:
                raise SchemaError(
                    f"row {self.n_rows + row}, column '{self.name}' holds infinity, which has no likelihood: cap it, "
                    "or mark it missing"
                )
        v = numbers(cells, self.name)
        self._refuse_far(v)
        self._measure(v)
        v = v[~np.isnan(v)]
        if self.is_time or self.is_duration:
            clock = numbers(wall_clock(cells), self.name)
            self.steps = [s for s in self.steps if not np.any(clock % s > 0)]
        self.decimals = _decimals(v, self.decimals, np.float32 if pa.types.is_float32(self._cell) else np.float64)
        # of numbers that are not whole, all that matters is that there are many
        if not self.is_bool and (self.whole or self.complete):
            distinct, first, n = np.unique(v, return_index=True, return_counts=True)
            order = np.argsort(first)
            if not self.complete:
                order = order[np.isin(distinct[order], list(self.counts))]
            self._tally(zip(distinct[order].tolist(), n[order].tolist(), strict=True))

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


def _decimals(v: NDArray[np.float64], least: int, precision: type[np.floating]) -> int:
    """Digits behind the point that all numbers have room in, at the precision that they came in; MAX_DECIMALS + 1 if
    there are more.
    """
    exact = v.astype(precision)
    for d in range(least, MAX_DECIMALS + 1):
        if (np.round(v, d).astype(precision) == exact).all():
            return d
    return MAX_DECIMALS + 1


def statistics_of(name: str, kind: pa.DataType) -> Statistics:
    """The statistics of a field whose first chunk is of this type."""
    return ArrayStatistics(name, kind) if shape_of(kind) else ColumnStatistics(name)
