"""polars' data frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...errors import DataError, need
from ..arrow import block_of, decoded, is_text, shape_of
from ..field import Field
from .arrow import ArrowRows, Frames
from .base import Column, as_arrow, restored


class PolarsRows(Frames):
    """polars' data frames."""

    name = "polars"

    def holds(self, x: Any) -> bool:
        return nw.dependencies.is_polars_dataframe(nw.to_native(x, pass_through=True))

    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        native = nw.to_native(x, pass_through=True)
        return [
            Column(name, partial(self._cells, native, i), str(native.dtypes[i]))
            for i, name in enumerate(native.columns)
        ]

    @staticmethod
    def _cells(frame: Any, place: int) -> Any:
        polars = need("polars", "data")
        series = frame.to_series(place)
        array = series.to_arrow()
        if isinstance(series.dtype, polars.Array):
            return _tensor_of_nested(array)
        return array

    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        return nw.to_native(x, pass_through=True)[index.tolist()]

    def new(self, fields: Sequence[Field], v: Sequence[NDArray[np.float64]]) -> Any:
        try:
            polars = need("polars", "data")
        except ImportError:
            return ArrowRows().new(fields, v)
        frame = polars.DataFrame({f.name: _polars_series(restored(f, each)) for f, each in zip(fields, v, strict=True)})
        enums = {f.name: polars.Enum([str(c) for c in f.categories if c is not None]) for f in fields if _is_enum(f)}
        plain = {f.name: polars.Categorical for f in fields if f.native.startswith("Categorical")}
        return frame.cast(enums | plain)

    def with_cells(self, x: Any, column: Column, new: pa.Array, field: Field, at: NDArray[np.bool_]) -> Any:
        polars, native = need("polars", "data"), nw.to_native(x, pass_through=True)
        series, values = native.get_column(column.name), _polars_series(new)
        if str(series.dtype) != field.native or shape_of(new.type):
            return native.with_columns(values.alias(column.name))
        if isinstance(series.dtype, polars.Enum):
            known = series.dtype.categories.to_list()
            used = values.drop_nulls().unique(maintain_order=True).to_list()
            series = series.cast(polars.Enum([*known, *(v for v in used if v not in known)]))
        values = values.cast(series.dtype)
        kept = values if at.all() else series.zip_with(polars.Series(~at), values)
        return native.with_columns(kept.alias(column.name))


def _is_enum(field: Field) -> bool:
    return field.native.startswith("Enum") and bool(field.categories)


def _tensor_of_nested(array: Any) -> Any:
    """Fixed-size lists in fixed-size lists as one tensor a row."""
    shape, kind = [], array.type
    while pa.types.is_fixed_size_list(kind):
        shape.append(kind.list_size)
        kind = kind.value_type
    values = array
    for _ in shape:
        values = values.flatten()
    if array.null_count or len(values) != len(array) * int(np.prod(shape)):
        raise DataError("a column of arrays has missing rows; mark their cells as NaN instead")
    return as_arrow(values.to_numpy(zero_copy_only=False).reshape(len(array), *shape))


def _polars_series(column: Any) -> Any:
    polars = need("polars", "data")
    if shape_of(column.type):
        block = block_of(column)
        return polars.Series(values=block.reshape(len(column), *shape_of(column.type)))
    numbered = pa.types.is_dictionary(column.type) and not is_text(column.type)
    return polars.from_arrow(decoded(column) if numbered else column)
