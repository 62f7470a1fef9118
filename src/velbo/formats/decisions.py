"""From what columns of text may be to what they are.

one reading left      it is taken, and noted if it is not what a computer writes
two, of equal values  the simpler one
two of other values   1,234 with its fraction or its thousands; 01/02/2023 with day or month first: what other columns
                      of the file show decides, then the delimiter (';' stands where the comma is a decimal mark); such
                      a decision is in doubt. Where nothing decides, the file is refused with the option to type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from ..errors import DataError
from .cell_values import arrow_type, values
from .column_guess import ColumnGuess
from .column_types import Candidate, Days, MarkedNumbers
from .date_cells import day_of
from .reading import ColumnReading, Reading

TEXT, NUMBER = ColumnReading("text"), ColumnReading("number")
PLAIN = (ColumnReading("integer"), NUMBER, ColumnReading("boolean"))


@dataclass(frozen=True)
class Decision:
    """What a column is read as.

    Attributes:
        reading: of its cells.
        kind: Arrow's type of its values.
        is_known: whether a cell told; none does where all are missing.
        rival: another reading of all cells, with other values.
        code: why numbers are read as text.
    """

    reading: ColumnReading
    kind: pa.DataType
    is_known: bool = True
    rival: ColumnReading | None = None
    code: str = ""


class Decisions:
    """On all columns of a text.

    Args:
        guesses: name of a column -> what all its cells tell.
        asked: what is said of the text.
        delimiters: of its files.
        where: name of the text, for messages.

    Attributes:
        is_plain: whether all delimiters are commas, which then are no decimal marks outside of quotes.
    """

    def __init__(self, guesses: Mapping[str, ColumnGuess], asked: Reading, delimiters: set[str], where: str) -> None:
        self.guesses, self.asked, self.where = guesses, asked, where
        self.decimals, self.orders = self._evidence()
        self.has_semicolons, self.is_plain = ";" in delimiters, delimiters == {","}

    @cached_property
    def quotes_count(self) -> bool:
        """Whether a word in quotes is a text: unless all cells have quotes, or the words are given."""
        guesses = self.guesses.values()
        has_unquoted = any(guess.has_unquoted or any(guess.words.keys() - {""}) for guess in guesses)
        return self.asked.missing_words is None and (has_unquoted or not any(g.has_needless_quotes for g in guesses))

    @cached_property
    def _has_unquoted(self) -> bool:
        return any(guess.has_unquoted for guess in self.guesses.values())

    def _evidence(self) -> tuple[set[str], set[str]]:
        """(decimal marks, which of d and m comes first) where one reading is left."""
        decimals, orders = set(), set()
        for guess in self.guesses.values():
            best = guess.left[0] if guess.left else None
            if best is None or _rivals(guess) or guess.code:
                continue
            if isinstance(best, MarkedNumbers):
                decimals |= {best.decimal} if best.has_fractions or best.thousands in (".", ",") else set()
            elif best.reading.type == "number":
                decimals |= {"."} if guess.example_of_marks else set()
            elif isinstance(best, Days):
                orders |= _order(best.day)
        return decimals, _order(day_of(self.asked.date_format)) if self.asked.date_format else orders

    def decide(self, name: str) -> Decision:
        """On one column.

        Raises:
            DataError: if it has two readings and nothing decides.
        """
        guess = self.guesses[name]
        if guess.given is not None:
            return Decision(guess.given, guess.left[0].kind if guess.left else arrow_type(guess.given))
        if guess.left is None:
            # a word in quotes tells that the column is text
            words = guess.quoted_words.keys() - ({""} if len(self.guesses) == 1 else set())
            is_text = self.quotes_count and bool(words)
            return Decision(TEXT, pa.string()) if is_text else Decision(NUMBER, pa.float64(), is_known=False)
        if not guess.left:
            return Decision(TEXT, pa.string())
        best, rival = self._better(name, guess)
        code = guess.code if guess.is_numeric else ""
        if best.reading in PLAIN and not guess.has_unquoted and self._has_unquoted:
            code = code or "quotes"
        if code:
            return Decision(TEXT, pa.string(), code=code)
        return Decision(best.reading, best.kind, rival=rival.reading if rival else None)

    def _better(self, name: str, guess: ColumnGuess) -> tuple[Candidate, Candidate | None]:
        """(candidate, one with other values)"""
        left = guess.left or []
        rivals = _rivals(guess)
        if not rivals:
            return left[0], None
        first = self._day_or_month_first() if isinstance(rivals[0], Days) else self._point_or_comma(rivals)
        if first is None:
            raise self._refusal(name, guess, rivals)
        return rivals if first == 0 else (rivals[1], rivals[0])

    def _point_or_comma(self, rivals: tuple[Candidate, Candidate]) -> int | None:
        """The number of the rival that is taken."""
        if len(self.decimals) == 1:
            return 0 if "." in self.decimals else 1
        if self.decimals:
            return None
        has_points = rivals[1].reading.thousands == "."
        if self.has_semicolons:
            return None if has_points else 1
        return 0 if has_points else None

    def _day_or_month_first(self) -> int | None:
        if len(self.orders) == 1:
            return 0 if "d" in self.orders else 1
        return 0 if not self.orders and (self.has_semicolons or self.decimals == {","}) else None

    def _refusal(self, name: str, guess: ColumnGuess, rivals: tuple[Candidate, Candidate]) -> DataError:
        if isinstance(rivals[0], Days) and isinstance(rivals[1], Days):
            return DataError(
                f"{self.where}: column '{name}' holds dates such as '{guess.example}', and no cell tells the day from "
                f"the month; say which comes first: --date-format {rivals[0].day} or --date-format {rivals[1].day}"
            )
        cell = guess.example_of_marks
        point, comma = (values(pa.array([cell]), rival.reading, rival.kind)[0].as_py() for rival in rivals)
        return DataError(
            f"{self.where}: column '{name}' holds numbers such as '{cell}', which is {point} if the decimal mark is a "
            f"point and {comma} if it is a comma; say which: --decimal . or --decimal ,"
        )


def _rivals(guess: ColumnGuess) -> tuple[Candidate, Candidate] | None:
    """Two candidates that give cells other values: decimal point and comma, or day and month first."""
    left = guess.left or []
    if guess.is_whole or not left:
        return None
    if guess.is_numeric:
        point = next((c for c in left if c.reading.decimal == "."), None)
        comma = next((c for c in left if c.reading.decimal == ","), None)
        is_mark = point and comma and (comma.reading.thousands == "." or point.reading.thousands == ",")
        return (point, comma) if point and comma and is_mark else None
    days = [candidate for candidate in left if isinstance(candidate, Days)]
    is_asked = guess.date_format and days and days[0].day == day_of(guess.date_format)
    if len(days) > 1 and days[0] is left[0] and not is_asked and not days[0].is_same_swapped:
        return days[0], days[1]
    return None


def _order(day: str) -> set[str]:
    """Which of day and month comes first in a format with numbers for both, at its start."""
    return {day[1]} if day[1] in "dm" and "%m" in day else set()
