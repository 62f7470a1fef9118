"""Columns of Arrow and the numbers v that a model codes: what v says of a cell, and what is kept where a cell differs.

lenient     cells -> v, NaN for whatever the field cannot have
predicted   v -> cells, as the field's kind restores them
kept        (cells, predicted cells) -> bytes beside the model, by which the cells come back bit for bit
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import DataError, SchemaError, VelboWarning
from ..rows import Field, kind_of
from ..rows.arrays import as_rows
from ..rows.arrow import selected, values_of
from ..rows.containers.base import restored_block
from ..rows.kinds.base import Measured, as_trained, block_in
from ..rows.tensors import item_type, parted, shape_of
from ..runtime.fixed_point import Floats, Ints
from .aside import column_from_bytes, column_to_bytes, places_from_bytes, places_to_bytes

ARROW_ERRORS = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, OverflowError)


def whole_column(column: Any) -> pa.Array:
    """In one piece, from its start."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks else pa.nulls(0, column.type)
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    return column


def lenient(cells: Any, field: Field) -> Floats:
    """v (N, size) of the cells, NaN where missing and where the field cannot have the cell."""
    kind = kind_of(field)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VelboWarning)
        try:
            if shape_of(cells.type) != field.shape:
                return np.full((len(cells), field.size), np.nan)
            if not isinstance(kind, Measured) and not field.shape:
                return np.asarray(kind.numbers(cells, field, "data"), np.float64)
            v = block_in(cells, field).astype(np.float64) if field.shape else _numbers(cells, field)[:, None]
        except (SchemaError, DataError, *ARROW_ERRORS):
            return np.full((len(cells), field.size), np.nan)
    v = np.where(np.isinf(v), np.nan, v)
    if isinstance(kind, Measured):
        with np.errstate(invalid="ignore", over="ignore"):
            for misfit in kind.misfits(v, field):
                v = np.where(misfit.found, np.nan, v)
    return np.asarray(as_trained(v, field), np.float64)


def _numbers(cells: Any, field: Field) -> Floats:
    kind = kind_of(field)
    assert isinstance(kind, Measured)
    try:
        return kind.column(cells, field, "data")
    except SchemaError:
        return values_of(cells, field.name)  # with infinite numbers


def predicted(v: Floats, field: Field, kind: pa.DataType) -> pa.Array:
    """Cells of a type, of values (N, size); null where v is NaN."""
    if pa.types.is_dictionary(kind):
        raise AssertionError("a dictionary is coded by its places")
    try:
        if field.shape:
            return _arrays(v, field, kind)
        # a field of no value of its own, a constant one, says what all its cells are
        numbers = v[:, 0] if v.shape[1] else np.full(len(v), np.nan)
        return whole_column(kind_of(field).restored(numbers, replace(field, dtype=str(kind), native=""))).cast(kind)
    except (SchemaError, ValueError, *ARROW_ERRORS):
        return pa.nulls(len(v), kind)


def _arrays(v: Floats, field: Field, kind: pa.DataType) -> pa.Array:
    dtype = np.dtype(item_type(kind).to_pandas_dtype())
    block = restored_block(np.nan_to_num(v, nan=0.0), field.shape, dtype, strict=True)
    return _tensor(as_rows(block, "rows") if dtype.kind != "b" else block, kind)


def _tensor(block: NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Arrays (N, *shape) as a column of tensors."""
    if not isinstance(kind, pa.FixedShapeTensorType) or kind.permutation:
        raise pa.ArrowInvalid("arrays in lists")
    flat = pa.array(np.ascontiguousarray(block).reshape(-1), kind.value_type)
    storage = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(kind.shape)))
    return pa.ExtensionArray.from_storage(kind, storage)


# what differs


def kept(cells: pa.Array, model: pa.Array) -> dict[str, bytes]:
    """What is to be kept so that the cells can be made of the model's; nothing if they are equal."""
    if isinstance(cells.type, pa.FixedShapeTensorType):
        return _kept_arrays(cells, model)
    at = np.flatnonzero(differs(cells, model))
    if not len(at):
        return {}
    return {"at": places_to_bytes(at), "cells": column_to_bytes(selected(cells, pa.array(at)))}


def back(model: pa.Array, parts: dict[str, bytes]) -> pa.Array:
    """The cells again.

    Raises:
        DataError: if what was kept is damaged.
    """
    if not parts:
        return model
    if "whole" in parts:
        return column_from_bytes(parts["whole"], model.type, len(model))
    try:
        if isinstance(model.type, pa.FixedShapeTensorType):
            return _back_arrays(model, parts)
        at = places_from_bytes(parts["at"], len(model))
        cells = column_from_bytes(parts["cells"], model.type, len(at))
    except KeyError as error:
        raise DataError("what is kept beside the model is damaged") from error
    index = np.arange(len(model))
    index[at] = len(model) + np.arange(len(at))
    return selected(pa.concat_arrays([model, cells]), pa.array(index))


def _kept_arrays(cells: pa.Array, model: pa.Array) -> dict[str, bytes]:
    if cells.null_count or model.null_count or cells.storage.flatten().null_count:
        return {"whole": column_to_bytes(cells)}
    a, b = (np.ascontiguousarray(parted(t)[0]).reshape(-1) for t in (cells, model))
    at = np.flatnonzero(_bits(a) != _bits(b))
    if not len(at):
        return {}
    if len(at) > len(a) // 2 or len(a) >= 1 << 32:
        return {"whole": column_to_bytes(cells)}
    return {"at": places_to_bytes(at), "numbers": a[at].tobytes()}


def _back_arrays(model: pa.Array, parts: dict[str, bytes]) -> pa.Array:
    flat = np.ascontiguousarray(parted(model)[0]).reshape(-1).copy()
    at = places_from_bytes(parts["at"], len(flat))
    numbers = np.frombuffer(parts["numbers"], np.uint8)
    if len(numbers) != len(at) * flat.dtype.itemsize:
        raise DataError("what is kept beside the model is damaged")
    flat[at] = numbers.view(flat.dtype)
    return _tensor(flat.reshape(len(model), *model.type.shape), model.type)


def _bits(x: NDArray[Any]) -> NDArray[Any]:
    return x.view(f"u{x.dtype.itemsize}") if x.dtype.kind == "f" else x


def differs(a: pa.Array, b: pa.Array) -> NDArray[np.bool_]:
    """Which cells (N,) of two columns of one type are not the same bits."""
    null_a, null_b = (np.asarray(t.is_null()) for t in (a, b))
    found = null_a != null_b
    both = ~null_a & ~null_b
    if not both.any():
        return found
    if pa.types.is_floating(a.type):
        x, y = (_bits(np.asarray(pc.fill_null(t, pa.scalar(0.0, t.type)))) for t in (a, b))
        return found | (both & (x != y))
    try:
        other = np.asarray(pc.fill_null(pc.not_equal(a, b), False))
    except ARROW_ERRORS:
        other = np.array([x != y for x, y in zip(a.to_pylist(), b.to_pylist(), strict=True)])
    return found | (both & other.astype(bool))


def same_columns(a: pa.Array, b: pa.Array) -> bool:
    """Whether two columns hold the same bits."""
    if a.type != b.type or len(a) != len(b):
        return False
    if isinstance(a.type, pa.FixedShapeTensorType):
        return a.equals(b) or not _kept_arrays(a, b)
    if pa.types.is_dictionary(a.type):
        return same_columns(a.dictionary, b.dictionary) and not differs(a.indices, b.indices).any()
    return not differs(a, b).any()


def places_in(model: pa.Array, dictionary: pa.Array, kind: pa.DataType) -> Any:
    """The places of cells in a dictionary, null where they are not in it."""
    try:
        return whole_column(pc.index_in(model, dictionary)).cast(kind)
    except ARROW_ERRORS:
        return pa.nulls(len(model), kind)


def taken(column: pa.Array, order: Ints | None) -> pa.Array:
    """In another order, if one is given."""
    return column if order is None else selected(column, pa.array(order))
