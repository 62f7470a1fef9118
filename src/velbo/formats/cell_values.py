"""From the cells of a text column to values: the tokens without quotes and blanks, then as its reading says.

    token --quotes--> text --blanks--> bare --reading--> plain --cast--> value

Plain is what Arrow reads: 1234.5, 2023-12-31 17:30. A cell that has no plain form, or whose plain form is no value (the
30th of February), does not fit.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .date_cells import day_of, iso, parsed
from .number_cells import plain_numbers
from .reading import ColumnReading
from .tokens import Block

LETTERS = "?"  # the first character of this kind; digits and marks of numbers come before
ISO_DAY = "%Y-%m-%d"
ISO_WITH_OFFSET = "%Y-%m-%dT%H:%M:%S%z"


class Words:
    """Words for missing values, in any case; a blank cell is always one.

    Args:
        words: without blanks around them.
    """

    def __init__(self, words: Sequence[str]) -> None:
        lower = pc.ascii_lower(pa.array(["", *words]))
        self.lower = lower
        self.have_letters = all(max(word) >= LETTERS for word in words if word)


class Cells:
    """One column of a block.

    Args:
        block: of the text.
        column: number of it.
        words: for missing values.
    """

    def __init__(self, block: Block, column: int, words: Words) -> None:
        self._block, self._column, self._words = block, column, words
        is_quoted = None if block.quoted is None else block.quoted[:, column]
        self.is_quoted = None if is_quoted is None or not is_quoted.any() else pa.array(is_quoted)

    @property
    def tokens(self) -> pa.StringArray:
        """As they stand in the file."""
        return self._block.tokens(self._column)

    @cached_property
    def texts(self) -> pa.StringArray:
        """Without quotes."""
        inner = self._block.inner(self._column)
        if self.is_quoted is None or not holds(inner, '"'):
            return inner
        return pc.if_else(self.is_quoted, pc.replace_substring(inner, '""', '"'), inner)

    @cached_property
    def bare(self) -> pa.StringArray:
        """Without blanks around them."""
        return pc.utf8_trim_whitespace(self.texts) if self._block.has_blanks else self.texts

    @cached_property
    def is_word(self) -> pa.BooleanArray:
        """Whether a cell is a word for a missing value, in quotes or not."""
        return pc.is_in(pc.ascii_lower(self.bare), self._words.lower)

    @cached_property
    def has_words(self) -> bool:
        text, offsets = flat(self.bare)
        if self._words.have_letters and text.max(initial=0) < ord(LETTERS) and np.diff(offsets).all():
            return False
        return bool(pc.any(self.is_word).as_py())

    @cached_property
    def known(self) -> pa.StringArray:
        """Bare cells, null for words."""
        return pc.if_else(self.is_word, None, self.bare) if self.has_words else self.bare

    @property
    def quoted_known(self) -> pa.StringArray:
        """Texts of the cells in quotes that are no words."""
        if self.is_quoted is None:
            return self.texts.slice(0, 0)
        return self.texts.filter(pc.and_not(self.is_quoted, self.is_word))

    def text(self, quotes_count: bool) -> pa.StringArray:
        """Texts with their blanks, null for words.

        Args:
            quotes_count: whether a word in quotes is a text. Two quotes in an only column are never one: they keep the
                line of a missing value from being empty.
        """
        if not self.has_words:
            return self.texts
        is_missing = self.is_word
        if self.is_quoted is not None and quotes_count:
            is_text = self.is_quoted
            if self._block.width == 1:
                is_text = pc.and_(is_text, pc.not_equal(self.texts, ""))
            is_missing = pc.and_not(is_missing, is_text)
        return pc.if_else(is_missing, None, self.texts)


def arrow_type(reading: ColumnReading, unit: str = "us") -> pa.DataType:
    """The type that holds what a reading gives."""
    if reading.type == "time":
        return pa.timestamp(unit, "UTC" if "%z" in reading.date_format else None)
    return TYPES[reading.type]


TYPES = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "text": pa.string(),
}


def values(cells: pa.StringArray, reading: ColumnReading, kind: pa.DataType) -> pa.Array:
    """Values of bare cells.

    Args:
        cells: with nulls for missing values.
        reading: of the column, no text.
        kind: as `arrow_type` gives it for the reading.

    Raises:
        pa.ArrowInvalid: if a cell does not fit.
    """
    return READERS[reading.type](cells, reading, kind)


def first_unfit(cells: pa.StringArray, reading: ColumnReading, kind: pa.DataType) -> int:
    """The first cell that does not fit, where one is known to be."""
    low, high = 0, len(cells)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            values(cells.slice(low, middle - low), reading, kind)
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


def _integers(cells: pa.StringArray, reading: ColumnReading, kind: pa.DataType) -> pa.Array:
    """Also 12.0, as which whole numbers are written where a data frame has a missing value among them."""
    if not reading.thousands and not reading.affix and not holds(cells, "x") and not holds(cells, "X"):
        try:
            return cells.cast(kind)
        except pa.ArrowInvalid:
            pass
    plain = pc.replace_substring_regex(_plain(cells, reading), r"\.0*$", "")
    return plain.cast(kind)


def _numbers(cells: pa.StringArray, reading: ColumnReading, kind: pa.DataType) -> pa.Array:
    if (reading.decimal, reading.thousands, reading.affix) == (".", "", ""):
        try:
            numbers = cells.cast(kind)
        except pa.ArrowInvalid:
            numbers = _plain(cells, reading).cast(kind)
    else:
        numbers = _plain(cells, reading).cast(kind)
    if pc.any(pc.is_nan(numbers)).as_py():
        raise pa.ArrowInvalid("nan is no number")
    return numbers


def _plain(cells: pa.StringArray, reading: ColumnReading) -> pa.StringArray:
    return _all_of(cells, plain_numbers(cells, reading.decimal, reading.thousands, reading.affix))


def _all_of(cells: pa.StringArray, plain: pa.StringArray) -> pa.StringArray:
    if plain.null_count > cells.null_count:
        raise pa.ArrowInvalid("a cell is written otherwise")
    return plain


def _booleans(cells: pa.StringArray, reading: ColumnReading, kind: pa.DataType) -> pa.Array:
    lower = pc.ascii_lower(cells)
    truth = pc.if_else(pc.is_in(lower, pa.array(["true", "false"])), lower, None)
    return _all_of(cells, truth).cast(kind)


def _days(cells: pa.StringArray, reading: ColumnReading, kind: pa.DataType) -> pa.Array:
    if reading.date_format:
        parts = parsed(cells, day_of(reading.date_format), with_time=False)
        cells = _all_of(cells, iso(parts))
    return cells.cast(kind)


def _times(cells: pa.StringArray, reading: ColumnReading, kind: pa.DataType) -> pa.Array:
    if not reading.date_format or reading.date_format.startswith(ISO_DAY):
        try:
            return cells.cast(kind)
        except pa.ArrowInvalid:
            if not reading.date_format:
                raise
    parts = parsed(cells, day_of(reading.date_format), with_time=True)
    return _all_of(cells, iso(parts)).cast(kind)


def flat(cells: pa.StringArray) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """(all of their text, where each begins in it and the last one ends)"""
    _, offsets, data = cells.buffers()
    offsets = np.frombuffer(offsets, np.int32)[cells.offset : cells.offset + len(cells) + 1]
    return np.frombuffer(data or b"", np.uint8)[offsets[0] : offsets[-1]], offsets - offsets[0]


def holds(cells: pa.StringArray, character: str) -> bool:
    """Whether an ASCII character is in any of the cells."""
    return bool((flat(cells)[0] == ord(character)).any())


READERS = {"integer": _integers, "number": _numbers, "boolean": _booleans, "date": _days, "time": _times}
