"""Data frames by way of Arrow: pyarrow's own, and those of further libraries."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...errors import DataError
from ..arrow import comparable, selected, type_of, undictionaried
from ..field import Field
from ..tensors import array_type, arrays_of, parted, shape_of
from .base import (
    Change,
    Column,
    Container,
    changed_block,
    checked,
    known_names,
    like,
    new_cells,
    restored_block,
    restored_cells,
)

LISTS = "list"
"""The native name of arrays that are lists of a fixed size; others are tensors."""


class Frames(Container):
    """Data frames, by way of Arrow."""

    def length(self, x: Any) -> int:
        return len(x)

    def changed(self, x: Any, changes: Sequence[Change], what: str, fields: Sequence[Field]) -> Any:
        places = {column.name: (i, column) for i, column in enumerate(self.columns(x, what, fields))}
        changed = [(*places[change.field.name], change) for change in changes if change.field.name in places]
        return self.replaced(x, {i: self._changed(x, i, column, c) for i, column, c in changed if c.at.any()})

    def _changed(self, x: Any, place: int, column: Column, change: Change) -> Any:
        old = column.cells()
        if change.field.shape:
            return self.with_arrays(x, place, changed_arrays(old, change), np.any(change.at, 1))
        field = like(old, column.native, change.field)
        return self.with_cells(x, place, new_cells(change, field), field, change.at[:, 0])

    @abstractmethod
    def replaced(self, x: Any, columns: Mapping[int, Any]) -> Any:
        """A frame like x with other columns in some places."""

    @abstractmethod
    def with_cells(self, x: Any, place: int, new: pa.Array, field: Field, at: NDArray[np.bool_]) -> Any:
        """A column with some cells new, all others as they are, bit for bit.

        Args:
            x: the frame.
            place: of the column.
            new: cells (N,), null where nothing changes.
            field: says of which type the new cells are.
            at: which change, (N,).
        """

    def with_arrays(self, x: Any, place: int, cells: pa.Array, at: NDArray[np.bool_]) -> Any:
        """A column of arrays that are these, and other ones than they were where ``at`` says so, (N,)."""
        return cells


def changed_arrays(old: Any, change: Change) -> pa.Array:
    """A column of arrays of which some cells are new, in its own type, or that of training if it is of nothing."""
    field = change.field
    if pa.types.is_null(old.type):
        item, as_lists = type_of(field.dtype), field.native not in ("", "object")
        nothing = np.zeros((len(old), field.size), item.to_pandas_dtype())
        old = arrays_of(array_type(item, field.shape, as_lists), nothing, np.ones(len(old), bool))
    values, missing = parted(old)
    new = changed_block(values, change)
    missing = missing & ~change.at
    absent = np.asarray(old.is_null()) & missing.all(1)
    return arrays_of(old.type, new, absent, missing if missing.any() else None)


def new_column(field: Field, v: NDArray[np.float64], as_lists: bool) -> pa.Array:
    """New cells (N, size) of a field; arrays as lists or as tensors."""
    if not field.shape:
        return restored_cells(field, v)
    item = type_of(field.dtype)
    block = restored_block(v, field.shape, np.dtype(item.to_pandas_dtype()))
    return arrays_of(array_type(item, field.shape, as_lists), block.reshape(len(v), -1))


class ArrowRows(Frames):
    """pyarrow's tables."""

    name = "pyarrow"

    def holds(self, x: Any) -> bool:
        return isinstance(x, pa.Table)

    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        natives = [LISTS if pa.types.is_fixed_size_list(kind) else "" for kind in x.schema.types]
        own = known_names(x.column_names, [bool(shape_of(kind)) for kind in x.schema.types], fields)
        names = enumerate(zip(own, natives, strict=True))
        return checked([Column(name, partial(x.column, i), native) for i, (name, native) in names], what)

    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        return pa.Table.from_arrays([selected(column, pa.array(index)) for column in x.columns], schema=x.schema)

    def new(self, fields: Sequence[Field], v: Sequence[NDArray[np.float64]]) -> Any:
        arrays = [new_column(f, each, f.native == LISTS) for f, each in zip(fields, v, strict=True)]
        return pa.Table.from_arrays(arrays, [f.name for f in fields])

    def replaced(self, x: Any, columns: Mapping[int, Any]) -> Any:
        arrays = [columns.get(i, column) for i, column in enumerate(x.columns)]
        fields = [field.with_type(array.type) for field, array in zip(x.schema, arrays, strict=True)]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields, x.schema.metadata))

    def with_cells(self, x: Any, place: int, new: pa.Array, field: Field, at: NDArray[np.bool_]) -> Any:
        old = x.column(place)
        if at.all() or field.dtype != str(old.type):
            return new
        return spliced(old, new, at)


def spliced(old: Any, new: pa.Array, at: NDArray[np.bool_]) -> Any:
    """Cells of a column, and new ones where ``at`` says so, in the column's type."""
    if pa.types.is_dictionary(old.type):
        return _spliced_names(old, new, at)
    chunks, n = old.chunks if isinstance(old, pa.ChunkedArray) else [old], len(old)
    return selected(pa.chunked_array([*chunks, new.cast(old.type)], old.type), pa.array(np.arange(n) + n * at))


def _spliced_names(old: Any, new: pa.Array, at: NDArray[np.bool_]) -> pa.Array:
    """The same of a dictionary, which keeps its order and is given what it lacks."""
    whole = old.unify_dictionaries().combine_chunks() if isinstance(old, pa.ChunkedArray) else old
    kind = comparable(old.type.value_type)
    names, cells = whole.dictionary.cast(kind), undictionaried(new).cast(kind)
    lacking = pc.unique(cells.filter(pa.array(at)).drop_null())
    names = pa.concat_arrays([names, lacking.filter(pc.invert(pc.is_in(lacking, names)))])
    index = pc.if_else(pa.array(at), pc.index_in(cells, names, skip_nulls=True), whole.indices.cast(pa.int32()))
    width = old.type.index_type
    fits = len(names) - 1 <= np.iinfo(width.to_pandas_dtype()).max
    names = names.cast(old.type.value_type)
    return pa.DictionaryArray.from_arrays(index.cast(width) if fits else index, names, ordered=old.type.ordered)


class OtherFrames(ArrowRows):
    """Data frames of further libraries, which come back as pyarrow's tables."""

    def holds(self, x: Any) -> bool:
        return isinstance(x, pa.RecordBatch) or nw.dependencies.is_into_dataframe(nw.to_native(x, pass_through=True))

    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        return super().columns(_as_table(x, what), what, fields)

    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        return super().take(_as_table(x), index)

    def changed(self, x: Any, changes: Sequence[Change], what: str, fields: Sequence[Field]) -> Any:
        return super().changed(_as_table(x, what), changes, what, fields)


def _as_table(x: Any, what: str = "data") -> pa.Table:
    if isinstance(x, pa.Table):
        return x
    if isinstance(x, pa.RecordBatch):
        return pa.Table.from_batches([x])
    try:
        return nw.from_native(x, eager_only=True).to_arrow()
    except (pa.ArrowException, TypeError) as error:
        raise DataError(f"{what}: Arrow has no such table ({error}); give a pandas, polars or pyarrow table") from error
