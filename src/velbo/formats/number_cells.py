"""Numbers as people write them, rewritten as computers read them.

    -1,234.50   -1.234,50   1'234.50   1 234,50   $ 12.50   12,5 %   (12.50)     cells
    -1234.50    -1234.50    1234.50    1234.50    12.50     12.5     -12.50      plain

A column has three marks in common: the decimal mark, the mark between groups of three digits (thousands), and what
stands beside the number and does not count (affix). Brackets are a minus.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import re
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

THOUSANDS = {".": (",", "'", " "), ",": (".", "'", " ")}
"""Decimal mark -> the marks that may stand between thousands beside it."""

CODES = "EUR|USD|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|RON|BRL|RUB|TRY|CAD|AUD|NZD|ZAR|MXN|KRW|kr|Kč|zł|Ft"
AFFIX = re.compile(rf"[A-Z]{{0,3}}[$\u00a2-\u00a5\u20a0-\u20bf]|{CODES}|[%‰]")
SIMPLE = re.compile(r"[-+.,\deE]+")
START = re.compile(rf"[-+(\u2212\s]*(?:{AFFIX.pattern})?[-+(\u2212\s]*[.,]?\d|[-+]?(?i:inf)")


def may_be_number(cell: str) -> bool:
    """Whether a cell begins as a number does."""
    return START.match(cell) is not None


def affix_of(cell: str) -> str:
    """What stands beside the number in a cell; "" for nothing."""
    found = AFFIX.search(cell)
    return found[0] if found else ""


def decimals_of(cell: str) -> list[str]:
    """The marks that may be the decimal mark of a column with this cell in it, as far as a glance tells."""
    if not SIMPLE.fullmatch(cell):
        return list(THOUSANDS)
    return [mark for mark, others in THOUSANDS.items() if any(_is_number(cell, mark, m) for m in ("", others[0]))]


def _is_number(cell: str, decimal: str, thousands: str) -> bool:
    return re.match(_grammar(decimal, thousands), cell) is not None


def bare_numbers(cells: pa.Array, affix: str) -> pa.Array:
    """Cells without the affix, with the blanks, apostrophes and minus signs of a keyboard; null where it is not."""
    if not pc.all(pc.string_is_ascii(cells)).as_py():
        cells = pc.replace_substring_regex(cells, r"[\x{00a0}\x{2007}\x{2009}\x{202f}]", " ")
        cells = pc.replace_substring(pc.replace_substring(cells, "\u2019", "'"), "\u2212", "-")
    if not affix:
        return cells
    cells = pc.if_else(pc.match_substring(cells, affix), cells, None)
    cells = pc.utf8_trim_whitespace(pc.replace_substring(cells, affix, "", max_replacements=1))
    return pc.replace_substring_regex(pc.replace_substring_regex(cells, r"^([-+(])\s+", r"\1"), r"\s+\)$", ")")


def plain_numbers(cells: pa.Array, decimal: str, thousands: str, affix: str) -> pa.Array:
    """Cells as plain numbers; null where one is written otherwise.

    Args:
        cells: text without blanks around it.
        decimal: mark, "." or ",".
        thousands: mark, or "".
        affix: that every cell has, or "".
    """
    cells = bare_numbers(cells, affix)
    cells = pc.if_else(pc.match_substring_regex(cells, _grammar(decimal, thousands)), cells, None)
    if thousands:
        cells = pc.replace_substring(cells, thousands, "")
    if decimal != ".":
        cells = pc.replace_substring(cells, decimal, ".")
    return pc.replace_substring_regex(pc.replace_substring_regex(cells, r"^\((.*)\)$", r"-\1"), r"^\+", "")


@cache
def _grammar(decimal: str, thousands: str) -> str:
    d, t = re.escape(decimal), re.escape(thousands)
    whole = rf"(?:[1-9]\d{{0,2}}(?:{t}\d{{3}})+|\d+)" if thousands else r"\d+"
    number = rf"(?:(?:{whole}(?:{d}\d*)?|{d}\d+)(?:[eE][+-]?\d+)?|(?i:inf(?:inity)?))"
    return rf"^(?:[+-]?{number}|\({number}\))$"
