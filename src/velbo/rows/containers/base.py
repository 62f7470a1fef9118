"""What rows may come in: arrays, mappings of arrays, data frames. Each is one class, which gives its columns as Arrow
and takes rows back, so that a user gets what was given.

    ArrayRows     an array (N, *shape), a torch tensor, nested lists: one field, "x"
    MappingRows   {"image": (N, 28, 28), "label": (N,)}: a field for each
    PandasRows, PolarsRows, ArrowRows, and other data frames that narwhals knows, which come back as Arrow

Arrays that go with a table's model have its columns in order. Files are no containers: see `Stored` in encoded.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...errors import DataError, SchemaError
from ..arrays import as_rows, is_missing
from ..arrow import missing_of, sort_of, type_of
from ..field import Field
from ..kinds import kind_of
from ..tensors import tensors


@dataclass(frozen=True)
class Column:
    """One column of rows.

    Attributes:
        name: as text.
        cells: () -> Arrow cells; what is not asked for need not be of a type that Arrow has.
        native: the library's own name of its type; empty for Arrow itself.
        key: its name in the container, where that is a whole number.
    """

    name: str
    cells: Callable[[], Any]
    native: str = ""
    key: int | None = None


@dataclass(frozen=True)
class Change:
    """New values of some cells of a field.

    Attributes:
        field: as the model knows it.
        at: which cells change, (N, size).
        v: new values, (N, size); what is not changed is not looked at.
        filled: whether missing cells are filled in; if not, arrays all of whose cells change are point estimates.
    """

    field: Field
    at: NDArray[np.bool_]
    v: NDArray[np.float64]
    filled: bool = False


class Container(ABC):
    """What rows may come in."""

    name: ClassVar[str]

    @abstractmethod
    def holds(self, x: Any) -> bool:
        """Whether x is one of these."""

    @abstractmethod
    def columns(self, x: Any, what: str, fields: Sequence[Field] = ()) -> list[Column]:
        """All columns.

        Args:
            x: the rows.
            what: names them in messages.
            fields: of the model that they are for, where there is one.

        Raises:
            DataError: for names that are double or in several levels.
        """

    @abstractmethod
    def length(self, x: Any) -> int:
        """N."""

    @abstractmethod
    def take(self, x: Any, index: NDArray[np.integer]) -> Any:
        """Some of the rows."""

    @abstractmethod
    def new(self, fields: Sequence[Field], v: Sequence[NDArray[np.float64]]) -> Any:
        """New rows: v (N, size) of every field; those that are not modelled hold what all rows held."""

    @abstractmethod
    def changed(self, x: Any, changes: Sequence[Change], what: str, fields: Sequence[Field]) -> Any:
        """The rows with some cells changed; all else is as it was.

        Args:
            x: the rows.
            changes: of fields; those that the rows do not have are passed over.
            what: names the rows in messages.
            fields: of the model, all of them.

        Raises:
            SchemaError: if a column's type has no room for the new values.
        """


def known_names(names: Sequence[str], are_arrays: Sequence[bool], fields: Sequence[Field]) -> list[str]:
    """Names of columns as a model knows them. Where it has one field, of arrays, and there is one column of arrays,
    that is it, whatever its name: files of different formats call one array differently, or not at all.
    """
    modelled = [f for f in fields if kind_of(f).is_modelled]
    if sum(are_arrays) != 1 or len(modelled) != 1 or not modelled[0].shape or modelled[0].name in names:
        return list(names)
    return [modelled[0].name if is_array else name for name, is_array in zip(names, are_arrays, strict=True)]


def column_of(array: NDArray[Any], what: str = "data") -> pa.Array:
    """An array (N, ...) as an Arrow column: of single cells, or of tensors."""
    return cells_of(array, what) if array.ndim == 1 else tensors(as_rows(array, what))


def cells_of(column: NDArray[Any], what: str = "data") -> pa.Array:
    """An array (N,) as an Arrow column; one of objects of several types is text.

    Raises:
        DataError: for cells that Arrow does not have.
    """
    data, mask = _known_to_arrow(np.ma.getdata(column), what), np.ma.getmaskarray(column)
    try:
        return pa.array(data, mask=mask if mask.any() else None, from_pandas=True)
    except pa.ArrowException as error:
        if data.dtype.kind != "O":
            kind = data.dtype
            raise DataError(f"{what}: cells of type {kind} are no numbers, text or dates; convert them") from error
        return pa.array([None if gone or is_missing(v) else str(v) for v, gone in zip(data, mask, strict=True)])


def _known_to_arrow(column: NDArray[Any], what: str) -> NDArray[Any]:
    kind = column.dtype
    if kind.kind == "S":
        try:
            return np.char.decode(column, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{what}: it holds bytes that are no text in UTF-8 ({error}); decode them") from error
    if kind.kind in "Mm" and np.datetime_data(kind)[0] not in ("D", "s", "ms", "us", "ns"):
        kind = np.dtype(f"{kind.kind}8[s]")
    if kind == np.longdouble:
        kind = np.dtype(np.float64)
    return column.astype(kind.newbyteorder("="), copy=False)


def like(cells: Any, native: str, field: Field) -> Field:
    """The field with the type of these cells, or that of training if all are missing and they are of another sort."""
    sort = sort_of(cells.type)
    if sort != sort_of(type_of(field.dtype)) and missing_of(cells).all():
        return field
    return replace(field, dtype=str(cells.type), native=native)


def new_cells(change: Change, field: Field) -> pa.Array:
    """New cells (N,) of a column in the type of the field, null where nothing changes.

    Raises:
        SchemaError: if the type has no room for them.
    """
    try:
        return kind_of(field).restored(np.where(change.at, change.v, np.nan)[:, 0], field)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SchemaError(
            f"column '{field.name}' is of type {field.dtype}, which has no room for the values of the model; convert it"
        ) from error


def restored_cells(field: Field, v: NDArray[np.float64]) -> pa.Array:
    """New cells (N, 1) of a column."""
    return kind_of(field).restored(v[:, 0], field)


def restored_block(v: NDArray[np.float64], shape: Sequence[int], dtype: np.dtype[Any], strict: bool = False) -> Any:
    """New arrays (N, size) as (N, *shape), in their own type.

    Args:
        v: the numbers.
        shape: of one array.
        dtype: the type that came in; whole numbers and truth values are rounded to it, or are floats if one is not.
        strict: whether they are always rounded.
    """
    block = v.reshape(len(v), *shape)
    if dtype.kind == "f":
        ends = np.finfo(dtype)
        return np.clip(block, ends.min, ends.max).astype(dtype)
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, float(np.iinfo(dtype).max))
    whole = np.rint(block)
    # beyond 2^53, a float is not the end of a type
    fits = (whole == block) & (block >= low) & (block <= high) & ((high < 2**53) | (block < high))
    if not (strict or fits.all()):
        return block
    return np.clip(whole, low, high if high < 2**53 else np.nextafter(high, 0)).astype(dtype)


def changed_block(old: NDArray[Any], change: Change) -> NDArray[Any]:
    """Arrays (N, ...) of which some cells are new, and all others as they are, bit for bit. Point estimates are
    floats, whatever the numbers: the type does not depend on the rows.
    """
    if change.at.all() and not change.filled and old.dtype.kind != "f":
        return change.v.reshape(old.shape).astype(np.float64)
    at = change.at.reshape(old.shape)
    v = np.where(change.at, change.v, 0.0)
    new = restored_block(v, old.shape[1:], old.dtype, strict=not (change.at.all() or np.isnan(v).any()))
    block = old.copy() if new.dtype == old.dtype else old.astype(new.dtype)
    block[at] = new[at]
    return block


def checked(columns: list[Column], what: str) -> list[Column]:
    """
    Raises:
        DataError: if two columns have one name.
    """
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise DataError(f"{what}: two columns are called '{column.name}'; rename one")
        seen.add(column.name)
    return columns
