"""Whether the first line of a text holds the names of the columns, by what is below it.

    names   it has quotes around all cells and the lines below have not
    names   a cell above a column of another type: 'age' above numbers
    names   numbers that count (0, 1, 2 or 2019, 2020), or whole ones above fractions
    row     a cell above a column of its own type: 25 above numbers, B07 above such codes
    row     two equal cells, or most of them come again below
    names   else

The first of these signs that is there decides.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from .cell_values import Cells, Words
from .column_guess import ColumnGuess
from .tokens import Block

N_ROWS, N_COLUMNS = 100, 200
YEARS = range(1800, 2200)
LONGEST_NUMBER = 9


@dataclass(frozen=True)
class Header:
    """What the first line is.

    Attributes:
        is_there: whether it holds names.
        in_doubt: whether it may as well be otherwise.
    """

    is_there: bool
    in_doubt: bool = False


def header_of(block: Block, words: Words, known: Sequence[str] = ()) -> Header:
    """Look at the first rows of a text.

    Args:
        block: that begins with the first line.
        words: for missing values.
        known: names that a later file of a table is expected to have.
    """
    first, below = block.rows(0, 1), block.rows(1, N_ROWS)
    tops = [_Top(first, below, column, words) for column in range(min(block.width, N_COLUMNS))]
    cells = [top.cell for top in tops]
    if 2 * len(set(cells) & set(known)) > len(cells) and not all(name.isdigit() for name in known):
        return Header(True)
    if len(block) == 1:
        return Header(not all(top.is_missing or top.is_number for top in tops))
    if all(top.is_quoted for top in tops) and any(top.below.has_unquoted for top in tops):
        return Header(True)
    alike = [top for top in tops if top.is_alike]
    if any(top.is_unlike for top in tops):
        return Header(True, in_doubt=any(not top.cell.isdigit() for top in alike))
    if alike and _count(alike):
        return Header(True, in_doubt=True)
    named = [top.cell for top in tops if not top.is_missing and not top.is_alike]
    come_again = sum(top.comes_again for top in tops if top.cell in named)
    is_double = len(set(cells)) < len(cells) - cells.count("")
    if alike or not named:
        return Header(False, in_doubt=bool(named) and not come_again and not is_double)
    if is_double or 2 * come_again > len(named) or any(top.is_missing and top.cell for top in tops):
        return Header(False, in_doubt=True)
    return Header(True)


class _Top:
    """The first cell of a column, and what is known of those below it."""

    def __init__(self, first_row: Block, below: Block, column: int, words: Words) -> None:
        first = Cells(first_row, column, words)
        self._cells = Cells(below, column, words)
        self.cell = first.bare[0].as_py()
        self.is_missing = first.has_words
        self.is_quoted = first.is_quoted is not None and self.cell != ""
        self.below, both, alone = ColumnGuess(), ColumnGuess(), ColumnGuess()
        if len(self._cells.tokens):
            self.below.see(self._cells)
            both.see(self._cells)
        both.see(first)
        alone.see(first)
        self.is_number = alone.is_numeric
        is_typed = bool(self.below.left) and not self.is_missing
        self.is_alike = bool(both.left) if is_typed else not self.is_missing and self._is_of_one_shape
        self.is_unlike = is_typed and not both.left

    @property
    def _is_of_one_shape(self) -> bool:
        """Whether it and those below it have digits at the same places, such as 10:30 and B07."""
        shapes = {re.sub("[A-Za-z]", "a", re.sub("[0-9]", "0", cell)) for cell in self._cells.known.to_pylist() if cell}
        return shapes == {re.sub("[A-Za-z]", "a", re.sub("[0-9]", "0", self.cell))} and "0" in next(iter(shapes))

    @property
    def comes_again(self) -> bool:
        return pc.any(pc.equal(self._cells.bare, self.cell)).as_py()

    @property
    def is_above_fractions(self) -> bool:
        return pc.all(pc.match_substring_regex(self._cells.known.drop_null(), "[.,]")).as_py()

    def is_above_years(self) -> bool:
        return all(_is_number(cell) and int(cell) in YEARS for cell in self._cells.known.drop_null().to_pylist())

    def next_is(self, number: int) -> bool:
        return self._cells.bare[0].as_py() == str(number)


def _is_number(cell: str) -> bool:
    """Whether it is a whole number that could count columns or years; isdigit takes raised digits for numbers too."""
    return cell.isdecimal() and len(cell) <= LONGEST_NUMBER


def _count(tops: list[_Top]) -> bool:
    """Whether numbers above columns of numbers look like names."""
    if len(tops) < 2 or not all(_is_number(top.cell) for top in tops):
        return False
    if all(top.is_above_fractions for top in tops):
        return True
    numbers = [int(top.cell) for top in tops]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return False
    if numbers[0] in YEARS:
        return not all(top.is_above_years() for top in tops)
    return numbers[0] == 0 and len(numbers) > 2 and not tops[0].next_is(len(numbers))
