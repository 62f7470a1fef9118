"""Tables in files: CSV, Parquet, Feather (Arrow), one file or a folder of them, whole or in a stream.

    batches     rows in order, so many at a time
    row_groups  parts that can be read by themselves, in any order: those of Parquet, the batches of Arrow

A folder's files are of one format, have the same columns and are read in the order of their names; hidden files and
those that begin with _ are left out, as Spark and Hive leave them. A column has one type in all files: the one that
holds what every file has in it. Folders in it that are called key=value, as Hive's, add a column for each key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from ..errors import ConfigError, DataError
from .table_formats import ROWS_PER_BATCH, ArrowTable, ParquetTable
from .text_tables import BLOCK, DELIMITERS, TextTable, TypeGuess, converted, types_of

ARROW, PARQUET, TEXT = (".feather", ".arrow"), (".parquet",), tuple(DELIMITERS)
TABLE_SUFFIXES = (*TEXT, *PARQUET, *ARROW)
CHUNK = 2**20
HIVE_MISSING = "__HIVE_DEFAULT_PARTITION__"

Part = TextTable | ParquetTable | ArrowTable


def is_table_source(source: str | Path) -> bool:
    """Whether a name is that of a table's file, or of a folder that holds some."""
    path = Path(source)
    return any(_tables_in(path)) if path.is_dir() else path.suffix.lower() in TABLE_SUFFIXES


def _tables_in(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        hidden = any(name.startswith((".", "_")) for name in file.relative_to(folder).parts)
        if file.suffix.lower() in TABLE_SUFFIXES and not hidden and file.is_file():
            yield file


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
        block: bytes of text read at a time.

    Raises:
        DataError: if there is no such file, it is no table, or a folder's files have different columns.
    """

    def __init__(self, path: str | Path, block: int = BLOCK) -> None:
        self.path = Path(path)
        self.files = _files_of(self.path)
        self.parts = [_opened(file, block) for file in self.files]
        self.is_text = isinstance(self.parts[0], TextTable)
        self._check_formats()
        self._check_columns()
        self._keys = self._partitions()

    def _check_formats(self) -> None:
        for part in self.parts:
            if type(part) is not type(self.parts[0]):
                raise DataError(
                    f"{self.path}: {self._called(self.files[0])} and {self._called(part.path)} are of two formats; "
                    "put them into folders of their own"
                )

    def _check_columns(self) -> None:
        first = self.parts[0]
        if not first.names:
            raise DataError(f"{first.path}: the table has no columns")
        for part in self.parts:
            for name in part.names:
                if part.names.count(name) > 1:
                    raise DataError(f"{part.path}: two columns are called '{name}'; give each a name of its own")
            for name in sorted(set(first.names) ^ set(part.names)):
                has, lacks = (first, part) if name in first.names else (part, first)
                raise DataError(
                    f"{self.path}: column '{name}' is in {self._called(has.path)} and not in {self._called(lacks.path)}"
                )

    def _called(self, file: Path) -> str:
        return file.name if file == self.path else str(file.relative_to(self.path))

    def _partitions(self) -> dict[str, Any]:
        """Key -> its value for each file, an Arrow array."""
        found = [_keys_in(Path(self._called(file))) for file in self.files]
        for file, keys in zip(self.files, found, strict=True):
            if keys.keys() != found[0].keys():
                raise DataError(
                    f"{self.path}: the folders of {self._called(file)} give the keys ({', '.join(keys)}) and those of "
                    f"{self._called(self.files[0])} ({', '.join(found[0])})"
                )
        columns = {key: pa.array([keys[key] for keys in found]) for key in found[0] if key not in self.parts[0].names}
        return {key: _typed(column) for key, column in columns.items()}

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types; those of text are found by reading all of it, once.

        Raises:
            DataError: if files have types that no one type holds, or text is malformed.
        """
        texts = [part for part in self.parts if isinstance(part, TextTable)]
        kinds = types_of(texts) if texts else self._joined_types()
        keys = {key: values.type for key, values in self._keys.items()}
        return pa.schema([*kinds.items(), *keys.items()])

    def _joined_types(self) -> dict[str, pa.DataType]:
        typed = [part for part in self.parts if not isinstance(part, TextTable)]
        joined = {field.name: field.type for field in typed[0].schema}
        for part in typed[1:]:
            for name, kind in joined.items():
                other = part.schema.field(name).type
                if other != kind:
                    joined[name] = self._joined_type(name, kind, other, part.path)
        return joined

    def _joined_type(self, name: str, kind: pa.DataType, other: pa.DataType, file: Path) -> pa.DataType:
        both = [pa.schema([(name, kind)]), pa.schema([(name, other)])]
        try:
            return pa.unify_schemas(both, promote_options="permissive").field(0).type
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            raise DataError(
                f"{self.path}: column '{name}' is of type {other} in {self._called(file)} and {kind} in the files "
                f"before it, from {self._called(self.files[0])} on; write it as one type"
            ) from error

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return [*self.parts[0].names, *self._keys]

    @property
    def n_rows(self) -> int | None:
        """Number of rows; None for text, which does not say."""
        counts = [part.n_rows for part in self.parts]
        return sum(n for n in counts if n is not None) if None not in counts else None

    def read(self) -> pa.Table:
        """All of it.

        Raises:
            DataError: if a file is damaged.
        """
        tables = list(self._tables())
        return pa.concat_tables(tables) if tables else self.schema.empty_table()

    def batches(self, n_rows: int = ROWS_PER_BATCH) -> Iterator[pa.Table]:
        """The rows in order, ``n_rows`` at a time, the last ones as many as are left; in constant memory.

        Raises:
            ConfigError: if ``n_rows`` is less than 1.
            DataError: if a file is damaged.
        """
        if n_rows < 1:
            raise ConfigError(f"a batch has 1 row or more, not {n_rows}")
        return _rebatched(self._tables(), n_rows)

    def _tables(self) -> Iterator[pa.Table]:
        for number, part in enumerate(self.parts):
            for table in part.tables(self.schema) if isinstance(part, TextTable) else part.tables():
                if len(table):
                    yield self._of_schema(table, number)

    def _of_schema(self, table: pa.Table, number: int) -> pa.Table:
        """A piece of a file with its keys, and with the order and types of the columns that all files share."""
        columns = []
        for field in self.schema:
            if field.name in self._keys:
                columns.append(pa.repeat(self._keys[field.name][number], len(table)))
                continue
            column = table[field.name]
            try:
                columns.append(column if column.type == field.type else column.cast(field.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                raise DataError(
                    f"{self.files[number]}: column '{field.name}' has a value that {field.type}, its type in other "
                    f"files, does not hold ({str(error).splitlines()[0]})"
                ) from error
        return pa.Table.from_arrays(columns, schema=self.schema)

    def row_groups(self) -> list[RowGroup]:
        """All parts, in order.

        Raises:
            DataError: for text, which cannot be read from the middle.
        """
        groups = []
        for part in self.parts:
            if isinstance(part, TextTable):
                raise DataError(
                    f"{self.path}: text cannot be read from the middle; convert it first: velbo convert {self.path} "
                    f"{self.path.with_suffix('.parquet')}"
                )
            groups += [RowGroup(part.path, i, n) for i, n in enumerate(part.sizes)]
        return groups

    def read_group(self, group: RowGroup) -> pa.Table:
        """The rows of one part.

        Raises:
            DataError: if the file is damaged, or not what it was.
        """
        number = self.files.index(group.file)
        part = self.parts[number]
        assert not isinstance(part, TextTable)
        return self._of_schema(part.part(group.index), number)

    def fingerprint(self) -> str:
        """A short hash: of names and sizes and, for Parquet, its footers (with statistics of every column); else of
        the bytes.
        """
        digest = hashlib.blake2b(digest_size=8)
        for part in self.parts:
            name = part.path.suffix if part.path == self.path else part.path.relative_to(self.path).as_posix()
            digest.update(f"{name}\0{part.path.stat().st_size}\0".encode())
            with part.path.open("rb") as f:
                f.seek(part.start if isinstance(part, ParquetTable) else 0)
                while chunk := f.read(CHUNK):
                    digest.update(chunk)
        return digest.hexdigest()


def _files_of(path: Path) -> list[Path]:
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    files = sorted(_tables_in(path)) if path.is_dir() else [path]
    known = ", ".join(TABLE_SUFFIXES)
    if not files:
        raise DataError(f"{path}: no table in this folder; it must hold {known} files")
    if files[0].suffix.lower() not in TABLE_SUFFIXES:
        raise DataError(f"{path}: no table, but a '{path.suffix}' file; give one of {known}, or a folder of them")
    return files


def _opened(file: Path, block: int) -> Part:
    if not file.stat().st_size:
        raise DataError(f"{file}: the file is empty")
    formats: dict[tuple[str, ...], Callable[[Path], Part]] = {
        TEXT: partial(TextTable, block=block),
        PARQUET: ParquetTable,
        ARROW: ArrowTable,
    }
    return next(opened(file) for suffixes, opened in formats.items() if file.suffix.lower() in suffixes)


def _keys_in(file: Path) -> dict[str, str | None]:
    pairs = [name.split("=", 1) for name in file.parent.parts if "=" in name]
    return {unquote(key): None if value == HIVE_MISSING else unquote(value) for key, value in pairs}


def _typed(column: Any) -> Any:
    guess = TypeGuess()
    guess.see(column)
    return converted(column, guess.type)


def _rebatched(tables: Iterator[pa.Table], n_rows: int) -> Iterator[pa.Table]:
    waiting: Sequence[pa.Table] = []
    n = 0
    for table in tables:
        waiting, n = [*waiting, table], n + len(table)
        if n < n_rows:
            continue
        joined = pa.concat_tables(waiting)
        for start in range(0, n - n_rows + 1, n_rows):
            yield joined.slice(start, n_rows)
        left = joined.slice(n - n % n_rows)
        waiting, n = [left] if len(left) else [], len(left)
    if n:
        yield pa.concat_tables(waiting)
