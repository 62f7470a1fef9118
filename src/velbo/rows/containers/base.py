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
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...errors import DataError
from ..arrays import as_rows
from ..arrow import type_of
from ..field import Field
from ..kinds import kind_of


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
    """

    field: Field
    at: NDArray[np.bool_]
    v: NDArray[np.float64]


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
        """New rows: v (N, size) of every field; those without numbers hold what all rows held."""

    @abstractmethod
    def changed(self, x: Any, changes: Sequence[Change], what: str) -> Any:
        """The rows with some cells changed; all else is as it was.

        Raises:
            SchemaError: if a column's type has no room for the new values.
        """


def restored_block(v: NDArray[np.float64], field: Field) -> NDArray[Any]:
    """Values (N, size) of a field of arrays as (N, *shape), in their own type where that has room for them."""
    kind = np.dtype(type_of(field.dtype).to_pandas_dtype())
    block = v.reshape(len(v), *field.shape)
    if kind.kind not in "iu":
        return block
    info = np.iinfo(kind)
    fits = bool(((block == np.rint(block)) & (block >= info.min) & (block <= info.max)).all())
    return block.astype(kind) if fits else block


def as_arrow(array: NDArray[Any]) -> pa.Array:
    """An array (N, ...) as an Arrow column: of single cells, or of tensors."""
    if array.ndim == 1:
        return cells_of(array)
    array = as_rows(array)
    kind = np.dtype(np.uint8) if array.dtype.kind == "b" else array.dtype.newbyteorder("=")
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(array.astype(kind, copy=False)))


def cells_of(column: NDArray[Any]) -> pa.Array:
    if isinstance(column, np.ma.MaskedArray):
        return pa.array(column.filled(), mask=np.ma.getmaskarray(column), from_pandas=True)
    try:
        return pa.array(np.asarray(column), from_pandas=True)
    except pa.ArrowException:  # an array of objects may hold numbers and text in one column
        return pa.array([None if _is_missing(v) else str(v) for v in column], pa.string())


def _is_missing(v: Any) -> bool:
    try:
        return v is None or bool(v != v)
    except TypeError:  # pandas' NA does not compare
        return True


def restored(field: Field, v: NDArray[np.float64]) -> pa.Array:
    """A column of new cells."""
    if field.shape:
        return as_arrow(restored_block(v, field))
    return kind_of(field).restored(v.reshape(len(v), -1)[:, 0] if v.size else np.full(len(v), np.nan), field)


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
