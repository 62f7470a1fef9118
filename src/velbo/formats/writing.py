"""Tables into files, batch by batch; a file is whole or absent.

writers   tables one after another into files
rewrite   the rows of a source into other files, of which some cells are new and all others as they were
convert   a source into a file of another format
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from ..errors import DataError
from ..files import first_line, whole_or_absent
from .base import Change, Format, Sheet, UnfitError
from .merging import merged, type_to_write
from .pandas_index import has_name
from .registry import format_to_write
from .source import Source, open_source
from .typed import UNFIT


class Writer:
    """Writes tables one after another into one file.

    Args:
        path: of any format that is written; its suffix says which.
        place: where it is written; `writers` moves it to its path.
        like: names and types to write; those of the first table if not given. Text takes the names only.

    Raises:
        DataError: for another suffix.
    """

    def __init__(self, path: Path, place: Path, like: pa.Schema | None = None) -> None:
        self.path, self.like, self._temporary = path, like, place
        self.format = format_to_write(path)
        self._sheet: Sheet | None = None

    def discard(self) -> None:
        """Close what is open, after an error."""
        if self._sheet is not None:
            self._sheet.discard()

    def close(self) -> None:
        """Finish the file.

        Raises:
            DataError: if there was no table and no ``like``.
        """
        if self._sheet is None and self.like is None:
            raise DataError(f"{self.path}: there are no rows to write")
        if self._sheet is None and self.like is not None:
            self.write(self.like.empty_table())
        assert self._sheet is not None
        self._sheet.close()

    def write(self, table: pa.Table) -> None:
        """Write a table below what is there.

        Raises:
            DataError: if its columns are others than those before, or the format cannot hold them.
        """
        try:
            if self._sheet is None:
                self._sheet = self._opened(self.like or table.schema)
            self._check_names(table.column_names, self._sheet.schema.names)
            self._sheet.write(table.select(self._sheet.schema.names))
        except (*UNFIT, UnfitError) as error:
            raise DataError(f"{self.path}: cannot hold this table: {first_line(error)}") from error

    def _opened(self, schema: pa.Schema) -> Sheet:
        names = set(schema.names)
        if not names or len(names) < len(schema):
            raise DataError(f"{self.path}: a table has columns, each of a name of its own, not {schema.names}")
        assert self.format.write is not None
        return self.format.write(self._temporary, schema)

    def _check_names(self, new: Sequence[str], names: Sequence[str]) -> None:
        for name in sorted(set(new) ^ set(names)):
            verb = "has" if name in set(new) else "lacks"
            raise DataError(
                f"{self.path}: a table {verb} the column '{name}'; all must have the columns {', '.join(names)}"
            )


@contextmanager
def writers(paths: Sequence[str | Path], likes: Sequence[pa.Schema | None] | None = None) -> Iterator[list[Writer]]:
    """A writer for each of some files, which appear, all of them or none, when the block is left without an error.

    Args:
        paths: of any format that is written; the suffixes say which.
        likes: for each file, names and types to write; those of its first table if not given.

    Raises:
        DataError: for another suffix; at the end, if there was no table for a file without ``like``.
        RunError: if the disk is full or a folder cannot be written.
    """
    targets = [Path(path) for path in paths]
    for target in targets:
        format_to_write(target)
    with whole_or_absent(*targets) as places:
        opened = [Writer(*one) for one in zip(targets, places, likes or [None] * len(targets), strict=True)]
        try:
            yield opened
            for writer in opened:
                writer.close()
        except BaseException:
            for writer in opened:
                writer.discard()
            raise


def write_table(table: pa.Table, path: str | Path) -> None:
    """One table into one file.

    Raises:
        DataError: if the format is unknown or cannot hold it.
        RunError: if the disk is full or the folder cannot be written.
    """
    with writers([path]) as [writer]:
        writer.write(table)


def convert(source: Source | str | Path, target: str | Path) -> int:
    """A source into a file of another format, in a stream; the number of rows.

    Raises:
        DataError: if the source cannot be read, or the target's format is unknown or cannot hold it.
        RunError: if the disk is full or the folder cannot be written.
    """
    rows = source if isinstance(source, Source) else open_source(source)
    return rewrite(rows, [target], lambda table: [(table, {})])


def rewrite(source: Source, targets: Sequence[str | Path], change: Change) -> int:
    """The rows of a source into files of which some cells are new, in a stream; the number of rows.

    All other cells are as they were: of text, character by character, where text is written; else value by value, in
    the types of the file. An index of pandas comes back, and where the format keeps it, all that the file says of its
    columns besides.

    Args:
        source: of the rows.
        targets: files to write.
        change: rows -> for each target, a table of new cells and which cells are new.

    Raises:
        DataError: if the source is damaged, or a format is unknown or cannot hold it.
        RunError: if the disk is full or a folder cannot be written.
    """
    kinds = [format_to_write(target) for target in targets]
    if source.is_whole and source.parts[0].can_splice and all(kind is source.format for kind in kinds):
        with whole_or_absent(*map(Path, targets)) as places:
            return type(source.parts[0]).splice(source.parts, source.schema, places, change)
    n_rows = 0
    with writers(targets, [_schema_to_write(source, kind, source.schema) for kind in kinds]) as opened:
        for table in source.batches_to_rewrite():
            outcomes = change(table.select(source.names))
            for writer, kind, (new, masks) in zip(opened, kinds, outcomes, strict=True):
                if not n_rows:
                    writer.like = _schema_to_write(source, kind, new.schema)
                assert writer.like is not None
                writer.write(merged(table, new, masks).select(writer.like.names))
            n_rows += len(table)
    return n_rows


def _schema_to_write(source: Source, kind: Format, new: pa.Schema) -> pa.Schema:
    """The schema of the file, as far as a format keeps it."""
    written, index = source.written, set(source.extra.names)
    kinds = dict(zip(new.names, new.types, strict=True))
    fields = [field.with_type(type_to_write(field.type, kinds.get(field.name, field.type))) for field in written]
    if kind.has_metadata:
        return pa.schema(fields, written.metadata)
    # without that metadata an index would be one more column: one with a name is worth it
    kept = [field for field in fields if field.name not in index or (kind.has_names and has_name(field.name))]
    return pa.schema(kept)
