"""CSV as Arrow tables, in a stream, with one type a column over the whole file.

A first pass reads every cell as text and keeps, for each column, the narrowest of these types that holds all of its
cells so far; a second pass reads and converts. Neither keeps more than a block.

    nothing -> int64 -> double -> text      bool -> text      date -> timestamp -> text

Blanks around numbers do not count, nor do words for missing cells. Text keeps its blanks. Whole numbers that begin with
a 0, as postal codes do, are text.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from ..errors import DataError
from .arrow import MISSING_WORDS

BLOCK = 4 * 2**20
DELIMITERS = {".csv": ",", ".tsv": "\t"}
WIDER: dict[pa.DataType, tuple[pa.DataType, ...]] = {
    pa.null(): (pa.int64(), pa.float64(), pa.bool_(), pa.date32(), pa.timestamp("us"), pa.string()),
    pa.int64(): (pa.int64(), pa.float64(), pa.string()),
    pa.float64(): (pa.float64(), pa.string()),
    pa.bool_(): (pa.bool_(), pa.string()),
    pa.date32(): (pa.date32(), pa.timestamp("us"), pa.string()),
    pa.timestamp("us"): (pa.timestamp("us"), pa.string()),
    pa.string(): (pa.string(),),
}
"""Type so far -> those to try, narrowest first."""


class TextTable:
    """A .csv or .tsv file.

    Args:
        path: of the file.
        block: bytes read at a time.

    Raises:
        DataError: if it is empty, no text, or has no proper header.
    """

    def __init__(self, path: Path, block: int = BLOCK) -> None:
        self.path, self.block = path, block
        self.delimiter = DELIMITERS[path.suffix.lower()]
        first = self._first_line()
        self.has_header = not all(is_number_or_missing(cell) for cell in first)
        self.names = [cell.strip() for cell in first] if self.has_header else [str(i) for i in range(len(first))]
        for i, name in enumerate(self.names):
            if not name or name in self.names[:i]:
                what = f"a second column called '{name}'" if name else f"no name for column {i}"
                raise DataError(f"{path}: the header has {what}; give every column a name of its own")
        self._schema: pa.Schema | None = None

    def _first_line(self) -> list[str]:
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                first = next((line for line in csv.reader(file, delimiter=self.delimiter) if line), None)
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{self.path}: not a text table ({error})") from error
        if first is None:
            raise DataError(f"{self.path}: the file is empty")
        return first

    @property
    def schema(self) -> pa.Schema:
        """Names and types; the first call reads the file."""
        if self._schema is None:
            kinds, n = [pa.null()] * len(self.names), 0
            for batch in self._texts():
                kinds = [widened(kind, column) for kind, column in zip(kinds, batch.columns, strict=True)]
                n += len(batch)
            if not n:
                raise DataError(f"{self.path}: there is a header and no row below it")
            # a column without a value is one of numbers that are all missing
            kinds = [pa.float64() if pa.types.is_null(kind) else kind for kind in kinds]
            self.n_rows = n
            self._schema = pa.schema(list(zip(self.names, kinds, strict=True)))
        return self._schema

    def batches(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """The rows in order, in blocks of any length, as types that hold them."""
        for batch in self._texts():
            columns = [converted(c, kind) for c, kind in zip(batch.columns, schema.types, strict=True)]
            yield pa.Table.from_arrays(columns, schema=schema)

    def _texts(self) -> Iterator[pa.RecordBatch]:
        names = [] if self.has_header else self.names
        try:
            with pv.open_csv(
                self.path,
                pv.ReadOptions(
                    use_threads=False,
                    block_size=self.block,
                    column_names=names or None,
                ),
                pv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                pv.ConvertOptions(
                    column_types=dict.fromkeys(self._raw_names(), pa.string()), strings_can_be_null=False
                ),
            ) as reader:
                yield from reader
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return
            raise DataError(f"{self.path}: not a whole table: {plain(str(error))}") from error

    def _raw_names(self) -> list[str]:
        return self._first_line() if self.has_header else self.names


def plain(message: str) -> str:
    """Arrow's words for a line of the wrong length, by line."""
    found = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", message)
    return f"line {found[1]} has {found[3]} cells, the first line has {found[2]}" if found else message


def is_number_or_missing(cell: str) -> bool:
    """Whether a cell is a number or a word for a missing one."""
    try:
        float(cell)
    except ValueError:
        return cell.strip().lower() in MISSING_WORDS
    return True


def cleaned(column: Any) -> Any:
    """Text without blanks around it, words for missing cells as nulls."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(pc.utf8_lower(trimmed), pa.array(MISSING_WORDS)), None, trimmed)


def widened(kind: pa.DataType, column: Any) -> pa.DataType:
    """The narrowest type that holds what ``kind`` holds and the cells of a column of text."""
    cells = cleaned(column).drop_null()
    if not len(cells) or pa.types.is_string(kind):
        return kind
    for wider in WIDER[kind]:
        if pa.types.is_integer(wider) and pc.any(pc.match_substring_regex(cells, r"^[+-]?0\d")).as_py():
            return pa.string()
        try:
            cells.cast(wider)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
        return wider
    return pa.string()


def converted(column: Any, kind: pa.DataType) -> Any:
    """Text as a type that holds it; a missing cell of text stays as it was written."""
    return column if pa.types.is_string(kind) else cleaned(column).cast(kind)
