"""Days and times as people write them, rewritten in ISO 8601.

    31/12/2023   12/31/2023   31.12.23   31 Dec 2023   Dec 31, 2023 5:30 pm   cells
    2023-12-31   2023-12-31   2023-12-31   2023-12-31   2023-12-31 17:30      ISO

A format is in the letters of strptime: a day, and where it goes on with a time, a cell may have any time of day, to the
minute or to the nanosecond, on 24 hours or twice 12, with or without an offset from UTC.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import re
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
NAMES = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?"
)
NUMBERS = pa.array([f"{i:02d}" for i in range(1, 13)])
LETTERS = {"Y": r"(?P<Y>\d{4})", "y": r"(?P<y>\d{2})", "b": rf"(?P<b>(?i:{NAMES}))\.?"}
TIME = (
    r"(?:(?P<T>[ T])(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
    r"(?: ?(?P<p>[aApP])\.?[mM]\.?)?(?: ?(?P<z>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?)?"
)
TIME_LETTERS = re.compile(r"[ T]%[HI](:%M)?(:%S)?(\.%f)?( ?%p)?( ?%z)?")
NUMERIC = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![^ T])")
YEAR_FIRST = re.compile(r"\d{4}([/.-])(\d{1,2}|[A-Za-z]{3,9})\1\d{1,2}(?![^ T])")
DAY_AND_NAME = re.compile(r"\d{1,2}([ /.-])[A-Za-z]{3,9}\1(\d{4}|\d{2})(?![^ T])")
NAME_AND_DAY = re.compile(r"[A-Za-z]{3,9}\.? \d{1,2}(,?) \d{4}(?![^ T])")


def day_formats(cell: str) -> list[str]:
    """Formats that the day at the start of a cell may be written in, the likelier ones first."""
    if found := NUMERIC.match(cell):
        first, mark, second, year = found.groups()
        if len(year) == 2 and mark != "/" and len(first + second) < 4:
            return []  # 1.10.12 is a version sooner than a day
        y = "%Y" if len(year) == 4 else "%y"
        return [f"%d{mark}%m{mark}{y}", f"%m{mark}%d{mark}{y}"][: 1 if mark == "." else 2]
    if found := YEAR_FIRST.match(cell):
        return [found[1].join(("%Y", "%m" if found[2].isdigit() else "%b", "%d"))]
    if found := DAY_AND_NAME.match(cell):
        return [found[1].join(("%d", "%b", "%Y" if len(found[2]) == 4 else "%y"))]
    if found := NAME_AND_DAY.match(cell):
        return [f"%b %d{found[1]} %Y"]
    return []


def day_of(date_format: str) -> str:
    """The part of a format that is the day.

    Raises:
        DataError: if it has letters that are not known, or other times than a day and a time of day.
    """
    time = TIME_LETTERS.search(date_format)
    day = date_format[: time.start()] if time else date_format
    letters = sorted(re.findall(r"%(.)", day.replace("%B", "%b")))
    if letters not in (sorted("dmY"), sorted("dmy"), sorted("dbY"), sorted("dby")) or (
        time and time.end() < len(date_format)
    ):
        raise DataError(
            f"'{date_format}' is no format of dates that can be read; write it as --date-format '%d/%m/%Y', with %d %m "
            "%b %B %Y %y for the day, and after a blank or T '%H:%M:%S' or '%I:%M %p' for the time"
        )
    return day


def parsed(cells: pa.Array, day: str, with_time: bool) -> pa.StructArray:
    """The parts of each cell by their letters, "" for those that it has not; null for a cell written otherwise."""
    return pc.extract_regex(cells, _pattern(day, with_time))


def iso(parts: pa.StructArray) -> pa.StringArray:
    """Days and times in ISO 8601."""
    part = {name: parts.field(i) for i, name in enumerate(f.name for f in parts.type)}
    year = part.get("Y")
    if year is None:
        # as strptime has it
        year = pc.binary_join_element_wise(pc.if_else(pc.less(part["y"], "69"), "20", "19"), part["y"], "")
    month = _two_digits(part["m"]) if "m" in part else _month(part["b"])
    days = pc.binary_join_element_wise(year, month, _two_digits(part["d"]), "-")
    days = pc.if_else(parts.is_valid(), days, None)
    if "H" not in part:
        return days
    seconds = pc.if_else(pc.equal(part["S"], ""), "00", part["S"])
    fraction = pc.if_else(pc.equal(part["f"], ""), "", pc.binary_join_element_wise(".", part["f"], ""))
    time = pc.binary_join_element_wise(_hour(part["H"], part["p"]), part["M"], seconds, ":")
    offset = pc.if_else(pc.is_in(part["z"], pa.array(["UTC", "GMT"])), "Z", part["z"])
    times = pc.binary_join_element_wise(days, " ", time, fraction, offset, "")
    return pc.if_else(pc.equal(part["H"], ""), days, times)


def _hour(hours: pa.Array, halves: pa.Array) -> pa.Array:
    """On 24 hours; 12 am is 0, 12 pm is 12."""
    halves = pc.ascii_lower(halves)
    padded = _two_digits(hours)
    am = pc.if_else(pc.equal(padded, "12"), "00", padded)
    late = [f"{h % 12 + 12}" for h in range(1, 13)]
    pm = pa.array(late).take(pc.index_in(padded, NUMBERS))
    return pc.case_when(pc.make_struct(pc.equal(halves, "a"), pc.equal(halves, "p")), am, pm, padded)


def _month(names: pa.Array) -> pa.Array:
    short = pc.ascii_lower(pc.utf8_slice_codeunits(names, 0, 3))
    return NUMBERS.take(pc.index_in(short, pa.array(MONTHS)))


def _two_digits(numbers: pa.Array) -> pa.Array:
    return pc.ascii_lpad(numbers, 2, "0")


@cache
def _pattern(day: str, with_time: bool) -> str:
    """As a regular expression with a group for each letter."""
    is_strict = ("%y" in day and "/" not in day) or re.search(r"%\w%", day)
    number = r"\d{2}" if is_strict else r"\d{1,2}"
    letters = LETTERS | {letter: rf"(?P<{letter}>{number})" for letter in "dm"}
    pieces = [
        letters[piece[1]] if piece.startswith("%") else re.escape(piece)
        for piece in re.findall("%.|[^%]+", day.replace("%B", "%b"))
    ]
    return rf"^{''.join(pieces)}{TIME if with_time else ''}$"
