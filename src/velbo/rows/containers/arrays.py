"""Arrays, and mappings of named arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from ...errors import DataError, SchemaError
from ..arrays import as_rows
from ..arrow import block_of
from ..field import Field
from ..kinds import kind_of
from .base import Change, Column, Container, as_arrow, cells_of, restored, restored_block

NAME = "x"
"""Of the field that an array without a name is."""


class ArrayRows(Container):
    """Arrays (N, *shape)."""

    name = "array"

    def holds(self, x: Any) -> bool:
        return isinstance(x, np.ndarray | torch.Tensor | list | tuple)

    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        modelled = [f for f in fields if kind_of(f).is_modelled]
        if not fields or (len(modelled) == 1 and modelled[0].shape):
            rows = as_rows(x, what)
            name = modelled[0].name if modelled else NAME
            return [Column(name, partial(as_arrow, rows), str(rows.dtype))]
        rows = x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else np.asanyarray(x)
        if any(f.shape for f in modelled):
            raise SchemaError(
                f"{what}: the model has the fields {', '.join(f.name for f in modelled)}; give a mapping of arrays, "
                f"{{{modelled[0].name!r}: ..., ...}}, or a data frame"
            )
        named = fields if rows.ndim == 2 and rows.shape[1] == len(fields) else modelled
        if rows.ndim != 2 or rows.shape[1] != len(named):
            raise SchemaError(f"{what}: {len(fields)} columns are needed, not shape {rows.shape}")
        return [Column(f.name, partial(cells_of, column), "") for f, column in zip(named, rows.T, strict=True)]

    def length(self, x: Any) -> int:
        return len(x)

    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        return (x if isinstance(x, torch.Tensor) else np.asanyarray(x))[index]

    def new(self, fields: Sequence[Field], v: Sequence[NDArray[np.float64]]) -> Any:
        if len(fields) == 1 and fields[0].shape:
            return restored_block(v[0], fields[0])
        return np.column_stack(
            [restored(f, each).to_numpy(zero_copy_only=False) for f, each in zip(fields, v, strict=True)]
        )

    def changed(self, x: Any, changes: Sequence[Change], what: str) -> Any:
        if len(changes) == 1 and changes[0].field.shape:
            return _changed_block(as_rows(x, what), changes[0])
        rows = np.array(x, dtype=object if np.asarray(x).dtype.kind == "O" else None)
        names = [c.name for c in self.columns(x, what, [change.field for change in changes])]
        for change in changes:
            if change.at.any():
                d = names.index(change.field.name)
                new = kind_of(change.field).restored(np.where(change.at, change.v, np.nan)[:, 0], change.field)
                rows[change.at[:, 0], d] = new.to_numpy(zero_copy_only=False)[change.at[:, 0]]
        return rows


def _changed_block(rows: NDArray[Any], change: Change) -> NDArray[Any]:
    if not change.at.any():
        return rows
    whole = change.at.all()
    old = rows.reshape(len(rows), -1)
    new = change.v if whole else np.where(change.at, change.v, old)
    if rows.dtype.kind == "f":
        return new.astype(np.float64 if whole else rows.dtype).reshape(rows.shape)
    return restored_block(new, replace(change.field, dtype=str(pa.from_numpy_dtype(rows.dtype)))).reshape(rows.shape)


class MappingRows(Container):
    """Named arrays, one for each field."""

    name = "mapping"

    def holds(self, x: Any) -> bool:
        return isinstance(x, Mapping)

    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        arrays = self._arrays(x)
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"{what}: fields have different numbers of rows ({lengths}); give all the same")
        return [Column(name, partial(as_arrow, array), str(array.dtype)) for name, array in arrays.items()]

    def _arrays(self, x: Any) -> dict[str, NDArray[Any]]:
        plain = {str(k): v.detach().cpu().numpy() if isinstance(v, torch.Tensor) else v for k, v in x.items()}
        return {name: np.asanyarray(array) for name, array in plain.items()}

    def length(self, x: Any) -> int:
        return len(next(iter(x.values()), ()))

    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        return {name: array[index] for name, array in self._arrays(x).items()}

    def new(self, fields: Sequence[Field], v: Sequence[NDArray[np.float64]]) -> Any:
        return {f.name: _as_numpy(restored(f, each), f) for f, each in zip(fields, v, strict=True)}

    def changed(self, x: Any, changes: Sequence[Change], what: str) -> Any:
        arrays = self._arrays(x)
        for change in changes:
            old, name = arrays[change.field.name], change.field.name
            if change.field.shape:
                arrays[name] = _changed_block(old, change)
            elif change.at.any():
                arrays[name] = _changed_cells(old, change)
        return arrays


def _as_numpy(column: Any, field: Field) -> NDArray[Any]:
    if field.shape:
        return block_of(column).reshape(len(column), *field.shape)
    cells = column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
    # text as such, which a .npy file takes
    return np.array(column.to_pylist()) if cells.dtype.kind == "O" and not column.null_count else cells


def _changed_cells(old: NDArray[Any], change: Change) -> NDArray[Any]:
    at = change.at[:, 0]
    new = _as_numpy(kind_of(change.field).restored(np.where(at, change.v[:, 0], np.nan), change.field), change.field)
    whole = np.asarray(old).astype(np.promote_types(old.dtype, new.dtype))
    whole[at] = new[at]
    return whole
