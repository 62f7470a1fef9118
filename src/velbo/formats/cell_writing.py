"""From values to cells, written as the other cells of their column are.

    reading   decimal mark, format of dates              of the whole column
    style     affix before or after, T or blank, offset from UTC, upper case, quotes     of one cell of it, the model

A number has the fewest digits that read back to the same value.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from .cell_values import ISO_DAY
from .reading import ColumnReading
from .text_sheet import as_cells, quoted

OFFSET = re.compile(r"(Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)$")


class Style:
    """Of the cells of a column.

    Args:
        reading: of the column.
        model: a token of it that is no missing value; "" if there is none.
        delimiter: of the text.
    """

    def __init__(self, reading: ColumnReading, model: str, delimiter: str) -> None:
        self.reading, self.delimiter = reading, delimiter
        self.is_quoted = model.startswith('"')
        self.model = model.strip('"').strip()

    def tokens(self, column: pa.ChunkedArray) -> pa.StringArray:
        """Values as tokens; nothing for missing ones."""
        cells = self._cells(column)
        return quoted(cells, self.delimiter, always=self.is_quoted, numbers=False)

    def _cells(self, column: pa.ChunkedArray) -> pa.StringArray:
        kind = column.type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            return self._dates(column)
        cells, _ = as_cells(column)
        if pa.types.is_boolean(kind):
            if self.model.isupper():
                return pc.utf8_upper(cells)
            return pc.utf8_capitalize(cells) if self.model.istitle() else cells
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return self._numbers(cells)
        return cells

    def _numbers(self, cells: pa.StringArray) -> pa.StringArray:
        cells = pc.replace_substring(cells, ".", self.reading.decimal)
        affix = self.reading.affix
        if not affix:
            return cells
        before, found, after = self.model.partition(affix)
        if not found or not re.search(r"\d", before):
            gap = " " if after[:1].isspace() else ""
            return pc.binary_join_element_wise(affix, cells, gap)
        gap = " " if before[-1:].isspace() else ""
        return pc.binary_join_element_wise(cells, affix, gap)

    def _dates(self, column: pa.ChunkedArray) -> pa.StringArray:
        zone = column.type.tz if pa.types.is_timestamp(column.type) else None
        if zone:
            found = OFFSET.search(self.model)
            zone = _zone(found[0] if found else "Z")
            column = column.cast(pa.timestamp(column.type.unit, zone))
        date_format = self.reading.date_format
        if date_format and not date_format.startswith(ISO_DAY):
            fine = column.cast(pa.timestamp("us", zone), safe=False)
            return pa.array([None if v is None else v.strftime(date_format) for v in fine.to_pylist()], pa.string())
        cells, _ = as_cells(column)
        if "T" in self.model:
            cells = pc.replace_substring(cells, " ", "T")
        if zone and ":" in self.model[-6:-2]:
            cells = pc.replace_substring_regex(cells, r"([+-]\d\d)(\d\d)$", r"\1:\2")
        return cells


def _zone(offset: str) -> str:
    digits = re.sub(r"\D", "", offset)
    return f"{offset[0]}{digits[:2]}:{digits[2:] or '00'}" if digits else "UTC"
