"""Tables in files: CSV, Parquet, Feather (Arrow), one file or a folder of them, whole or in a stream.

    batches     rows in order, so many at a time
    row_groups  parts that can be read by themselves, in any order: those of Parquet, the batches of Arrow

A folder's files are read in the order of their names and have the same columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError
from .text_tables import DELIMITERS, TextTable

ARROW, PARQUET, TEXT = (".feather", ".arrow"), (".parquet",), tuple(DELIMITERS)
TABLE_SUFFIXES = (*TEXT, *PARQUET, *ARROW)
ROWS_PER_BATCH = 65_536
CHUNK = 2**20


def is_table_source(source: str | Path) -> bool:
    """Whether a name is that of a table's file, or of a folder that holds some."""
    path = Path(source)
    if path.is_dir():
        return any(f.suffix.lower() in TABLE_SUFFIXES for f in path.rglob("*"))
    return path.suffix.lower() in TABLE_SUFFIXES


@dataclass(frozen=True)
class RowGroup:
    """A part of a table that can be read by itself.

    Attributes:
        file: that it is in.
        index: its number there.
        n_rows: how many.
    """

    file: Path
    index: int
    n_rows: int


class TableSource:
    """A table in files, of which nothing is read yet but what the formats say of it.

    Args:
        path: a file, or a folder whose files are parts of one table.

    Raises:
        DataError: if there is no such file, or it is no table.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise DataError(f"there is no file or folder {self.path}")
        self.files = [self.path]
        if self.path.is_dir():
            self.files = sorted(f for f in self.path.rglob("*") if f.suffix.lower() in TABLE_SUFFIXES and f.is_file())
        suffixes = {f.suffix.lower() for f in self.files}
        if not suffixes or not suffixes <= set(TABLE_SUFFIXES):
            raise DataError(f"{self.path}: no table; give one of {', '.join(TABLE_SUFFIXES)}, or a folder of them")
        for file in self.files:
            if not file.stat().st_size:
                raise DataError(f"{file}: the file is empty")
        self.texts = {f: TextTable(f) for f in self.files if f.suffix.lower() in TEXT}
        self.is_text = bool(self.texts)
        self._check_columns()

    def _check_columns(self) -> None:
        names = self._names(self.files[0])
        for file in self.files[1:]:
            for name in sorted(set(names) ^ set(self._names(file))):
                where = self.files[0] if name in names else file
                raise DataError(f"{self.path}: column '{name}' is in {where.name} and not in all files of the folder")

    def _names(self, file: Path) -> list[str]:
        return self.texts[file].names if file in self.texts else _schema(file).names

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types, those of the first file; of text by reading all of it once."""
        if not self.texts:
            return _schema(self.files[0])
        return pa.unify_schemas([self.texts[f].schema for f in self.files], promote_options="permissive")

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return self.schema.names

    def read(self) -> pa.Table:
        """All of it."""
        return pa.concat_tables(self._tables())

    def batches(self, n_rows: int = ROWS_PER_BATCH) -> Iterator[pa.Table]:
        """The rows in order, ``n_rows`` at a time, the last ones as many as are left; in constant memory."""
        waiting: list[pa.Table] = []
        n = 0
        for table in self._tables():
            waiting.append(table)
            n += len(table)
            while n >= n_rows:
                joined = pa.concat_tables(waiting)
                yield joined.slice(0, n_rows)
                waiting, n = [joined.slice(n_rows)], n - n_rows
        if n:
            yield pa.concat_tables(waiting)

    def _tables(self) -> Iterator[pa.Table]:
        schema = self.schema
        for file in self.files:
            parts = self.texts[file].batches(schema) if file in self.texts else _parts(file)
            for table in parts:
                yield self._as_first(table, schema, file)

    def _as_first(self, table: pa.Table, schema: pa.Schema, file: Path) -> pa.Table:
        table = table.select(schema.names)
        if table.schema.equals(schema):
            return table
        try:
            return table.cast(schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise DataError(
                f"{file}: a column is of another type than in {self.files[0].name} ({str(error).splitlines()[0]})"
            ) from error

    def row_groups(self) -> list[RowGroup]:
        """All parts, in order.

        Raises:
            DataError: for text, which cannot be read from the middle.
        """
        if self.is_text:
            raise DataError(
                f"{self.path}: text cannot be read from the middle; convert it first: velbo convert {self.path} "
                f"{self.path.with_suffix('.parquet')}"
            )
        return [group for file in self.files for group in _row_groups(file)]

    def read_group(self, group: RowGroup) -> pa.Table:
        """The rows of one part."""
        with _told(group.file):
            if group.file.suffix.lower() in PARQUET:
                with pq.ParquetFile(group.file) as parquet:
                    table = parquet.read_row_group(group.index, use_threads=False)
            else:
                with pa.OSFile(str(group.file)) as source, pa.ipc.open_file(source) as reader:
                    table = pa.Table.from_batches([reader.get_batch(group.index)])
        return self._as_first(table, self.schema, group.file)

    def fingerprint(self) -> str:
        """A short hash: of names and sizes and, for Parquet, its footers (with statistics of every column); else of
        the bytes.
        """
        digest = hashlib.blake2b(digest_size=8)
        for file in self.files:
            size = file.stat().st_size
            digest.update(f"{file.relative_to(self.path) if file != self.path else file.suffix} {size}".encode())
            with file.open("rb") as f:
                if file.suffix.lower() in PARQUET:
                    f.seek(max(0, size - pq.read_metadata(file).serialized_size - 8))
                while chunk := f.read(CHUNK):
                    digest.update(chunk)
        return digest.hexdigest()


class _told:
    """Errors of a file's format, told with its name."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, pa.ArrowException | OSError) and not isinstance(error, DataError):
            raise DataError(f"{self.file}: cannot be read: {str(error).splitlines()[0]}") from error


def _schema(file: Path) -> pa.Schema:
    with _told(file):
        if file.suffix.lower() in PARQUET:
            return pq.read_schema(file).remove_metadata()
        with pa.OSFile(str(file)) as source, pa.ipc.open_file(source) as reader:
            return reader.schema.remove_metadata()


def _row_groups(file: Path) -> list[RowGroup]:
    with _told(file):
        if file.suffix.lower() in PARQUET:
            about = pq.read_metadata(file)
            return [RowGroup(file, i, about.row_group(i).num_rows) for i in range(about.num_row_groups)]
        with pa.OSFile(str(file)) as source, pa.ipc.open_file(source) as reader:
            return [RowGroup(file, i, reader.get_batch(i).num_rows) for i in range(reader.num_record_batches)]


def _parts(file: Path) -> Iterator[pa.Table]:
    with _told(file):
        if file.suffix.lower() in PARQUET:
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(ROWS_PER_BATCH, use_threads=False):
                    yield pa.Table.from_batches([batch]).replace_schema_metadata()
        else:
            with pa.OSFile(str(file)) as source, pa.ipc.open_file(source) as reader:
                for i in range(reader.num_record_batches):
                    yield pa.Table.from_batches([reader.get_batch(i)]).replace_schema_metadata()
