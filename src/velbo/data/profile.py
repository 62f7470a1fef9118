"""What is known of a column after one pass, in constant memory, however its rows are cut into chunks.

    n, mean, M2, M3     of v, and of log v if all v > 0:  M_k = sum (v - mean)^k, merged chunk by chunk
    values              distinct values and their counts, the first 10,000 of them in order of appearance
    low, high, decimals, missing cells, length of texts
    first               row and cell of the first fraction, negative number, number not above 0, text that is no number

Source of the merging: Updating formulae and a pairwise algorithm for computing sample variances, Chan, Golub and
LeVeque, 1979, http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import SchemaError
from .arrow import decoded, is_number, is_number_text, is_text, is_time, numbers

MAX_DISTINCT = 10_000
MAX_DECIMALS = 8
LARGEST = 1e90
"""Third powers of larger numbers, summed over rows, overflow."""


@dataclass(frozen=True)
class Moments:
    """Of numbers."""

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0
    m3: float = 0.0

    @classmethod
    def of(cls, v: NDArray[np.float64]) -> Moments:
        if not len(v):
            return cls()
        mean = float(v.mean())
        d = v - mean
        return cls(len(v), mean, float((d**2).sum()), float((d**3).sum()))

    def merged(self, other: Moments) -> Moments:
        if not self.n or not other.n:
            return self if self.n else other
        n, delta = self.n + other.n, other.mean - self.mean
        a, b = self.n, other.n
        m2 = self.m2 + other.m2 + delta**2 * a * b / n
        m3 = self.m3 + other.m3 + delta**3 * a * b * (a - b) / n**2
        return Moments(n, self.mean + delta * b / n, m2, m3 + 3 * delta * (a * other.m2 - b * self.m2) / n)

    @property
    def spread(self) -> float:
        """Standard deviation; 0 where there is nothing but rounding error."""
        s = math.sqrt(self.m2 / self.n) if self.n else 0.0
        return s if s > 1e-12 * abs(self.mean) else 0.0

    @property
    def skewness(self) -> float:
        return self.m3 / self.m2 / self.spread if self.spread else 0.0


class Profile:
    """Statistics of one column, whose type is learned from its chunks.

    Args:
        name: of the column.

    Attributes:
        type: Arrow's type that has room for the cells of all chunks.
        native: the data frame library's name of that type; empty for Arrow itself.
        declared: categories that the type itself names: in its order where that belongs to the type, else sorted.
        ordered: whether they have an order.
        first: what -> (row, cell) of the first "fraction", "negative", "not positive" number, and "word": text that is
            no number.
    """

    def __init__(self, name: str) -> None:
        self.name, self.type, self.native = name, pa.null(), ""
        self.declared: tuple[Any, ...] = ()
        self.n_rows = self.n_missing = self.length = 0
        self.moments, self.logs = Moments(), Moments()
        self.low, self.high, self.decimals = math.inf, -math.inf, 0
        self.first: dict[str, tuple[int, Any]] = {}
        self.counts: dict[Any, int] = {}
        self.complete = True

    @property
    def _cell(self) -> pa.DataType:
        return self.type.value_type if pa.types.is_dictionary(self.type) else self.type

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
    def is_dictionary(self) -> bool:
        return pa.types.is_dictionary(self.type)

    @property
    def is_null(self) -> bool:
        return pa.types.is_null(self._cell)

    @property
    def ordered(self) -> bool:
        return self.native.startswith("Enum") or (pa.types.is_dictionary(self.type) and self.type.ordered)

    def add(self, column: Any, native: str = "") -> None:
        """Take in a chunk of the column: Arrow cells, and the data frame library's own name of their type.

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
                self._measure(self._finite(cells))
        self.n_missing += cells.null_count
        self.n_rows += len(cells)

    def _widen(self, type_: pa.DataType, native: str, is_empty: bool) -> None:
        """Let the type have room for one more chunk: whole numbers may turn out to be fractions, and a chunk of holes
        tells little of its type.
        """
        if type_ != self.type and not pa.types.is_null(type_):
            joined = type_ if self.is_null else self._joined(type_, is_empty)
            if joined != self.type:
                self.type, self.native = joined, native if joined == type_ else ""
        self.native = self.native or native
        if not (self.is_text or self.is_time or self.is_bool or self.is_null or is_number(self._cell)):
            raise SchemaError(
                f"column '{self.name}' holds cells of type {type_}, which are no numbers, text or dates; leave it out "
                f"with --column {self.name}=drop, or convert it"
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

    def _finite(self, cells: Any) -> NDArray[np.float64]:
        if pa.types.is_floating(cells.type):
            row = pc.index(pc.is_inf(cells.cast(pa.float64())), True).as_py()
            if row >= 0:
                raise SchemaError(
                    f"row {self.n_rows + row}, column '{self.name}' holds infinity, which has no likelihood: cap it, "
                    "or mark it missing"
                )
        v = numbers(cells, self.name)
        far = np.abs(v) > LARGEST
        if far.any():
            row = int(far.argmax())
            raise SchemaError(
                f"row {self.n_rows + row}, column '{self.name}' holds {v[row]:g}, too large to compute with; change "
                "its units, take logarithms, or mark it missing"
            )
        return v

    def _note(self, what: str, found: NDArray[np.bool_], v: NDArray[np.float64]) -> None:
        if what not in self.first and found.any():
            row = int(found.argmax())
            self.first[what] = self.n_rows + row, float(v[row])

    def _count(self, cells: Any) -> None:
        pairs = pc.value_counts(cells)  # in order of first appearance
        if not self.complete:
            pairs = pairs.filter(pc.is_in(pairs.field("values"), pa.array(list(self.counts))))
        found = [(pair["values"], pair["counts"]) for pair in pairs.to_pylist() if pair["values"] is not None]
        if self.is_text and "word" not in self.first:
            words = (value for value, _ in found if not is_number_text(value))
            if (word := next(words, None)) is not None:
                self.first["word"] = self.n_rows + pc.index(cells, word).as_py(), word
        self._tally(found)

    def _tally(self, pairs: Iterable[tuple[Any, int]]) -> None:
        """Count values, given in order of first appearance; new ones as long as there is room."""
        for value, n in pairs:
            if value in self.counts or len(self.counts) < MAX_DISTINCT:
                self.counts[value] = self.counts.get(value, 0) + n
            else:
                self.complete = False

    def _measure(self, v: NDArray[np.float64]) -> None:
        self._note("fraction", v % 1 > 0, v)
        self._note("negative", v < 0, v)
        self._note("not positive", v <= 0, v)
        v = v[~np.isnan(v)]
        if not len(v):
            return
        self.low, self.high = min(self.low, float(v.min())), max(self.high, float(v.max()))
        self.moments = self.moments.merged(Moments.of(v))
        self.logs = self.logs.merged(Moments.of(np.log(v))) if self.low > 0 else Moments()
        self.decimals = _decimals(v, self.decimals, np.float32 if pa.types.is_float32(self._cell) else np.float64)
        # of numbers that are not whole, all that matters is that there are many
        if not self.is_bool and (self.whole or self.complete):
            distinct, first, n = np.unique(v, return_index=True, return_counts=True)
            order = np.argsort(first)
            if not self.complete:
                order = order[np.isin(distinct[order], list(self.counts))]
            self._tally(zip(distinct[order].tolist(), n[order].tolist(), strict=True))

    @property
    def whole(self) -> bool:
        """Whether no number has a fraction."""
        return "fraction" not in self.first

    @property
    def n(self) -> int:
        """Observed cells."""
        return self.n_rows - self.n_missing

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
