"""Data frames by way of Arrow: pyarrow's own, and those of further libraries."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...errors import SchemaError
from ..arrow import block_of, decoded, sort_of, type_of
from ..field import Field
from ..kinds import kind_of
from .base import Change, Column, Container, as_arrow, checked, restored, restored_block


class Frames(Container):
    """Data frames, by way of Arrow."""

    def length(self, x: Any) -> int:
        return len(x)

    def changed(self, x: Any, changes: Sequence[Change], what: str) -> Any:
        columns = {column.name: column for column in self.columns(x, what)}
        for change in changes:
            if change.field.name in columns and change.at.any():
                x = self._with_change(x, columns[change.field.name], change)
        return x

    def _with_change(self, x: Any, column: Column, change: Change) -> Any:
        old = column.cells()
        field = _like(old, column.native, change.field)
        if field.shape:
            block = restored_block(np.where(change.at, change.v, block_of(old)), field)
            return self.with_cells(x, column, _tensors_like(block, old.type), field, np.ones(len(old), bool))
        try:
            new = kind_of(field).restored(np.where(change.at, change.v, np.nan)[:, 0], field)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise SchemaError(
                f"column '{field.name}' is of type {field.dtype}, which has no room for the values of the model; "
                "convert it"
            ) from error
        return self.with_cells(x, column, new, field, change.at[:, 0])

    @abstractmethod
    def with_cells(self, x: Any, column: Column, new: pa.Array, field: Field, at: NDArray[np.bool_]) -> Any:
        """The frame with some cells of a column new, all others as they are, bit for bit.

        Args:
            x: the frame.
            column: of it.
            new: cells (N,), null where nothing changes.
            field: says of which type the new cells are.
            at: which change, (N,).
        """


def _like(column: Any, native: str, field: Field) -> Field:
    """The field with the type of this frame, or that of training if nothing is in it and it is of another sort."""
    sort = sort_of(column.type)
    if not field.shape and decoded(column).null_count == len(column) and sort != sort_of(type_of(field.dtype)):
        return field
    kind = column.type.value_type if field.shape else column.type
    return replace(field, dtype=str(kind), native=native)


def _tensors_like(block: NDArray[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(kind):
        values = pa.array(block.reshape(-1), from_pandas=True).cast(kind.value_type, safe=False)
        return pa.FixedSizeListArray.from_arrays(values, kind.list_size)
    return as_arrow(block)


def _spliced(old: Any, new: pa.Array, at: NDArray[np.bool_]) -> Any:
    chunks, n = old.chunks if isinstance(old, pa.ChunkedArray) else [old], len(old)
    both = pa.chunked_array([*chunks, new], old.type).unify_dictionaries()
    if pa.types.is_string_view(old.type):  # Arrow cannot take from these
        both = both.cast(pa.large_string())
    return both.take(pa.array(np.arange(n) + n * at)).cast(old.type)


class ArrowRows(Frames):
    """pyarrow's tables."""

    name = "pyarrow"

    def holds(self, x: Any) -> bool:
        return isinstance(x, pa.Table)

    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        return checked([Column(name, partial(x.column, i)) for i, name in enumerate(x.column_names)], what)

    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        return x.take(pa.array(index))

    def new(self, fields: Sequence[Field], v: Sequence[NDArray[np.float64]]) -> Any:
        arrays = [restored(f, each) for f, each in zip(fields, v, strict=True)]
        return pa.Table.from_arrays(arrays, [f.name for f in fields])

    def with_cells(self, x: Any, column: Column, new: pa.Array, field: Field, at: NDArray[np.bool_]) -> Any:
        place = x.column_names.index(column.name)
        old = x.column(place)
        cells = new if at.all() or old.type != new.type else _spliced(old, new, at)
        return x.set_column(place, x.field(place).with_type(cells.type), cells)


class OtherFrames(ArrowRows):
    """Data frames of further libraries, which come back as pyarrow's tables."""

    def holds(self, x: Any) -> bool:
        return nw.dependencies.is_into_dataframe(nw.to_native(x, pass_through=True))

    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        return super().columns(_as_table(x), what)

    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        return super().take(_as_table(x), index)

    def changed(self, x: Any, changes: Sequence[Change], what: str) -> Any:
        return super().changed(_as_table(x), changes, what)


def _as_table(x: Any) -> pa.Table:
    return x if isinstance(x, pa.Table) else nw.from_native(x, eager_only=True).to_arrow()
