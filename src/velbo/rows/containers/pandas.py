"""pandas' data frames; index, names and types come back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...errors import DataError, need
from ..arrow import block_of, shape_of
from ..field import Field
from .arrow import ArrowRows, Frames
from .base import Column, checked, restored


class PandasRows(Frames):
    """pandas' data frames; index, names and types come back."""

    name = "pandas"

    def holds(self, x: Any) -> bool:
        return nw.dependencies.is_pandas_dataframe(nw.to_native(x, pass_through=True))

    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        native = nw.to_native(x, pass_through=True)
        if native.columns.nlevels > 1:
            raise DataError(f"{what}: its columns have names in several levels; join them into one")
        columns = [
            Column(str(label), partial(self._cells, native, i, what), _native_name(kind), _key(label))
            for i, (label, kind) in enumerate(zip(native.columns, native.dtypes, strict=True))
        ]
        return checked(columns, what)

    @staticmethod
    def _cells(frame: Any, place: int, what: str) -> Any:
        series = frame.iloc[:, place]
        try:
            array = pa.Array.from_pandas(series)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            kinds = sorted({type(v).__name__ for v in series if v is not None})
            raise DataError(
                f"{what}: column '{series.name}' holds Python objects of several types ({', '.join(kinds[:4])}); make "
                "them one: numbers, text or dates"
            ) from error
        return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array

    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        return x.iloc[index]

    def new(self, fields: Sequence[Field], v: Sequence[NDArray[np.float64]]) -> Any:
        try:
            pandas = need("pandas", "data")
        except ImportError:
            return ArrowRows().new(fields, v)
        series = {_label(f): _series(restored(f, each), f.native) for f, each in zip(fields, v, strict=True)}
        return pandas.DataFrame(series)

    def with_cells(self, x: Any, column: Column, new: pa.Array, field: Field, at: NDArray[np.bool_]) -> Any:
        native = nw.to_native(x, pass_through=True)
        place = [str(label) for label in native.columns].index(column.name)
        frame, series = native.copy(deep=False), native.iloc[:, place].copy()
        values = _series(new, field.native).set_axis(native.index)
        if at.all() or _native_name(series.dtype) != field.native:
            series = values
        elif field.native == "category":
            lacking = [v for v in values.dropna().unique() if v not in series.cat.categories]
            series = series.cat.add_categories(lacking)
            series[at] = values[at].tolist()
        else:
            series[at] = values[at].array
        frame.isetitem(place, series)
        return frame


def _key(label: Any) -> int | None:
    return int(label) if isinstance(label, int | np.integer) and not isinstance(label, bool) else None


def _label(field: Field) -> str | int:
    return field.name if field.key is None else field.key


def _native_name(dtype: Any) -> str:
    """A name from which the type can be made again: pandas calls text "string" wherever it is stored."""
    python = str(dtype) == "string" and getattr(dtype, "storage", "") == "python"
    return "string[python]" if python else str(dtype)


def _series(column: Any, native: str) -> Any:
    """Arrow cells as a pandas series of the type of that name; a type that has no room for missing cells gives way to
    one that has.
    """
    pandas = need("pandas", "data")
    if shape_of(column.type):
        return pandas.Series(list(block_of(column)), dtype=object)
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
