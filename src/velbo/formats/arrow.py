"""Arrow's file format, which is also Feather's (version 2). A group is a record batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from ..errors import DataError
from .base import Format, Sheet, rows_per_batch
from .categories import Conformed
from .pandas_index import index_note, split_index
from .reading import Note, Reading
from .typed import TypedPart, sound, told

FILE, FEATHER_1, STREAM = b"ARROW1", b"FEA1", b"\xff\xff\xff\xff"


class ArrowPart(TypedPart):
    """A file in Arrow's file format.

    Raises:
        DataError: if it is none.
    """

    def __init__(self, path: Path, reading: Reading) -> None:
        self.path = path
        _refuse_others(path)
        with self._opened() as file:
            self.written = file.schema
        self.schema, self.extra = split_index(self.written)

    @contextmanager
    def _opened(self, columns: Sequence[int] | None = None) -> Iterator[pa.ipc.RecordBatchFileReader]:
        # not mapped into memory: whoever cuts the file short meanwhile would end this process
        options = pa.ipc.IpcReadOptions(included_fields=columns and list(columns), use_threads=False)
        with (
            told(self.path),
            pa.OSFile(str(self.path)) as source,
            pa.ipc.open_file(source, options=options) as reader,
        ):
            yield reader

    @cached_property
    def sizes(self) -> tuple[int, ...]:  # pyright: ignore
        """Rows of each record batch; one column is read for it, the format says it nowhere else."""
        with self._opened([0]) as reader:
            return tuple(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))

    def group(self, index: int) -> pa.Table:
        """The rows of one record batch."""
        with self._opened(self._places(self.names)) as reader:
            return sound(pa.Table.from_batches([reader.get_batch(index)])).select(self.names)

    def pieces(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """The rows in order, one record batch at a time."""
        with self._opened(self._places(names)) as reader:
            for i in range(reader.num_record_batches):
                yield sound(pa.Table.from_batches([reader.get_batch(i)]))

    def _places(self, names: Sequence[str]) -> list[int]:
        wanted = set(names)
        return [i for i, name in enumerate(self.written.names) if name in wanted]

    def notes(self) -> list[Note]:
        """Which columns are an index."""
        return index_note(self.path, self.extra)


def _refuse_others(path: Path) -> None:
    with told(path), path.open("rb") as file:
        start = file.read(len(FILE))
    if start.startswith(FEATHER_1):
        raise DataError(f"{path}: is Feather of version 1; write it again: pyarrow.feather.write_feather(table, path)")
    if start.startswith(STREAM):
        raise DataError(
            f"{path}: holds a stream of Arrow, which cannot be read from the middle; write a file of Arrow instead: "
            "pyarrow.ipc.new_file(path, schema)"
        )


class ArrowSheet(Sheet):
    """A file of Arrow that is being written."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema, self._conformed, self._n_rows = schema, Conformed(schema), rows_per_batch(schema)
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
        self._writer = pa.ipc.new_file(path, schema, options=options)

    def write(self, table: pa.Table) -> None:
        """Add rows, in record batches of a batch at most."""
        self._writer.write_table(self._conformed(table), max_chunksize=self._n_rows)

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


ARROW = Format("arrow", (".feather", ".arrow", ".ipc"), ArrowPart, ArrowSheet, has_metadata=True)
