"""What the cells of a column, seen block by block, tell of it: candidates for its type, words for missing values, and
what speaks against taking digits for numbers:

    zeros       0012, 007.1    codes, which would come back shorter
    long        20 digits      a number of 64 bits does not hold them
    exponents   034E1, 5E3     codes, if no cell has a point or an exponent with a sign
    quotes      "12"           where quotes are not around all cells of the file, they are around text

Every cell is asked for itself, as in column_types.py.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .cell_values import Cells, flat, holds
from .column_types import Candidate, Fixed, WholeNumbers, candidates_for
from .reading import ColumnReading

MAX_SPELLINGS = 1000
LONG = 16  # digits: a double holds any whole number of 15
NEEDS_QUOTES = r"""["\r\n,;\t|]|^\s|\s$"""


class ColumnGuess:
    """Of one column; show it all cells with `see`.

    Args:
        decimal: mark of all numbers, if it is known.
        date_format: of days, if it is asked for.
        given: reading of the column, if it is known.

    Attributes:
        left: candidates that explain all cells; None before the first cell that is no word for a missing value.
        words: for missing values, without quotes around them -> how many.
        quoted_words: the same with quotes around them.
        codes: what speaks against numbers -> an example.
        example: a cell.
        example_of_marks: a cell with a point or comma in it, if it may be a number that is not plainly whole.
        has_unquoted: whether a cell that is no word has no quotes.
        has_needless_quotes: whether, if none has, one has quotes that it does not need.
        has_brackets: whether a number is in brackets.
    """

    def __init__(
        self, decimal: str | None = None, date_format: str | None = None, given: ColumnReading | None = None
    ) -> None:
        self.decimal, self.date_format, self.given = decimal, date_format, given
        self.left: list[Candidate] | None = None
        self.words: Counter[str] = Counter()
        self.quoted_words: Counter[str] = Counter()
        self.codes: dict[str, str] = {}
        self.example = self.example_of_marks = ""
        self.has_unquoted = self.has_needless_quotes = False
        self.has_brackets = self._has_signed_exponents = False
        self._spellings: set[str] | None = set()

    def see(self, cells: Cells) -> None:
        """Strike out what does not explain the cells of a block."""
        if cells.has_words:
            self._count_words(cells)
        known = cells.known.drop_null() if cells.has_words else cells.known
        if not len(known):
            return
        self._look_at_quotes(len(known), cells)
        if self.left is None:
            self.example = known[0].as_py()
            self.left = self._candidates()
        left: list[Candidate] = []
        for candidate in self.left:
            if any(candidate.follows(other, known) for other in left) or candidate.explains(known):
                left.append(candidate)
        self.left = left
        if self.is_numeric:
            self._look_for_codes(known)

    def _candidates(self) -> list[Candidate]:
        if self.given is None:
            return candidates_for(self.example, self.decimal, self.date_format)
        # nothing is to be found out but how fine times are
        return [Fixed(self.given, unit) for unit in ("us", "ns")] if self.given.type == "time" else []

    def _count_words(self, cells: Cells) -> None:
        words = cells.is_word
        if cells.is_quoted is not None:
            _count(self.quoted_words, cells.bare.filter(pc.and_(words, cells.is_quoted)))
            words = pc.and_not(words, cells.is_quoted)
        _count(self.words, cells.bare.filter(words))

    def _look_at_quotes(self, n_known: int, cells: Cells) -> None:
        quoted = cells.quoted_known
        self.has_unquoted |= len(quoted) < n_known
        if len(quoted) and not self.has_needless_quotes and not self.has_unquoted:
            self.has_needless_quotes = not pc.all(pc.match_substring_regex(quoted, NEEDS_QUOTES)).as_py()

    @property
    def is_numeric(self) -> bool:
        """Whether a candidate that is left reads numbers."""
        return any(candidate.reading.type in ("integer", "number") for candidate in self.left or ())

    @property
    def is_whole(self) -> bool:
        """Whether all cells are plain whole numbers."""
        return bool(self.left) and isinstance(self.left[0], WholeNumbers)

    def _look_for_codes(self, known: pa.StringArray) -> None:
        self._note("zeros", known, _begin_with_zeros(known))
        if pc.max(pc.binary_length(known)).as_py() >= LONG:
            self._look_for_long(known)
        self.has_brackets |= holds(known, "(")
        if self.is_whole:
            return
        if not self.example_of_marks:
            marked = _with_marks(known)
            self.example_of_marks = marked[0].as_py() if len(marked) else ""
        if holds(known, "E") or holds(known, "e"):
            self._note("exponents", known, pc.match_substring_regex(known, r"^[+-]?\d+[eE]\d+$").to_numpy(False))
            self._has_signed_exponents |= pc.any(pc.match_substring_regex(known, r"[eE][+-]")).as_py()
        if self._spellings is not None:
            self._spellings |= set(_with_marks(pc.unique(known)).to_pylist())
            if len(self._spellings) > MAX_SPELLINGS:
                self._spellings = None

    def _look_for_long(self, known: pa.StringArray) -> None:
        long = known.filter(pc.match_substring_regex(known, rf"^[+-]?\d{{{LONG},}}$"))
        # not int, which refuses thousands of digits
        is_inexact = [Decimal(cell) != Decimal(repr(float(cell))) for cell in long.to_pylist()]
        self._note("long", long, np.array(is_inexact, bool))

    def _note(self, code: str, cells: pa.StringArray, is_one: NDArray[np.bool_]) -> None:
        if code not in self.codes and is_one.any():
            self.codes[code] = cells[int(is_one.argmax())].as_py()

    @property
    def _is_scientific(self) -> bool:
        """Whether numbers are written as computers write them, with points or with the signs of exponents."""
        return bool(self.example_of_marks) or self._has_signed_exponents

    @property
    def code(self) -> str:
        """What speaks against numbers; "" for nothing."""
        counts = {"zeros": True, "long": not self.is_whole, "exponents": not self._is_scientific}
        return next((code for code in counts if counts[code] and code in self.codes), "")

    @property
    def two_spellings(self) -> tuple[str, str] | None:
        """Two cells, such as 1.1 and 1.10, that are one number."""
        for cell in sorted(self._spellings or ()):
            shorter = cell
            while shorter.endswith("0"):
                shorter = shorter[:-1]
                if self._spellings and shorter in self._spellings:
                    return shorter, cell
        return None


def _count(counter: Counter[str], words: pa.StringArray) -> None:
    for pair in pc.value_counts(words).to_pylist():
        counter[pair["values"]] += pair["counts"]


def _with_marks(cells: pa.StringArray) -> pa.StringArray:
    """Those with a point or a comma."""
    return cells.filter(pc.or_(pc.match_substring(cells, "."), pc.match_substring(cells, ",")))


def _begin_with_zeros(cells: pa.StringArray) -> NDArray[np.bool_]:
    """Whether a cell begins with a 0 and another digit, after its sign."""
    text, offsets = flat(cells)
    start, end = offsets[:-1], offsets[1:]
    first = text.take(start)
    if holds(cells, "-") or holds(cells, "+"):
        start = start + ((first == ord("-")) | (first == ord("+")))
        first = text.take(start, mode="clip")
    is_zero = (first == ord("0")) & (start + 1 < end)
    if is_zero.any():
        second = text.take(start[is_zero] + 1)
        is_zero[is_zero] = (second >= ord("0")) & (second <= ord("9"))
    return is_zero
