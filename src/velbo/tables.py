"""Tables for people, made in one place: the same rows as text for a terminal and as HTML for a notebook.

`Table` is a head and rows; `Shown` gives a class that has a table `print(...)` and a notebook's display. HTML takes the
colours of the page that it stands in, light or dark, asks for nothing from outside, and holds no text unescaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEAST_WIDTH = 24
"""Of a last column of sentences that is folded."""
CELL = "padding:0.15em 0.7em;vertical-align:top;border:none;"
RULE = "border-bottom:1px solid rgba(128,128,128,0.45);"


@dataclass(frozen=True)
class Table:
    """Rows of cells, one more or less at the end of a row being no matter.

    Attributes:
        rows: of values; see `text_of`.
        head: names of the columns; none if it is empty.
        title: a line above.
        notes: sentences below.
    """

    rows: tuple[tuple[Any, ...], ...]
    head: tuple[str, ...] = ()
    title: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]], title: str = "", notes: Sequence[str] = ()) -> Table:
        """Of records, whose names are the columns."""
        records = list(records)
        names = tuple(dict.fromkeys(name for record in records for name in record))
        return cls(tuple(tuple(record.get(name) for name in names) for record in records), names, title, tuple(notes))

    def text(self, width: int | None = None) -> str:
        """Aligned columns, numbers to the right.

        Args:
            width: of the terminal; a last column of sentences that would pass it is folded.
        """
        from textwrap import wrap  # here, as the help of the command line needs none of it

        cells, is_number = self._cells(), self._are_numbers()
        widths = [max((len(row[j]) for row in cells), default=0) for j in range(len(is_number))]
        before = sum(widths[:-1]) + 2 * (len(widths) - 1)
        room = None if width is None or width - before < LEAST_WIDTH else width - before
        lines = []
        for row in cells:
            padded = [c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, is_number, strict=True)]
            if room is not None and not is_number[-1] and len(row[-1]) > room:
                first, *rest = wrap(row[-1], room)
                lines += ["  ".join([*padded[:-1], first]), *(" " * before + part for part in rest)]
            else:
                lines.append("  ".join(padded).rstrip())
        return "\n".join([*([self.title] if self.title else []), *lines, *self.notes])

    def html(self) -> str:
        """A table of HTML that stands by itself."""
        from html import escape

        cells, is_number = self._cells(), self._are_numbers()
        rows = []
        for i, row in enumerate(cells):
            tag, rule = ("th", RULE) if self.head and i == 0 else ("td", "")
            sides = ["right" if n else "left" for n in is_number]
            inner = (
                f'<{tag} style="{CELL}{rule}text-align:{side}">{escape(cell)}</{tag}>'
                for cell, side in zip(row, sides, strict=True)
            )
            rows.append(f"<tr>{''.join(inner)}</tr>")
        title = f'<div style="font-weight:bold">{escape(self.title)}</div>' if self.title else ""
        notes = "".join(f"<div>{escape(note)}</div>" for note in self.notes)
        body = f'<table style="border-collapse:collapse;background:none">{"".join(rows)}</table>' if rows else ""
        return f'<div style="overflow-x:auto">{title}{body}{notes}</div>'

    def _cells(self) -> list[list[str]]:
        """Head and rows as text, all of one length."""
        rows = [list(row) for row in ((self.head, *self.rows) if self.head else self.rows)]
        n = max(map(len, rows), default=0)
        return [[text_of(value) for value in row] + [""] * (n - len(row)) for row in rows]

    def _are_numbers(self) -> list[bool]:
        """Whether a column holds numbers."""
        n = max((len(row) for row in (self.head, *self.rows)), default=0)
        columns = [[row[j] for row in self.rows if j < len(row) and row[j] not in (None, "")] for j in range(n)]
        return [bool(column) and all(_is_number(value) for value in column) for column in columns]


class Shown:
    """What has a table is printed as one, and displayed as one in a notebook."""

    def table(self) -> Table:
        """What is shown."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.table().text()

    def _repr_html_(self) -> str:
        return self.table().html()


def preformatted(text: str) -> str:
    """Lines whose columns are aligned already, as HTML."""
    from html import escape

    return f'<pre style="background:none;overflow-x:auto">{escape(text)}</pre>'


@dataclass(frozen=True)
class Figure:
    """A number of an explained table.

    Attributes:
        label: its name.
        value: the number.
        meaning: a sentence without its end.
        error: its standard error; none if it is None or not finite.
    """

    label: str
    value: float | int | str | None
    meaning: str = ""
    error: float | None = None


def explained(figures: Iterable[Figure], title: str = "") -> Table:
    """Figures one below the other, each with its standard error and its meaning."""
    rows = []
    for figure in figures:
        value = Number(f"{figure.value:.3f}") if isinstance(figure.value, float) else figure.value
        has_error = figure.error is not None and math.isfinite(figure.error)
        rows.append((figure.label, value, f"± {figure.error:.3f}" if has_error else "", figure.meaning))
    return Table(tuple(rows), title=title)


class Number(str):
    """A number that is written already; it stands to the right like one."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Number) and not isinstance(value, bool)


def text_of(value: Any) -> str:
    """A value for people: "-" where there is none, numbers with 6 digits at most."""
    if isinstance(value, list | tuple):
        return " ".join(f"{v:.2f}" if isinstance(v, float) else text_of(v) for v in value) or "-"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
