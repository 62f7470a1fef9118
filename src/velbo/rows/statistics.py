"""What is known of a field after one pass, in constant memory, however its rows are cut into chunks.

    moments             n, mean, M2 of v, and mean of log v if all v > 0; see moments.py
    low, high           smallest and largest v
    n_missing           missing cells
    first               row and cell of the first fraction, negative number, number not above 0

`ColumnStatistics` is of a column and knows more (column_statistics.py); `ArrayStatistics`, here, of a column of arrays,
whose cells have statistics of their own each.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import SchemaError
from .arrays import blocks
from .field import place_in
from .moments import Moments
from .row_numbers import row_name
from .tensors import block_of, item_type, shape_of

MAX_DECIMALS = 8
LARGEST = 1e90
"""Third powers of larger numbers, summed over rows, overflow."""


class Statistics(ABC):
    """What both sorts have.

    Args:
        name: of the field.

    Attributes:
        shape: of its cells in one row.
        type: Arrow's type that has room for the cells of all chunks.
        native: the data frame library's name of that type; empty for Arrow itself.
        moments: of v.
        low: smallest v; ``high``: largest; one number, or one for each cell of a row.
        first: what -> (place, cell) of the first "fraction", "negative" and "not positive" number.
        decimals: digits behind the point that all v have room in; MAX_DECIMALS + 1 if they have more, or if unknown.
        digits: how many digits numbers of a size have; nothing if all have as many, or if unknown.
        repeated: numbers that are no decimals, if nearly all cells hold one that five cells hold or more; else none.
        step: seconds that all dates or durations are multiples of; 0 if there is no such step.
    """

    shape: tuple[int, ...] = ()
    native = ""
    type: pa.DataType
    decimals: int = MAX_DECIMALS + 1
    digits: tuple[tuple[int, ...], ...] = ()
    repeated: tuple[float, ...] = ()
    step: float = 0.0
    is_skewed: bool = False
    """Whether the third moment is wanted."""

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

    @abstractmethod
    def place(self, row: int, *d: int) -> str:
        """What to call a cell of the chunk that is taken in."""

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
        """Mean of log v, where all v are above 0."""
        return self.logs.mean

    @property
    def spread(self) -> Any:
        """Standard deviation of v, 1 where it is 0."""
        return np.where(self.moments.spread > 0, self.moments.spread, 1.0)[()]

    def measure(self, v: NDArray[Any]) -> None:
        """Take in numbers (n,) or (n, D), NaN where missing.

        Raises:
            SchemaError: if one is infinite, or too large.
        """
        low, high = extremes(v)
        least, most = float(np.min(low)), float(np.max(high))
        self._refuse_far(least, most, v)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        if v.dtype.kind == "f":
            self.note("fraction", lambda: v % 1 > 0, v)
        if least < 0:
            self.note("negative", lambda: v < 0, v)
        if least <= 0:
            self.note("not positive", lambda: v <= 0, v)
        self.moments = self.moments.merged(Moments.of(v, self.is_skewed))
        is_positive = "not positive" not in self.first
        logs = Moments.of(np.log(v, dtype=np.float64), self.is_skewed) if is_positive else Moments()
        self.logs = self.logs.merged(logs) if is_positive else logs

    def note(self, what: str, find: Callable[[], NDArray[np.bool_]], v: NDArray[Any]) -> None:
        """Remember the first cell that is found, if none was before."""
        if what not in self.first:
            found = find()
            if found.any():
                at = _first(found)
                self.first[what] = self.place(*at), float(v[at])

    def _refuse_far(self, least: float, most: float, v: NDArray[Any]) -> None:
        if max(-least, most) <= LARGEST or least > most:
            return
        at = _first(np.abs(v, dtype=np.float64) > LARGEST)
        if np.isinf(v[at]):
            raise SchemaError(
                f"'{self.name}': {self.place(*at)} holds infinity, which has no likelihood: cap it, or mark it missing"
            )
        raise SchemaError(
            f"'{self.name}': {self.place(*at)} holds {v[at]:g}, too large to square and compute with; change its "
            "units, take logarithms, or mark it missing"
        )


def _first(found: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(int(found.argmax()), found.shape))


def extremes(v: NDArray[Any]) -> tuple[Any, Any]:
    """(smallest, largest) of numbers (n,), or of each column of numbers (n, D); (inf, -inf) where all are missing."""
    if v.dtype.kind != "f":
        return v.min(0), v.max(0)
    low, high = np.fmin.reduce(v, 0), np.fmax.reduce(v, 0)
    return np.where(np.isnan(low), math.inf, low)[()], np.where(np.isnan(high), -math.inf, high)[()]


class ArrayStatistics(Statistics):
    """Of a column of arrays, cell by cell: (D,) each, D the size of one array.

    Attributes:
        is_binary: whether every observed cell is 0 or 1.
    """

    def __init__(self, name: str, kind: pa.DataType) -> None:
        super().__init__(name)
        self.type, self.shape = kind, shape_of(kind)

    @property
    def value_type(self) -> pa.DataType:
        """Of a cell."""
        return item_type(self.type)

    @property
    def is_binary(self) -> bool:
        return self.whole and bool(np.min(self.low) >= 0 and np.max(self.high) <= 1)

    def place(self, row: int, *d: int) -> str:
        return f"{row_name(self.n_rows + row)}, {place_in(self.shape, d[0])}"

    def add(self, column: Any, native: str = "") -> None:
        """
        Raises:
            SchemaError: for arrays of another shape, infinite or too large numbers.
        """
        shape = shape_of(column.type)
        if shape != self.shape:
            other = f"arrays of shape {shape}" if shape else str(column.type)
            raise SchemaError(
                f"'{self.name}' holds arrays of shape {self.shape} before row {self.n_rows} and {other} from there on; "
                "give all rows one shape"
            )
        self.native = self.native or native
        for _, part in blocks(block_of(column)):
            self.measure(part)
            self.n_missing += int(np.isnan(part).sum()) if part.dtype.kind == "f" else 0
            self.n_rows += len(part)
