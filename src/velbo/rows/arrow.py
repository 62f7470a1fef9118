"""Columns of Arrow as numbers v (field.py), NaN where missing, and what their types are called.

A column of arrays is of type fixed_shape_tensor, or fixed_size_list for one axis. In typed data nothing but a null is
missing, and NaN among floats: words are words.
"""

# pyarrow.compute makes its functions when it is imported
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import DataError, SchemaError

MICRO = 1e6


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


def shape_of(kind: pa.DataType) -> tuple[int, ...]:
    """Of the arrays in a column; () for a column of single cells."""
    if isinstance(kind, pa.FixedShapeTensorType):
        return tuple(kind.shape)
    return (kind.list_size,) if pa.types.is_fixed_size_list(kind) and is_number(kind.value_type) else ()


def sort_of(kind: pa.DataType) -> str:
    """What cells of a type are, in a word for messages; empty if none that velbo knows."""
    inner = value_type(kind)
    sorts = {
        "text": is_text(inner),
        "dates": is_time(inner),
        "durations": pa.types.is_duration(inner),
        "truth values": pa.types.is_boolean(inner),
        "missing values only": pa.types.is_null(inner),
        "numbers": is_number(inner),
        "arrays": bool(shape_of(inner)),
    }
    return next((name for name, found in sorts.items() if found), "")


def type_of(name: str) -> pa.DataType:
    """The inverse of str(type), for the types of columns; a dictionary's is that of its values."""
    if found := re.fullmatch(r"dictionary<values=(.*?), indices=.*>", name):
        return type_of(found[1])
    if found := re.fullmatch(r"timestamp\[(\w+)(?:, tz=(.*))?\]", name):
        return pa.timestamp(found[1], found[2])
    if found := re.fullmatch(r"decimal(\d+)\((\d+), (-?\d+)\)", name):
        return getattr(pa, f"decimal{found[1]}")(int(found[2]), int(found[3]))
    return pa.type_for_alias(name)


def decoded(column: Any) -> Any:
    """Without a dictionary, text as plain strings, NaN as null."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if is_text(column.type):
        return column.cast(pa.string())
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), None, column)
    return column


def block_of(column: Any) -> NDArray[Any]:
    """A column of arrays as (N, size), NaN where missing; no copy where none is needed."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(whole, pa.ChunkedArray):  # of no chunks, or of more than fit into one
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
    lists = whole.storage if isinstance(whole.type, pa.FixedShapeTensorType) else whole
    n = lists.type.list_size
    values = lists.values.slice(lists.offset * n, len(lists) * n)
    block = values.to_numpy(zero_copy_only=False).reshape(len(lists), n)
    if lists.null_count:
        block = np.where(np.asarray(lists.is_null())[:, None], np.nan, block)
    permutation = getattr(whole.type, "permutation", None)
    if permutation is not None and list(permutation) != sorted(permutation):
        block = whole.to_numpy_ndarray().reshape(len(lists), n)
    return block


def numbers(column: Any, name: str, what: str = "data") -> NDArray[np.float64]:
    """v of numbers, truth values, dates (seconds since 1970) and durations (seconds); text that is a number counts.

    Raises:
        SchemaError: naming the first cell that is no number, or infinite.
    """
    column = decoded(column)
    kind = column.type
    if is_time(kind):
        micro = column.cast(pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False)
        return _floats(micro.cast(pa.int64())) / MICRO
    if pa.types.is_duration(kind):
        return _floats(column.cast(pa.duration("us"), safe=False).cast(pa.int64())) / MICRO
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    if is_text(kind):
        column = _parsed(column, name, what)
    values = _floats(column)
    infinite = np.isinf(values)
    if infinite.any():
        row = int(infinite.argmax())
        raise SchemaError(
            f"{what}: row {row}, column '{name}' holds inf; infinity has no likelihood: cap it, or mark it missing"
        )
    return values


def _floats(column: Any) -> NDArray[np.float64]:
    plain = column.cast(pa.float64(), safe=False)
    values = plain.to_numpy(zero_copy_only=False) if isinstance(plain, pa.Array) else plain.to_numpy()
    return np.array(values, dtype=np.float64)


def _parsed(column: Any, name: str, what: str) -> Any:
    trimmed = pc.utf8_trim_whitespace(column)
    try:
        return trimmed.cast(pa.float64())
    except pa.ArrowInvalid as error:
        row, cell = _first_that_is_no_number(trimmed.to_pylist())
        raise SchemaError(f"{what}: row {row}, column '{name}' holds {cell!r}, which is no number") from error


def is_number_text(text: str) -> bool:
    """Whether text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_that_is_no_number(cells: Iterable[str | None]) -> tuple[int, str]:
    found = ((row, cell) for row, cell in enumerate(cells) if cell is not None and not is_number_text(cell))
    return next(found, (-1, ""))


def times_of_text(column: Any, name: str, what: str = "data") -> Any:
    """Text as timestamps.

    Raises:
        SchemaError: if some are no dates.
    """
    try:
        return decoded(column).cast(pa.timestamp("us"))
    except pa.ArrowInvalid as error:
        raise SchemaError(f"{what}: column '{name}' holds text that is no date as in 2024-12-31 ({error})") from error


def wall_clock(column: Any) -> Any:
    """Dates and times as they stand on the clock of their zone, without it; all others as they are."""
    timed = pa.types.is_timestamp(column.type) and column.type.tz is not None
    return pc.local_timestamp(column) if timed else column


def checked_names(table: pa.Table, what: str) -> pa.Table:
    """
    Raises:
        DataError: if two columns have one name.
    """
    names = table.column_names
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))
        raise DataError(f"{what}: two columns are called '{twice}'; rename one")
    return table
