"""Columns of Arrow as numbers v (field.py), NaN where missing, and what their types are called.

In typed data nothing but a null is missing, and NaN among floats: words are words. Columns of arrays: tensors.py.
"""

# pyarrow.compute makes its functions when it is imported
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import SchemaError
from .row_numbers import row_name
from .tensors import parted, shape_of

MICRO = 1e6
PER_SECOND = {"s": 1.0, "ms": 1e3, "us": MICRO, "ns": 1e9}
SECONDS_PER_DAY = 86_400.0
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
NUMBER_ALONE = re.compile(NUMBER)


def value_type(kind: pa.DataType) -> pa.DataType:
    """The type of the cells of a dictionary, or the type itself."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def is_text(kind: pa.DataType) -> bool:
    """Whether cells are text, plain or as a dictionary."""
    inner = value_type(kind)
    return pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner)


def is_time(kind: pa.DataType) -> bool:
    """Whether cells are dates or times of dates."""
    return pa.types.is_timestamp(kind) or pa.types.is_date(kind)


def is_number(kind: pa.DataType) -> bool:
    """Whether cells are numbers, durations (in seconds) among them."""
    plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return plain or pa.types.is_duration(kind)


SORTS: dict[str, Callable[[pa.DataType], bool]] = {
    "text": is_text,
    "dates": is_time,
    "durations": pa.types.is_duration,
    "truth values": pa.types.is_boolean,
    "missing values only": pa.types.is_null,
    "numbers": is_number,
    "arrays": lambda kind: bool(shape_of(kind)),
}


def sort_of(kind: pa.DataType) -> str:
    """What cells of a type are, in a word for messages; empty if none that velbo knows."""
    inner = value_type(kind)
    return next((name for name, holds in SORTS.items() if holds(inner)), "")


@cache
def type_of(name: str) -> pa.DataType:
    """The inverse of str(type), for the types of columns; a dictionary's is that of its values."""
    if found := re.fullmatch(r"dictionary<values=(.*?), indices=.*>", name):
        return type_of(found[1])
    if found := re.fullmatch(r"timestamp\[(\w+)(?:, tz=(.*))?\]", name):
        return pa.timestamp(found[1], found[2])
    if found := re.fullmatch(r"decimal(\d+)\((\d+), (-?\d+)\)", name):
        return getattr(pa, f"decimal{found[1]}")(int(found[2]), int(found[3]))
    return pa.type_for_alias(name)


def undictionaried(column: Any) -> Any:
    """The cells of a dictionary, or the column itself."""
    if not pa.types.is_dictionary(column.type):
        return column
    inner = column.type.value_type
    if not pa.types.is_string_view(inner):
        return column.cast(inner)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    taken = [selected(chunk.dictionary, chunk.indices) for chunk in chunks]
    return pa.chunked_array(taken, inner) if isinstance(column, pa.ChunkedArray) else taken[0]


def selected(column: Any, index: Any) -> Any:
    """Cells at the places of an Arrow index, of any type."""
    if pa.types.is_string_view(column.type):  # Arrow cannot take from these
        return column.cast(pa.large_string()).take(index).cast(column.type)
    return column.take(index)


def comparable(kind: pa.DataType) -> pa.DataType:
    """A type with the same cells that Arrow looks up, counts and sorts; not all are."""
    if is_text(kind):
        return pa.string()
    if pa.types.is_float16(kind):
        return pa.float32()
    return pa.decimal128(kind.precision, kind.scale) if str(kind).startswith(("decimal32", "decimal64")) else kind


def decoded(column: Any) -> Any:
    """Without a dictionary, in a type that Arrow can compare, decimals as floats, NaN as null."""
    column = undictionaried(column)
    column = _doubles(column) if pa.types.is_decimal(column.type) else column.cast(comparable(column.type))
    if pa.types.is_floating(column.type):
        is_nan = pc.is_nan(column)
        return pc.if_else(is_nan, None, column) if pc.any(is_nan).as_py() else column
    return column


def missing_of(column: Any) -> NDArray[np.bool_]:
    """Which cells are missing, (N,), or (N, size) of a column of arrays."""
    if not shape_of(column.type):
        return np.array(column.is_null(nan_is_null=True))
    values, missing = parted(column)
    return missing | np.isnan(values) if values.dtype.kind == "f" else missing


def numbers(column: Any, name: str, what: str = "data") -> NDArray[np.float64]:
    """v of numbers, truth values, dates (seconds since 1970) and durations (seconds), to a microsecond; text that is a
    number counts.

    Raises:
        SchemaError: naming the first cell that is no number, or infinite.
    """
    values = values_of(column, name, what)
    infinite = np.isinf(values)
    if infinite.any():
        row = int(infinite.argmax())
        raise SchemaError(
            f"{what}: {row_name(row)}, column '{name}' holds inf; infinity has no likelihood: cap it, or mark it "
            "missing"
        )
    return values


def values_of(column: Any, name: str, what: str = "data") -> NDArray[np.float64]:
    """The same, infinite numbers among them.

    Raises:
        SchemaError: naming the first cell that is no number.
    """
    column = undictionaried(column)
    kind = column.type
    if is_time(kind) or pa.types.is_duration(kind):
        return _seconds(column)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    if pa.types.is_decimal(kind):
        column = _doubles(column)
    if is_text(kind):
        column = _parsed(column, name, what)
    return _floats(column)


def _seconds(column: Any) -> NDArray[np.float64]:
    kind = column.type
    if pa.types.is_date32(kind):
        return _floats(column.cast(pa.int32())) * SECONDS_PER_DAY
    ticks, unit = column.cast(pa.int64()), "ms" if pa.types.is_date64(kind) else kind.unit
    if unit == "ns":
        ticks, unit = pc.divide(ticks, 1000), "us"  # more digits than a float has
    return _floats(ticks) / PER_SECOND[unit]


def _doubles(decimals: Any) -> Any:
    """The nearest floats; Arrow's own cast gives the neighbours of some."""
    return decimals.cast(pa.string()).cast(pa.float64())


def _floats(column: Any) -> NDArray[np.float64]:
    plain = column.cast(pa.float64(), safe=False)
    values = plain.to_numpy(zero_copy_only=False) if isinstance(plain, pa.Array) else plain.to_numpy()
    return np.array(values, dtype=np.float64)


def _parsed(column: Any, name: str, what: str) -> Any:
    trimmed = pc.utf8_trim_whitespace(column.cast(pa.string()))
    row = pc.index(pc.match_substring_regex(trimmed, f"^{NUMBER}$"), False).as_py()
    if row >= 0:
        raise SchemaError(f"{what}: {row_name(row)}, column '{name}' holds {column[row].as_py()!r}, which is no number")
    return pc.utf8_ltrim(trimmed, "+").cast(pa.float64())


def is_number_text(text: str) -> bool:
    """Whether text is a finite number."""
    return NUMBER_ALONE.fullmatch(text.strip()) is not None


def times_of_text(column: Any, name: str, zone: str | None, what: str = "data") -> Any:
    """Text as timestamps.

    Args:
        column: of text.
        name: of the column.
        zone: of the times; where there is one, each cell says how far it is from UTC.
        what: the name of the data in messages.

    Raises:
        SchemaError: if some are no dates.
    """
    try:
        return decoded(column).cast(pa.timestamp("us", zone))
    except pa.ArrowInvalid as error:
        example = "2024-12-31" if zone is None else "2024-12-31T08:00:00+01:00"
        raise SchemaError(f"{what}: column '{name}' holds text that is no date as in {example} ({error})") from error


def wall_clock(column: Any) -> Any:
    """Dates and times as they stand on the clock of their zone, without it; all others as they are."""
    timed = pa.types.is_timestamp(column.type) and column.type.tz is not None
    return pc.local_timestamp(column) if timed else column
