"""CSV as Arrow tables, in a stream, with one type a column over the whole file.

A first pass over the cells, as text, strikes out of this list every type that does not hold one of them; a column is of
the first type left, and text if none is. Each cell is asked by itself, so that neither their order nor the blocks that
are read at a time change a type. A second pass reads again and converts. Neither keeps more than a block.

    int64, double, bool, date32, timestamp[us], timestamp[ns], timestamp[us, UTC], timestamp[ns, UTC], string

Blanks around a cell do not count, but in text, which keeps them; missing are the words in `arrays.MISSING_WORDS`.
Whole numbers of which some begin with a 0, as postal codes do, are text: as numbers they would come back shorter.
The first line is a header unless all its cells are numbers or missing; columns are then called 0, 1, ... A header of
numbers can be told by quotes, if its cells are all in quotes and those of the next line are not.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from ..errors import DataError
from .arrays import MISSING_WORDS, is_number_or_missing

BLOCK = 4 * 2**20
PROBE = 16  # cells
DELIMITERS = {".csv": ",", ".tsv": "\t"}
TYPES: tuple[pa.DataType, ...] = (
    pa.int64(),
    pa.float64(),
    pa.bool_(),
    pa.date32(),
    *(pa.timestamp(unit, zone) for zone in (None, "UTC") for unit in ("us", "ns")),
)


class TextTable:
    """A .csv or .tsv file, in UTF-8.

    Args:
        path: of the file.
        block: bytes read at a time; a line must fit in.

    Raises:
        DataError: if it is empty, no text, or has no proper header.
    """

    n_rows: int | None = None  # a text does not say

    def __init__(self, path: Path, block: int = BLOCK) -> None:
        self.path, self.block = path, block
        self.delimiter = DELIMITERS[path.suffix.lower()]
        first = self._first_line()
        cells = first.cells
        self.has_header = not all(is_number_or_missing(cell) for cell in cells) or self._is_header_by_quotes()
        self.names = [cell.strip() for cell in cells] if self.has_header else [str(i) for i in range(len(cells))]
        self._skip = first.end if self.has_header else first.start - 1
        self._check_header()

    def _check_header(self) -> None:
        for i, name in enumerate(self.names):
            if not name:
                raise DataError(
                    f"{self.path}: column {i + 1} has no name in the header; give it one (pandas writes such a column "
                    "of row numbers unless it is told to_csv(index=False))"
                )
            if name in self.names[:i]:
                raise DataError(f"{self.path}: the header has '{name}' twice; give every column a name of its own")

    def _is_header_by_quotes(self) -> bool:
        with self.path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            lines = _lines(file, self.delimiter, csv.QUOTE_NONE)
            first = next(lines)
            if not first.is_quoted() or '""' in first.cells:
                return False
            # a missing cell in an only column has quotes, lest its line be empty
            others = (line for line in lines if line.cells != ['""'])
            return not next(others, _Line([""], 0, 0)).is_quoted()

    def _first_line(self) -> _Line:
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                first = next(_lines(file, self.delimiter), None)
        except UnicodeDecodeError as error:
            raise self._no_text() from error
        except (OSError, csv.Error) as error:
            raise DataError(f"{self.path}: not a text table ({error})") from error
        if first is None:
            raise DataError(f"{self.path}: the file is empty")
        return first

    def look(self, guesses: Iterable[TypeGuess]) -> None:
        """Show all cells to the guesses, one for each column.

        Raises:
            DataError: if there are no rows, or lines of different lengths.
        """
        n = 0
        for batch in self._texts():
            n += len(batch)
            for guess, column in zip(guesses, batch.columns, strict=True):
                guess.see(column)
        if not n:
            raise DataError(f"{self.path}: there is a header and no row below it")

    def tables(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """The rows in order, in blocks of any length, as the types of a schema that has all the names.

        Raises:
            DataError: if a cell is not of its type.
        """
        kinds = [schema.field(name).type for name in self.names]
        for batch in self._texts():
            columns = []
            for name, column, kind in zip(self.names, batch.columns, kinds, strict=True):
                try:
                    columns.append(converted(column, kind))
                except pa.ArrowInvalid as error:
                    raise DataError(
                        f"{self.path}: column '{name}' has been taken for {kind}, and now holds other cells ({error}); "
                        "was the file changed meanwhile? Read it again"
                    ) from error
            yield pa.Table.from_arrays(columns, self.names)

    def _texts(self) -> Iterator[pa.RecordBatch]:
        """All cells as text."""
        last = None
        try:
            with pv.open_csv(
                self.path,
                pv.ReadOptions(use_threads=False, block_size=self.block, skip_rows=self._skip, column_names=self.names),
                pv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=_skip_blank_lines
                ),
                pv.ConvertOptions(column_types=dict.fromkeys(self.names, pa.string()), strings_can_be_null=False),
            ) as reader:
                for last in reader:
                    yield last
        except (pa.ArrowException, OSError) as error:
            if "Empty CSV file" in str(error):
                return
            raise self._no_table(error) from error
        if last is not None and len(last):
            self._check_end(last.column(last.num_columns - 1)[-1].as_py())

    def _check_end(self, cell: str) -> None:
        """A quote that is never closed makes all that follows one cell."""
        if "\n" not in cell:
            return
        with self.path.open("rb") as file:
            file.seek(-min(4096, self.path.stat().st_size), 2)
            closed = file.read().rstrip(b"\r\n").endswith(b'"')
        if not closed:
            raise DataError(
                f"{self.path}: the quote before {cell[:20]!r} is not closed and takes in all lines to the end of the "
                "file; close it, or double it if it is meant as a quote"
            )

    def _no_table(self, error: Exception) -> DataError:
        """Arrow counts rows, and only those with cells; people look for lines."""
        words = str(error)
        if "invalid UTF8" in words:
            return self._no_text()
        if "straddl" in words:
            return DataError(
                f"{self.path}: a line is longer than {self.block} bytes; is a quote opened there and not closed?"
            )
        width = len(self.names)
        try:
            with self.path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
                for line in _lines(file, self.delimiter):
                    if len(line.cells) != width:
                        return DataError(
                            f"{self.path}: line {line.start} has {len(line.cells)} cells, the first line has {width}"
                        )
        except (OSError, csv.Error):
            pass
        return DataError(f"{self.path}: not a whole table ({words})")

    def _no_text(self) -> DataError:
        with self.path.open("rb") as file:
            number = next((i for i, line in enumerate(file, start=1) if not _is_utf8(line)), 1)
        return DataError(f"{self.path}: not a text table: line {number} is not in UTF-8; save the file as UTF-8")


class _Line(NamedTuple):
    """Cells, and the numbers of the first and last line of the file that they are on, from 1."""

    cells: list[str]
    start: int
    end: int

    def is_quoted(self) -> bool:
        """Whether all cells are in quotes, if it was read with QUOTE_NONE."""
        return all(re.fullmatch(r'"[^"]*"', cell) for cell in self.cells)


def _lines(file: Any, delimiter: str, quoting: Literal[0, 3] = csv.QUOTE_MINIMAL) -> Iterator[_Line]:
    """Those with something on them, two quotes at least."""
    reader, end = csv.reader(file, delimiter=delimiter, quoting=quoting), 0
    for cells in reader:
        if cells and not (len(cells) == 1 and cells[0].isspace()):
            yield _Line(cells, end + 1, reader.line_num)
        end = reader.line_num


def _skip_blank_lines(row: Any) -> str:
    return "error" if row.text.strip() else "skip"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class TypeGuess:
    """What the cells of a column, seen so far, can be."""

    def __init__(self) -> None:
        self.left = list(TYPES)
        self.is_padded = self.has_cells = False

    @property
    def type(self) -> pa.DataType:
        """The type that holds them; of a column with nothing but missing cells, double."""
        if not self.has_cells:
            return pa.float64()
        kind = self.left[0] if self.left else pa.string()
        return pa.string() if pa.types.is_integer(kind) and self.is_padded else kind

    def see(self, column: Any) -> None:
        """Strike out the types that do not hold a column of text."""
        if not self.left:
            return
        cells = cleaned(column).drop_null()
        if not len(cells):
            return
        self.has_cells = True
        self.left = [kind for kind in self.left if _holds(kind, cells)]
        if self.left and pa.types.is_integer(self.left[0]) and not self.is_padded:
            # Arrow takes 0x1F for a number as well
            self.is_padded = pc.any(pc.match_substring_regex(cells, r"^[+-]?0[0-9xX]")).as_py()


def _holds(kind: pa.DataType, cells: Any) -> bool:
    if pa.types.is_boolean(kind):
        # Arrow takes 0 and 1 for truth values as well
        return pc.all(pc.is_in(pc.ascii_lower(cells), pa.array(["true", "false"]))).as_py()
    try:
        # Arrow words an error for each of the cells that fail: most types fail at the first ones
        cells.slice(0, PROBE).cast(kind)
        cells.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def types_of(tables: Sequence[TextTable]) -> dict[str, pa.DataType]:
    """Name -> the type that holds the column of that name in every one of the tables; reads all of them."""
    guesses = {name: TypeGuess() for name in tables[0].names}
    for table in tables:
        table.look([guesses[name] for name in table.names])
    return {name: guess.type for name, guess in guesses.items()}


def cleaned(column: Any) -> Any:
    """Text without blanks around it, words for missing cells as nulls."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(_is_word(trimmed), None, trimmed)


def converted(column: Any, kind: pa.DataType) -> Any:
    """A column of text as a type that holds it."""
    if pa.types.is_string(kind):
        return pc.if_else(_is_word(pc.utf8_trim_whitespace(column)), None, column)
    return cleaned(column).cast(kind)


def _is_word(trimmed: Any) -> Any:
    return pc.is_in(pc.ascii_lower(trimmed), pa.array(MISSING_WORDS))
