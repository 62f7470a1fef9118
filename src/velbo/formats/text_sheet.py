"""Tables as text that the reader of texts reads back equal.

A number has the fewest digits that read back to the same value, a missing value has nothing (in an only column two
quotes, lest the line be empty). Quotes are around cells that need them: with a delimiter, quote or line end in them,
and texts that would be read as something else, that is words for missing values, numbers, true and false, and nothing.
The header is in quotes if else it would be read as a row. Durations are seconds, as text knows none.

What text cannot say: of a table whose every cell is in quotes, that these are not for show; of a column of nothing but
dates that they were text; of an only column, that a text was empty and not missing.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError
from .base import Sheet, UnfitError, rows_per_batch
from .cell_values import Words, holds
from .dialect import OF_SUFFIX, RARE, USUAL, Dialect, Sample
from .encoding import suffixes_of, written
from .header import N_ROWS, header_of
from .reading import MISSING_WORDS
from .typed import called

WORDS = Words(MISSING_WORDS)
OTHERWISE = r"^\s*(?i:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?inf(?:inity)?|true|false)\s*$"
PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
END_OF_FRACTION = r"\.?0*(Z|[+-]\d{4})?$"


class TextSheet(Sheet):
    """A text that is being written.

    Args:
        path: its suffix tells delimiter and compression.
        schema: of all tables to come.
        delimiter: one character, for another one than the suffix's.

    Raises:
        UnfitError: if text has no cells for a type.
    """

    def __init__(self, path: Path, schema: pa.Schema, delimiter: str = "") -> None:
        for field in schema:
            if _is_compound(field.type):
                raise UnfitError(
                    f"column '{field.name}' is of type {called(field.type)}, for which text has no cells; name a "
                    ".parquet file, or a .npy file for arrays alone"
                )
        self.path, self.schema = path, schema
        self.delimiter = delimiter or OF_SUFFIX.get(suffixes_of(path)[0], ",")
        self._marks, self._has_header = self.delimiter, False
        self._file = written(path)

    def write(self, table: pa.Table) -> None:
        size = rows_per_batch(self.schema)
        for start in range(0, len(table), size):
            rows = table.slice(start, size)
            if not self._has_header:
                self._file.write(self._header(rows))
            self._file.write(self._lines(rows))

    def close(self) -> None:
        if not self._has_header:
            self._file.write(self._header(self.schema.empty_table()))
        self._file.close()

    def discard(self) -> None:
        self._file.close()

    def _header(self, rows: pa.Table) -> bytes:
        """With as few quotes as it takes for the delimiter and the header to be found again."""
        self._has_header = True
        names = pa.array(self.schema.names, pa.string())
        plain = self.delimiter.join(quoted(names, self.delimiter, numbers=False).to_pylist())
        in_quotes = self.delimiter.join(quoted(names, self.delimiter, always=True).to_pylist())
        every = "".join((*USUAL, *RARE))
        for header, marks in ((plain, self.delimiter), (in_quotes, self.delimiter), (in_quotes, every)):
            self._marks = marks
            line = header.encode() + b"\n"
            if not len(rows) or self._is_found(line + self._lines(rows.slice(0, N_ROWS))):
                break
        return line

    def _is_found(self, text: bytes) -> bool:
        sample = Sample(self.path, text, is_whole=True)
        try:
            dialect = sample.dialect()
        except DataError:
            return False
        if dialect != Dialect(self.delimiter, len(self.schema)):
            return False
        return header_of(sample.first_rows(dialect, N_ROWS), WORDS).is_there

    def _lines(self, rows: pa.Table) -> bytes:
        columns = [self._tokens(rows[name], name) for name in self.schema.names]
        lines = pc.binary_join_element_wise(*columns, self.delimiter, null_handling="replace", null_replacement="")
        one = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
        return pc.binary_join(one, "\n")[0].as_buffer().to_pybytes() + b"\n"

    def _tokens(self, column: pa.ChunkedArray, name: str) -> pa.StringArray:
        try:
            cells, is_text = as_cells(column)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise UnfitError(
                f"column '{name}' has values of type {called(column.type)}, for which text has no cells; name "
                "a .parquet file"
            ) from error
        if is_text:
            if holds(cells, "\0"):
                raise UnfitError(f"column '{name}' holds a zero byte, which no text does; name a .parquet file")
            cells = quoted(cells, self._marks)
        if len(self.schema) == 1:
            cells = pc.if_else(pc.fill_null(pc.equal(cells, ""), True), '""', cells)
        return cells


def as_cells(column: pa.ChunkedArray) -> tuple[pa.StringArray, bool]:
    """(values as cells without quotes, whether they are text)

    Raises:
        pa.ArrowInvalid: if a value has no text.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return as_cells(column.cast(kind.value_type))
    if pa.types.is_duration(kind):
        column = pc.divide(column.cast(pa.int64()).cast(pa.float64()), PER_SECOND[kind.unit])
    elif pa.types.is_float16(kind):
        column = column.cast(pa.float32())
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    cells = column.cast(pa.string()).combine_chunks()
    if pa.types.is_timestamp(kind) and kind.unit != "s":
        cells = pc.replace_substring_regex(cells, END_OF_FRACTION, r"\1")
    return cells, _is_text(kind)


def quoted(cells: pa.StringArray, marks: str, always: bool = False, numbers: bool = True) -> pa.StringArray:
    """Texts as tokens.

    Args:
        cells: the texts.
        marks: characters that a token without quotes does not hold: the delimiter.
        always: whether all get quotes.
        numbers: whether texts that would be read as numbers get some.
    """
    needed = pa.scalar(True)
    if not always:
        is_word = pc.is_in(pc.ascii_lower(pc.utf8_trim_whitespace(cells)), WORDS.lower, skip_nulls=True)
        pattern = f"{needs_quotes(marks)}|{OTHERWISE}" if numbers else needs_quotes(marks)
        needed = pc.or_(is_word, pc.match_substring_regex(cells, pattern))
        if not pc.any(needed).as_py():
            return cells
    return pc.if_else(needed, pc.binary_join_element_wise('"', pc.replace_substring(cells, '"', '""'), '"', ""), cells)


def needs_quotes(marks: str) -> str:
    """A regular expression for characters that no token without quotes holds."""
    escaped = "".join(rf"\{mark}" if mark in "^-]\\" else mark for mark in marks)
    return f'["\r\n{escaped}]'


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return any(is_one(kind) for is_one in (types.is_string, types.is_large_string, types.is_string_view)) or any(
        is_one(kind) for is_one in (types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    )


def _is_compound(kind: pa.DataType) -> bool:
    return pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType)
