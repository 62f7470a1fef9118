"""Texts as parts: types over the whole file, a stream, later files read alike."""

from __future__ import annotations

import csv
import datetime as dt
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from velbo.errors import DataError
from velbo.formats.reading import ColumnReading, Reading
from velbo.formats.text import CSV, TextPart


def write(path: Path, text: str, block: int = 2**20, **known) -> TextPart:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())
    return TextPart(path, Reading(**known), block)


def read(*parts: TextPart) -> pa.Table:
    schema = TextPart.schema_of(parts)
    return pa.concat_tables([table.select(schema.names) for part in parts for table in part.tables(schema)])


def types(part: TextPart) -> list[str]:
    return [str(kind) for kind in part.schema_of([part]).types]


class TestTextIsTyped:
    LATE = ("a,b,c,d,e,f,zip",) + ("1,1,2020-01-01,true,,7,01234",) * 300 + ("2.5,x,2020-01-01 05:00:00,no,,?,99",)
    EXPECTED = ("double", "string", "timestamp[us]", "string", "double", "int64", "string")

    @pytest.mark.parametrize("block", [400, 2**20])
    @pytest.mark.parametrize("reverse", [False, True])
    def test_over_the_whole_file_however_late_a_type_shows(self, tmp_path, monkeypatch, block, reverse):
        """Whole numbers, then a fraction; numbers, then a word; dates, then times: in blocks of a few rows or one, from
        either end, with the same result.
        """
        monkeypatch.setattr("velbo.formats.text.MIN_ROWS", 1)
        header, *lines = self.LATE
        part = write(tmp_path / "late.csv", "\n".join([header, *lines[:: -1 if reverse else 1]]), block)
        assert types(part) == list(self.EXPECTED)
        rows = read(part)
        assert len(rows) == 301
        assert (rows["a"].num_chunks > 10) == (block == 400)
        last = {name: values[0 if reverse else -1] for name, values in rows.to_pydict().items()}
        assert last == {
            "a": 2.5,
            "b": "x",
            "c": dt.datetime(2020, 1, 1, 5),
            "d": "no",
            "e": None,
            "f": None,
            "zip": "99",
        }
        assert rows["zip"].to_pylist()[150] == "01234"

    @pytest.mark.parametrize(
        ("cells", "kind", "values"),
        [
            ("1 +2.5 .5 1e3 -inf", "double", [1, 2.5, 0.5, 1000, -np.inf]),
            ("1 007 2.5", "string", ["1", "007", "2.5"]),
            ("0 10 -3 0", "int64", [0, 10, -3, 0]),
            ("0x1F 5", "string", ["0x1F", "5"]),
            ("true FALSE NA True", "bool", [True, False, None, True]),
            ("2020-02-30 2020-01-01", "string", ["2020-02-30", "2020-01-01"]),
            ("2020-01-01T00:00:00Z", "timestamp[us, tz=UTC]", [dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]),
            ("2024-01-01T00:00:00+02:00", "timestamp[us, tz=UTC]", [dt.datetime(2023, 12, 31, 22, tzinfo=dt.UTC)]),
            ("2020-01-01T00:00Z 2020-01-01", "string", ["2020-01-01T00:00Z", "2020-01-01"]),
            ("? nan NULL None na N/A", "double", [None] * 6),
            ("9223372036854775807", "int64", [2**63 - 1]),
            ("18446744073709551615", "string", ["18446744073709551615"]),
        ],
    )
    def test_types_of_cells(self, tmp_path, cells, kind, values):
        part = write(tmp_path / "t.csv", "\n".join(["name", *cells.split()]))
        assert types(part) == [kind]
        assert read(part)["name"].to_pylist() == values

    def test_times_to_the_nanosecond(self, tmp_path):
        part = write(tmp_path / "t.csv", "iso,us\n2020-01-01 00:00:00.000000001,12/31/2023 10:00:00.000000001 PM\n")
        assert types(part) == ["timestamp[ns]"] * 2
        assert [column.cast(pa.int64())[0].as_py() % 10 for column in read(part).columns] == [1, 1]

    def test_blanks_words_for_missing_cells_and_headers(self, tmp_path):
        part = write(tmp_path / "a.csv", '\ufeffname , n,"te,xt"\r\n Ann , 3, ?\r\n Bob ,NA ," x, y"\r\n\r\n   \r\n')
        assert read(part).to_pydict() == {"name": [" Ann ", " Bob "], "n": [3, None], "te,xt": [None, " x, y"]}
        assert read(write(tmp_path / "b.csv", "1,?\n3,\n")).to_pydict() == {"0": [1, 3], "1": [None, None]}
        blank_first = write(tmp_path / "c.csv", '\n  \n"a\nb",c\n1,"2\n3"\n\n4,5')
        assert read(blank_first).to_pydict() == {"a\nb": [1, 4], "c": ["2\n3", "5"]}
        assert read(write(tmp_path / "d.tsv", "a,b\tc\n1\t2,5\n")).to_pydict() == {"a,b": [1], "c": [2.5]}
        assert read(write(tmp_path / "e.CSV", "a,b\r1,2\r3,4\r")).to_pydict() == {"a": [1, 3], "b": [2, 4]}
        assert read(write(tmp_path / "f.csv", '""\n5\n')).to_pydict() == {"0": [None, 5]}
        assert read(write(tmp_path / "g.csv", '"1","2"\n"3","4"\n')).to_pydict() == {"0": [1, 3], "1": [2, 4]}

    def test_excel_of_europe(self, tmp_path):
        text = "sep=;\r\nmenge;preis;am\r\n1;1.234,50 €;31.12.2023\r\n2;2,00 €;01.02.2023\r\n"
        for codec in ("utf-8", "utf-8-sig", "utf-16"):
            (tmp_path / "t.csv").write_bytes(text.encode(codec))
            assert read(TextPart(tmp_path / "t.csv")).to_pydict() == {
                "menge": [1, 2],
                "preis": [1234.5, 2.0],
                "am": [dt.date(2023, 12, 31), dt.date(2023, 2, 1)],
            }

    def test_a_table_of_kinds_that_others_read_is_read_alike(self, tmp_path):
        """Against pandas, an independent reader, on 3,000 rows with blanks and quotes."""
        rng = np.random.default_rng(2)
        words = np.array([" Private", " ?", "", ' a "b"', "x,y", "ü"])
        frame = pd.DataFrame(
            {
                "w": rng.choice(words, 3000),
                "i": rng.integers(-9, 9, 3000),
                "f": np.where(rng.random(3000) < 0.3, np.nan, 1.5),
            }
        )
        frame.to_csv(tmp_path / "t.csv", index=False)
        rows = read(TextPart(tmp_path / "t.csv", block=5000))
        assert rows["w"].to_pylist() == [None if w.strip() in ("?", "") else w for w in frame["w"]]
        assert np.array_equal(rows["i"].to_numpy(), frame["i"])
        assert np.array_equal(rows["f"].to_numpy(), frame["f"], equal_nan=True)


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a,b,a\n1,2,3\n", "the header has 'a' twice; .* --header no"),
            (",b\n1,2\n", "column 1 has no name .*pandas"),
            ("a,b\n", "no row below"),
            ("", "the file is empty"),
            ("a,b\n" + "1,2\n" * 100_000 + "3\n", "line 100002 has 1 cell, the first line has 2"),
            (
                "a,b\n" + "1,2\n" * 100_000 + '3,"open\n4,5\n',
                "line 100002: the quote before 'open.n4,5.n' is not closed",
            ),
            ("a,b\n" + "1,2\n" * 100_000 + "# end\n", "line 100002 .* is it a comment"),
        ],
    )
    def test_are_by_line(self, tmp_path, text, words):
        with pytest.raises(DataError, match=rf"(?s)t\.csv: .*{words}"):
            read(write(tmp_path / "t.csv", text))

    def test_text_that_is_not_utf_8(self, tmp_path):
        for number, text in (
            (1, "M\xfcller,b\n1,2\n"),
            (3, "a,b\n1,2\nM\xfcller,1\n"),
            (70_000, "a,b\n" * 69_999 + "\xfc,1\n"),
        ):
            (tmp_path / "latin.csv").write_bytes(text.encode("latin-1"))
            with pytest.raises(
                DataError, match=rf"latin\.csv: .*line {number} is not in UTF-8; save the file as UTF-8"
            ):
                read(TextPart(tmp_path / "latin.csv"))
        (tmp_path / "x.csv").write_bytes("a,b\n1,2\n".encode("utf-16-le"))
        with pytest.raises(DataError, match=r"line 1 holds a zero byte .is it UTF-16 without a mark"):
            TextPart(tmp_path / "x.csv")

    def test_a_file_that_changes_between_the_passes_is_told(self, tmp_path):
        part = write(tmp_path / "t.csv", "x\n1\n")
        schema = part.schema_of([part])
        write(tmp_path / "t.csv", "x\nword\n")
        with pytest.raises(DataError, match=r"t\.csv: line 2, column 'x' holds 'word', which is no integer"):
            list(part.tables(schema))

    def test_it_has_no_groups_but_can_be_converted(self, tmp_path):
        part = write(tmp_path / "t.csv", "x\n1\n")
        for ask in (lambda: part.sizes, lambda: part.group(0)):
            with pytest.raises(DataError, match=r"velbo convert .*t\.csv .*t\.parquet"):
                ask()
        assert part.n_rows is None


class TestLaterFiles:
    FIRST = 'id,temp,when,code\n1,"16,9",31/12/2023,007\n2,"1,5",01/02/2023,008\n'

    def test_are_read_with_the_types_of_the_first(self, tmp_path):
        """One that by itself would be refused: 01/02 and 1,234 have two readings, codes look like numbers."""
        first = write(tmp_path / "1.csv", self.FIRST)
        read(first)
        found = first.reading()
        assert found.delimiter == ","
        assert found.header is True
        assert found.format == CSV.name
        assert found.columns == {
            "id": ColumnReading("integer"),
            "temp": ColumnReading("number", ","),
            "when": ColumnReading("date", date_format="%d/%m/%Y"),
            "code": ColumnReading("text"),
        }
        text = "id;temp;when;code\n3.0;1,234;01/02/2023;10\n;;;\n"
        later = write(tmp_path / "2.csv", text, columns=found.columns)
        assert read(later).to_pydict() == {
            "id": [3, None],
            "temp": [1.234, None],
            "when": [dt.date(2023, 2, 1), None],
            "code": ["10", None],
        }
        assert later.reading() == Reading(format="csv", delimiter=";", header=True, columns=found.columns)

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("x,1,1/1/2023,a", "column 'id' holds 'x', which is no integer .* --type id=text"),
            ("1.5,1,1/1/2023,a", "column 'id' holds '1.5', which is no integer"),
            ("0x1F,1,1/1/2023,a", "column 'id' holds '0x1F', which is no integer"),
            ("1,1.5,1/1/2023,a", "column 'temp' holds '1.5', which is no number"),
            ("1,1,2023-01-01,a", "column 'when' holds '2023-01-01', which is no date"),
            ("1,1,31/02/2023,a", "column 'when' holds '31/02/2023', which is no date"),
        ],
    )
    def test_cells_that_do_not_fit_are_told_by_line(self, tmp_path, line, words):
        first = write(tmp_path / "1.csv", self.FIRST)
        later = "id,temp,when,code\n" + "1,1,1/1/2023,a\n\n" * 50 + line + "\n1,1,1/1/2023,a\n"
        with pytest.raises(DataError, match=rf"2\.csv: line 102, {words}"):
            read(write(tmp_path / "2.csv", later, columns=first.reading().columns))

    def test_a_header_is_known_by_its_names(self, tmp_path):
        columns = {"a": ColumnReading("text"), "b": ColumnReading("text")}
        assert read(write(tmp_path / "t.csv", "a,b\na,b\na,c\n", columns=columns)).to_pydict() == {
            "a": ["a", "a"],
            "b": ["b", "c"],
        }
        numbered = {"0": ColumnReading("integer"), "1": ColumnReading("text")}
        assert read(write(tmp_path / "t.csv", "0,1\n", columns=numbered)).to_pydict() == {"0": [0], "1": ["1"]}

    def test_columns_of_nothing_but_missing_cells_are_not_known(self, tmp_path):
        first = write(tmp_path / "t.csv", "a,b\n1,\n2,NA\n")
        assert first.reading().columns == {"a": ColumnReading("integer")}

    def test_times_keep_their_fineness(self, tmp_path):
        columns = {"t": ColumnReading("time"), "z": ColumnReading("time", date_format="%Y-%m-%dT%H:%M:%S%z")}
        coarse = write(tmp_path / "t.csv", "t,z\n2020-01-01,2020-01-01 10:00Z\n", columns=columns)
        assert types(coarse) == ["timestamp[us]", "timestamp[us, tz=UTC]"]
        fine = write(tmp_path / "t.csv", "t,z\n2020-01-01 00:00:00.123456789,2020-01-01 10:00Z\n", columns=columns)
        assert types(fine) == ["timestamp[ns]", "timestamp[us, tz=UTC]"]
        assert len(read(fine)) == 1

    def test_options_reach_columns_that_are_given(self, tmp_path):
        columns = {"x": ColumnReading("number"), "d": ColumnReading("date"), "t": ColumnReading("text")}
        text = 'x,d,t\n"1,5",20231231,5\n'
        part = write(tmp_path / "t.csv", text, columns=columns, decimal=",", date_format="%Y%m%d")
        assert read(part).to_pydict() == {"x": [1.5], "d": [dt.date(2023, 12, 31)], "t": ["5"]}

    def test_several_files_have_one_type_a_column(self, tmp_path):
        one = write(tmp_path / "1.csv", "x,y\n1,2020-01-01\n2,\n")
        two = write(tmp_path / "2.csv", "y;x\nlate;2,5\n")
        assert read(one, two).to_pydict() == {"x": [1.0, 2.0, 2.5], "y": ["2020-01-01", None, "late"]}


class TestOptions:
    def test_header(self, tmp_path):
        assert write(tmp_path / "t.csv", "1,2\n3,4\n", header=True).names == ["1", "2"]
        part = write(tmp_path / "t.csv", "a,b\nc,d\n", header=False)
        assert read(part).to_pydict() == {"0": ["a", "c"], "1": ["b", "d"]}
        assert not [note for note in part.notes() if note.in_doubt]

    def test_delimiter_and_any_suffix(self, tmp_path):
        part = write(tmp_path / "t.data", "a:b\n1:2\n", delimiter=":")
        assert read(part).to_pydict() == {"a": [1], "b": [2]}
        assert [note.text for note in part.notes()] == ["The delimiter is ':'."]


class TestSize:
    def test_memory_does_not_grow_with_the_file(self, tmp_path):
        def peak(n: int) -> int:
            path = tmp_path / f"{n}.csv"
            path.write_text("a,b\n" + "1.5,some words\n" * n)
            tracemalloc.start()
            part = TextPart(path, block=2**16)
            before = pa.total_allocated_bytes()
            most = max(pa.total_allocated_bytes() - before for _ in part.tables(part.schema_of([part])))
            _, python = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return most + python

        assert peak(400_000) < 1.5 * peak(50_000)

    def test_time_is_linear_in_columns(self, tmp_path):
        """Per column, 8 times the columns take no more than 3 times as long (as a quadratic search would: 8)."""

        def seconds(width: int) -> float:
            path = tmp_path / f"{width}.csv"
            row = ",".join(f"{i % 7}.{i % 9}1" for i in range(width))
            path.write_text(",".join(f"g{i}" for i in range(width)) + "\n" + f"{row}\n" * 20)
            start = time.process_time()
            read(TextPart(path))
            return time.process_time() - start

        seconds(50)
        assert min(seconds(4000) for _ in range(3)) < 3 * 8 * min(seconds(500) for _ in range(3))

    def test_python_reads_the_same_tokens(self, tmp_path):
        """csv of the standard library, on cells with everything in them."""
        rng = np.random.default_rng(0)
        table = [["".join(rng.choice(list('ab,"\n ;'), 4)) for _ in range(3)] for _ in range(500)]
        with (tmp_path / "t.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["x", "y", "z"], *table])
        rows = read(TextPart(tmp_path / "t.csv", block=300))
        assert [[cell or "" for cell in row.values()] for row in rows.to_pylist()] == table
