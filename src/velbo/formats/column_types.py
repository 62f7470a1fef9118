"""What a column of text may be, by all its cells.

    left = all candidates;    for each cell:  left = {c in left : c explains the cell};    the first one left is best

A candidate explains a cell or does not, whatever the other cells are. So neither their order nor the blocks in which
they come change what is left, and nothing else is kept of them. A column that nothing explains is text.

A candidate that explains all that another one does follows it: it is asked only when the other one has been struck out.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import re
from abc import ABC, abstractmethod

import pyarrow as pa
import pyarrow.compute as pc

from .cell_values import ISO_DAY, ISO_WITH_OFFSET, arrow_type, holds, values
from .date_cells import day_formats, day_of, iso, parsed
from .number_cells import THOUSANDS, affix_of, bare_numbers, decimals_of, may_be_number, plain_numbers
from .reading import ColumnReading

PROBE = 16  # cells
DIGITS = re.compile(r"-?\d+")
ISO_START = re.compile(r"\d{4}-\d\d-\d\d")
MIDNIGHT = pa.timestamp("us")


class Candidate(ABC):
    """A way to read a column.

    Attributes:
        kind: Arrow's type of the values.
    """

    kind: pa.DataType

    @property
    @abstractmethod
    def reading(self) -> ColumnReading:
        """With what has been learnt from the cells."""

    @abstractmethod
    def explains(self, cells: pa.StringArray) -> bool:
        """Whether all of these bare cells can be read so."""

    def follows(self, other: Candidate, cells: pa.StringArray) -> bool:
        """Whether it explains these cells because another one does; it then learns from them all the same."""
        return False


class Fixed(Candidate):
    """A reading with nothing to learn.

    Args:
        reading: of the column.
        unit: of times.
    """

    def __init__(self, reading: ColumnReading, unit: str = "us") -> None:
        self._reading, self.kind = reading, arrow_type(reading, unit)

    @property
    def reading(self) -> ColumnReading:
        return self._reading

    def explains(self, cells: pa.StringArray) -> bool:
        try:
            if len(cells) > 4 * PROBE:
                # Arrow words an error for each cell that fails: most candidates fail at the first ones
                self._values(cells.slice(0, PROBE))
            self._values(cells)
        except pa.ArrowInvalid:
            return False
        return True

    def _values(self, cells: pa.StringArray) -> pa.Array:
        return values(cells, self._reading, self.kind)

    def follows(self, other: Candidate, cells: pa.StringArray) -> bool:
        pair = (other.reading.type, self._reading.type)
        is_less = pair == ("integer", "number") or (pair == ("date", "time") and self.kind == MIDNIGHT)
        return is_less and isinstance(other, Fixed)


class WholeNumbers(Fixed):
    """Digits and perhaps a minus, within 64 bits."""

    def __init__(self) -> None:
        super().__init__(ColumnReading("integer"))

    def _values(self, cells: pa.StringArray) -> pa.Array:
        if holds(cells, "x") or holds(cells, "X"):
            raise pa.ArrowInvalid("hexadecimal")
        if holds(cells, "-") and pc.any(pc.equal(cells, "-0")).as_py():
            raise pa.ArrowInvalid("-0 is no whole number")
        return cells.cast(self.kind)


class MarkedNumbers(Candidate):
    """Numbers with one decimal mark, whatever stands between their thousands and beside them.

    Args:
        decimal: mark.
        affix: that every cell has.

    Attributes:
        thousands: mark that some cell has.
        is_whole: whether all are whole numbers within 64 bits.
        has_fractions: whether some cell has the decimal mark.
    """

    def __init__(self, decimal: str, affix: str) -> None:
        self.decimal, self.affix = decimal, affix
        self.thousands, self.is_whole, self.has_fractions = "", True, False

    @property
    def reading(self) -> ColumnReading:
        return ColumnReading("integer" if self.is_whole else "number", self.decimal, self.thousands, self.affix)

    @property
    def kind(self) -> pa.DataType:  # type: ignore[override]
        return arrow_type(self.reading)

    def explains(self, cells: pa.StringArray) -> bool:
        return self._explains(cells.slice(0, PROBE)) and self._explains(cells)

    def _explains(self, cells: pa.StringArray) -> bool:
        bodies = bare_numbers(cells, self.affix)
        marks = {mark for mark in THOUSANDS[self.decimal] if holds(bodies, mark)} | {self.thousands} - {""}
        if len(marks) > 1:
            return False
        self.thousands = next(iter(marks), "")
        plain = plain_numbers(cells, self.decimal, self.thousands, self.affix)
        if plain.null_count:
            return False
        self.has_fractions |= holds(bodies, self.decimal)
        self.is_whole &= not self.has_fractions and Fixed(ColumnReading("integer")).explains(plain)
        return True

    def follows(self, other: Candidate, cells: pa.StringArray) -> bool:
        if self.affix or not isinstance(other, Fixed):
            return False
        if other.reading == ColumnReading("number") and self.decimal == ".":
            self.has_fractions |= holds(cells, ".")
            self.is_whole &= not any(holds(cells, character) for character in ".eEiI")
            return not self.is_whole
        return other.reading == ColumnReading("integer")


class Days(Candidate):
    """Days of one format, with or without times.

    Args:
        day: format of the day.

    Attributes:
        is_same_swapped: whether days and months are the same numbers in all cells.
    """

    def __init__(self, day: str) -> None:
        self.day = day
        self.unit = "us"
        self.letters: set[str] = set()
        self.has_offsets: bool | None = None
        self.is_same_swapped = True

    @property
    def reading(self) -> ColumnReading:
        day = self.day.replace("%b", "%B") if "B" in self.letters else self.day
        if "H" not in self.letters:
            return ColumnReading("date", date_format=day)
        offset = "%z" if self.has_offsets else ""
        if day == ISO_DAY:
            return ColumnReading("time", date_format=f"{day}T%H:%M:%S{offset}")
        hour, half = ("%I", " %p") if "p" in self.letters else ("%H", "")
        second = ":%S" if "S" in self.letters else ""
        fraction = ".%f" if "f" in self.letters else ""
        return ColumnReading("time", date_format=f"{day} {hour}:%M{second}{fraction}{half}{offset}")

    @property
    def kind(self) -> pa.DataType:  # type: ignore[override]
        return arrow_type(self.reading, self.unit)

    def explains(self, cells: pa.StringArray) -> bool:
        return self._explains(cells.slice(0, PROBE)) and self._explains(cells)

    def _explains(self, cells: pa.StringArray) -> bool:
        parts = parsed(cells, self.day, with_time=True)
        if parts.null_count:
            return False
        part = {field.name: parts.field(i) for i, field in enumerate(parts.type)}
        self._learn(part)
        if self.has_offsets != pc.any(pc.not_equal(part["z"], "")).as_py():
            return False
        try:
            iso(parts).cast(self.kind)
        except pa.ArrowInvalid:
            return False
        return True

    def _learn(self, part: dict[str, pa.StringArray]) -> None:
        longest = {letter: pc.max(pc.binary_length(cells)).as_py() for letter, cells in part.items()}
        self.letters |= {letter for letter in "HSfp" if longest[letter]}
        if longest.get("b", 0) > len("Sept"):
            self.letters.add("B")
        if longest["f"] > 6:
            self.unit = "ns"
        if "m" in part:
            self.is_same_swapped &= part["d"].equals(part["m"])
        if self.has_offsets is None:
            self.has_offsets = longest["z"] > 0

    def follows(self, other: Candidate, cells: pa.StringArray) -> bool:
        if self.day != ISO_DAY or not isinstance(other, Fixed) or other.reading.type not in ("date", "time"):
            return False
        if other.reading.type == "time":
            self.letters.add("H")
            self.unit = other.kind.unit
        self.has_offsets = bool(other.reading.date_format)
        return True


def candidates_for(cell: str, decimal: str | None = None, date_format: str | None = None) -> list[Candidate]:
    """All that may explain a column that has this bare cell in it, the simplest ones first.

    Args:
        cell: any one of the column.
        decimal: mark of all numbers, if it is known.
        date_format: of all dates, if it is known.
    """
    found: list[Candidate] = []
    if may_be_number(cell):
        affix = affix_of(cell)
        if not affix:
            found += [WholeNumbers()] * bool(DIGITS.fullmatch(cell))
            found += [Fixed(ColumnReading("number"))] * (decimal != ",")
        found += [MarkedNumbers(mark, affix) for mark in decimals_of(cell) if decimal in (None, mark)]
    if cell.lower() in ("true", "false"):
        found.append(Fixed(ColumnReading("boolean")))
    if ISO_START.match(cell):
        found.append(Fixed(ColumnReading("date")))
        found += [Fixed(ColumnReading("time", date_format=f), u) for f in ("", ISO_WITH_OFFSET) for u in ("us", "ns")]
    asked = [day_of(date_format)] if date_format else []
    days = [Days(day) for day in dict.fromkeys([*asked, *day_formats(cell)])]
    return days[: len(asked)] + found + days[len(asked) :]
