"""Parquet. A group is a row group; a stream reads pages.

What pandas writes says in the file's metadata which of its columns are an index. They are none of the rows' own, but
come back when the file is rewritten, and can be asked for by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError
from .base import Format, Sheet, rows_per_batch
from .categories import Conformed
from .pandas_index import index_note, split_index
from .reading import Note, Reading
from .typed import TypedPart, bytes_of, sound, told

PAGES = 2**18
"""Bytes of each column's pages that are read at a time."""
FOOTERS = 8
"""Files of which the footer is kept: that of 1,000 columns in 1,000 row groups has 100 MB."""
FOOTER_END = 8
"""Bytes behind the footer of a Parquet file: its length, and PAR1."""


class ParquetPart(TypedPart):
    """A Parquet file.

    Raises:
        DataError: if it is none.
    """

    def __init__(self, path: Path, reading: Reading) -> None:
        self.path, self._is = path, _state(path)
        with told(path):
            about = _footer(path, self._is)
            self.written = about.schema.to_arrow_schema()
            self._sizes = tuple(about.row_group(i).num_rows for i in range(about.num_row_groups))
        self._start = max(0, self._is[0] - about.serialized_size - FOOTER_END)
        self._mark = self._marked()
        self.schema, self.extra = split_index(self.written)

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        """
        Raises:
            DataError: if it is another file now than it was.
        """
        if (now := _state(self.path)) != self._is:
            if self._marked() != self._mark:
                raise DataError(f"{self.path} was changed while it was in use; read it again")
            self._is = now
        # not by its name, which Arrow takes for a URL if there is a colon in it; nor with pre_buffer, Arrow's default,
        # which reads a row group as a whole
        with (
            told(self.path),
            pa.OSFile(str(self.path)) as source,
            pq.ParquetFile(source, metadata=_footer(self.path, now), buffer_size=PAGES, pre_buffer=False) as file,
        ):
            yield file

    def _marked(self) -> bytes:
        digest = hashlib.blake2b(digest_size=16)
        with told(self.path):
            for data in self.stamp():
                digest.update(data)
        return digest.digest()

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of each row group."""
        return self._sizes

    def group(self, index: int) -> pa.Table:
        """The rows of one row group."""
        with self._opened() as file:
            table = file.read_row_group(index, columns=self._columns(self.names), use_threads=False)
            return sound(table).select(self.names)

    def pieces(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """The rows in order, page by page."""
        n_rows, columns = rows_per_batch(self.written), self._columns(names)
        with self._opened() as file:
            for batch in file.iter_batches(n_rows, columns=columns, use_threads=False):
                yield sound(pa.Table.from_batches([batch]))

    def _columns(self, names: Sequence[str]) -> list[str] | None:
        """None for all: Arrow looks for names in every level of nested columns, which takes time."""
        return None if len(names) == len(self.written) else list(names)

    def notes(self) -> list[Note]:
        """Which columns are an index."""
        return index_note(self.path, self.extra)

    def stamp(self) -> Iterator[bytes]:
        """The size, and the footer, which has statistics of every column."""
        yield f"{self.path.stat().st_size}\0".encode()
        yield from bytes_of(self.path, self._start)


def _state(path: Path) -> tuple[int, int]:
    """What tells, for nothing, that a file may have been changed: its size, and when it was written."""
    with told(path):
        said = path.stat()
    return said.st_size, said.st_mtime_ns


@lru_cache(FOOTERS)
def _footer(path: Path, state: tuple[int, int]) -> pq.FileMetaData:
    """What a file says of its row groups, in a state of the file."""
    with pa.OSFile(str(path)) as source:
        return pq.read_metadata(source)


class ParquetSheet(Sheet):
    """A Parquet file that is being written."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema, self._conformed, self._n_rows = schema, Conformed(schema), rows_per_batch(schema)
        self._file = pa.OSFile(str(path), "wb")
        try:
            self._writer = pq.ParquetWriter(self._file, schema)
        except pa.ArrowException:
            self._file.close()
            raise

    def write(self, table: pa.Table) -> None:
        """Add rows, in row groups of a batch at most: a stream has one in memory."""
        self._writer.write_table(self._conformed(table), row_group_size=self._n_rows)

    def close(self) -> None:
        """Write the footer."""
        with self._file:
            self._writer.close()


PARQUET = Format("parquet", (".parquet", ".pq"), ParquetPart, ParquetSheet, has_metadata=True)
