"""What a format is: one class that reads a file of it, one that writes one, and the suffixes that it goes by.

    Part      one file, of which nothing is read yet but what the format says of it
    Sheet     one file that is being written, table by table

A table is a `pyarrow.Table`. A column of arrays (images, say) is of Arrow's type fixed_shape_tensor, so rows of every
kind are one type: table. The registry is in formats/__init__.py; what a user names on the command line or in `load`
becomes a `Source` (source.py), which is one part or several.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from .reading import Note, Reading

ROWS_PER_BATCH = 65_536


class Part(ABC):
    """One file (or folder of images), opened but not read.

    Attributes:
        path: of it.
        names: of the columns, in order.
    """

    path: Path
    names: list[str]

    @classmethod
    @abstractmethod
    def schema_of(cls, parts: Sequence[Self]) -> pa.Schema:
        """Names and the types that hold what all parts have in them. Text is read for it, once.

        Raises:
            DataError: if no one type holds a column of all parts.
        """

    @property
    @abstractmethod
    def n_rows(self) -> int | None:
        """Number of rows; None where the format does not say."""

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, ...]:
        """Rows of each group that can be read by itself.

        Raises:
            DataError: for formats that cannot be read from the middle, with the call that converts them.
        """

    @abstractmethod
    def group(self, index: int) -> pa.Table:
        """The rows of one group."""

    @abstractmethod
    def tables(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """The rows in order, in pieces of any length and constant memory, with the names and types of a schema that
        `schema_of` gave (in the order of this part's own names).

        Raises:
            DataError: if the file is damaged, or a cell is not of its type.
        """

    def notes(self) -> list[Note]:
        """What was understood that the format does not say."""
        return []

    def reading(self) -> Reading:
        """How it was read, so that a later file can be read alike; nothing for formats with types."""
        return Reading()

    @abstractmethod
    def stamp(self) -> Iterator[bytes]:
        """Bytes that tell this file from another, for a fingerprint: all of them, or those that sum it up."""


class Sheet(ABC):
    """One file that is being written; `Writer` (writing.py) makes it appear whole or not at all.

    Args:
        path: to write to.
        schema: names and types of all tables to come.
    """

    schema: pa.Schema

    @abstractmethod
    def write(self, table: pa.Table) -> None:
        """Add the rows of a table that has the columns of the schema."""

    @abstractmethod
    def close(self) -> None: ...


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: as in `Reading.format` and --format.
        suffixes: in lower case, with the point.
        read: (path, reading) -> Part; None for formats that are only written.
        write: (path, schema) -> Sheet; None for formats that are only read.
        extra: what to install for it, as in pip install 'velbo[extra]'; empty if nothing.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, Reading], Part] | None
    write: Callable[[Path, pa.Schema], Sheet] | None
    extra: str = ""


def as_tensor_column(array: Any) -> pa.Array:
    """An array (N, *shape) as an Arrow column: of plain numbers for (N,), else of tensors of that shape."""
    import numpy as np

    array = np.ascontiguousarray(array)
    if array.ndim == 1:
        return pa.array(array)
    return pa.FixedShapeTensorArray.from_numpy_ndarray(array)
