"""Data frames of any library as Arrow columns, and columns as numbers v (columns.py), NaN where missing."""

# pyarrow.compute makes its functions when it is imported
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import DataError, SchemaError
from .arrays import MISSING_WORDS

BACKENDS = ("pandas", "polars", "pyarrow")
MICRO = 1e6


def is_frame(x: Any) -> bool:
    """Whether x is a data frame of a library that is known; arrays, series and lazy frames are none."""
    return nw.dependencies.is_into_dataframe(nw.to_native(x, pass_through=True))


def backend_of(frame: Any) -> str:
    """pandas, polars or pyarrow: the library that rows of such a frame go back in."""
    name = str(nw.from_native(frame, eager_only=True, pass_through=False).implementation.name).lower()
    return name if name in BACKENDS else "pyarrow"


def names_of(frame: Any, what: str) -> list[str]:
    """Of all columns, as text.

    Raises:
        DataError: for what is no frame, and for names that are double or in several levels.
    """
    if not is_frame(frame):
        lazy = "; collect it first" if hasattr(frame, "collect") else ""
        raise DataError(f"{what}: a data frame or an array is needed, not {type(frame).__name__}{lazy}")
    native = nw.to_native(frame, pass_through=True)
    to_arrow(_only(native, ()), what)
    names = [str(n) for n in (native.column_names if isinstance(native, pa.Table) else native.columns)]
    for name, n in Counter(names).items():
        if n > 1:
            raise DataError(f"{what}: two columns are called '{name}'; rename one")
    return names


def _only(frame: Any, names: Container[str]) -> Any:
    """The columns of these names: what is left out need not be of a type that Arrow has."""
    native = nw.to_native(frame, pass_through=True)
    if hasattr(native, "iloc"):
        return native.iloc[:, [i for i, name in enumerate(native.columns) if str(name) in names]]
    every = native.column_names if isinstance(native, pa.Table) else native.columns
    return native.select([name for name in every if name in names])


def cells_of(frame: Any, name: str, what: str) -> tuple[Any, str]:
    """(Arrow cells, the library's own name of their type; empty for Arrow, whose types are known as they are)."""
    one = _only(frame, (name,))
    try:
        column = to_arrow(one, what)[0]
    except pa.ArrowException as error:
        raise DataError(f"{what}: column '{name}' is of a type that Arrow does not have; convert it") from error
    return column, "" if isinstance(one, pa.Table) else native_name(next(iter(one.dtypes)))


def native_name(dtype: Any) -> str:
    """A name from which the type can be made again: pandas calls text "string" wherever it is stored."""
    python = str(dtype) == "string" and getattr(dtype, "storage", "") == "python"
    return "string[python]" if python else str(dtype)


def to_arrow(frame: Any, what: str = "data") -> pa.Table:
    """Any data frame as an Arrow table with text as column names.

    Raises:
        DataError: for names that are double or in several levels, or columns that hold Python objects.
    """
    if isinstance(frame, pa.Table):
        return _checked_names(frame, what)
    native = nw.to_native(frame, pass_through=True)
    if getattr(getattr(native, "columns", None), "nlevels", 1) > 1:
        raise DataError(f"{what}: its columns have names in several levels; join them into one")
    if type(native).__module__.startswith("pandas"):
        arrays = [_from_pandas(native.iloc[:, i], what) for i in range(native.shape[1])]
        return _checked_names(pa.Table.from_arrays(arrays, [str(c) for c in native.columns]), what)
    return _checked_names(nw.from_native(native, eager_only=True).to_arrow(), what)


def _checked_names(table: pa.Table, what: str) -> pa.Table:
    names = table.column_names
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{what}: two columns are called '{name}'; rename one")
    return table


def _from_pandas(series: Any, what: str) -> pa.Array:
    try:
        array = pa.Array.from_pandas(series)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        kinds = sorted({type(v).__name__ for v in series if v is not None})
        raise DataError(
            f"{what}: column '{series.name}' holds Python objects of several types ({', '.join(kinds[:4])}); make them "
            "one: numbers, text or dates"
        ) from error
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def is_text(kind: pa.DataType) -> bool:
    """Whether cells are text, plain or as a dictionary."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner)


def sort_of(kind: pa.DataType) -> str:
    """What cells of a type are: text, dates, durations, truth values or numbers; empty if none of these."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    sorts = {
        "text": is_text(inner),
        "dates": is_time(inner),
        "durations": pa.types.is_duration(inner),
        "truth values": pa.types.is_boolean(inner),
        "missing cells only": pa.types.is_null(inner),
        "numbers": is_number(inner),
    }
    return next((name for name, found in sorts.items() if found), "")


def is_time(kind: pa.DataType) -> bool:
    """Whether cells are dates or times of dates."""
    return pa.types.is_timestamp(kind) or pa.types.is_date(kind)


def is_number(kind: pa.DataType) -> bool:
    """Whether cells are numbers, durations (in seconds) among them."""
    plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return plain or pa.types.is_duration(kind)


def decoded(column: Any) -> Any:
    """Without a dictionary; words for missing cells as nulls, NaN as nulls."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if is_text(column.type):
        words = pc.utf8_lower(pc.utf8_trim_whitespace(column.cast(pa.string())))
        return pc.if_else(pc.is_in(words, pa.array(MISSING_WORDS)), None, column.cast(pa.string()))
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), None, column)
    return column


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
    values = (
        column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        if isinstance(column, pa.Array)
        else (column.cast(pa.float64(), safe=False).to_numpy())
    )
    return np.array(values, dtype=np.float64)


def _parsed(column: Any, name: str, what: str) -> Any:
    trimmed = pc.utf8_trim_whitespace(column)
    try:
        return trimmed.cast(pa.float64())
    except pa.ArrowInvalid as error:
        row, cell = first_that_is_no_number(trimmed.to_pylist())
        raise SchemaError(f"{what}: row {row}, column '{name}' holds {cell!r}, which is no number") from error


def is_number_text(text: str) -> bool:
    """Whether text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def first_that_is_no_number(cells: Iterable[str | None]) -> tuple[int, str]:
    """(place, cell)."""
    return next(((row, cell) for row, cell in enumerate(cells) if cell and not is_number_text(cell)), (-1, ""))


def times_of_text(column: Any, name: str, what: str = "data") -> Any:
    """Text as timestamps.

    Raises:
        SchemaError: if some are no dates.
    """
    try:
        return decoded(column).cast(pa.timestamp("us"))
    except pa.ArrowInvalid as error:
        raise SchemaError(f"{what}: column '{name}' holds text that is no date as in 2024-12-31 ({error})") from error


def type_of(name: str) -> pa.DataType:
    """The inverse of str(type), for the types of columns; a dictionary's is that of its values."""
    if found := re.fullmatch(r"dictionary<values=(.*?), indices=.*>", name):
        return type_of(found[1])
    if found := re.fullmatch(r"timestamp\[(\w+)(?:, tz=(.*))?\]", name):
        return pa.timestamp(found[1], found[2])
    if found := re.fullmatch(r"decimal(\d+)\((\d+), (-?\d+)\)", name):
        return getattr(pa, f"decimal{found[1]}")(int(found[2]), int(found[3]))
    return pa.type_for_alias(name)
