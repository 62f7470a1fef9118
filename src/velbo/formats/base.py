"""What a format is: one class that reads a file of it, one that writes one, and the suffixes that it goes by.

    Part      one file, of which nothing is read yet but what the format says of it
    Sheet     one file that is being written, table by table

A table is a `pyarrow.Table`. A column of arrays (images, say) is of Arrow's type fixed_shape_tensor, so rows of every
kind are one type: table. The registry is in formats/registry.py; what a user names on the command line or in `load`
becomes a `Source` (source.py), which is one part or several.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import DataError
from .reading import Note, Reading

ROWS_PER_BATCH = 65_536
BYTES_PER_BATCH = 64 * 2**20

Masks = Mapping[str, NDArray[np.bool_]]
"""Name of a column -> which of its cells are new."""

Change = Callable[[pa.Table], Sequence[tuple[pa.Table, Masks]]]
"""Some rows -> what they become in each of the targets of `rewrite`: a table that holds the new cells, and which they
are. All other cells stay as they are in the file; a column that the masks do not name stays as a whole."""


class UnfitError(Exception):
    """A column that a format cannot hold. The message names a format that can; `Writer` puts the path before it."""


class Part(ABC):
    """One file (or folder of images), opened but not read.

    Attributes:
        path: of it.
        names: of the columns, in order.
        extra: columns that are none of the rows' own, but come back when the file is rewritten: an index of pandas.
        written: names and types as in the file, with all that it says of them; None for text.
        can_splice: whether it has a `splice`, which copies cells as they are written.
        stays_on_disk: whether its rows are trained on in a stream, as all of them at once would be far larger.
        has_file: whether its path is that of a file; a built-in data set has a name alone.
        kinds: of columns, name -> kind, where the format tells it.
    """

    path: Path
    names: list[str]
    extra: pa.Schema = pa.schema([])
    written: pa.Schema | None = None
    can_splice: ClassVar[bool] = False
    stays_on_disk: ClassVar[bool] = False
    has_file: ClassVar[bool] = True

    @property
    def kinds(self) -> Mapping[str, str]:
        """Name of a column -> its kind, where the file tells it."""
        return {}

    @property
    def choices(self) -> list[str]:
        """Names of all columns that a user may ask for; those in `names` are read where nothing is asked for."""
        return [*self.names, *self.extra.names]

    def select(self, names: Sequence[str]) -> Part:
        """A part that has these of the `choices`, and may have others as well: formats that can leave the others unread
        do so.
        """
        return self

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
        `schema_of` gave (in the order of this part's own names), after which come fields of `extra`, if any.

        Raises:
            DataError: if the file is damaged, or a cell is not of its type.
        """

    def notes(self) -> list[Note]:
        """What was understood that the format does not say."""
        return []

    def reading(self) -> Reading:
        """How it was read, so that a later file can be read alike; nothing for formats with types."""
        return Reading()

    @classmethod
    def splice(cls, parts: Sequence[Self], schema: pa.Schema, targets: Sequence[Path], change: Change) -> int:
        """Copy the parts into files of the same format, cell by cell as they are written, but for new cells; the number
        of rows. Formats that have no such way are read, and their values written again.

        Args:
            parts: of which `schema` is that of `schema_of`.
            schema: of the rows.
            targets: of the suffixes that the user named; they are not in place yet.
            change: rows -> what becomes of them in each target.
        """
        raise NotImplementedError(f"{cls.__name__} has values, and no cells that are written")

    @abstractmethod
    def stamp(self) -> Iterator[bytes]:
        """Bytes that tell this file from another, for a fingerprint: all of them, or those that sum it up."""


class Sequential(Part):
    """A file of a format that can be read from its start alone.

    Attributes:
        form: what such a file is, in messages.
    """

    form: ClassVar[str]

    @property
    def n_rows(self) -> None:
        """The format does not say."""
        return

    @property
    def sizes(self) -> tuple[int, ...]:
        """None."""
        raise self._unindexed()

    def group(self, index: int) -> pa.Table:
        """None."""
        raise self._unindexed()

    def _unindexed(self) -> DataError:
        target = self.path.with_suffix(".parquet")
        return DataError(
            f"{self.path}: {self.form} cannot be read from the middle; convert it first: velbo convert {self.path} "
            f"{target}"
        )


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
    def close(self) -> None:
        """Finish the file."""

    def discard(self) -> None:
        """Close what is open, after an error: the file is thrown away."""
        self.close()


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: as in `Reading.format` and --format.
        suffixes: in lower case, with the point.
        read: (path, reading) -> Part; None for formats that are only written.
        write: (path, schema) -> Sheet; None for formats that are only read.
        extra: what to install for it, as in pip install 'velbo[extra]'; empty if nothing.
        has_names: whether its columns have names.
        has_metadata: whether it keeps what Arrow and pandas say of columns besides: which are an index, say.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, Reading], Part] | None
    write: Callable[[Path, pa.Schema], Sheet] | None
    extra: str = ""
    has_names: bool = True
    has_metadata: bool = False


def is_tensor(kind: pa.DataType) -> bool:
    """Whether cells are arrays of one shape."""
    return isinstance(kind, pa.FixedShapeTensorType)


def as_tensor_column(array: Any) -> pa.Array:
    """An array (N, *shape) as an Arrow column: of plain values for (N,), else of tensors of that shape. Numbers are not
    copied if they lie row by row; half precision is widened, since few of Arrow's functions take it.
    """
    array = np.asarray(array)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    flat = pa.array(array.reshape(-1))
    if array.ndim == 1:
        return flat
    kind, size = pa.fixed_shape_tensor(flat.type, array.shape[1:]), int(np.prod(array.shape[1:]))
    return pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(flat, size))


def as_array(column: Any) -> NDArray[Any]:
    """The inverse of `as_tensor_column`: a column of numbers or tensors as an array (N, *shape). A missing value is
    NaN, for which whole numbers become float64; without one nothing is copied where the column is in one piece.
    """
    kind = column.type
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    arrays = [_as_array(chunk, kind) for chunk in chunks]
    if not arrays:
        return _as_array(pa.array([], kind), kind)
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _as_array(chunk: Any, kind: pa.DataType) -> NDArray[Any]:
    if not is_tensor(kind):
        return chunk.to_numpy(zero_copy_only=False)
    if not (chunk.storage.null_count or chunk.storage.flatten().null_count or pa.types.is_boolean(kind.value_type)):
        return chunk.to_numpy_ndarray()
    size, present = chunk.storage.type.list_size, np.asarray(chunk.is_valid())
    cells = chunk.storage.flatten().to_numpy(zero_copy_only=False)  # of the rows that are present
    if not present.all():
        flat = np.full((len(chunk), size), np.nan, np.result_type(cells.dtype, np.float32))
        flat[present] = cells.reshape(-1, size)
        cells = flat
    stored = cells.reshape(len(chunk), *kind.shape)
    return stored.transpose(0, *(axis + 1 for axis in kind.permutation or range(len(kind.shape))))


def rows_per_batch(schema: pa.Schema) -> int:
    """Rows that are read at a time: ROWS_PER_BATCH, or fewer where those would take more than BYTES_PER_BATCH."""
    return max(1, min(ROWS_PER_BATCH, BYTES_PER_BATCH // max(1, sum(_width(kind) for kind in schema.types))))


def _width(kind: pa.DataType) -> int:
    """Bytes of a cell; of text and lists, which have any number, as many as a short one."""
    if isinstance(kind, pa.BaseExtensionType):
        return _width(kind.storage_type)
    if pa.types.is_fixed_size_list(kind):
        return kind.list_size * _width(kind.value_type)
    try:
        return -(-kind.bit_width // 8)
    except ValueError:
        return 16
