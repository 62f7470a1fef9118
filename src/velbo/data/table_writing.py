"""Tables into files, batch by batch; a file is whole or absent.

CSV has a header, numbers in the fewest digits that read back to the same value, quotes where a cell needs them, and
nothing for missing cells (where a line would then be empty, two quotes). It does not tell text that is a number, or a
word for a missing cell, from these, nor empty text from missing text. Durations are seconds, as CSV knows none.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import DataError
from ..files import whole_or_absent
from .arrow import is_text, numbers, to_arrow
from .table_files import ARROW, PARQUET, TABLE_SUFFIXES, TableSource
from .table_formats import ROWS_PER_BATCH
from .text_tables import DELIMITERS, is_number_or_missing

WRITABLE = TABLE_SUFFIXES


class Writer:
    """Writes data frames one after another into one file, which appears when the block is left without an error.

    Args:
        path: .csv, .tsv, .parquet, .feather or .arrow.
        like: names and types to write; those of the first frame if not given. CSV takes the names only.

    Raises:
        DataError: for another suffix; at the end, if there was no frame and no ``like``.
        RunError: if the disk is full or the folder cannot be written.
    """

    def __init__(self, path: str | Path, like: pa.Schema | None = None) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in WRITABLE:
            raise DataError(f"cannot write '{path}': name a {', '.join(WRITABLE)} file")
        self.like = like
        self._file: _File | None = None

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._temporary = self._stack.enter_context(whole_or_absent(self.path))
        self._stack.push(self._finish)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def _finish(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None and self._file is None:
            if self.like is None:
                raise DataError(f"{self.path}: there are no rows to write")
            self.write(self.like.empty_table())
        if self._file is not None:
            self._file.close()

    def write(self, frame: Any) -> None:
        """Write a data frame of any library below what is there.

        Raises:
            DataError: if its columns are others than those before, or the format cannot hold them.
        """
        table = to_arrow(frame).replace_schema_metadata()
        schema = self.like or table.schema
        try:
            if self._file is None:
                self._file = FILES[self.path.suffix.lower()](self._temporary, schema)
            self._check_names(table.column_names, self._file.schema.names)
            self._file.write(table.select(self._file.schema.names))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, _UnfitError) as error:
            raise DataError(f"{self.path}: cannot hold this table: {str(error).splitlines()[0]}") from error

    def _check_names(self, new: Sequence[str], names: Sequence[str]) -> None:
        for name in sorted(set(new) ^ set(names)):
            verb = "has" if name in new else "lacks"
            raise DataError(
                f"{self.path}: a frame {verb} the column '{name}'; all must have the columns {', '.join(names)}"
            )


class _UnfitError(Exception):
    """A column cannot be written."""


class _File(Protocol):
    """An open file of some format."""

    schema: pa.Schema

    def write(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class _TextFile:
    """CSV. Arrow's own writer quotes all text or none."""

    def __init__(self, path: Path, schema: pa.Schema, delimiter: str) -> None:
        self.schema, self.delimiter = schema, delimiter
        self.file = path.open("wb")
        names = self._quoted(pa.array(schema.names, pa.string()))
        if all(is_number_or_missing(name) for name in schema.names):
            # else the reader would take them for the first row
            names = pa.array([f'"{name}"' for name in schema.names])
        self._write_lines([names.slice(i, 1) for i in range(len(names))])

    def write(self, table: pa.Table) -> None:
        for start in range(0, len(table), ROWS_PER_BATCH):
            rows = table.slice(start, ROWS_PER_BATCH)
            self._write_lines([self._cells(rows[name], name) for name in rows.column_names])

    def close(self) -> None:
        self.file.close()

    def _cells(self, column: Any, name: str) -> pa.Array:
        kind = column.type
        if pa.types.is_dictionary(kind):
            column, kind = column.cast(kind.value_type), kind.value_type
        if pa.types.is_duration(kind):
            column = pa.chunked_array([pa.array(numbers(column, name), from_pandas=True)])
        elif pa.types.is_floating(kind):
            column = pc.if_else(pc.is_nan(column), None, column)
        try:
            cells = column.cast(pa.string()).combine_chunks()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise _UnfitError(
                f"column '{name}' is of type {kind}, for which text has no cells; name a .parquet file"
            ) from error
        if is_text(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            cells = self._quoted(cells)
        if len(self.schema) == 1:
            cells = pc.if_else(pc.fill_null(pc.equal(cells, ""), True), '""', cells)
        return cells

    def _quoted(self, cells: pa.Array) -> pa.Array:
        needed = pc.match_substring_regex(cells, f'["\r\n{self.delimiter}]')
        doubled = pc.replace_substring(cells, '"', '""')
        return pc.if_else(needed, pc.binary_join_element_wise('"', doubled, '"', ""), cells)

    def _write_lines(self, columns: Sequence[pa.Array]) -> None:
        lines = pc.binary_join_element_wise(*columns, self.delimiter, null_handling="replace", null_replacement="")
        all_of_them = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
        self.file.write(pc.binary_join(all_of_them, "\n")[0].as_buffer())
        self.file.write(b"\n")


class _ParquetFile:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema, self.typed = schema, _Typed(schema)
        self.writer = pq.ParquetWriter(path, schema)

    def write(self, table: pa.Table) -> None:
        # short row groups: a stream has one in memory
        self.writer.write_table(self.typed(table), row_group_size=ROWS_PER_BATCH)

    def close(self) -> None:
        self.writer.close()


class _ArrowFile:
    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema, self.typed = schema, _Typed(schema)
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
        self.writer = pa.ipc.new_file(path, schema, options=options)

    def write(self, table: pa.Table) -> None:
        self.writer.write_table(self.typed(table), max_chunksize=ROWS_PER_BATCH)

    def close(self) -> None:
        self.writer.close()


class _Typed:
    """Frames as tables of one schema, in which the categories of a column only ever grow: Arrow's file format asks for
    it, and a category keeps its code.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.categories: dict[str, Any] = {}

    def __call__(self, table: pa.Table) -> pa.Table:
        columns = [self._column(table[field.name], field) for field in self.schema]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _column(self, column: Any, field: pa.Field) -> Any:
        try:
            column = column if column.type == field.type else column.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise _UnfitError(
                f"column '{field.name}' is {column.type} here and {field.type} in the file ({error}); give the Writer "
                "a schema that holds both, like=..."
            ) from error
        return self._coded(column, field) if pa.types.is_dictionary(field.type) else column

    def _coded(self, column: Any, field: pa.Field) -> Any:
        column = column.unify_dictionaries().combine_chunks()
        known = self.categories.setdefault(field.name, column.dictionary)
        if column.dictionary.equals(known):
            return column
        if field.type.ordered:
            raise _UnfitError(f"column '{field.name}' has other ordered categories than in the frames before")
        new = column.dictionary.filter(pc.invert(pc.is_in(column.dictionary, known)))
        known = self.categories[field.name] = pa.concat_arrays([known, new])
        codes = pc.index_in(column.dictionary, known).take(column.indices).cast(field.type.index_type)
        return pa.DictionaryArray.from_arrays(codes, known)


FILES: dict[str, Callable[[Path, pa.Schema], _File]] = {
    **{suffix: partial(_TextFile, delimiter=delimiter) for suffix, delimiter in DELIMITERS.items()},
    **dict.fromkeys(PARQUET, _ParquetFile),
    **dict.fromkeys(ARROW, _ArrowFile),
}


def write_table(frame: Any, path: str | Path) -> None:
    """One data frame into one file.

    Raises:
        DataError: if the format is unknown or cannot hold it.
        RunError: if the disk is full or the folder cannot be written.
    """
    with Writer(path) as writer:
        writer.write(frame)


def convert(source: str | Path, target: str | Path) -> int:
    """A table from one format into another, in a stream; the number of rows.

    Raises:
        DataError: if the source cannot be read, or the target's format is unknown or cannot hold it.
        RunError: if the disk is full or the folder cannot be written.
    """
    n = 0
    table = TableSource(source)
    with Writer(target, like=table.schema) as writer:
        for batch in table.batches():
            writer.write(batch)
            n += len(batch)
    return n
