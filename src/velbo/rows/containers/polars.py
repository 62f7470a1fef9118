"""polars' data frames. Columns of its type Array are arrays, of any number of axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...errors import DataError, need
from ..arrow import decoded, is_text
from ..field import Field
from .arrow import ArrowRows, Frames, new_column
from .base import Column


class PolarsRows(Frames):
    """polars' data frames."""

    name = "polars"

    def holds(self, x: Any) -> bool:
        return nw.dependencies.is_polars_dataframe(nw.to_native(x, pass_through=True))

    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        native = nw.to_native(x, pass_through=True)
        return [
            Column(name, partial(self._cells, native, i, what), str(kind))
            for i, (name, kind) in enumerate(native.schema.items())
        ]

    @staticmethod
    def _cells(frame: Any, place: int, what: str) -> Any:
        series = frame.to_series(place)
        try:
            return series.to_arrow()
        except pa.ArrowException as error:
            raise DataError(
                f"{what}: column '{series.name}' is of type {series.dtype}, which Arrow does not have; convert it"
            ) from error

    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        return nw.to_native(x, pass_through=True)[index.tolist()]

    def new(self, fields: Sequence[Field], v: Sequence[NDArray[np.float64]]) -> Any:
        try:
            polars = need("polars", "data")
        except ImportError:
            return ArrowRows().new(fields, v)
        cells = zip(fields, v, strict=True)
        frame = polars.DataFrame({f.name: _polars_series(new_column(f, each, as_lists=True)) for f, each in cells})
        enums = {f.name: polars.Enum([str(c) for c in f.categories if c is not None]) for f in fields if _is_enum(f)}
        plain = {f.name: polars.Categorical for f in fields if f.native.startswith("Categorical")}
        return frame.cast(enums | plain)

    def replaced(self, x: Any, columns: Mapping[int, Any]) -> Any:
        native = nw.to_native(x, pass_through=True)
        return native.with_columns(series.alias(native.columns[place]) for place, series in columns.items())

    def with_cells(self, x: Any, place: int, new: pa.Array, field: Field, at: NDArray[np.bool_]) -> Any:
        polars, series = need("polars", "data"), nw.to_native(x, pass_through=True).to_series(place)
        values = _polars_series(new)
        if str(series.dtype) != field.native:
            return values
        if isinstance(series.dtype, polars.Enum):
            known = series.dtype.categories.to_list()
            used = values.drop_nulls().unique(maintain_order=True).to_list()
            series = series.cast(polars.Enum([*known, *(v for v in used if v not in known)]))
        values = values.cast(series.dtype)
        return values if at.all() else series.zip_with(polars.Series(~at), values)

    def with_arrays(self, x: Any, place: int, cells: pa.Array, at: NDArray[np.bool_]) -> Any:
        return _polars_series(cells)


def _is_enum(field: Field) -> bool:
    return field.native.startswith("Enum") and bool(field.categories)


def _polars_series(column: Any) -> Any:
    polars = need("polars", "data")
    numbered = pa.types.is_dictionary(column.type) and not is_text(column.type)
    return polars.from_arrow(decoded(column) if numbered else column)
