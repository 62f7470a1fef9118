"""What is known of a column after one pass, in constant memory, however its rows are cut into chunks.

    n, mean, M2, M3     of v, and of log v where v > 0:  M_k = sum (v - mean)^k, merged chunk by chunk
    values              distinct values and their counts, the first 10,000 of them in order of appearance
    low, high, whole, decimals, missing cells, length of texts

Source of the merging: Updating formulae and a pairwise algorithm for computing sample variances, Chan, Golub and
LeVeque, 1979, http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import SchemaError
from .arrow import decoded, is_number, is_text, is_time, numbers

MAX_DISTINCT = 10_000
MAX_DECIMALS = 8
LARGEST = 1e150


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
        return self.m3 / self.n / self.spread**3 if self.spread else 0.0


class Profile:
    """Statistics of one column.

    Args:
        name: of the column.
        type_: Arrow's type of its cells.
        native: the data frame library's name of that type.
        declared: categories that the type itself names, in its order; empty if it names none.
        ordered: whether they have an order.

    Raises:
        SchemaError: for cells that are lists, bytes or other things that are neither numbers, text nor dates.
    """

    def __init__(
        self, name: str, type_: pa.DataType, native: str = "", declared: Sequence[Any] = (), ordered: bool = False
    ) -> None:
        self.name, self.type, self.native = name, type_, native
        self.declared, self.ordered = tuple(declared), ordered
        inner = type_.value_type if pa.types.is_dictionary(type_) else type_
        self.is_text, self.is_time = is_text(inner), is_time(inner)
        self.is_duration = pa.types.is_duration(inner)
        self.is_bool, self.is_null = pa.types.is_boolean(inner), pa.types.is_null(inner)
        if not (self.is_text or self.is_time or self.is_bool or self.is_null or is_number(inner)):
            raise SchemaError(
                f"column '{name}' holds cells of type {type_}, which are no numbers, text or dates; leave it out with "
                f"--column {name}=drop, or convert it"
            )
        self.n_rows = self.n_missing = self.length = 0
        self.moments, self.logs = Moments(), Moments()
        self.low, self.high, self.whole, self.decimals = math.inf, -math.inf, True, 0
        self.counts: dict[Any, int] = {}
        self.complete = True

    def add(self, column: Any) -> None:
        """Take in a chunk of the column, Arrow cells."""
        cells = decoded(column)
        if self.is_text or self.is_bool:
            self._count(cells)
        if self.is_text:
            self.length += pc.sum(pc.utf8_length(cells)).as_py() or 0
        elif not self.is_null:
            self._measure(numbers(cells, self.name))
        self.n_missing += cells.null_count
        self.n_rows += len(cells)

    def _count(self, cells: Any) -> None:
        pairs = pc.value_counts(cells).to_pylist()  # in order of first appearance
        self._tally([(pair["values"], pair["counts"]) for pair in pairs if pair["values"] is not None])

    def _tally(self, pairs: Iterable[tuple[Any, int]]) -> None:
        """Count values, given in order of first appearance; new ones as long as there is room."""
        for value, n in pairs:
            if value in self.counts or len(self.counts) < MAX_DISTINCT:
                self.counts[value] = self.counts.get(value, 0) + n
            else:
                self.complete = False

    def _measure(self, v: NDArray[np.float64]) -> None:
        far = np.abs(v) > LARGEST
        if far.any():
            row = int(far.argmax())
            raise SchemaError(
                f"row {self.n_rows + row}, column '{self.name}' holds {v[row]:g}, too large to square; change its "
                "units, or take logarithms"
            )
        v = v[~np.isnan(v)]
        if not len(v):
            return
        self.low, self.high = min(self.low, float(v.min())), max(self.high, float(v.max()))
        self.moments = self.moments.merged(Moments.of(v))
        if self.low > 0:
            self.logs = self.logs.merged(Moments.of(np.log(v)))
        self.whole = self.whole and bool((v == np.floor(v)).all())
        self.decimals = _decimals(v, self.decimals)
        # of numbers that are not whole, all that matters is that there are many
        if not self.is_bool and (self.whole or self.complete):
            distinct, first, n = np.unique(v, return_index=True, return_counts=True)
            order = np.argsort(first)
            self._tally(zip(distinct[order].tolist(), n[order].tolist(), strict=True))

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


def _decimals(v: NDArray[np.float64], least: int) -> int:
    """Digits behind the point that all numbers have room in; MAX_DECIMALS + 1 if there are more."""
    for d in range(least, MAX_DECIMALS + 1):
        if (np.round(v, d) == v).all():
            return d
    return MAX_DECIMALS + 1
