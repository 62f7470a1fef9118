"""What formats that know the types of their columns have in common.

A column of several files has the type that holds what all of them have in it. Fixed-size lists of numbers are tensors.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from ..errors import DataError
from ..files import first_line
from .base import Part, is_tensor

CHUNK = 2**20
UNFIT = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError)
"""What Arrow raises for a value that a type does not hold, or a type that a function does not take."""


@contextmanager
def told(file: Path) -> Iterator[None]:
    """Errors of a file's format, as DataError with the file's name."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(f"{file}: cannot be read: {first_line(error)}") from error


def bytes_of(file: Path, start: int = 0) -> Iterator[bytes]:
    """All bytes from a place on, in pieces."""
    with file.open("rb") as opened:
        opened.seek(start)
        while chunk := opened.read(CHUNK):
            yield chunk


class TypedPart(Part):
    """A file whose columns have types.

    Attributes:
        written: names and types as in the file, with all that it says of them, in order; `extra` among them.
        schema: names and types of the rows.
    """

    written: pa.Schema
    schema: pa.Schema

    @property
    def names(self) -> list[str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of the columns of the rows."""
        return self.schema.names

    def select(self, names: Sequence[str]) -> Self:
        """The same file with these columns alone, and those of `extra` that are not among them."""
        every = {field.name: field for field in (*self.schema, *self.extra)}
        part = copy.copy(self)
        part.schema = pa.schema([every[name] for name in names])
        part.extra = pa.schema([field for field in self.extra if field.name not in set(names)])
        return part

    @classmethod
    def schema_of(cls, parts: Sequence[Self]) -> pa.Schema:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Names, and the types that hold what all parts have in them."""
        return joined([(part.path, part.schema) for part in parts])

    @abstractmethod
    def pieces(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """The rows in order, in constant memory: columns of these names at least, in the types of the file."""

    def tables(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """The rows in order, in the types of a schema."""
        own = {field.name for field in (*self.schema, *self.extra)}
        wanted = pa.schema([field for field in schema if field.name in own])
        for table in self.pieces(wanted.names):
            yield fitted(table, wanted, self.path)

    @property
    def n_rows(self) -> int | None:
        """Number of rows."""
        return sum(self.sizes)

    def stamp(self) -> Iterator[bytes]:
        """All bytes of the file."""
        return bytes_of(self.path)


def sound(table: pa.Table) -> pa.Table:
    """The same, once it is known that nothing in it points outside: damage may do that, and end the process."""
    table.validate(full=True)
    return table.replace_schema_metadata()


def joined(schemas: Sequence[tuple[Path, pa.Schema]]) -> pa.Schema:
    """The types that hold the columns of all files, by name, in the order of the first.

    Raises:
        DataError: if no type holds a column of all of them.
    """
    first_path, first = schemas[0]
    kinds = dict(zip(first.names, first.types, strict=True))
    for path, schema in schemas[1:]:
        for name, other in zip(schema.names, schema.types, strict=True):
            if other != kinds[name]:
                kinds[name] = _joined(name, kinds[name], other, path, first_path)
    return pa.schema(list(kinds.items()))


def _joined(name: str, kind: pa.DataType, other: pa.DataType, path: Path, first: Path) -> pa.DataType:
    both = [pa.schema([(name, kind)]), pa.schema([(name, other)])]
    try:
        return pa.unify_schemas(both, promote_options="permissive").field(0).type
    except UNFIT as error:
        raise DataError(
            f"{path}: column '{name}' is of type {called(other)}, and {called(kind)} in the files before it, from "
            f"{first} on; write it as one type"
        ) from error


def called(kind: pa.DataType) -> str:
    """A type in words that a user knows."""
    if is_tensor(kind):
        return f"arrays {' x '.join(str(n) for n in kind.shape)} of {kind.value_type}"
    return str(kind)


def fitted(table: pa.Table, schema: pa.Schema, path: Path) -> pa.Table:
    """The columns of a schema in its types and order.

    Raises:
        DataError: if a value is not of its type.
    """
    if table.schema.equals(schema):
        return table
    columns = []
    for field in schema:
        try:
            columns.append(cast(table.column(field.name), field.type))
        except UNFIT as error:
            raise DataError(
                f"{path}: column '{field.name}' has a value that {called(field.type)}, its type in other files, does "
                f"not hold ({first_line(error)})"
            ) from error
    return pa.Table.from_arrays(columns, schema=schema)


def cast(column: Any, kind: pa.DataType) -> Any:
    """A column as another type, if that holds all of its values; fixed-size lists as tensors and back."""
    if column.type == kind:
        return column
    if is_tensor(column.type):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    if not is_tensor(kind):
        return column.cast(kind)
    lists = column.cast(kind.storage_type)
    return pa.chunked_array([pa.ExtensionArray.from_storage(kind, chunk) for chunk in lists.chunks], kind)


def type_of_rows(kind: pa.DataType) -> pa.DataType:
    """The type of a column of rows: of fixed-size lists of numbers, tensors; of all else, the same."""
    if pa.types.is_fixed_size_list(kind) and kind.list_size and is_number(kind.value_type):
        return pa.fixed_shape_tensor(kind.value_type, [kind.list_size])
    return kind


def is_number(kind: pa.DataType) -> bool:
    """Whether cells are plain numbers or truth values, which an array holds."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
