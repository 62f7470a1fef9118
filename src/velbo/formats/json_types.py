"""What the values of one column of JSON can be: of a list of types, those that hold all of them; the first counts.

true, false   bool
numbers       int64, uint64, decimal128 of no fraction (whole numbers, however long), double
text          date32, timestamp[us], timestamp[ns], the same with a zone, string
else          lists and objects, of the type that holds all of them
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError
from .typed import UNFIT

LONG = pa.decimal128(38, 0)
NUMBERS: tuple[pa.DataType, ...] = (pa.int64(), pa.uint64(), LONG, pa.float64())
TEXTS: tuple[pa.DataType, ...] = (
    pa.date32(),
    *(pa.timestamp(unit, zone) for zone in (None, "UTC") for unit in ("us", "ns")),
    pa.string(),
)
EXACT = 2**53
"""Up to here a double holds every whole number."""
LONGEST = 10**38
"""Below this whole numbers have room in a decimal."""
PROBE = 16  # cells


class TypeGuess:
    """What the values of a column, seen so far, can be.

    Args:
        path: of the file.
        name: of the column.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name, self._left = path, name, tuple[pa.DataType, ...]()

    @property
    def type(self) -> pa.DataType:
        """The type that holds them; null where all are missing."""
        return self._left[0] if self._left else pa.null()

    def see(self, column: Any, line: int, wholes: Callable[[], list[int]]) -> None:
        """Strike out the types that do not hold a column of a block.

        Args:
            column: of the types that Arrow gives to JSON.
            line: of the file, with which the block begins.
            wholes: its numbers, if they are written as whole ones; asked for where they are long.

        Raises:
            DataError: if none is left.
        """
        self._keep(_types_of(column, wholes), f"the lines from {line} on")

    def join(self, other: TypeGuess) -> None:
        """Strike out the types that do not hold another file's column.

        Raises:
            DataError: if none is left.
        """
        self._keep(other._left, str(other._path))

    def _keep(self, kinds: tuple[pa.DataType, ...], where: str) -> None:
        if not kinds:
            return
        left = tuple(kind for kind in self._left or kinds if kind in kinds) or self._both_nested(kinds)
        if not left:
            raise DataError(
                f"{self._path}: column '{self._name}' holds values of type {kinds[0]} in {where}, and {self._left[0]} "
                "before; write it as one type"
            )
        self._left = left

    def _both_nested(self, kinds: tuple[pa.DataType, ...]) -> tuple[pa.DataType, ...]:
        if not (pa.types.is_nested(kinds[0]) and pa.types.is_nested(self._left[0])):
            return ()
        both = [pa.schema([(self._name, kind)]) for kind in (self._left[0], kinds[0])]
        try:
            return (pa.unify_schemas(both, promote_options="permissive").field(0).type,)
        except UNFIT:
            return ()


def _types_of(column: Any, wholes: Callable[[], list[int]]) -> tuple[pa.DataType, ...]:
    kind = column.type
    if pa.types.is_null(kind):
        return ()
    if pa.types.is_integer(kind):
        return NUMBERS if pc.min(column).as_py() >= 0 else tuple(k for k in NUMBERS if k != pa.uint64())
    if pa.types.is_floating(kind):
        return _types_of_doubles(column, wholes)
    if pa.types.is_string(kind):
        cells = column.drop_null()
        return tuple(kind for kind in TEXTS if _is_cast(cells, kind))
    return (kind,)


def _types_of_doubles(column: Any, wholes: Callable[[], list[int]]) -> tuple[pa.DataType, ...]:
    """Long whole numbers are doubles to Arrow, which would round them."""
    if not pc.any(pc.greater_equal(pc.abs(column), EXACT)).as_py():
        return (pa.float64(),)
    numbers = wholes()
    if not numbers or max(map(abs, numbers)) >= LONGEST:
        return (pa.float64(),)
    return (*((pa.uint64(),) if min(numbers) >= 0 and max(numbers) < 2**64 else ()), LONG, pa.float64())


def _is_cast(cells: Any, kind: pa.DataType) -> bool:
    try:
        # Arrow words an error for each of the cells that fail: most types fail at the first ones
        cells.slice(0, PROBE).cast(kind)
        cells.cast(kind)
    except UNFIT:
        return False
    return True


def explicit_type(kind: pa.DataType) -> pa.DataType:
    """The type that Arrow's reader is asked for: text where that becomes a date or a time afterwards."""
    return pa.string() if kind in TEXTS else kind
