"""Tables into a workbook of Excel: one sheet, the names in its first row."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import need
from .base import Sheet, UnfitError, rows_per_batch
from .typed import called

MOST_ROWS, MOST_COLUMNS, LONGEST_TEXT = 2**20, 2**14, 32_767
EXACT = 10**15
"""Up to here Excel keeps every digit of a whole number."""
FIRST_DAY = dt.date(1900, 3, 1)
"""The first after a day that Excel counts and that never was, 29 February 1900."""
NUMBER, TEXT = "n", "s"
"""Excel's types of cells."""
ELSE = "name a .parquet file"


class ExcelSheet(Sheet):
    """A workbook that is being written.

    Raises:
        UnfitError: if there are too many columns, or they are of types that Excel does not have.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        openpyxl = need("openpyxl", "excel")
        if len(schema) > MOST_COLUMNS:
            raise UnfitError(f"it has {len(schema)} columns, and a sheet of Excel {MOST_COLUMNS}; {ELSE}")
        self.schema, self._path, self._step = schema, path, rows_per_batch(schema)
        self._values = {field.name: _way_of(field) for field in schema}
        self._n_rows = 1
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet("data")
        self._sheet.append([self._cell(*_text(name, name)) for name in schema.names])

    def _cell(self, value: Any, kind: str = "") -> Any:
        if value is None:
            return None
        from openpyxl.cell import WriteOnlyCell

        cell = WriteOnlyCell(self._sheet, value=value)
        if kind:
            cell.data_type = kind
        return cell

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        self._n_rows += len(table)
        if self._n_rows > MOST_ROWS:
            raise UnfitError(
                f"it has more than {MOST_ROWS - 1} rows, and a sheet of Excel has no room for them; {ELSE}"
            )
        for start in range(0, len(table), self._step):
            rows = table.slice(start, self._step).cast(self.schema)
            columns = [[way(cell, name) for cell in _plain(rows[name])] for name, way in self._values.items()]
            for row in zip(*columns, strict=True):
                cells = [self._cell(*cell) for cell in row]
                # blank rows at the end of a sheet are no rows to a reader, unless there is an empty text
                self._sheet.append(cells if any(cells) else [self._cell("", TEXT)])

    def close(self) -> None:
        """Write the workbook."""
        with self._path.open("wb") as file:
            self._book.save(file)

    def discard(self) -> None:
        """Close the sheet, without writing."""
        self._sheet.close()


def _plain(column: Any) -> list[Any]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    return (column.cast(pa.timestamp("ms")) if pa.types.is_timestamp(kind) else column).to_pylist()


def _way_of(field: pa.Field) -> Callable[[Any, str], tuple[Any, str]]:
    """How values of a column are written: (value, letter of Excel's type, empty if the library finds it)."""
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return _as_it_is
    if pa.types.is_integer(kind):
        return _whole
    if pa.types.is_floating(kind):
        return _number
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _text
    if pa.types.is_date32(kind) or (pa.types.is_timestamp(kind) and kind.tz is None):
        return _time
    raise UnfitError(f"column '{field.name}' is of type {called(kind)}, for which Excel has no cells; {ELSE}")


def _as_it_is(cell: Any, name: str) -> tuple[Any, str]:
    return cell, ""


def _whole(cell: int | None, name: str) -> tuple[Any, str]:
    if cell is not None and abs(cell) > EXACT:
        raise UnfitError(f"column '{name}' holds {cell}, of which Excel keeps 15 digits; {ELSE}")
    return cell, ""


def _number(cell: float | None, name: str) -> tuple[Any, str]:
    if cell is None or math.isnan(cell):
        return None, ""
    if math.isinf(cell):
        raise UnfitError(f"column '{name}' holds infinity, which Excel does not have; {ELSE}")
    # the library would write 16 digits of it, and 1.0 as 1
    return repr(cell), NUMBER


def _text(cell: str | None, name: str) -> tuple[Any, str]:
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if cell is None:
        return None, ""
    if len(cell) > LONGEST_TEXT or "\r" in cell or ILLEGAL_CHARACTERS_RE.search(cell):
        raise UnfitError(
            f"column '{name}' holds {cell[:20]!r}..., of which Excel would change characters or the length; {ELSE}"
        )
    return cell, TEXT  # a text that begins with = is no formula


def _time(cell: dt.date | None, name: str) -> tuple[Any, str]:
    day = cell.date() if isinstance(cell, dt.datetime) else cell
    if day is not None and day < FIRST_DAY:
        raise UnfitError(f"column '{name}' holds {cell}, and Excel counts days from 1900; {ELSE}")
    return cell, ""
