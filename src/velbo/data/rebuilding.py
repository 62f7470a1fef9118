"""Codes -> data frames: new rows, and what goes into the holes of old ones. The way back from frames.codes.

numbers      rounded to the decimals that were seen, whole ones to whole ones, within what their type has room for
dates        to a microsecond
categories   by their place
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import SchemaError, need
from .arrow import MICRO, backend_of, cells_of, decoded, is_text, is_time, names_of, native_name, sort_of, type_of
from .columns import Column


def clip_to_observed(rows: NDArray[np.float64], columns: Sequence[Column]) -> NDArray[np.float64]:
    """Codes (N, D) no further than what training data held."""
    modelled = [c for c in columns if c.is_modelled]
    return np.clip(rows, [c.low for c in modelled], [c.high for c in modelled])


def rebuild(rows: NDArray[np.float64], columns: Sequence[Column], backend: str) -> Any:
    """Codes (N, D) as a data frame: all columns but dropped ones, in order and type as they came.

    Args:
        rows: codes; NaN gives a missing cell.
        columns: of the schema.
        backend: pandas, polars or pyarrow; pyarrow is taken where the other is not installed.
    """
    codes_of = dict(zip([c.name for c in columns if c.is_modelled], np.asarray(rows).T, strict=True))
    kept = [c for c in columns if c.kind != "drop"]
    arrays = [_cells(codes_of[c.name], c) if c.is_modelled else _constant(c, len(rows)) for c in kept]
    table = pa.Table.from_arrays(arrays, [c.name for c in kept])
    return TO_BACKEND.get(backend, lambda t, _: t)(table, kept)


def _cells(v: NDArray[np.float64], c: Column) -> pa.Array:
    """Codes of one column in the type that it came in.

    Raises:
        pa.ArrowInvalid: if that type has no room for them.
    """
    kind, missing = type_of(c.dtype), np.isnan(v)
    if c.categories:
        return _named(v, c, kind)
    if c.kind == "datetime" or pa.types.is_duration(kind):
        plain = pa.duration("us") if pa.types.is_duration(kind) else pa.timestamp("us", getattr(kind, "tz", None))
        micro = pa.array(np.rint(np.where(missing, 0, v) * MICRO).astype(np.int64), mask=missing)
        return micro.cast(plain).cast(kind, safe=False)
    if pa.types.is_integer(kind):
        info = np.iinfo(kind.to_pandas_dtype())
        whole = np.clip(np.rint(np.where(missing, 0, v)), info.min, min(info.max, 2**63 - 1024))
        return pa.array(whole.astype(kind.to_pandas_dtype()), mask=missing)
    rounded = v if c.decimals is None else np.round(v, c.decimals)
    if is_text(kind):
        form = "r" if c.decimals is None else f".{c.decimals}f"
        said = [repr(float(x)) if form == "r" else format(x, form) for x in rounded]
        return pa.array([None if m else text for m, text in zip(missing, said, strict=True)], kind)
    if pa.types.is_boolean(kind):
        return pa.array(rounded > 0.5, mask=missing)
    return pa.array(rounded, mask=missing).cast(kind, safe=False)


def _named(places: NDArray[np.float64], c: Column, kind: pa.DataType) -> pa.Array:
    missing = np.isnan(places)
    at = pa.array(np.where(missing, 0, places).astype(np.int32), mask=missing)
    found = pa.array(c.categories)
    if not c.dtype.startswith("dictionary"):
        return found.take(at).cast(kind, safe=False)
    index = re.search(r"indices=(\w+)", c.dtype)
    width = pa.type_for_alias(index[1]) if index else pa.int32()
    fits = c.n_categories - 1 <= np.iinfo(width.to_pandas_dtype()).max
    ordered = "ordered=1" in c.dtype
    return pa.DictionaryArray.from_arrays(at.cast(width) if fits else at, found.cast(kind), ordered=ordered)


def _constant(c: Column, n: int) -> pa.Array:
    kind = type_of(c.dtype)
    if c.value is None:
        return pa.nulls(n, kind)
    if c.categories:
        return _named(np.full(n, float(c.categories.index(c.value))), c, kind)
    if not isinstance(c.value, str | bool):
        return _cells(np.full(n, float(c.value)), replace(c, kind="datetime") if is_time(kind) else c)
    return pa.array([c.value] * n).cast(kind)


def _to_pandas(table: pa.Table, columns: Sequence[Column]) -> Any:
    try:
        pandas = need("pandas", "data")
    except ImportError:
        return table
    return pandas.DataFrame({c.name: _series(table[c.name], c.native) for c in columns})


def _series(column: Any, native: str) -> Any:
    """Arrow cells as a pandas series of the type of that name; a type that has no room for holes gives way to one that
    has.
    """
    pandas = need("pandas", "data")
    if native.endswith("[pyarrow]"):
        return column.to_pandas(types_mapper=pandas.ArrowDtype)
    series = column.to_pandas()
    if native == "object":
        return series.astype(object).where(series.notna(), None)
    if column.null_count and native.startswith(("int", "uint", "bool")):
        native = {"bool": "boolean"}.get(native) or native.replace("uint", "UInt").replace("int", "Int")
    try:
        wanted = pandas.api.types.pandas_dtype(native or series.dtype)
    except TypeError:  # the name is another library's
        return series
    return series.astype(wanted)


def _to_polars(table: pa.Table, columns: Sequence[Column]) -> Any:
    try:
        polars = need("polars", "data")
    except ImportError:
        return table
    frame = polars.DataFrame({c.name: _polars_series(table[c.name]) for c in columns})
    enums = {c.name: polars.Enum(list(c.categories)) for c in columns if c.native.startswith("Enum") and c.categories}
    plain = {c.name: polars.Categorical for c in columns if c.native.startswith("Categorical")}
    return frame.cast(enums | plain)


def _polars_series(column: Any) -> Any:
    polars = need("polars", "data")
    numbered = pa.types.is_dictionary(column.type) and not is_text(column.type)
    return polars.from_arrow(decoded(column) if numbered else column)


TO_BACKEND = {"pandas": _to_pandas, "polars": _to_polars}


def fill(frame: Any, rows: NDArray[np.float64], columns: Sequence[Column]) -> Any:
    """A data frame whose missing cells of modelled columns hold what codes (N, D) say; all else is as it was.

    A column keeps its type, unless all its cells are missing and the type is that of other things than the model's; a
    type of categories is given those that it lacks.

    Raises:
        SchemaError: if a column's type has no room for the values of the model.
    """
    names, backend = names_of(frame, "data"), backend_of(frame)
    native = nw.to_native(frame, pass_through=True)
    filled = native.copy() if backend == "pandas" else native
    modelled = [c for c in columns if c.is_modelled]
    for c, v in zip(modelled, np.asarray(rows).T, strict=True):
        if c.name not in names:
            continue
        column, own = cells_of(frame, c.name, "data")
        missing = np.asarray(pc.is_null(decoded(column)))
        if missing.any():
            like = _like(column, own, c)
            new = _fitted(np.where(missing, v, np.nan), like)
            filled = FILL[backend](filled, names.index(c.name), missing, new, like)
    return filled


def _like(column: Any, native: str, c: Column) -> Column:
    """The column with the type of this frame, or that of training if nothing is in it and it is of another sort."""
    sort = sort_of(column.type)
    if decoded(column).null_count == len(column) and sort != sort_of(type_of(c.dtype)):
        return c
    return replace(c, dtype=str(column.type), native=native)


def _fitted(v: NDArray[np.float64], c: Column) -> pa.Array:
    try:
        return _cells(v, c)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaError(
            f"column '{c.name}' is of type {c.dtype}, which has no room for the values of the model; convert it"
        ) from error


def _fill_pandas(frame: Any, place: int, missing: NDArray[np.bool_], new: pa.Array, c: Column) -> Any:
    series, values = frame.iloc[:, place].copy(), _series(new, c.native)
    if native_name(series.dtype) != c.native:
        series = values.set_axis(frame.index)
    elif c.native == "category":
        lacking = [v for v in values.dropna().unique() if v not in series.cat.categories]
        series = series.cat.add_categories(lacking)
        series[missing] = values[missing].tolist()
    else:
        series[missing] = values[missing].array
    frame.isetitem(place, series)
    return frame


def _fill_polars(frame: Any, place: int, missing: NDArray[np.bool_], new: pa.Array, c: Column) -> Any:
    polars = need("polars", "data")
    series, values = frame.to_series(place), _polars_series(new)
    if str(series.dtype) != c.native:
        return frame.with_columns(values.alias(series.name))
    if isinstance(series.dtype, polars.Enum):
        kept = series.dtype.categories.to_list()
        used = values.drop_nulls().unique(maintain_order=True).to_list()
        series = series.cast(polars.Enum([*kept, *(v for v in used if v not in kept)]))
    return frame.with_columns(series.zip_with(polars.Series(~missing), values.cast(series.dtype)).alias(series.name))


def _fill_pyarrow(table: pa.Table, place: int, missing: NDArray[np.bool_], new: pa.Array, c: Column) -> Any:
    old, n = table.column(place), len(table)
    if old.type == new.type:
        both = pa.chunked_array([*old.chunks, new], old.type).unify_dictionaries()
        if pa.types.is_string_view(old.type):  # Arrow cannot take from these
            both = both.cast(pa.large_string())
        new = both.take(pa.array(np.arange(n) + n * missing)).cast(old.type)
    return table.set_column(place, table.field(place).with_type(new.type), new)


FILL = {"pandas": _fill_pandas, "polars": _fill_polars, "pyarrow": _fill_pyarrow}
