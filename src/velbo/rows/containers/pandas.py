"""pandas' data frames; index, names and types come back. A column of objects may hold an array in every row."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...errors import DataError, need
from ..arrays import is_missing
from ..arrow import selected, type_of
from ..field import Field
from ..tensors import block_of, shape_of, tensors
from .arrow import ArrowRows, Frames, new_column, spliced
from .base import Column, checked, restored_block


class PandasRows(Frames):
    """pandas' data frames."""

    name = "pandas"

    def holds(self, x: Any) -> bool:
        return nw.dependencies.is_pandas_dataframe(nw.to_native(x, pass_through=True))

    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        native = nw.to_native(x, pass_through=True)
        if native.columns.nlevels > 1:
            raise DataError(
                f"{what}: its columns have names in several levels; join them into one, as in x.columns = "
                "['_'.join(map(str, names)) for names in x.columns]"
            )
        kinds = {kind: _native_name(kind) for kind in set(native.dtypes)}
        columns = [
            Column(str(label), partial(self._cells, native, i, what), kinds[kind], _key(label))
            for i, (label, kind) in enumerate(zip(native.columns, native.dtypes, strict=True))
        ]
        return checked(columns, what)

    @staticmethod
    def _cells(frame: Any, place: int, what: str) -> Any:
        series = _dense(frame.iloc[:, place])
        if _first_array(series) is not None:
            return _stacked(series, what)
        try:
            array = pa.Array.from_pandas(series)
        except (pa.ArrowException, OverflowError) as error:
            if series.dtype != object:
                raise DataError(
                    f"{what}: column '{series.name}' is of type {series.dtype}, which Arrow does not have; convert it"
                ) from error
            kinds = sorted({type(v).__name__ for v in series if not is_missing(v)})
            raise DataError(
                f"{what}: column '{series.name}' holds Python objects ({', '.join(kinds[:4])}) that are not of one "
                "type; make them one: numbers, text or dates"
            ) from error
        return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array

    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        return nw.to_native(x, pass_through=True).iloc[index]

    def new(self, fields: Sequence[Field], v: Sequence[NDArray[np.float64]]) -> Any:
        try:
            pandas = need("pandas", "data")
        except ImportError:
            return ArrowRows().new(fields, v)
        series = {_label(f): _new_series(f, each) for f, each in zip(fields, v, strict=True)}
        return pandas.DataFrame(series)

    def replaced(self, x: Any, columns: Mapping[int, Any]) -> Any:
        frame = nw.to_native(x, pass_through=True).copy()
        for place, series in columns.items():
            frame.isetitem(place, series)
        return frame

    def with_cells(self, x: Any, place: int, new: pa.Array, field: Field, at: NDArray[np.bool_]) -> Any:
        old = nw.to_native(x, pass_through=True).iloc[:, place]
        if at.all() or _native_name(old.dtype) != field.native:
            return _series(new, field.native).set_axis(old.index)
        if field.native.endswith("[pyarrow]"):
            return _series(spliced(pa.Array.from_pandas(old), new, at), field.native).set_axis(old.index)
        series, part = _dense(old).copy(), _series(selected(new, pa.array(np.flatnonzero(at))), field.native)
        if field.native == "category":
            lacking = [v for v in part.dropna().unique() if v not in series.cat.categories]
            series = series.cat.add_categories(lacking)
            series[at] = part.tolist()
            return series
        if part.isna().any():  # a type without room for missing values gives way to one that has
            series = series.astype(part.dtype)
        series[at] = _dense(part).array
        return series.astype(old.dtype) if series.dtype != part.dtype else series

    def with_arrays(self, x: Any, place: int, cells: pa.Array, at: NDArray[np.bool_]) -> Any:
        old = nw.to_native(x, pass_through=True).iloc[:, place]
        if old.dtype != object:
            return _series(cells, str(old.dtype)).set_axis(old.index)
        series, block, first = old.copy(), block_of(cells), _first_array(old)
        kind = block.dtype if first is None or (at.all() and first.dtype.kind != "f") else first.dtype
        for row in np.flatnonzero(at):
            new = block[row]
            if kind.kind == "f" or not np.isnan(new).any():
                whole = kind.kind in "biu" and new.dtype.kind == "f"
                new = (np.rint(new) if whole else new).astype(kind)
            series.iat[row] = new.reshape(shape_of(cells.type))
        return series


def _key(label: Any) -> int | None:
    return int(label) if isinstance(label, int | np.integer) and not isinstance(label, bool) else None


def _label(field: Field) -> str | int:
    return field.name if field.key is None else field.key


def _native_name(dtype: Any) -> str:
    """A name from which the type can be made again: pandas calls text "string" wherever it is stored."""
    python = str(dtype) == "string" and getattr(dtype, "storage", "") == "python"
    return "string[python]" if python else str(dtype)


def _dense(series: Any) -> Any:
    return series.sparse.to_dense() if type(series.dtype).__name__ == "SparseDtype" else series


def _first_array(series: Any) -> NDArray[Any] | None:
    """The first of a column of objects that are arrays or lists; None if they are none."""
    observed = series.notna().to_numpy() if series.dtype == object else np.zeros(1, bool)
    first = series.iat[int(observed.argmax())] if observed.any() else None
    return _array(first) if isinstance(first, np.ndarray | list | tuple) else None


def _array(cell: Any) -> NDArray[Any]:
    """Of a cell that is an array, or a list, or one of those in one another; None is NaN."""
    plain = np.array(_listed(cell)) if np.asarray(cell).dtype == object else np.asarray(cell)
    return plain.astype(np.float64) if plain.dtype == object else plain


def _listed(cell: Any) -> Any:
    return [_listed(part) for part in cell] if isinstance(cell, np.ndarray | list | tuple) else cell


def _stacked(series: Any, what: str) -> pa.Array:
    """Objects that are arrays of one shape, as tensors; a missing one is an array of missing values.

    Raises:
        DataError: for arrays of several shapes, or that hold other things than numbers.
    """
    try:
        cells = [_array(v) if isinstance(v, np.ndarray | list | tuple) or not is_missing(v) else None for v in series]
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{what}: column '{series.name}' holds arrays of several shapes or of other things than numbers ({error}); "
            f"mend them, or leave it out with --column {series.name}=drop"
        ) from error
    shapes = sorted({cell.shape for cell in cells if cell is not None})
    if len(shapes) > 1 or any(cell is not None and cell.dtype.kind not in "biuf" for cell in cells):
        raise DataError(
            f"{what}: column '{series.name}' holds arrays of the shapes {', '.join(map(str, shapes[:4]))}; give arrays "
            f"of numbers of one shape, or leave it out with --column {series.name}=drop"
        )
    absent = np.full(shapes[0], np.nan)
    return tensors(np.stack([absent if cell is None else cell for cell in cells]))


def _new_series(field: Field, v: NDArray[np.float64]) -> Any:
    pandas = need("pandas", "data")
    if not field.shape or field.native.startswith("fixed_size_list"):
        return _series(new_column(field, v, as_lists=True), field.native)
    block = restored_block(v, field.shape, np.dtype(type_of(field.dtype).to_pandas_dtype()))
    return pandas.Series(list(block), dtype=object)


def _series(column: Any, native: str) -> Any:
    """Arrow cells as a pandas series of the type of that name; a type that has no room for missing cells gives way to
    one that has.
    """
    pandas = need("pandas", "data")
    if native.endswith("[pyarrow]"):
        return column.to_pandas(types_mapper=pandas.ArrowDtype)
    if shape := shape_of(column.type):
        return pandas.Series(list(block_of(column).reshape(len(column), *shape)), dtype=object)
    series = column.to_pandas()
    if native == "object":
        return series.astype(object).where(series.notna(), None)
    if column.null_count and native.startswith(("int", "uint", "bool")):
        native = {"bool": "boolean"}.get(native) or native.replace("uint", "UInt").replace("int", "Int")
    return series.astype(_type_named(native) or series.dtype)


def _type_named(native: str) -> Any:
    """The inverse of `_native_name`; None if the name is another library's."""
    pandas = need("pandas", "data")
    if found := re.fullmatch(r"Sparse\[(\w+), (.*)\]", native):
        return pandas.SparseDtype(found[1], json.loads(found[2].lower().replace("nan", "NaN")))
    try:
        return pandas.api.types.pandas_dtype(native) if native else None
    except TypeError:
        return None
