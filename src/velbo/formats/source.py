"""What a user names -> rows: a table that lies in a file, in the files of a folder, or elsewhere.

    batches     rows in order, so many at a time
    row_groups  parts that can be read by themselves, in any order

A folder's files are of one format, have the same columns and are read in the order of their paths. A column has one
type in all files: the one that holds what every file has in it. Nothing is read before it is asked for, but what the
formats say of the rows.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import ConfigError, DataError
from .base import Part, rows_per_batch
from .columns import resolved
from .folder import hive_keys
from .opening import Opened, open_parts
from .reading import Note, Reading
from .typed import fitted, joined


@dataclass(frozen=True)
class RowGroup:
    """A part of a source that can be read by itself.

    Attributes:
        file: that it is in.
        index: its number there.
        n_rows: how many.
    """

    file: Path
    index: int
    n_rows: int


def open_source(name: str | Path, reading: Reading | None = None) -> Source:
    """Rows by the name of what holds them. Nothing is read yet but what the formats say.

    Args:
        name: a file or a folder; the name of a built-in data set; a URL. After a colon may follow names of columns:
            ``file.npz:images+labels`` are these two, ``file.parquet:+id`` is what is read anyway and one more.
        reading: what is said of how to read it.

    Raises:
        DataError: if there is nothing of that name, or it is of no format that is known.
        ConfigError: if what is said does not apply.
        MissingExtraError: if a library is needed that is not installed.
    """
    return Source(open_parts(name, reading or Reading()))


class Source:
    """Rows in files.

    Args:
        opened: the files, and what is to be read of them.

    Raises:
        DataError: if the files have different columns, or lack those asked for.

    Attributes:
        name: as the user gave it.
        path: of the file or folder.
        parts: one for each file.
        format: of all of them.
    """

    def __init__(self, opened: Opened) -> None:
        self.name, self.path, self.format, self._opened = opened.name, opened.path, opened.format, opened
        self._is_folder = len(opened.parts) > 1 or opened.parts[0].path != self.path
        self._check_columns(opened.parts)
        keys = hive_keys(self.path, [part.path for part in opened.parts]) if self._is_folder else {}
        self._keys = {key: values for key, values in keys.items() if key not in opened.parts[0].names}
        self.names, self.parts = [*opened.parts[0].names, *self._keys], list(opened.parts)
        if opened.columns:
            choices = [*opened.parts[0].choices, *self._keys]
            self.names = resolved(opened.columns, choices, self.names, self.name)
            own = [name for name in self.names if name not in self._keys]
            self.parts = [part.select(own) for part in self.parts]

    def _check_columns(self, parts: Sequence[Part]) -> None:
        first = parts[0]
        if not first.names:
            raise DataError(f"{first.path}: the table has no columns")
        for part in parts:
            for name, n in Counter(part.names).items():
                if n > 1:
                    raise DataError(f"{part.path}: two columns are called '{name}'; give each a name of its own")
            for name in sorted(set(first.names) ^ set(part.names)):
                has, lacks = (first, part) if name in set(first.names) else (part, first)
                raise DataError(
                    f"{self.path}: column '{name}' is in {self._called(has.path)} and not in {self._called(lacks.path)}"
                )

    def _called(self, file: Path) -> str:
        return str(file.relative_to(self.path)) if self._is_folder else file.name

    @cached_property
    def _own(self) -> pa.Schema:
        """Names and types of what the files themselves hold."""
        return type(self.parts[0]).schema_of(self.parts)

    @cached_property
    def schema(self) -> pa.Schema:
        """Names and types; those of text are found by reading all of it, once.

        Raises:
            DataError: if files have types that no one type holds, or text is malformed.
        """
        kinds = dict(zip(self._own.names, self._own.types, strict=True))
        kinds |= {key: values.type for key, values in self._keys.items()}
        return pa.schema([(name, kinds[name]) for name in self.names])

    @cached_property
    def extra(self) -> pa.Schema:
        """Columns that are none of the rows' own, but come back when they are rewritten: an index of pandas."""
        extras = [(part.path, part.extra) for part in self.parts]
        same = all(extra.names == extras[0][1].names for _, extra in extras)
        return joined(extras) if same else pa.schema([])

    @property
    def written(self) -> pa.Schema:
        """Names and types as the file has them, those of `extra` among them, and what it says of them besides."""
        first = self.parts[0].written
        every = {field.name: field for field in (*self.schema, *self.extra)}
        if first is None:
            return pa.schema(list(every.values()))
        if len(self.parts) == 1:
            every |= {field.name: field for field in first if field.name in every}
        order = dict.fromkeys([*(name for name in first.names if name in every), *every])
        return pa.schema([every[name] for name in order], first.metadata)

    @property
    def is_whole(self) -> bool:
        """Whether the rows are all that is in the files, and nothing else."""
        return not self._keys and not self._opened.columns

    @property
    def kinds(self) -> dict[str, str]:
        """Name of a column -> its kind, where all files tell the same."""
        every = [part.kinds for part in self.parts]
        return {name: kind for name, kind in every[0].items() if all(kinds.get(name) == kind for kinds in every)}

    @property
    def n_rows(self) -> int | None:
        """Number of rows; None for text, which does not say."""
        counts = [part.n_rows for part in self.parts]
        return sum(n for n in counts if n is not None) if None not in counts else None

    def select(self, columns: str | Sequence[str]) -> Source:
        """The same rows with some of the columns: their names, or a text as after the colon of `open_source`."""
        return Source(replace(self._opened, columns=columns))

    def read(self) -> pa.Table:
        """All of it.

        Raises:
            DataError: if a file is damaged.
        """
        tables = list(self.tables())
        return pa.concat_tables(tables) if tables else self.schema.empty_table()

    def batches(self, n_rows: int | None = None) -> Iterator[pa.Table]:
        """The rows in order, in constant memory.

        Args:
            n_rows: of a batch, but of the last one; 65,536 if not given, or as many as make 64 MiB.

        Raises:
            ConfigError: if ``n_rows`` is less than 1.
            DataError: if a file is damaged.
        """
        return self._rebatched(n_rows, self.schema)

    def batches_to_rewrite(self) -> Iterator[pa.Table]:
        """As `batches`, with the columns of `extra` as well."""
        return self._rebatched(None, pa.schema([*self.schema, *self.extra]))

    def _rebatched(self, n_rows: int | None, schema: pa.Schema) -> Iterator[pa.Table]:
        n_rows = rows_per_batch(schema) if n_rows is None else n_rows
        if n_rows < 1:
            raise ConfigError(f"a batch has 1 row or more, not {n_rows}")
        return _rebatched(self.tables(schema), n_rows)

    def tables(self, schema: pa.Schema | None = None) -> Iterator[pa.Table]:
        """The rows in order, in pieces of any length.

        Args:
            schema: of the rows, with columns of `extra` or without; without if not given.
        """
        rows, extra = schema or self.schema, set(self.extra.names)
        wanted = pa.schema([*self._own, *(field for field in rows if field.name in extra)])
        for number, part in enumerate(self.parts):
            for table in part.tables(wanted):
                if len(table):
                    yield self._of_schema(table, number, rows)

    def _of_schema(self, table: pa.Table, number: int, schema: pa.Schema) -> pa.Table:
        """A table of one part, in the order and types of all, with the keys that its folders say."""
        for key, values in self._keys.items():
            table = table.append_column(key, pa.repeat(values[number], len(table)))
        return fitted(table, schema, self.parts[number].path)

    def row_groups(self) -> list[RowGroup]:
        """All parts that can be read by themselves, in order.

        Raises:
            DataError: for formats that cannot be read from the middle.
        """
        return [RowGroup(part.path, i, n) for part in self.parts for i, n in enumerate(part.sizes)]

    @cached_property
    def _number(self) -> dict[Path, int]:
        return {part.path: number for number, part in enumerate(self.parts)}

    def read_group(self, group: RowGroup) -> pa.Table:
        """The rows of one part.

        Raises:
            DataError: if the file is damaged, or not what it was.
        """
        number = self._number[group.file]
        return self._of_schema(self.parts[number].group(group.index), number, self.schema)

    def fingerprint(self) -> str:
        """A short hash of the rows' names and of the files: of Parquet, of its footers; else of all bytes."""
        digest = hashlib.blake2b("\0".join(self.names).encode(), digest_size=8)
        for part in self.parts:
            name = part.path.relative_to(self.path).as_posix() if self._is_folder else part.path.suffix.lower()
            digest.update(f"\0{name}\0".encode())
            for piece in part.stamp():
                digest.update(piece)
        return digest.hexdigest()

    def reading(self) -> Reading:
        """How the rows are read, in full: what was said and what was found; a later source can be read alike by it."""
        _ = self.schema  # text is read for it
        name = self.format.name if self.format.read else ""
        return replace(self.parts[0].reading(), format=name)

    def notes(self) -> list[Note]:
        """What was understood that the formats do not say; the same of several files once."""
        _ = self.schema  # text is read for it
        notes = [*self._opened.notes, *(note for part in self.parts for note in part.notes())]
        return list({(note.text, note.column): note for note in reversed(notes)}.values())[::-1]


def _rebatched(tables: Iterator[pa.Table], n_rows: int) -> Iterator[pa.Table]:
    waiting: Sequence[Any] = []
    n = 0
    for table in tables:
        waiting, n = [*waiting, table], n + len(table)
        if n < n_rows:
            continue
        joint = pa.concat_tables(waiting)
        for start in range(0, n - n_rows + 1, n_rows):
            yield joint.slice(start, n_rows)
        left = joint.slice(n - n % n_rows)
        waiting, n = [left] if len(left) else [], len(left)
    if n:
        yield pa.concat_tables(waiting)
