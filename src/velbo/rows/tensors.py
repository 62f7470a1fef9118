"""Columns of arrays, one array a row: Arrow's fixed_shape_tensor and fixed_size_list, lists in lists among them, as
blocks (N, size) and back.

A block has the cells of an array in reading order (C order), whatever the order in which Arrow stores them. A missing
row is a row of missing cells.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def shape_of(kind: pa.DataType) -> tuple[int, ...]:
    """Of the arrays in a column; () for a column of single cells, and for lists of what are no numbers."""
    if isinstance(kind, pa.FixedShapeTensorType):
        shape = tuple(kind.shape)
        return tuple(shape[axis] for axis in kind.permutation or range(len(shape)))
    if not pa.types.is_fixed_size_list(kind):
        return ()
    inner = kind.value_type
    if pa.types.is_fixed_size_list(inner):
        return (kind.list_size, *shape_of(inner)) if shape_of(inner) else ()
    is_number = pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_boolean(inner)
    return (kind.list_size,) if is_number else ()


def item_type(kind: pa.DataType) -> pa.DataType:
    """Of a cell of the arrays."""
    while isinstance(kind, pa.FixedShapeTensorType) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    return kind


def block_of(column: Any) -> NDArray[Any]:
    """A column of arrays as (N, size), NaN where missing; no copy where none is needed."""
    values, missing = parted(column)
    values = values.astype(np.float32) if values.dtype == np.float16 else values
    return np.where(missing, np.nan, values) if missing.any() else values


def parted(column: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """(cells, which of them are null), (N, size) each: cells of any whole number as they are; NaN is not null here."""
    whole = _one_chunk(column)
    kind, n, size = whole.type, len(whole), math.prod(shape_of(whole.type))
    lists = whole.storage if isinstance(kind, pa.FixedShapeTensorType) else whole
    cells, missing = _cells(lists)
    values = _as_numpy(cells).reshape(n, size)
    if isinstance(kind, pa.FixedShapeTensorType) and kind.permutation:
        axes = (0, *(1 + axis for axis in kind.permutation))
        values, missing = (_transposed(part, kind.shape, axes) for part in (values, missing))
    return values, missing


def _one_chunk(column: Any) -> Any:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)


def _cells(lists: Any) -> tuple[Any, NDArray[np.bool_]]:
    """(cells one after another, which are missing (N, size))."""
    size = lists.type.list_size
    inner = lists.values.slice(lists.offset * size, len(lists) * size)
    if pa.types.is_fixed_size_list(inner.type):
        cells, missing = _cells(inner)
    elif inner.null_count:
        cells, missing = inner, np.asarray(inner.is_null())
    else:
        # no memory of its own: this is what images have
        cells, missing = inner, np.broadcast_to(np.False_, len(inner))
    missing = missing.reshape(len(lists), math.prod(shape_of(lists.type)))
    return cells, missing | np.asarray(lists.is_null())[:, None] if lists.null_count else missing


def _as_numpy(cells: Any) -> NDArray[Any]:
    if pa.types.is_boolean(cells.type):
        cells = cells.cast(pa.uint8())
    if cells.null_count and pa.types.is_integer(cells.type):
        cells = pc.fill_null(cells, 0)
    return cells.to_numpy(zero_copy_only=False)


def tensors(block: NDArray[Any]) -> pa.Array:
    """An array (N, *shape) as a column of tensors."""
    kind = np.dtype(np.uint8) if block.dtype.kind == "b" else block.dtype.newbyteorder("=")
    cells = pa.array(np.ascontiguousarray(block, kind).reshape(-1))
    size = math.prod(block.shape[1:])
    return pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(cells.type, block.shape[1:]), pa.FixedSizeListArray.from_arrays(cells, size)
    )


def array_type(item: pa.DataType, shape: Sequence[int], as_lists: bool) -> pa.DataType:
    """Of a column of arrays, which are lists of fixed sizes or tensors."""
    if not as_lists:
        return pa.fixed_shape_tensor(item, shape)
    return reduce(pa.list_, reversed(shape), item)


def arrays_of(kind: pa.DataType, values: NDArray[Any], absent: Any = None, missing: Any = None) -> pa.Array:
    """Cells (N, size) as a column of arrays.

    Args:
        kind: of the column; if the cells have no room in it, another of the same form is taken.
        values: its cells.
        absent: which rows are null, (N,); none, if not given.
        missing: which cells are null, (N, size); none, if not given.
    """
    if not isinstance(kind, pa.FixedShapeTensorType):
        return _nested(kind, values, missing, absent)
    shape = shape_of(kind)
    if kind.permutation:
        axes = (0, *(1 + np.argsort(kind.permutation)))
        values = _transposed(values, shape, axes)
        missing = None if missing is None else _transposed(missing, shape, axes)
    storage = _nested(kind.storage_type, values, missing, absent)
    if storage.type != kind.storage_type:
        kind = pa.fixed_shape_tensor(storage.type.value_type, kind.shape, kind.dim_names, kind.permutation)
    return pa.ExtensionArray.from_storage(kind, storage)


def _transposed(cells: NDArray[Any], shape: Sequence[int], axes: Sequence[int]) -> NDArray[Any]:
    """Cells (N, size) of arrays of a shape, with their axes in another order; the first is that of the rows."""
    return cells.reshape(len(cells), *shape).transpose(axes).reshape(cells.shape)


def _nested(kind: pa.DataType, values: Any, missing: Any, absent: Any = None) -> pa.Array:
    if not pa.types.is_fixed_size_list(kind):
        cells = pa.array(values.reshape(-1), mask=None if missing is None else missing.reshape(-1))
        return cells.cast(kind) if _has_room(kind, values.dtype) else cells
    inner = _nested(kind.value_type, values, missing)
    if inner.type != kind.value_type:
        kind = pa.list_(inner.type, kind.list_size)
    mask = pa.array(absent) if absent is not None and absent.any() else None
    return pa.FixedSizeListArray.from_arrays(inner, type=kind, mask=mask)


def _has_room(kind: pa.DataType, dtype: np.dtype[Any]) -> bool:
    """Whether cells of a NumPy type go into those of an Arrow type as they are."""
    return pa.types.is_floating(kind) or dtype.kind in "biu"
