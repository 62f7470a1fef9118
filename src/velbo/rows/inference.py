"""From the statistics of fields to their kinds, with the reason and what is in doubt, or to a refusal with advice.

A field is of the first kind that claims it (kinds/__init__.py), or of that of others like it (alike.py). Refused,
unless the user says what they are: identifiers (all values differ, and they are text, or whole numbers that count the
rows or are called so), free text, numbers with a few words among them, and more than 1,000 categories that have fewer
than 5 rows each in the mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import DataError, SchemaError, unknown
from .alike import counts_too
from .arrow import is_number_text
from .column_statistics import ColumnStatistics, statistics_of
from .containers import Column
from .field import Field
from .kinds import KINDS
from .kinds.coded import MANY, MAX_GRADES, is_flag
from .statistics import Statistics
from .tensors import item_type

ROWS_PER_NAME = 5
ROWS_PER_SLICE = 2**20
MIN_ROWS_OF_IDENTIFIERS, LONG_TEXT = 50, 25.0
IDENTIFIER = re.compile(r"(?i:(^|[\s_.-])(id|uuid|guid|key|index|nr|no)$)|[a-z](Id|ID|Key|Index|Nr|No)$")
CODE = re.compile(
    r"(?i)(^|[\s_.-])(codes?|types?|class|category|group|cluster|status|region|sector|branch|zip|postal|plz|label)($|[\s_.-])"
)
"""Names of columns whose whole numbers are likely to stand for names."""


def infer_fields(
    chunks: Iterable[Sequence[Column]], asked: Mapping[str, str] | None = None, levels: int | None = None
) -> tuple[Field, ...]:
    """What every field is, in one pass and constant memory.

    Args:
        chunks: the columns of consecutive rows.
        asked: name -> kind, "kind:likelihood", ":likelihood" or "drop", where the guess is to be another.
        levels: of fields of kind byte; found out if not given.

    Raises:
        DataError: for a table without rows or columns, or cells of no known sort.
        SchemaError: that lists every field which is refused, with advice.
        ConfigError: for names that there are not, or unknown kinds.
    """
    asked = asked or {}
    first, found, refused = _looked_at(chunks, asked)
    if not first:
        raise DataError("there are no rows; give some, and a column at least")
    if found and not refused and not next(iter(found.values())).n_rows:
        raise DataError("the table has no rows")
    fields: list[Field] = []
    for name, column in first.items():
        try:
            fields.append(_field(column, found.get(name), asked.get(name, ""), levels))
        except SchemaError as error:
            refused.setdefault(name, str(error))
    if refused:
        raise SchemaError("; ".join(refused[name] for name in first if name in refused))
    together = counts_too(fields, found, asked)
    return tuple(_as_count(f, found[f.name], together[f.name]) if f.name in together else f for f in fields)


def _as_count(field: Field, found: Statistics, reason: str) -> Field:
    """A field of whole numbers as one of kind count."""
    about = {name: getattr(field, name) for name in ("name", "shape", "dtype", "native", "key", "likelihood")}
    rest: dict[str, Any] = {"kind": "count", "n_missing": field.n_missing, "reason": reason}
    return KINDS["count"].field(found, {**about, **rest, "doubts": doubts(found, "count")})


def _looked_at(
    chunks: Iterable[Sequence[Column]], asked: Mapping[str, str]
) -> tuple[dict[str, Column], dict[str, Statistics], dict[str, str]]:
    """By name: columns of the first chunk, statistics of all, and why some are refused."""
    first: dict[str, Column] = {}
    found: dict[str, Statistics] = {}
    refused: dict[str, str] = {}
    for columns in chunks:
        here = {column.name: column for column in columns}
        if not first:
            first = here
            for name in asked:
                if name not in here:
                    raise unknown("column", name, here)
        if here.keys() != first.keys():
            raise SchemaError(f"column '{min(here.keys() ^ first.keys())}' is not in every chunk of the table")
        for name, column in here.items():
            if name not in refused and asked.get(name) != "drop":
                try:
                    _add(found, column, asked.get(name, "").partition(":")[0] == "categorical")
                except DataError as error:
                    refused[name] = str(error)
    return first, found, refused


def _add(found: dict[str, Statistics], column: Column, are_names: bool) -> None:
    cells = column.cells()
    if column.name not in found:
        found[column.name] = statistics_of(column.name, cells.type, are_names)
    # a slice at a time, so that temporary arrays do not count
    for start in range(0, max(1, len(cells)), ROWS_PER_SLICE):
        found[column.name].add(cells.slice(start, ROWS_PER_SLICE), column.native)


def _field(column: Column, found: Statistics | None, asked: str, levels: int | None) -> Field:
    if found is None:
        return Field(column.name, "drop", native=column.native, key=column.key, reason="as given")
    kind, _, likelihood = asked.partition(":")
    if kind and kind not in KINDS:
        raise unknown(f"kind of '{column.name}'", kind, KINDS)
    reason = "as given" if kind else ""
    if not kind:
        kind, reason = guess(found)
    about: dict[str, Any] = {
        "name": column.name,
        "kind": kind,
        "shape": found.shape,
        "dtype": str(item_type(found.type)),
        "native": found.native,
        "key": column.key,
        "likelihood": likelihood,
        "n_missing": found.n_missing,
        "reason": reason,
        "doubts": () if asked else doubts(found, kind),
    }
    if kind == "byte":
        about["levels"] = levels
    return KINDS[kind].field(found, about)


def guess(found: Statistics) -> tuple[str, str]:
    """(kind, reason).

    Raises:
        SchemaError: for identifiers, free text and the like.
    """
    claims = ((kind.name, kind.claims(found)) for kind in KINDS.values())
    kind, reason = next((name, why) for name, why in claims if why)
    if isinstance(found, ColumnStatistics):
        if kind == "categorical":
            _refuse_text(found)
        elif kind in ("ordinal", "count", "integer") and not found.ordered:
            _refuse_identifiers(found)
    return kind, reason


def doubts(found: Statistics, kind: str) -> tuple[str, ...]:
    """What a field may be instead, each with the option to type."""
    if not isinstance(found, ColumnStatistics):
        return _doubts_of_arrays(found, kind)
    name, said = found.name, []
    if kind in ("ordinal", "count", "integer") and not found.ordered:
        gaps = kind == "ordinal" and found.high - found.low + 1 > len(found.counts)
        if CODE.search(name) or gaps:
            said.append(f"its whole numbers may be codes without an order; if so: --column {name}=categorical")
    if kind in ("binary", "categorical") and is_flag(found):
        said.append(
            f"{found.n_missing} missing cells count as a value of their own and are never filled; if they are gaps: "
            f"--column {name}=constant"
        )
    if kind == "constant" and found.n and found.n_missing:
        said.append(
            f"{found.n_missing} missing cells are filled with the one value that there is; if they say something, make "
            "the cells text"
        )
    return tuple(said)


def _doubts_of_arrays(found: Statistics, kind: str) -> tuple[str, ...]:
    if kind != "real" or not found.whole or "negative" in found.first:
        return ()
    return (f"its numbers are whole and none is below 0; if they are counts: --column {found.name}=count",)


def _refuse_text(p: ColumnStatistics) -> None:
    advice = f"leave it out with --column {p.name}=drop, or keep it with --column {p.name}=categorical"
    n = len(p.counts)
    if p.is_text:
        words = [v for v in p.counts if not is_number_text(v)]
        keep = f"or keep all as names with --column {p.name}=categorical"
        if 0 < len(words) < n / 2:
            place, cell = p.first["word"]
            raise SchemaError(
                f"column '{p.name}' holds numbers and words, such as {cell!r} in {place}: mend those cells or leave "
                f"them empty, {keep}"
            )
        if not words and n > MAX_GRADES and any(float(v) % 1 for v in p.counts):
            raise SchemaError(f"column '{p.name}' holds numbers as text: convert them, {keep}")
        if p.all_distinct and p.n >= MIN_ROWS_OF_IDENTIFIERS:
            what = "free text" if p.length > LONG_TEXT * p.n else "identifiers"
            raise SchemaError(f"column '{p.name}' holds {what}, another in every row: {advice.split(', or')[0]}")
        if n > p.n / 2 and p.length > LONG_TEXT * p.n and p.n >= MIN_ROWS_OF_IDENTIFIERS:
            raise SchemaError(f"column '{p.name}' holds free text: {advice}")
    if not p.complete:
        raise SchemaError(f"column '{p.name}' has more than {n:,} categories: {advice.split(', or')[0]}")
    if n > MANY and n * ROWS_PER_NAME > p.n:
        raise SchemaError(
            f"column '{p.name}' has {n:,} categories in {p.n:,} rows, fewer than {ROWS_PER_NAME} rows each: {advice}"
        )


def _refuse_identifiers(p: ColumnStatistics) -> None:
    if p.all_distinct and p.n >= MIN_ROWS_OF_IDENTIFIERS and (_is_regular(p) or IDENTIFIER.search(p.name)):
        raise SchemaError(
            f"column '{p.name}' holds identifiers, another whole number in every row: leave it out with --column "
            f"{p.name}=drop, or keep it with --column {p.name}=integer"
        )


def _is_regular(p: ColumnStatistics) -> bool:
    """Whether values that all differ are at equal distances, as 1, 2, 3 or 10, 20, 30 in any order."""
    low, high = (min(p.counts), max(p.counts)) if p.complete else (p.low, p.high)
    step, rest = divmod(high - low, p.n - 1)
    return rest == 0 and all((v - low) % step == 0 for v in p.counts)
