"""Workbooks: values with their types, as Excel keeps them; what it would change is not written."""

from __future__ import annotations

import datetime as dt
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from velbo.errors import DataError, MissingExtraError
from velbo.formats import Reading, convert, open_source, write_table

pytest.importorskip("openpyxl")


def book(path: Path, *rows: list, sheets: tuple[str, ...] = ()) -> Path:
    """Written by the library itself."""
    import openpyxl

    made = openpyxl.Workbook()
    for row in rows:
        made.worksheets[0].append(row)
    for name in sheets:
        made.create_sheet(name)
    made.save(path)
    return path


TABLE = pa.table(
    {
        "i": [1, None, -3],
        "f": [1.0, 0.1 + 0.2, None],
        "t": ["=1+1", None, " ä<&> "],
        "y": [True, None, False],
        "d": pa.array([18_000, None, 18_001], pa.date32()),
        "w": pa.array([1_600_000_000_123, None, 1_577_836_800_000], pa.timestamp("ms")),
        "n": pa.nulls(3),
    }
)


def test_what_is_written_is_read_again(tmp_path):
    write_table(TABLE, tmp_path / "t.XLSX")
    source = open_source(tmp_path / "t.XLSX")
    assert source.schema == TABLE.schema
    assert source.read().equals(TABLE)
    assert [len(b) for b in source.batches(2)] == [2, 1]
    assert source.n_rows is None
    assert convert(source, tmp_path / "t.parquet") == 3
    assert open_source(tmp_path / "t.parquet").read().equals(TABLE)


def test_the_library_reads_what_is_written(tmp_path):
    import openpyxl

    write_table(TABLE, tmp_path / "t.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "t.xlsx").worksheets[0]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[0] == TABLE.column_names
    assert rows[1] == [1, 1, "=1+1", True, dt.datetime(2019, 4, 14), dt.datetime(2020, 9, 13, 12, 26, 40, 123000), None]
    assert sheet["C2"].data_type == "s"  # and no formula


def test_floats_come_back_bit_for_bit(tmp_path):
    rng = np.random.default_rng(0)
    values = np.array(
        [5e-324, 1.7976931348623157e308, 1 / 3, *(rng.normal(size=200) * 10.0 ** rng.integers(-300, 300, 200))]
    )
    write_table(pa.table({"x": values}), tmp_path / "t.xlsx")
    assert np.array_equal(open_source(tmp_path / "t.xlsx").read()["x"].to_numpy(), values)


def test_what_the_library_writes_is_read(tmp_path):
    """Whole numbers beside fractions, days beside times, blank rows inside and at the end, times of day, durations."""
    path = book(
        tmp_path / "t.xlsx",
        [" a ", "b", "c", "e"],
        [1, dt.date(2020, 1, 1), dt.time(5, 30), dt.timedelta(hours=30)],
        [None] * 4,
        [2.5, dt.datetime(2020, 1, 2, 3, 4, 5), None, None],
        [None] * 4,
        sheets=("more", "notes"),
    )
    source = open_source(path)
    assert source.read().to_pydict() == {
        "a": [1.0, None, 2.5],
        "b": [dt.datetime(2020, 1, 1), None, dt.datetime(2020, 1, 2, 3, 4, 5)],
        "c": [dt.time(5, 30), None, None],
        "e": [dt.timedelta(hours=30), None, None],
    }
    assert [note.text for note in source.notes()] == ["The sheet 'Sheet' is read, and not the others: 'more', 'notes'."]


def test_a_workbook_that_says_it_is_smaller_is_read_as_a_whole(tmp_path):
    """Some programs write a size of one cell."""
    book(tmp_path / "t.xlsx", ["a", "b"], [1, 2], [3, None])
    with zipfile.ZipFile(tmp_path / "t.xlsx") as old, zipfile.ZipFile(tmp_path / "u.xlsx", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            assert not name.endswith("sheet1.xml") or b'ref="A1:B3"' in data
            new.writestr(name, data.replace(b'ref="A1:B3"', b'ref="A1"'))
    assert open_source(tmp_path / "u.xlsx").read().to_pydict() == {"a": [1, 3], "b": [2, None]}


def test_errors_are_missing_and_counted(tmp_path):
    source = open_source(book(tmp_path / "t.xlsx", ["a"], [1], ["#N/A"], [3], ["#DIV/0!"]))
    assert source.read().to_pydict() == {"a": [1, None, 3, None]}
    assert [(note.text, note.column) for note in source.notes()] == [
        ("2 cells of 'a' hold an error, such as #N/A, and are missing.", "a")
    ]


def test_names_are_needed_or_said_to_lack(tmp_path):
    path = book(tmp_path / "t.xlsx", [1, "x"], [2, "y"])
    with pytest.raises(DataError, match=r"cell 1 of the first row holds 1, and no name.*--header no"):
        open_source(path)
    source = open_source(path, Reading(header=False))
    assert source.read().to_pydict() == {"0": [1, 2], "1": ["x", "y"]}
    assert source.reading().header is False
    assert open_source(path, source.reading()).names == ["0", "1"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["a"], [1], ["x"]], r"column 'a' holds whole numbers \(first 1 in A2\) and text \(first 'x' in A3\); make"),
        ([["a"], [1, 2]], "cell B2 is in a column without a name"),
        ([["a", "a"], [1, 2]], "two columns are called 'a'"),
        ([["a", None, "b"], [1, 2, 3]], "cell 2 of the first row holds None"),
        ([], "the table has no columns"),
    ],
)
def test_what_is_no_table_is_told_by_its_cell(tmp_path, rows, words):
    with pytest.raises(DataError, match=rf"t\.xlsx: .*{words}"):
        open_source(book(tmp_path / "t.xlsx", *rows)).read()


def test_damage_and_several_files(tmp_path):
    (tmp_path / "bad.xlsx").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"bad\.xlsx: not a readable workbook"):
        open_source(tmp_path / "bad.xlsx")
    (tmp_path / "p").mkdir()
    for i, value in enumerate((1, 2.5)):
        book(tmp_path / "p" / f"{i}.xlsx", ["a"], [value])
    assert open_source(tmp_path / "p").read()["a"].to_pylist() == [1.0, 2.5]
    book(tmp_path / "p" / "2.xlsx", ["a"], ["x"])
    with pytest.raises(DataError, match=r"column 'a' holds .*text.* in several files"):
        open_source(tmp_path / "p").read()
    with pytest.raises(DataError, match=r"velbo convert .*0\.xlsx .*0\.parquet"):
        open_source(tmp_path / "p").row_groups()


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([12345678901234567], "12345678901234567, of which Excel keeps 15 digits"),
        ([float("inf")], "infinity"),
        (["a\rb"], "of which Excel would change characters"),
        (["a\x01"], "of which Excel would change characters"),
        (["a" * 40_000], "of which Excel would change characters or the length"),
        (pa.array([-30_000], pa.date32()), "Excel counts days from 1900"),
        (pa.array([1], pa.timestamp("us")), "lose data"),
        (pa.array([1], pa.timestamp("s", "UTC")), "for which Excel has no cells"),
        ([[1]], "for which Excel has no cells"),
    ],
)
def test_what_excel_would_change_is_not_written(tmp_path, column, words):
    with pytest.raises(DataError, match=rf"t\.xlsx: cannot hold this table: .*{words}"):
        write_table(pa.table({"x": column}), tmp_path / "t.xlsx")
    assert not list(tmp_path.iterdir())


def test_more_columns_than_a_sheet_has(tmp_path):
    with pytest.raises(DataError, match=r"20000 columns, and a sheet of Excel 16384; name a \.parquet"):
        write_table(pa.table({str(i): [1] for i in range(20_000)}), tmp_path / "t.xlsx")


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    write_table(TABLE, tmp_path / "t.xlsx")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    for use in (lambda: open_source(tmp_path / "t.xlsx"), lambda: write_table(TABLE, tmp_path / "u.xlsx")):
        with pytest.raises(MissingExtraError, match=r"pip install 'velbo\[excel\]'"):
            use()


def test_a_bomb_is_refused_unread(tmp_path, monkeypatch):
    """A sheet that is a thousandth of what it unpacks to; the numbers of a real one shrink to a tenth."""
    monkeypatch.setattr("velbo.formats.excel.LARGE", 2**20)
    source, target = book(tmp_path / "x.xlsx", ["a"], [1], [2]), tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name) + b" " * (2 << 20) * name.endswith("sheet1.xml"))
    with pytest.raises(DataError, match=r"sheet1\.xml has \d+,\d+ bytes and would unpack to 2,09\d,\d+"):
        open_source(target)
