"""Old cells and new ones in one table: each cell from the table that a mask says, bit for bit."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import SchemaError
from ..rows.arrow import shape_of, undictionaried
from .base import Masks, is_tensor
from .typed import UNFIT, called, cast


def merged(old: pa.Table, new: pa.Table, masks: Masks) -> pa.Table:
    """The old table, with the cells of the new one where a mask is true.

    Raises:
        SchemaError: if the type of a column has no room for its new cells.
    """
    columns = {name: old.column(name) for name in old.column_names}
    for name, mask in masks.items():
        if mask.any():
            columns[name] = _merged(columns[name], new.column(name), np.asarray(mask), name)
    return pa.table(columns)


def differences(old: pa.Table, new: pa.Table) -> dict[str, NDArray[np.bool_]]:
    """Column -> which of its cells differ, (N,)."""
    found = {}
    for name in old.column_names:
        a, b = old[name], new[name]
        if a is not b and not a.equals(b):
            found[name] = _differ(a, b)
    return found


def type_to_write(old: pa.DataType, new: pa.DataType) -> pa.DataType:
    """The type of a column with new cells: its own, but for one of nothing but missing values, and for arrays of whole
    numbers of which a model says the means.
    """
    if is_tensor(old) and is_tensor(new) and pa.types.is_floating(new.value_type):
        return old if pa.types.is_floating(old.value_type) else new
    return new if pa.types.is_null(old) else old


def _merged(old: Any, new: Any, mask: NDArray[np.bool_], name: str) -> Any:
    kind = type_to_write(old.type, new.type)
    try:
        old, new = cast(old, kind), _fitted(new, kind)
    except UNFIT as error:
        raise SchemaError(
            f"column '{name}' is of type {called(kind)}, which has no room for the values of the model ({error}); "
            "convert it"
        ) from error
    places = pa.array(np.arange(len(mask)) + len(mask) * mask)
    if is_tensor(kind):
        lists = pa.chunked_array([chunk.storage for chunk in (*old.chunks, *new.chunks)], kind.storage_type)
        return cast(lists.take(places), kind)
    both = pa.chunked_array([*old.chunks, *new.chunks], kind).unify_dictionaries()
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):  # Arrow cannot take from these
        return both.cast(pa.large_binary()).take(places).cast(kind)
    return both.take(places)


def _fitted(new: Any, kind: pa.DataType) -> Any:
    if not pa.types.is_dictionary(kind) or new.type == kind:
        return cast(new, kind)
    plain = new.cast(new.type.value_type) if pa.types.is_dictionary(new.type) else new
    return plain.cast(kind.value_type).dictionary_encode().cast(kind)


def _differ(a: Any, b: Any) -> NDArray[np.bool_]:
    if a.type != b.type or shape_of(a.type):
        return np.ones(len(a), dtype=bool)
    a, b = undictionaried(a), undictionaried(b)
    other = pc.or_(pc.fill_null(pc.not_equal(a, b), False), pc.xor(pc.is_null(a), pc.is_null(b)))
    return np.asarray(other)
