"""Files that know the types of their columns and have parts that can be read by themselves: Parquet and Arrow.

A part is a row group of Parquet, or a record batch of Arrow's file format, which is also Feather's. Both classes have
the same attributes:

    path      of the file
    schema    names and types
    n_rows    of the whole file
    sizes     rows of each part
    tables()  the rows in order, in constant memory: pages of Parquet, one record batch of Arrow
    part(i)   the rows of one part
    start     where the bytes begin that a fingerprint is taken of
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError

ROWS_PER_BATCH = 65_536
PAGES = 2**18
"""Bytes of each column's pages that are read at a time."""
FOOTER_END = 8
"""Bytes behind the footer of a Parquet file: its length, and PAR1."""


@contextmanager
def told(file: Path) -> Iterator[None]:
    """Errors of a file's format, as DataError with the file's name."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError) as error:
        words = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{file}: cannot be read: {words}") from error


def _sound(table: pa.Table) -> pa.Table:
    """The same, once it is known that nothing in it points outside: damage may do that, and end the process."""
    table.validate(full=True)
    return table.replace_schema_metadata()


class ParquetTable:
    """A Parquet file.

    Raises:
        DataError: if it is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with told(path):
            about = pq.read_metadata(path)
            self.schema = about.schema.to_arrow_schema().remove_metadata()
            self.sizes = tuple(about.row_group(i).num_rows for i in range(about.num_row_groups))
            self.n_rows: int = about.num_rows
            self.start = max(0, path.stat().st_size - about.serialized_size - FOOTER_END)

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return self.schema.names

    def part(self, index: int) -> pa.Table:
        """The rows of one row group."""
        with told(self.path), pq.ParquetFile(self.path) as file:
            return _sound(file.read_row_group(index, use_threads=False))

    def tables(self) -> Iterator[pa.Table]:
        """The rows in order."""
        with told(self.path), pq.ParquetFile(self.path, buffer_size=PAGES) as file:
            for batch in file.iter_batches(ROWS_PER_BATCH, use_threads=False):
                yield _sound(pa.Table.from_batches([batch]))


class ArrowTable:
    """A file in Arrow's file format.

    Raises:
        DataError: if it is none.
    """

    start = 0

    def __init__(self, path: Path) -> None:
        self.path = path
        with told(path), pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as reader:
            self.schema = reader.schema.remove_metadata()

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return self.schema.names

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Rows of each record batch; one column is read for it, the format says it nowhere else."""
        one = pa.ipc.IpcReadOptions(included_fields=[0])
        with told(self.path), pa.OSFile(str(self.path)) as source, pa.ipc.open_file(source, options=one) as reader:
            return tuple(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))

    @property
    def n_rows(self) -> int:
        """Of the whole file."""
        return sum(self.sizes)

    def part(self, index: int) -> pa.Table:
        """The rows of one record batch."""
        with told(self.path), pa.OSFile(str(self.path)) as source, pa.ipc.open_file(source) as reader:
            return _sound(pa.Table.from_batches([reader.get_batch(index)]))

    def tables(self) -> Iterator[pa.Table]:
        """The rows in order."""
        # not mapped into memory: whoever cuts the file short meanwhile would end this process
        with told(self.path), pa.OSFile(str(self.path)) as source, pa.ipc.open_file(source) as reader:
            for i in range(reader.num_record_batches):
                yield _sound(pa.Table.from_batches([reader.get_batch(i)]))
