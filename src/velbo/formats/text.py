"""Text tables: CSV, TSV and the like, also compressed, read in a stream.

    first block   encoding, delimiter, header: what cuts the text                     encoding, dialect, header
    first pass    types of the columns, by all cells                                  column_types, decisions
    second pass   cells as values, a block at a time                                  tokens, cell_values

Neither pass keeps more than a block. `lines` gives values and the text that they were read from, so that what is not
changed can be written as it stood (splice.py).
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Self

import pyarrow as pa

from ..errors import DataError
from .base import Change, Format, Sequential
from .cell_values import Cells, Words, first_unfit, values
from .column_guess import ColumnGuess
from .decisions import Decision, Decisions
from .dialect import OF_SUFFIX, Sample
from .encoding import COMPRESSED, encoding_of, pieces
from .header import N_ROWS, header_of
from .reading import MISSING_WORDS, ColumnReading, Note, Reading
from .splice import splice
from .text_notes import column_notes, dialect_notes
from .text_sheet import TextSheet
from .tokenizer import LONGEST_RECORD, Tokenizer
from .tokens import Block, lines_in
from .typed import bytes_of

BLOCK, SAMPLE = 2**20, 2**18  # bytes
MIN_LINES = 20  # of the sample
MIN_ROWS = 100  # of a block


@dataclass(frozen=True)
class Lines:
    """Some rows of a text, as values and as they stand in the file.

    Attributes:
        table: the values.
        block: the tokens.
        start: where the text of the rows begins in the data of the block.
        end: where it ends. Blank lines are part of it, so that all texts of a file are the file but for its head.
    """

    table: pa.Table
    block: Block
    start: int
    end: int


class TextPart(Sequential):
    """A delimited text.

    Args:
        path: of the file; its suffix counts little.
        reading: what is known of it.
        block: bytes read at a time.

    Attributes:
        encoding: of the file.
        delimiter: between cells; "" if there is one column, in which any character may be.
        header: whether there is one.
        first: the first line.
        skip: bytes of "sep=;".
        line_end: of the first line.
        head: all before the first row: "sep=;", the header, blank lines.
        decided: name -> how a column is read, when `schema_of` has found it.

    Raises:
        DataError: if it is empty, no text, has lines of different widths, or no proper header.
    """

    form = "a text"
    can_splice = True

    def __init__(self, path: Path, reading: Reading = Reading(), block: int = BLOCK) -> None:
        self.path, self.asked = path, reading
        self.encoding = encoding_of(path)
        self.words = Words(MISSING_WORDS if reading.missing_words is None else reading.missing_words)
        sample = self._sample()
        dialect = sample.dialect(reading.delimiter)
        rows = sample.first_rows(dialect, N_ROWS + 1)
        self.delimiter, self.width = dialect.delimiter, dialect.width
        self.header = header_of(rows, self.words, tuple(reading.columns))
        if reading.header is not None:
            self.header = replace(self.header, is_there=reading.header, in_doubt=False)
        self.first = rows.rows(0, 1)
        self.skip, self.line_end = dialect.skip, _line_end(rows.data)
        self.names = self._names()
        self.head = sample.head(rows, 1 if self.header.is_there else 0)
        self._block_size = max(block, MIN_ROWS * len(rows.data) // len(rows))
        self.decided: dict[str, Decision] = {}
        self._quotes_count = True
        self._column_notes: list[Note] = []

    def _sample(self) -> Sample:
        """Enough of the text to see some lines."""
        text = b""
        for piece in pieces(self.path, SAMPLE):
            text += piece
            if len(text) >= SAMPLE and text.count(b"\n") >= MIN_LINES:
                return Sample(self.path, text, is_whole=False)
            if len(text) > LONGEST_RECORD:
                break
        return Sample(self.path, text, is_whole=True)

    def _names(self) -> list[str]:
        if not self.header.is_there:
            return [str(i) for i in range(self.width)]
        names = [Cells(self.first, column, self.words).bare[0].as_py() for column in range(self.width)]
        for i, name in enumerate(names):
            if not name:
                raise DataError(
                    f"{self.path}: column {i + 1} has no name in the header; give it one (pandas writes such a column "
                    "of row numbers unless it is told to_csv(index=False))"
                )
        name, n = Counter(names).most_common(1)[0]
        if n > 1:
            raise DataError(
                f"{self.path}: the header has '{name}' twice; give every column a name of its own, or say --header no "
                "if the first line is a row"
            )
        return names

    @classmethod
    def schema_of(cls, parts: Sequence[Self]) -> pa.Schema:  # pyright: ignore[reportIncompatibleMethodOverride]
        asked = parts[0].asked
        guesses = {name: ColumnGuess(asked.decimal, asked.date_format, parts[0].given(name)) for name in parts[0].names}
        for part in parts:
            part._look([guesses[name] for name in part.names])
        delimiters = {part.delimiter for part in parts}
        decisions = Decisions(guesses, asked, delimiters, str(parts[0].path))
        decided = {name: decisions.decide(name) for name in guesses}
        for part in parts:
            part.decided, part._quotes_count = decided, decisions.quotes_count
        parts[0]._column_notes = list(column_notes(decisions, decided))
        return pa.schema([(name, decision.kind) for name, decision in decided.items()])

    def given(self, name: str) -> ColumnReading | None:
        """How a column is read, if that is known beforehand."""
        given = self.asked.columns.get(name)
        if given is None:
            return None
        if given.type in ("integer", "number") and self.asked.decimal:
            return replace(given, decimal=self.asked.decimal)
        if given.type in ("date", "time") and self.asked.date_format:
            return replace(given, date_format=self.asked.date_format)
        return given

    def _look(self, guesses: Sequence[ColumnGuess]) -> None:
        """Show all cells to the guesses, one for each column."""
        n = 0
        for block in self._blocks():
            n += len(block)
            for column, guess in enumerate(guesses):
                guess.see(Cells(block, column, self.words))
        if not n:
            raise DataError(f"{self.path}: there is a header and no row below it")

    def _blocks(self) -> Iterator[Block]:
        return Tokenizer(self.path, self.delimiter, 1 + lines_in(self.head)).blocks(self._text(), self.width)

    def _text(self) -> Iterator[bytes]:
        """All but the head."""
        left = len(self.head)
        for piece in pieces(self.path, self._block_size):
            yield piece[left:]
            left = max(0, left - len(piece))

    def tables(self, schema: pa.Schema) -> Iterator[pa.Table]:
        for block in self._blocks():
            if len(block):
                yield self._table(block, schema)

    def in_blocks(self, size: int) -> TextPart:
        """The same text, read so many bytes at a time at least."""
        part = copy.copy(self)
        part._block_size = max(size, self._block_size)
        return part

    def lines(self, schema: pa.Schema, n_rows: int) -> Iterator[Lines]:
        """All rows in order, at most so many at a time, as values and as text; raises as `tables` does.

        Args:
            schema: that `schema_of` gave.
            n_rows: at a time.
        """
        for block in self._blocks():
            table = self._table(block, schema)
            bounds = [0, *block.starts[n_rows::n_rows, 0].tolist(), len(block.data)]
            for i, (start, end) in enumerate(pairwise(bounds)):
                rows = slice(i * n_rows, (i + 1) * n_rows)
                yield Lines(table[rows], block.rows(rows.start, rows.stop), start, end)

    @classmethod
    def splice(cls, parts: Sequence[Self], schema: pa.Schema, targets: Sequence[Path], change: Change) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        return splice(parts, schema, targets, change)

    def _table(self, block: Block, schema: pa.Schema) -> pa.Table:
        if not self.decided:
            self.schema_of([self])
        columns = [self._values(block, column, schema.field(name).type) for column, name in enumerate(self.names)]
        return pa.Table.from_arrays(columns, self.names)

    def _values(self, block: Block, column: int, kind: pa.DataType) -> pa.Array:
        cells, decision = Cells(block, column, self.words), self.decided[self.names[column]]
        if pa.types.is_string(kind) or decision.reading.type == "text":
            return cells.text(self._quotes_count)
        try:
            return values(cells.known, decision.reading, decision.kind).cast(kind)
        except pa.ArrowInvalid as error:
            row = first_unfit(cells.known, decision.reading, decision.kind)
            name, cell = self.names[column], cells.bare[row].as_py()
            raise DataError(
                f"{self.path}: line {block.line_of(row)}, column '{name}' holds {cell!r}, which is no "
                f"{decision.reading.type} as the column is read; mend the cell, or read the column otherwise: "
                f"--type {name}=text"
            ) from error

    def notes(self) -> list[Note]:
        return [*dialect_notes(self.path, self.delimiter, self.header, self.width), *self._column_notes]

    def reading(self) -> Reading:
        if not self.decided:
            self.schema_of([self])
        columns = {name: decision.reading for name, decision in self.decided.items() if decision.is_known}
        found = {"format": CSV.name, "delimiter": self.delimiter, "header": self.header.is_there, "columns": columns}
        return replace(self.asked, **found)

    def stamp(self) -> Iterator[bytes]:
        return bytes_of(self.path)


def _line_end(text: bytes) -> bytes:
    newline = text.find(b"\n")
    if newline < 0:
        return b"\r" if b"\r" in text else b"\n"
    return b"\r\n" if text[newline - 1 : newline] == b"\r" else b"\n"


SUFFIXES = tuple(suffix + compression for compression in ("", *COMPRESSED) for suffix in (*OF_SUFFIX, ".txt"))
CSV = Format("csv", SUFFIXES, TextPart, TextSheet)
