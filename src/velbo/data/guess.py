"""From what is known of a column to its kind, with the reason, or to a refusal with advice.

    one value, or none                                       constant
    two values, or truth values                              binary
    categories with an order                                 ordinal
    text, categories                                         categorical
    dates                                                    datetime
    durations                                                real
    whole numbers: at most 12, close together                ordinal
                   from 0, below 1,000                       count
                   any other                                 integer
    numbers: above 0, and skewed unless in logarithms        positive
             within [0, 1], near both ends                   bounded
             any other                                       real

Refused, unless the user says what they are: identifiers (all values differ, and they are text, or whole numbers that
count the rows or are called so), free text, more than 1,000 categories, and numbers with a few words among them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from ..errors import SchemaError, unknown
from .arrow import is_number_text
from .columns import CODED, COLUMN_KINDS, Column
from .profile import MAX_DECIMALS, Profile

MAX_CATEGORIES, MAX_GRADES, MAX_COUNT = 1000, 12, 1000
MIN_ROWS_OF_IDENTIFIERS, LONG_TEXT = 50, 25.0
SKEWED, WIDE = 2.0, 100.0
FREQUENT_SHARE, MOST_FREQUENT = 0.05, 8
MARGIN = 1e-3
IDENTIFIER = re.compile(r"(?i:(^|[\s_.-])(id|uuid|guid|key|index|nr|no)$)|[a-z](Id|ID|Key|Index|Nr|No)$")


def column_of(p: Profile, asked: str = "") -> Column:
    """The column of a profile.

    Args:
        p: of all rows.
        asked: "kind" or "kind:likelihood" where the guess is to be another; empty for a guess.

    Raises:
        SchemaError: if the column is refused, or its values are not of the kind asked for.
    """
    kind, _, likelihood = asked.partition(":")
    if kind and kind not in COLUMN_KINDS:
        raise unknown(f"kind of column '{p.name}'", kind, COLUMN_KINDS)
    reason = "as given"
    if not kind:
        kind, reason = guess(p)
    common: dict[str, Any] = {
        "name": p.name,
        "kind": kind,
        "dtype": str(p.type),
        "native": p.native,
        "likelihood": likelihood,
        "n_missing": p.n_missing,
        "reason": reason,
    }
    return MAKERS[kind](p, common)


def guess(p: Profile) -> tuple[str, str]:
    """(kind, reason).

    Raises:
        SchemaError: for identifiers, free text and the like.
    """
    n = len(p.counts)
    if not p.n:
        return "constant", "every cell is missing"
    if n == 1:
        return "constant", "one value"
    if p.is_duration:
        return "real", "durations, in seconds"
    if p.is_time:
        return "datetime", "dates"
    if p.ordered:
        return "ordinal", f"{len(p.declared)} categories that have an order"
    if n == 2 and len(p.declared) <= 2:
        return "binary", "2 distinct values"
    if p.is_text or p.declared:
        return _guess_names(p)
    return _guess_whole(p) if p.whole else _guess_numbers(p)


def _guess_names(p: Profile) -> tuple[str, str]:
    advice = f"leave it out with --column {p.name}=drop, or keep it with --column {p.name}=categorical"
    n = len(p.counts)
    if p.is_text:
        words = [v for v in p.counts if not is_number_text(v)]
        keep = f"or keep all as names with --column {p.name}=categorical"
        if 0 < len(words) < n / 2:
            row, cell = p.first["word"]
            raise SchemaError(
                f"column '{p.name}' holds numbers and words, such as {cell!r} in row {row}: mend those cells or "
                f"leave them empty, {keep}"
            )
        if not words and n > MAX_GRADES and any(float(v) % 1 for v in p.counts):
            raise SchemaError(f"column '{p.name}' holds numbers as text: convert them, {keep}")
        if p.all_distinct and p.n >= MIN_ROWS_OF_IDENTIFIERS:
            what = "free text" if p.length > LONG_TEXT * p.n else "identifiers"
            raise SchemaError(f"column '{p.name}' holds {what}, another in every row: {advice.split(', or')[0]}")
        if n > p.n / 2 and p.length > LONG_TEXT * p.n and p.n >= MIN_ROWS_OF_IDENTIFIERS:
            raise SchemaError(f"column '{p.name}' holds free text: {advice}")
    if n > MAX_CATEGORIES or not p.complete:
        raise SchemaError(f"column '{p.name}' has more than {MAX_CATEGORIES} categories: {advice.split(', or')[0]}")
    return "categorical", f"{n} distinct names"


def _guess_whole(p: Profile) -> tuple[str, str]:
    width = p.high - p.low + 1
    if p.all_distinct and p.n >= MIN_ROWS_OF_IDENTIFIERS and (_is_regular(p) or IDENTIFIER.search(p.name)):
        raise SchemaError(
            f"column '{p.name}' holds identifiers, another whole number in every row: leave it out with --column "
            f"{p.name}=drop, or keep it with --column {p.name}=integer"
        )
    said = f"whole numbers from {p.low:g} to {p.high:g}"
    if len(p.counts) <= MAX_GRADES and width <= 2 * MAX_GRADES:
        return "ordinal", f"{len(p.counts)} distinct {said}"
    return ("count", said) if p.low == 0 and p.high < MAX_COUNT else ("integer", said)


def _is_regular(p: Profile) -> bool:
    """Whether values that all differ are at equal distances, as 1, 2, 3 or 10, 20, 30 in any order."""
    step = (p.high - p.low) / (p.n - 1)
    return step == math.floor(step) and all((v - p.low) % step == 0 for v in p.counts)


def _guess_numbers(p: Profile) -> tuple[str, str]:
    if p.low > 0:
        skew, log_skew = p.moments.skewness, p.logs.skewness
        if skew > SKEWED and abs(log_skew) < skew:
            return "positive", f"numbers above 0, skewed ({skew:.1f}; {log_skew:.1f} in logarithms)"
        if p.high > WIDE * p.low and abs(log_skew) < abs(skew):
            return (
                "positive",
                f"numbers from {p.low:g} to {p.high:g}, over {math.log10(p.high / p.low):.0f} powers of ten",
            )
    if p.low >= 0 and p.high <= 1 and p.low <= 0.05 and p.high >= 0.95 and len(p.counts) > MAX_GRADES:
        return "bounded", "numbers that fill [0, 1]"
    return "real", "numbers"


def _refuse(p: Profile, kind: str, why: str) -> SchemaError:
    return SchemaError(f"column '{p.name}' cannot be of kind '{kind}': {why}")


def _numeric(p: Profile, kind: str) -> None:
    if not p.n:
        raise _refuse(p, kind, "every cell is missing; leave the kind to be guessed")
    if p.is_text:
        row, cell = p.first.get("word", (0, ""))
        raise _refuse(p, kind, f"row {row} holds {cell!r}, no number" if cell else "its numbers are text; convert them")


def _at(p: Profile, what: str) -> str:
    """Where the first cell is that does not fit."""
    row, v = p.first[what]
    return f"row {row} holds {v:g}"


def _measured(p: Profile, c: dict[str, Any], location: float, scale: float, frequent: tuple[float, ...] = ()) -> Column:
    decimals = p.decimals if p.decimals <= MAX_DECIMALS and not (p.is_time or p.is_duration) else None
    return Column(
        **c,
        low=p.low,
        high=p.high,
        mean=p.moments.mean,
        frequent=frequent,
        location=location,
        scale=scale,
        decimals=decimals,
    )


def _real(p: Profile, c: dict[str, Any]) -> Column:
    if c["kind"] == "datetime" and not p.is_time:
        raise _refuse(p, "datetime", "its cells are no dates; convert them first")
    _numeric(p, c["kind"])
    return _measured(p, c, p.moments.mean, p.moments.spread or 1.0)


def _positive(p: Profile, c: dict[str, Any]) -> Column:
    _numeric(p, "positive")
    if p.low <= 0:
        raise _refuse(p, "positive", f"{_at(p, 'not positive')}; take kind real, or count for whole numbers from 0")
    return _measured(p, c, 0.0, math.exp(p.logs.mean))


def _bounded(p: Profile, c: dict[str, Any]) -> Column:
    _numeric(p, "bounded")
    if p.low > 0 and p.high < 1:
        return _measured(p, c, 0.0, 1.0)
    low, high = (0.0, 1.0) if p.low >= 0 and p.high <= 1 else (p.low, p.high)
    margin = MARGIN * ((high - low) or 1.0)
    return _measured(p, c, low - margin, high - low + 2 * margin)


def _whole(p: Profile, c: dict[str, Any]) -> Column:
    _numeric(p, c["kind"])
    if not p.whole:
        raise _refuse(p, c["kind"], f"{_at(p, 'fraction')}, which is not whole")
    frequent = p.frequent(FREQUENT_SHARE, MOST_FREQUENT)
    if c["kind"] == "integer":
        return _measured(p, c, float(round(p.moments.mean)), p.moments.spread or 1.0, frequent)
    if p.low < 0:
        raise _refuse(p, "count", f"{_at(p, 'negative')}; take kind integer")
    return _measured(p, c, 0.0, 1.0, frequent)


def _coded(p: Profile, c: dict[str, Any]) -> Column:
    if p.is_time or p.is_duration:
        what, kind = ("dates", "datetime") if p.is_time else ("durations", "real")
        raise _refuse(p, c["kind"], f"its cells are {what}; take kind {kind}, or make them text")
    found = p.declared or ((False, True) if p.is_bool else p.values)
    categories = tuple(map(_plain, found))
    if c["kind"] == "binary" and len(categories) != 2:
        raise _refuse(p, "binary", f"it has {len(categories)} distinct values; take kind categorical or ordinal")
    if not categories or not p.complete:
        raise _refuse(p, c["kind"], "it has no values" if not categories else f"it has over {len(p.counts):,} values")
    return Column(**c, categories=categories, low=0.0, high=len(categories) - 1.0)


def _plain(v: Any) -> Any:
    """Whole numbers as such."""
    return int(v) if isinstance(v, float) and v == math.floor(v) else v


def _left_out(p: Profile, c: dict[str, Any]) -> Column:
    value = _plain(next(iter(p.counts), None))
    if c["kind"] == "constant" and len(p.counts) > 1:
        raise _refuse(p, "constant", f"it has {len(p.counts)} distinct values; take kind drop to leave it out")
    if c["kind"] == "drop":
        return Column(**c)
    return Column(**c, value=value, categories=tuple(map(_plain, p.declared or p.values)) if _is_named(p) else ())


def _is_named(p: Profile) -> bool:
    return p.n > 0 and not p.is_time and p.is_dictionary


MAKERS: dict[str, Callable[[Profile, dict[str, Any]], Column]] = {
    "real": _real,
    "datetime": _real,
    "positive": _positive,
    "bounded": _bounded,
    "integer": _whole,
    "count": _whole,
    **dict.fromkeys(CODED, _coded),
    "constant": _left_out,
    "drop": _left_out,
}
