"""Arrays, and mappings of named arrays. Masked arrays come back masked where cells are still missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...errors import DataError, SchemaError
from ..arrays import as_rows, is_tensor, plain_array
from ..arrow import type_of
from ..field import Field
from ..kinds import kind_of
from ..tensors import tensors
from .base import (
    Change,
    Column,
    Container,
    cells_of,
    changed_block,
    column_of,
    known_names,
    like,
    new_cells,
    restored_block,
    restored_cells,
)

NAME = "x"
"""Of the field that an array without a name is."""


class ArrayRows(Container):
    """Arrays (N, *shape), nested lists, and whatever NumPy makes an array of."""

    name = "array"

    def holds(self, x: Any) -> bool:
        if isinstance(x, np.ndarray | list | tuple) or is_tensor(x):
            return True
        return hasattr(x, "__array__") and not (hasattr(x, "columns") or nw.dependencies.is_into_series(x))

    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        modelled = [f for f in fields if kind_of(f).is_modelled]
        if not fields or (len(modelled) == 1 and modelled[0].shape):
            own = _own_array(x, what)
            rows = as_rows(own, what)
            return [Column(modelled[0].name if modelled else NAME, partial(tensors, rows), _type_name(own, rows))]
        if any(f.shape for f in modelled):
            raise SchemaError(
                f"{what}: the model has the fields {', '.join(f.name for f in modelled)}; give a mapping of arrays, "
                f"{{{modelled[0].name!r}: ..., ...}}, or a data frame"
            )
        rows = _own_array(x, what)
        named = fields if rows.ndim == 2 and rows.shape[1] == len(fields) else modelled
        if rows.ndim != 2 or rows.shape[1] != len(named):
            raise SchemaError(f"{what}: {len(fields)} columns are needed, not shape {rows.shape}")
        return [Column(f.name, partial(cells_of, column, what)) for f, column in zip(named, rows.T, strict=True)]

    def length(self, x: Any) -> int:
        return len(x if hasattr(x, "__len__") else np.asanyarray(x))

    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        return (x if is_tensor(x) else np.asanyarray(x))[index]

    def new(self, fields: Sequence[Field], v: Sequence[NDArray[np.float64]]) -> Any:
        if len(fields) == 1 and fields[0].shape:
            return _new_array(fields[0], v[0])
        return np.column_stack([_new_array(f, each) for f, each in zip(fields, v, strict=True)])

    def changed(self, x: Any, changes: Sequence[Change], what: str, fields: Sequence[Field]) -> Any:
        rows = _own_array(x, what)
        places = {column.name: i for i, column in enumerate(self.columns(x, what, fields))}
        known = [c for c in changes if c.field.name in places]
        if len(known) == 1 and known[0].field.shape:
            return _changed(rows if rows.dtype.kind in "biuf" else as_rows(x, what), known[0])
        new = {places[c.field.name]: _changed(rows[:, places[c.field.name]], c) for c in known if c.at.any()}
        whole = rows.astype(np.result_type(rows.dtype, *(column.dtype for column in new.values())))
        for place, column in new.items():
            whole[:, place] = column
        return whole


class MappingRows(Container):
    """Named arrays, one for each field."""

    name = "mapping"

    def holds(self, x: Any) -> bool:
        return isinstance(x, Mapping)

    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        arrays = self._arrays(x, what)
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"{what}: fields have different numbers of rows ({lengths}); give all the same")
        names = known_names(list(arrays), [array.ndim > 1 for array in arrays.values()], fields)
        return [
            Column(known, partial(column_of, array, f"{what}: '{name}'"), _type_name(array, array))
            for known, (name, array) in zip(names, arrays.items(), strict=True)
        ]

    def _arrays(self, x: Any, what: str = "data") -> dict[str, NDArray[Any]]:
        arrays = {str(name): _own_array(array, f"{what}: '{name}'") for name, array in x.items()}
        single = next((name for name, array in arrays.items() if not array.ndim), None)
        if single is not None:
            raise DataError(f"{what}: '{single}' is a single value; give an array of one a row")
        return arrays

    def length(self, x: Any) -> int:
        return len(next(iter(x.values()), ()))

    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        return {name: array[index] for name, array in self._arrays(x).items()}

    def new(self, fields: Sequence[Field], v: Sequence[NDArray[np.float64]]) -> Any:
        return {f.name: _new_array(f, each) for f, each in zip(fields, v, strict=True)}

    def changed(self, x: Any, changes: Sequence[Change], what: str, fields: Sequence[Field]) -> Any:
        arrays = self._arrays(x, what)
        own = {column.name: name for column, name in zip(self.columns(x, what, fields), arrays, strict=True)}
        new = {own[c.field.name]: c for c in changes if c.field.name in own}
        return arrays | {name: _changed(arrays[name], change) for name, change in new.items()}


def _own_array(x: Any, what: str) -> NDArray[Any]:
    """As it is, masks and all."""
    return x if isinstance(x, np.ndarray) else plain_array(x, what)


def _type_name(own: NDArray[Any], rows: NDArray[Any]) -> str:
    """NumPy's name of the type that came in."""
    kind = own.dtype if own.dtype.kind in "biuf" else rows.dtype
    return kind.newbyteorder("=").name


def _new_array(field: Field, v: NDArray[np.float64]) -> NDArray[Any]:
    if not field.shape:
        return _as_numpy(restored_cells(field, v))
    kind = np.dtype(type_of(field.dtype).to_pandas_dtype())
    if field.native in np.sctypeDict and np.dtype(field.native).kind in "bf":
        kind = np.dtype(field.native)  # 16 bits and truth values, which a model sees as others
    return restored_block(v, field.shape, kind)


def _changed(old: NDArray[Any], change: Change) -> NDArray[Any]:
    """An array of which some cells are new."""
    if not change.at.any():
        return old.copy()
    if change.field.shape and old.ndim == 1:  # of nothing
        old = np.full((len(old), *change.field.shape), np.nan)
    if isinstance(old, np.ma.MaskedArray):
        cells = _changed(np.ma.getdata(old), change) if change.field.shape else _spliced(old, change)
        mask = np.ma.getmaskarray(old) & ~change.at.reshape(old.shape)
        return np.ma.MaskedArray(cells, mask=mask if mask.any() else np.ma.nomask)
    return changed_block(old, change) if change.field.shape else _spliced(old, change)


def _spliced(old: NDArray[Any], change: Change) -> NDArray[Any]:
    at, data = change.at[:, 0], np.ma.getdata(old)
    new = new_cells(change, like(cells_of(old), "", change.field))
    part = _as_numpy(new.filter(pa.array(at)))
    fits = part.dtype.kind == data.dtype.kind and np.can_cast(part.dtype, data.dtype, "safe")
    whole = data.copy() if fits else data.astype(np.promote_types(data.dtype, part.dtype))
    whole[at] = part
    return whole


def _as_numpy(column: pa.Array) -> NDArray[Any]:
    cells = column.to_numpy(zero_copy_only=False)
    # text as such, which a .npy file takes
    return np.array(column.to_pylist()) if cells.dtype.kind == "O" and not column.null_count else cells
