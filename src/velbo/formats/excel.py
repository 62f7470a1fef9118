"""Excel's workbooks (.xlsx), of which the first sheet is read and written; the library is openpyxl.

The first row holds the names. Values have types: numbers, text, truth values, days, times. Excel itself keeps 15
digits of a number and milliseconds of a time, does not tell empty text from a missing value, and counts days from 1900;
what it would change is not written.
"""

from __future__ import annotations

import datetime as dt
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from ..errors import DataError, MissingExtraError, need
from .base import Format, Sequential, rows_per_batch
from .excel_writing import ExcelSheet
from .reading import Note, Reading
from .typed import bytes_of

KINDS: dict[type, str] = {
    bool: "truth values",
    int: "whole numbers",
    float: "numbers",
    str: "text",
    dt.date: "days",
    dt.datetime: "times",
    dt.time: "times of day",
    dt.timedelta: "durations",
}
LARGE, MAX_RATIO = 2**26, 200
EMPTY_TEXT = "inlineStr"
"""What the library calls the type of an empty text, which makes a row one that is there."""
TYPES: dict[frozenset[str], pa.DataType] = {
    frozenset(): pa.null(),
    frozenset(("truth values",)): pa.bool_(),
    frozenset(("whole numbers",)): pa.int64(),
    frozenset(("numbers",)): pa.float64(),
    frozenset(("numbers", "whole numbers")): pa.float64(),
    frozenset(("text",)): pa.string(),
    frozenset(("days",)): pa.date32(),
    frozenset(("times",)): pa.timestamp("ms"),
    frozenset(("days", "times")): pa.timestamp("ms"),
    frozenset(("times of day",)): pa.time32("ms"),
    frozenset(("durations",)): pa.duration("ms"),
}
"""Kinds of values in a column -> the type that holds them."""


class ExcelPart(Sequential):
    """The first sheet of a workbook.

    Args:
        path: of the workbook.
        reading: of which `header` counts: if it is False, columns are called 0, 1, ...

    Raises:
        DataError: if it is none, or has no row of names.
    """

    form = "a workbook"

    def __init__(self, path: Path, reading: Reading) -> None:
        self.path, self._reading, self._n_errors = path, reading, Counter[str]()
        with self._sheet() as sheet:
            self._sheets = list(sheet.parent.sheetnames)
            first = [_value(cell) for cell in next(sheet.iter_rows(), ())]
        while first and first[-1] is None:
            first.pop()
        self._has_header = reading.header is not False
        self.names = self._named(first) if self._has_header else [str(i) for i in range(len(first))]

    def _named(self, first: Sequence[Any]) -> list[str]:
        for i, cell in enumerate(first):
            if not isinstance(cell, str):
                raise DataError(
                    f"{self.path}: cell {i + 1} of the first row holds {cell!r}, and no name of a column; write the "
                    "names there, or say that there are none: --header no"
                )
        return [cell.strip() for cell in first]

    @contextmanager
    def _sheet(self) -> Iterator[Any]:
        openpyxl = need("openpyxl", "excel")
        try:
            self._refuse_bomb()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of styles and other things that are no data
                book = openpyxl.load_workbook(self.path, read_only=True, data_only=True)
            try:
                book.worksheets[0].reset_dimensions()  # what a workbook says of its size may be too little
                yield book.worksheets[0]
            finally:
                book.close()
        except (DataError, MissingExtraError):
            raise
        except Exception as error:  # a damaged workbook raises from several libraries
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise DataError(f"{self.path}: not a readable workbook ({said})") from error

    def _refuse_bomb(self) -> None:
        """Raise DataError for what is hardly anything and unpacks to very much."""
        with zipfile.ZipFile(self.path) as archive:
            for member in archive.infolist():
                if member.file_size > max(LARGE, MAX_RATIO * member.compress_size):
                    raise DataError(
                        f"{self.path}: {member.filename} has {member.compress_size:,} bytes and would unpack to "
                        f"{member.file_size:,}, as no sheet does; save the workbook anew, or as CSV"
                    )

    def _rows(self) -> Iterator[list[Any]]:
        """Cells below the names, None for missing ones; blank rows at the end are none."""
        width, blank = len(self.names), 0
        with self._sheet() as sheet:
            for row in sheet.iter_rows(min_row=2 if self._has_header else 1):
                cells = [None if cell.value is None else cell for cell in row]
                beyond = next((cell for cell in cells[width:] if cell is not None), None)
                if beyond is not None:
                    raise DataError(
                        f"{self.path}: cell {beyond.coordinate} is in a column without a name; name them all"
                    )
                if not any(cells) and all(cell.data_type != EMPTY_TEXT for cell in row):
                    blank += 1
                    continue
                yield from ([None] * width for _ in range(blank))
                blank = 0
                yield [*cells[:width], *[None] * (width - len(cells))]

    @cached_property
    def _kinds(self) -> dict[str, frozenset[str]]:
        """Kinds of the values of each column; all rows are read for it."""
        found: dict[str, dict[str, Any]] = {name: {} for name in self.names}
        self._n_errors.clear()
        for row in self._rows():
            for name, cell in zip(self.names, row, strict=True):
                if cell is not None and cell.data_type == "e":
                    self._n_errors[name] += 1
                elif cell is not None:
                    found[name].setdefault(KINDS[type(_value(cell))], cell)
        for name, kinds in found.items():
            if frozenset(kinds) not in TYPES:
                said = " and ".join(
                    f"{kind} (first {cell.value!r} in {cell.coordinate})" for kind, cell in kinds.items()
                )
                raise DataError(f"{self.path}: column '{name}' holds {said}; make the cells of one kind, or clear them")
        return {name: frozenset(kinds) for name, kinds in found.items()}

    @classmethod
    def schema_of(cls, parts: Sequence[Self]) -> pa.Schema:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Names, and the types that hold what all parts have in them."""
        kinds = {name: frozenset[str]().union(*(part._kinds[name] for part in parts)) for name in parts[0].names}
        for name, found in kinds.items():
            if found not in TYPES:
                raise DataError(
                    f"{parts[0].path}: column '{name}' holds {' and '.join(sorted(found))} in several files"
                )
        return pa.schema([(name, TYPES[found]) for name, found in kinds.items()])

    def tables(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """The rows in order, a batch at a time."""
        rows, n_rows = self._rows(), rows_per_batch(schema)
        kinds = [schema.field(name).type for name in self.names]
        while batch := list(islice(rows, n_rows)):
            try:
                arrays = [_as_column(cells, kind) for cells, kind in zip(zip(*batch, strict=True), kinds, strict=True)]
            except (pa.ArrowException, OverflowError) as error:
                raise DataError(f"{self.path}: cannot be read: {error}; was it changed meanwhile?") from error
            yield pa.Table.from_arrays(arrays, self.names)

    def notes(self) -> list[Note]:
        """Sheets that are not read, and cells that hold an error."""
        notes = []
        if len(self._sheets) > 1:
            others = ", ".join(f"'{name}'" for name in self._sheets[1:])
            notes.append(Note(f"The sheet '{self._sheets[0]}' is read, and not the others: {others}."))
        notes += [
            Note(f"{n} cells of '{name}' hold an error, such as #N/A, and are missing.", column=name)
            for name, n in self._n_errors.items()
        ]
        return notes

    def reading(self) -> Reading:
        """Whether there is a row of names."""
        return Reading(header=self._has_header)

    def stamp(self) -> Iterator[bytes]:
        """All bytes."""
        return bytes_of(self.path)


def _as_column(cells: Sequence[Any], kind: pa.DataType) -> pa.Array:
    # days among times are times at midnight
    values = [_value(cell) if cell is None or not pa.types.is_timestamp(kind) else cell.value for cell in cells]
    return pa.array(values, kind)


def _value(cell: Any) -> Any:
    """The value of a cell; a day is told from a time at midnight by how it is shown."""
    if cell is None or cell.value is None or cell.data_type == "e":
        return None
    value = cell.value
    if isinstance(value, dt.datetime) and value.time() == dt.time() and "h" not in cell.number_format.lower():
        return value.date()
    return value


EXCEL = Format("excel", (".xlsx",), ExcelPart, ExcelSheet, extra="excel")
