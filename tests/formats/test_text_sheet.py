"""Any table of types that text has comes back from it equal."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import re
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from velbo.formats.base import UnfitError, as_tensor_column
from velbo.formats.text import TextPart
from velbo.formats.text_sheet import TextSheet

SUFFIXES = [".csv", ".tsv", ".psv", ".txt", ".csv.gz", ".tsv.zst", ".csv.bz2"]


def write(table: pa.Table, path: Path, delimiter: str = "", size: int = 10**6) -> None:
    sheet = TextSheet(path, table.schema, delimiter)
    for start in range(0, len(table), size):
        sheet.write(table.slice(start, size))
    sheet.close()


def read(path: Path) -> pa.Table:
    part = TextPart(path)
    schema = part.schema_of([part])
    return pa.concat_tables(part.tables(schema))


AWKWARD = [
    "NA",
    "n/a",
    " null ",
    "?",
    "none",
    "",
    " ",
    "5",
    "1.5",
    "-3e5",
    "inf",
    "true",
    "False",
    "#",
    "sep=;",
    "0012",
]
AWKWARD += [
    " a ",
    "a,b",
    "a;b",
    "a\tb",
    "a|b",
    'say "x"',
    '"',
    '""',
    '"x"',
    ' "x"',
    "a\nb",
    "\r",
    "\n",
    "a\r\nb",
    "ü😀",
    "'",
]
TEXTS = st.one_of(st.sampled_from(AWKWARD), st.text("ab ,;|\t\"'\n\rä😀N", max_size=6))
NAMES = st.one_of(
    st.sampled_from(["x", "a b", "a,b", 'q"q', "2019", "1", "NA", "a\nb", "ä"]), st.text("abc", min_size=1)
)
KINDS = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint8(): st.integers(0, 255),
    pa.float64(): st.floats(allow_nan=False),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.date32(): st.dates(dt.date(1000, 1, 1), dt.date(9999, 12, 31)),
    pa.timestamp("us"): st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9999, 12, 31)),
    pa.timestamp("ms", "UTC"): st.datetimes().map(lambda t: t.replace(microsecond=0, year=2000, tzinfo=dt.UTC)),
    pa.timestamp("s", "Europe/Berlin"): st.datetimes().map(
        lambda t: t.replace(microsecond=0, year=2000, tzinfo=dt.UTC)
    ),
    pa.timestamp("ns"): st.integers(-(10**18), 10**18).map(lambda i: i),
    pa.string(): TEXTS,
    pa.large_string(): TEXTS,
    pa.dictionary(pa.int32(), pa.string()): TEXTS,
    pa.decimal128(9, 2): st.integers(-(10**6), 10**6).map(lambda i: Decimal(i).scaleb(-2)),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """The first column always has a cell without quotes: a text of which all cells are in quotes does not tell why."""
    n = draw(st.integers(1, 6))
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=3))
    names = draw(st.lists(NAMES, min_size=len(kinds), max_size=len(kinds), unique=True))
    columns = {"first": pa.array(draw(st.lists(st.integers(2, 9), min_size=n, max_size=n)))}
    for name, kind in zip(names, kinds, strict=True):
        cells = st.one_of(st.none(), KINDS[kind])
        columns[name] = pa.array(draw(st.lists(cells, min_size=n, max_size=n)), kind)
    return pa.table(columns)


class TestRoundTrips:
    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
    @given(tables(), st.sampled_from(SUFFIXES))
    def test_what_is_written_is_read_back_equal(self, table, suffix):
        with TemporaryDirectory() as folder:
            path = Path(folder, f"t{suffix}")
            write(table, path)
            back = read(path)
        assert back.column_names == table.column_names
        for name in table.column_names:
            kind = table.schema.field(name).type
            plain = kind.value_type if pa.types.is_dictionary(kind) else kind
            if table[name].null_count == len(table):
                assert back[name].null_count == len(table)
                continue
            assert back[name].cast(plain, safe=False).to_pylist() == table[name].cast(plain).to_pylist()
            is_text = pa.types.is_string(plain) or pa.types.is_large_string(plain)
            assert pa.types.is_string(back.schema.field(name).type) == is_text

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.one_of(st.none(), TEXTS), min_size=1, max_size=6), NAMES, st.sampled_from(SUFFIXES))
    def test_one_column_of_texts(self, cells, name, suffix):
        """With a word in it that needs no quotes, and no empty text."""
        table = pa.table({name: ["word", *(cell or None for cell in cells)]})
        with TemporaryDirectory() as folder:
            write(table, Path(folder, f"t{suffix}"))
            assert read(Path(folder, f"t{suffix}")).equals(table)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1, max_size=5), NAMES)
    def test_one_column_of_numbers(self, cells, name):
        assume(any(cell is not None for cell in cells))
        table = pa.table({name: pa.array(cells, pa.float64())})
        with TemporaryDirectory() as folder:
            write(table, Path(folder, "t.csv"))
            assert read(Path(folder, "t.csv"))[name].cast(pa.float64()).to_pylist() == cells

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=5), st.sampled_from([",", ";", "^"]))
    def test_python_reads_what_is_written(self, rows, delimiter):
        """An independent reader, csv of the standard library."""
        table = pa.table({"a": [row[0] for row in rows], "b": [row[1] for row in rows]})
        with TemporaryDirectory() as folder:
            write(table, Path(folder, "t.csv"), delimiter, size=2)
            with Path(folder, "t.csv").open(newline="", encoding="utf-8") as file:
                header, *lines = csv.reader(file, delimiter=delimiter)
        assert header == ["a", "b"]
        assert lines == rows


class TestCells:
    def test_floats_come_back_bit_for_bit_and_in_few_digits(self, tmp_path):
        rng = np.random.default_rng(1)
        odd = [0.1, 1e-7, 5e-324, 1.7976931348623157e308, -0.0, 1e22, 123456789012345680.0, float("nan")]
        values = np.array([*odd, *(rng.normal(size=500) * 10.0 ** rng.integers(-300, 300, 500))])
        small = np.full(len(values), 0.1, np.float32)
        write(pa.table({"x": pa.array(values), "y": pa.array(small)}), tmp_path / "t.csv")
        rows = read(tmp_path / "t.csv")
        back = rows["x"].to_numpy()
        assert np.array_equal(back.view(np.int64)[:7], values.view(np.int64)[:7])
        assert np.array_equal(back[8:], values[8:])
        assert rows["x"].null_count == 1
        lines = (tmp_path / "t.csv").read_text().splitlines()
        assert lines[1] == "0.1,0.1"
        assert lines[8] == ",0.1"

    def test_quotes_are_where_they_are_needed(self, tmp_path):
        cells = ["plain", " blanks ", "a;b", "a,b", 'say "x"', "NA", "5", "", None, "1.5x"]
        write(pa.table({"t": cells, "n": range(10)}), tmp_path / "t.csv")
        assert (tmp_path / "t.csv").read_text() == (
            't,n\nplain,0\n blanks ,1\na;b,2\n"a,b",3\n"say ""x""",4\n"NA",5\n"5",6\n"",7\n,8\n1.5x,9\n'
        )

    def test_a_missing_cell_in_the_only_column_is_a_row(self, tmp_path):
        for column in ([1, None, 3, None], [None, "b", None, "d"]):
            write(pa.table({"x": column}), tmp_path / "t.csv")
            assert read(tmp_path / "t.csv")["x"].to_pylist() == column
        assert (tmp_path / "t.csv").read_text() == 'x\n""\nb\n""\nd\n'

    def test_a_header_that_would_be_read_as_a_row_is_in_quotes(self, tmp_path):
        for table, header in (
            (pa.table({"0": [5, 6], "1": [7, None]}), '"0","1"'),
            (pa.table({"2019": [1.5], "2020": ["a"]}), '"2019","2020"'),
            (pa.table({"10": [None, 2]}), '"10"'),
            (pa.table({"x": ["x", "y"], "y": ["y", "x"]}), '"x","y"'),
            (pa.table({"x": ["a", "b"]}), "x"),
            (pa.table({"2019": ["a", "b"], "x": [1, 2]}), "2019,x"),
        ):
            write(table, tmp_path / "t.csv")
            assert (tmp_path / "t.csv").read_text().splitlines()[0] == header
            assert read(tmp_path / "t.csv").equals(table)

    def test_texts_that_look_like_a_table_of_another_delimiter(self, tmp_path):
        table = pa.table({"a;b": ["1;2", "3;4"]})
        write(table, tmp_path / "t.csv")
        assert read(tmp_path / "t.csv").equals(table)

    def test_times_come_back(self, tmp_path):
        """To the nanosecond, in few digits; a zone as the same instants in UTC; durations as seconds."""
        table = pa.table(
            {
                "ns": pa.array([0, 1], pa.timestamp("ns")),
                "us": pa.array([0, 1_500_000], pa.timestamp("us")),
                "zone": pa.array([0, 10**6], pa.timestamp("us", "Europe/Berlin")),
                "for": pa.array([1500, None], pa.duration("ms")),
            }
        )
        write(table, tmp_path / "t.csv")
        assert (tmp_path / "t.csv").read_text().splitlines()[1:] == [
            "1970-01-01 00:00:00,1970-01-01 00:00:00,1970-01-01 01:00:00+0100,1.5",
            "1970-01-01 00:00:00.000000001,1970-01-01 00:00:01.5,1970-01-01 01:00:01+0100,",
        ]
        rows = read(tmp_path / "t.csv")
        assert [str(kind) for kind in rows.schema.types] == [
            "timestamp[ns]",
            "timestamp[us]",
            "timestamp[us, tz=UTC]",
            "double",
        ]
        for name in ("ns", "us", "zone"):
            assert rows[name].cast(pa.int64()).to_pylist() == table[name].cast(pa.int64()).to_pylist()
        assert rows["for"].to_pylist() == [1.5, None]

    def test_no_rows_are_a_header(self, tmp_path):
        write(pa.table({"x": pa.array([], pa.int64()), "0": pa.array([], pa.string())}), tmp_path / "t.csv.gz")
        assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()) == b"x,0\n"

    def test_what_text_cannot_hold_is_refused(self, tmp_path):
        arrays = as_tensor_column(np.zeros((2, 3, 4)))
        for column in (arrays, pa.array([[1], [2]]), pa.array([{"a": 1}, None])):
            with pytest.raises(UnfitError, match=re.escape("name a .parquet file, or a .npy file for arrays alone")):
                TextSheet(tmp_path / "t.csv", pa.schema([("x", column.type)]))
        for column in (pa.array([b"\xff"]), pa.array(["a\0b"])):
            with pytest.raises(UnfitError, match=r"name a \.parquet file"):
                write(pa.table({"x": column, "y": [1]}), tmp_path / "t.csv")
