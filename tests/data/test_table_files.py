"""Tables in files: what is read, what is written, whole and in a stream."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from velbo.data.table_files import TableSource, is_table_source
from velbo.data.table_writing import Writer, convert, write_table
from velbo.errors import ConfigError, DataError, RunError

SUFFIXES = [".csv", ".tsv", ".parquet", ".feather", ".arrow"]


def table(n: int = 200) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "x": [None if i % 7 == 3 else v for i, v in enumerate(rng.normal(size=n).tolist())],
            "k": pa.array(rng.integers(-5, 5, n), pa.int32()),
            "job": pa.array([("a, b", 'c"d', None, " e", "f\ng", "\t")[i % 6] for i in range(n)]),
            "yes": rng.random(n) < 0.5,
            "day": [dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(n)],
            "when": [dt.datetime(2020, 1, 1, 5) + dt.timedelta(seconds=i) for i in range(n)],
        }
    )


def write(path: Path, text: str, block: int = 2**20) -> TableSource:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode())
    return TableSource(path, block)


def types(source: TableSource) -> list[str]:
    return [str(kind) for kind in source.schema.types]


class TestRoundTrips:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_what_is_written_is_read_again_whole_and_in_batches(self, tmp_path, suffix):
        """Also what a text needs quotes for; the parts come from two libraries, with columns in another order."""
        path, rows = tmp_path / f"t{suffix}", table()
        with Writer(path) as writer:
            writer.write(rows.slice(0, 150))
            writer.write(rows.slice(150).to_pandas(types_mapper=pd.ArrowDtype).iloc[:, ::-1])
        source = TableSource(path)
        assert is_table_source(path)
        assert source.names == rows.column_names
        read = source.read()
        if suffix in (".csv", ".tsv"):
            # text has no 32 bits, and a blank cell is a missing one
            rows = rows.set_column(1, "k", rows["k"].cast(pa.int64()))
            rows = rows.set_column(2, "job", [[None if v == "\t" else v for v in rows["job"].to_pylist()]])
        assert source.n_rows == (None if suffix in (".csv", ".tsv") else 200)
        assert read.to_pydict() == rows.to_pydict()
        assert read.schema.types == rows.schema.types
        for size in (1, 64, 200, 1000):
            batches = list(source.batches(size))
            assert {len(b) for b in batches[:-1]} <= {size}
            assert len(batches) == -(-200 // size)
            assert pa.concat_tables(batches).equals(read)

    def test_floats_come_back_bit_for_bit_and_in_few_digits(self, tmp_path):
        rng = np.random.default_rng(1)
        odd = [0.1, 1e-7, 5e-324, 1.7976931348623157e308, -0.0, 1e22, 123456789012345680.0, float("nan")]
        values = np.array([*odd, *(rng.normal(size=500) * 10.0 ** rng.integers(-300, 300, 500))])
        small = np.full(len(values), 0.1, np.float32)
        write_table(pa.table({"x": pa.array(values), "y": pa.array(small)}), tmp_path / "t.csv")
        read = TableSource(tmp_path / "t.csv").read()
        back = read["x"].to_numpy()
        assert np.array_equal(back.view(np.int64)[:7], values.view(np.int64)[:7])
        assert np.array_equal(back[8:], values[8:])
        assert read["x"].null_count == 1
        lines = (tmp_path / "t.csv").read_text().splitlines()
        assert lines[1] == "0.1,0.1"
        assert lines[8] == ",0.1"

    def test_python_reads_what_is_written(self, tmp_path):
        """An independent reader, csv of the standard library; quotes only where they are needed."""
        rows = table(12)
        write_table(rows, tmp_path / "t.csv")
        with (tmp_path / "t.csv").open(newline="") as file:
            header, *lines = csv.reader(file)
        assert header == rows.column_names
        assert [line[2] for line in lines] == [v or "" for v in rows["job"].to_pylist()]
        text = (tmp_path / "t.csv").read_text()
        assert text.startswith("x,k,job,yes,day,when\n")
        assert text.count('"') == 2 * 2 + 2 * 4 + 2 * 2  # of a comma, a quote (doubled), a line break, twice each

    def test_a_missing_cell_in_the_only_column_is_a_row(self, tmp_path):
        for column in ([1, None, 3, None], [None, "b", None, "d"]):
            write_table(pa.table({"x": column}), tmp_path / "t.csv")
            assert TableSource(tmp_path / "t.csv").read()["x"].to_pylist() == column

    def test_a_header_of_numbers_is_one_when_read_again(self, tmp_path):
        first = write(tmp_path / "a.csv", "5,6\n7,\n")
        assert first.names == ["0", "1"]
        convert(tmp_path / "a.csv", tmp_path / "b.csv")
        assert (tmp_path / "b.csv").read_text() == '"0","1"\n5,6\n7,\n'
        assert TableSource(tmp_path / "b.csv").read().equals(first.read())
        years = pa.table({"2019": [1.5], "2020": ["a"]})
        write_table(years, tmp_path / "c.csv")
        assert TableSource(tmp_path / "c.csv").read().equals(years)
        hole_first = pa.table({"10": [None, 2]})
        write_table(hole_first, tmp_path / "e.csv")
        assert TableSource(tmp_path / "e.csv").read().equals(hole_first)
        assert write(tmp_path / "f.csv", '""\n5\n').read().to_pydict() == {"0": [None, 5]}
        all_quoted = write(tmp_path / "d.csv", '"1","2"\n"3","4"\n')
        assert all_quoted.read().to_pydict() == {"0": [1, 3], "1": [2, 4]}

    @pytest.mark.parametrize("suffix", [".parquet", ".feather"])
    def test_types_are_kept(self, tmp_path, suffix):
        rows = pa.table(
            {
                "i": pa.array([1, None], pa.int16()),
                "u": pa.array([1, 2**64 - 1], pa.uint64()),
                "f": pa.array([0.5, None], pa.float32()),
                "c": pa.DictionaryArray.from_arrays(
                    pa.array([1, None], pa.int8()), ["lo", "hi", "none of it"], ordered=True
                ),
                "t": pa.array([1, None], pa.timestamp("ns", "Europe/Berlin")),
                "d": pa.array([1, None], pa.duration("ms")),
                "n": pa.nulls(2),
            }
        )
        write_table(rows, tmp_path / f"t{suffix}")
        read = TableSource(tmp_path / f"t{suffix}").read()
        assert read.equals(rows)
        assert read["c"].chunk(0).dictionary.to_pylist() == ["lo", "hi", "none of it"]

    def test_times_come_back_from_text(self, tmp_path):
        """To the nanosecond; a zone as the same instants in UTC; durations as seconds."""
        rows = pa.table(
            {
                "ns": pa.array([0, 1], pa.timestamp("ns")),
                "zone": pa.array([0, 10**6], pa.timestamp("us", "Europe/Berlin")),
                "for": pa.array([1500, None], pa.duration("ms")),
            }
        )
        write_table(rows, tmp_path / "t.csv")
        read = TableSource(tmp_path / "t.csv").read()
        assert [str(t) for t in read.schema.types] == ["timestamp[ns]", "timestamp[us, tz=UTC]", "double"]
        assert read["ns"].cast(pa.int64()).to_pylist() == [0, 1]
        assert read["zone"].cast(pa.int64()).to_pylist() == [0, 10**6]
        assert read["for"].to_pylist() == [1.5, None]

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_polars_frames_with_categories(self, tmp_path, suffix):
        frame = pl.DataFrame(
            {"s": ["a,", None], "c": pl.Series(["x", "y"], dtype=pl.Enum(["z", "y", "x"])), "d": [1.5, None]}
        )
        write_table(frame, tmp_path / f"t{suffix}")
        assert TableSource(tmp_path / f"t{suffix}").read().to_pydict() == frame.to_dict(as_series=False)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_later_frames_may_have_new_categories(self, tmp_path, suffix):
        parts = [["b", "a", None], ["c", "a"], ["a", "d", "b"]]
        with Writer(tmp_path / f"t{suffix}") as writer:
            for part in parts:
                writer.write(pd.DataFrame({"c": pd.Categorical(part)}))
        source, cells = TableSource(tmp_path / f"t{suffix}"), [cell for part in parts for cell in part]
        assert source.read()["c"].to_pylist() == cells
        assert [v for b in source.batches(3) for v in b["c"].to_pylist()] == cells
        if not source.is_text:
            assert [source.read_group(g)["c"].to_pylist() for g in source.row_groups()] == parts


class TestTextIsTyped:
    LATE = ("a,b,c,d,e,f,zip",) + ("1,1,2020-01-01,true,,7,01234",) * 300 + ("2.5,x,2020-01-01 05:00:00,no,,?,99",)
    EXPECTED = ("double", "string", "timestamp[us]", "string", "double", "int64", "string")

    @pytest.mark.parametrize("block", [400, 2**20])
    @pytest.mark.parametrize("reverse", [False, True])
    def test_over_the_whole_file_however_late_a_type_shows(self, tmp_path, block, reverse):
        """Whole numbers, then a fraction; numbers, then a word; dates, then times: in blocks of a few rows or one, from
        either end, with the same result.
        """
        header, *lines = self.LATE
        source = write(tmp_path / "late.csv", "\n".join([header, *lines[:: -1 if reverse else 1]]), block)
        assert types(source) == list(self.EXPECTED)
        read = source.read()
        assert len(read) == 301
        assert (read["a"].num_chunks > 10) == (block == 400)
        last = {name: values[0 if reverse else -1] for name, values in read.to_pydict().items()}
        assert last == {
            "a": 2.5,
            "b": "x",
            "c": dt.datetime(2020, 1, 1, 5),
            "d": "no",
            "e": None,
            "f": None,
            "zip": "99",
        }
        assert read["zip"].to_pylist()[150] == "01234"
        assert pa.concat_tables(source.batches(7)).equals(read)

    @pytest.mark.parametrize(
        ("cells", "kind", "values"),
        [
            ("1 +2.5 .5 1e3 -inf", "double", [1, 2.5, 0.5, 1000, -np.inf]),
            ("1 007 2.5", "double", [1, 7, 2.5]),
            ("1 007", "string", ["1", "007"]),
            ("0 10 -3 0", "int64", [0, 10, -3, 0]),
            ("0x1F 5", "string", ["0x1F", "5"]),
            ("true FALSE NA True", "bool", [True, False, None, True]),
            ("true 1", "string", ["true", "1"]),
            ("2020-02-30 2020-01-01", "string", ["2020-02-30", "2020-01-01"]),
            ("2020-01-01T00:00:00Z", "timestamp[us, tz=UTC]", [dt.datetime(2020, 1, 1, tzinfo=dt.UTC)]),
            ("2020-01-01T00:00Z 2020-01-01", "string", ["2020-01-01T00:00Z", "2020-01-01"]),
            ("? nan NULL None na N/A", "double", [None] * 6),
            ("9223372036854775807", "int64", [2**63 - 1]),
        ],
    )
    def test_types_of_cells(self, tmp_path, cells, kind, values):
        source = write(tmp_path / "t.csv", "\n".join(["name", *cells.split()]))
        assert types(source) == [kind]
        assert source.read()["name"].to_pylist() == values

    def test_blanks_words_for_missing_cells_and_headers(self, tmp_path):
        source = write(tmp_path / "a.csv", '\ufeffname , n,"te,xt"\r\n Ann , 3, ?\r\n Bob ,NA ," x, y"\r\n\r\n   \r\n')
        read = source.read()
        assert read.column_names == ["name", "n", "te,xt"]
        assert read["name"].to_pylist() == [" Ann ", " Bob "]
        assert read["n"].to_pylist() == [3, None]
        assert read["te,xt"].to_pylist() == [None, " x, y"]
        plain = write(tmp_path / "b.csv", "1,?\n3,\n")
        assert plain.read().to_pydict() == {"0": [1, 3], "1": [None, None]}
        blank_first = write(tmp_path / "c.csv", '\n  \n"a\nb",c\n1,"2\n3"\n\n4,5')
        assert blank_first.read().to_pydict() == {"a\nb": [1, 4], "c": ["2\n3", "5"]}
        assert write(tmp_path / "d.tsv", "a,b\tc\n1\t2,5\n").read().to_pydict() == {"a,b": [1], "c": ["2,5"]}
        assert write(tmp_path / "e.CSV", "a,b\r1,2\r3,4\r").read().to_pydict() == {"a": [1, 3], "b": [2, 4]}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a,b\n1,2\n3\n", "line 3 has 1 cells, the first line has 2"),
            ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells"),
            ('a,b\n\n"x\ny",2\n  \n3,4,5\n', "line 6 has 3 cells"),
            ("1,2\n" * 5000 + "3\n", "line 5001 has 1 cells"),
            ("a,b,a\n1,2,3\n", "the header has 'a' twice"),
            (",b\n1,2\n", "column 1 has no name"),
            ("a,b\n", "no row below"),
            ("", "the file is empty"),
            ("\n \n", "the file is empty"),
            ('a,b\n1,"open\n3,4\n', r"the quote before 'open\\n3,4\\n' is not closed"),
            ('a,b\n1,"open\n' + "3,4\n" * 5000, "is a quote opened there and not closed"),
        ],
    )
    def test_text_that_is_no_table(self, tmp_path, text, words):
        with pytest.raises(DataError, match=rf"(?s)t\.csv: .*{words}"):
            write(tmp_path / "t.csv", text, block=1000).read()

    def test_text_that_is_not_utf_8(self, tmp_path):
        for number, text in ((1, "M\xfcller,b\n1,2\n"), (3, "a,b\n1,2\nM\xfcller,1\n")):
            (tmp_path / "latin.csv").write_bytes(text.encode("latin-1"))
            with pytest.raises(DataError, match=rf"latin\.csv: .*line {number} is not in UTF-8"):
                TableSource(tmp_path / "latin.csv").read()
        (tmp_path / "excel.csv").write_bytes("a,b\n1,2\n".encode("utf-16"))
        with pytest.raises(DataError, match="line 1 is not in UTF-8"):
            TableSource(tmp_path / "excel.csv")

    def test_a_file_that_changes_between_the_passes_is_told(self, tmp_path):
        source = write(tmp_path / "t.csv", "x\n1\n")
        assert types(source) == ["int64"]
        write(tmp_path / "t.csv", "x\nword\n")
        with pytest.raises(DataError, match=r"column 'x' has been taken for int64.*changed meanwhile"):
            source.read()

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
        read = TableSource(tmp_path / "t.csv", 5000).read()
        assert read["w"].to_pylist() == [None if w.strip() in ("?", "") else w for w in frame["w"]]
        assert np.array_equal(read["i"].to_numpy(), frame["i"])
        assert np.array_equal(read["f"].to_numpy(), frame["f"], equal_nan=True)


class TestSources:
    def test_files_that_are_none(self, tmp_path):
        for bad in ("bad.parquet", "bad.feather"):
            (tmp_path / bad).write_bytes(b"PAR1 nothing")
            with pytest.raises(DataError, match=rf"{bad}: cannot be read"):
                TableSource(tmp_path / bad)
        with pytest.raises(DataError, match="no file or folder"):
            TableSource(tmp_path / "none.csv")
        (tmp_path / "x.json").write_text("{}")
        with pytest.raises(DataError, match=r"a '\.json' file; give one of \.csv, \.tsv, \.parquet"):
            TableSource(tmp_path / "x.json")
        assert not is_table_source(tmp_path / "x.json")
        (tmp_path / "folder" / "dir.csv").mkdir(parents=True)
        (tmp_path / "folder" / ".hidden.csv").write_text("a\n1\n")
        assert not is_table_source(tmp_path / "folder")
        with pytest.raises(DataError, match="no table in this folder"):
            TableSource(tmp_path / "folder")
        pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), tmp_path / "two.parquet")
        with pytest.raises(DataError, match="two columns are called 'a'"):
            TableSource(tmp_path / "two.parquet")

    def test_damage_inside_a_file_is_told(self, tmp_path):
        path = tmp_path / "t.parquet"
        pq.write_table(pa.table({"x": np.arange(1000)}), path, compression="none", use_dictionary=False)
        whole = path.read_bytes()
        path.write_bytes(whole[:4] + b"\xff" * 60 + whole[64:])
        source = TableSource(path)
        for read in (source.read, lambda: source.read_group(source.row_groups()[0])):
            with pytest.raises(DataError, match=r"t\.parquet: cannot be read"):
                read()

    def test_text_that_points_out_of_its_file_is_told(self, tmp_path):
        """The second of three offsets, 77, becomes one far outside; read as it is, it would end this process."""
        write_table(pa.table({"x": ["a" * 77, "b" * 14]}), tmp_path / "t.feather")
        whole = (tmp_path / "t.feather").read_bytes()
        offsets = np.array([0, 77, 91], np.int32).tobytes()
        assert whole.count(offsets) == 1
        (tmp_path / "t.feather").write_bytes(whole.replace(offsets, np.array([0, 2**30, 91], np.int32).tobytes()))
        with pytest.raises(DataError, match=r"t\.feather: cannot be read"):
            TableSource(tmp_path / "t.feather").read()

    @pytest.mark.parametrize("suffix", [".parquet", ".feather"])
    def test_no_rows_are_a_table_where_the_format_knows_its_columns(self, tmp_path, suffix):
        empty = table(0)
        write_table(empty, tmp_path / f"t{suffix}")
        source = TableSource(tmp_path / f"t{suffix}")
        assert source.read().equals(empty)
        assert list(source.batches()) == []
        assert source.n_rows == 0
        assert convert(source.path, tmp_path / "u.parquet") == 0

    @pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
    def test_row_groups_are_parts_in_any_order(self, tmp_path, suffix):
        path, rows = tmp_path / f"t{suffix}", table()
        with Writer(path) as writer:
            for start in range(0, 200, 64):
                writer.write(rows.slice(start, 64))
        source = TableSource(path)
        groups = source.row_groups()
        assert [(g.file, g.index, g.n_rows) for g in groups] == [(path, i, n) for i, n in enumerate((64, 64, 64, 8))]
        parts = [source.read_group(g) for g in reversed(groups)]
        assert pa.concat_tables(reversed(parts)).equals(source.read())

    def test_text_has_no_row_groups_but_can_be_converted(self, tmp_path):
        rows = table()
        write_table(rows, tmp_path / "t.csv")
        with pytest.raises(DataError, match=r"velbo convert .*t\.csv .*t\.parquet"):
            TableSource(tmp_path / "t.csv").row_groups()
        assert convert(tmp_path / "t.csv", tmp_path / "t.parquet") == 200
        converted = TableSource(tmp_path / "t.parquet")
        assert converted.read().equals(TableSource(tmp_path / "t.csv").read())
        assert [g.n_rows for g in converted.row_groups()] == [200]

    def test_no_batch_is_larger_than_asked_for_and_no_piece_than_a_block(self, tmp_path):
        """Constant memory, whatever the length of the file: 200,000 rows in one row group, a text in 50 blocks."""
        rows = pa.table({"x": np.arange(200_000)})
        pq.write_table(rows, tmp_path / "t.parquet", row_group_size=200_000)
        convert(tmp_path / "t.parquet", tmp_path / "t.csv")
        size = (tmp_path / "t.csv").stat().st_size
        for source in (TableSource(tmp_path / "t.parquet"), TableSource(tmp_path / "t.csv", block=size // 50)):
            batches = list(source.batches(1000))
            assert [len(b) for b in batches] == [1000] * 200
            assert pa.concat_tables(batches).equals(rows)
            assert max(len(piece) for piece in source._tables()) <= (6000 if source.is_text else 65_536)
        with pytest.raises(ConfigError, match="1 row or more"):
            source.batches(0)

    def test_fingerprints_tell_tables_apart(self, tmp_path):
        """A value, a name of a file: anything that changes rows or their order changes it; the same table has the same,
        wherever it lies.
        """
        rows, seen = table(), set()
        other = rows.set_column(1, "k", [pa.array([9] * 200, pa.int32())])
        for suffix in (".csv", ".parquet", ".feather"):
            write_table(rows, tmp_path / "a" / f"t{suffix}")
            write_table(rows, tmp_path / "b" / f"u{suffix}")
            first = TableSource(tmp_path / "a" / f"t{suffix}").fingerprint()
            assert TableSource(tmp_path / "b" / f"u{suffix}").fingerprint() == first
            write_table(other, tmp_path / "a" / f"t{suffix}")
            seen |= {first, TableSource(tmp_path / "a" / f"t{suffix}").fingerprint()}
        write_table(rows, tmp_path / "parts" / "1.parquet")
        write_table(rows, tmp_path / "parts" / "2.parquet")
        seen.add(TableSource(tmp_path / "parts").fingerprint())
        (tmp_path / "parts" / "2.parquet").rename(tmp_path / "parts" / "0.parquet")
        seen.add(TableSource(tmp_path / "parts").fingerprint())
        assert len(seen) == 8


class TestFolders:
    def test_one_table_in_the_order_of_names(self, tmp_path):
        folder = tmp_path / "parts"
        for i in (2, 0, 1):
            write_table(pa.table({"x": [i * 10, i * 10 + 1]}), folder / f"part-{i}.parquet")
        (folder / "_SUCCESS").touch()
        (folder / ".part-9.parquet").touch()
        (folder / "notes.txt").touch()
        source = TableSource(folder)
        assert is_table_source(folder)
        assert source.read()["x"].to_pylist() == [0, 1, 10, 11, 20, 21]
        assert [len(b) for b in source.batches(4)] == [4, 2]
        assert [g.n_rows for g in source.row_groups()] == [2, 2, 2]
        assert [source.read_group(g)["x"][0].as_py() for g in source.row_groups()] == [0, 10, 20]
        write_table(pa.table({"y": [1]}), folder / "part-3.parquet")
        with pytest.raises(DataError, match=r"column 'x' is in part-0\.parquet and not in part-3\.parquet"):
            TableSource(folder)
        write_table(pa.table({"x": ["word"]}), folder / "part-3.parquet")
        with pytest.raises(DataError, match=r"column 'x' is of type string in part-3\.parquet and int64"):
            TableSource(folder).read()
        (folder / "part-3.parquet").unlink()
        write(folder / "part-3.csv", "x\n1\n")
        with pytest.raises(DataError, match=r"part-0\.parquet and part-3\.csv are of two formats"):
            TableSource(folder)

    def test_types_that_hold_all_files(self, tmp_path):
        for i, column in enumerate([pa.array([1], pa.int32()), pa.array([2.5]), pa.nulls(1)]):
            write_table(pa.table({"x": column}), tmp_path / "p" / f"{i}.parquet")
        source = TableSource(tmp_path / "p")
        assert source.read()["x"].to_pylist() == [1.0, 2.5, None]
        assert {source.read_group(g).schema.field("x").type for g in source.row_groups()} == {pa.float64()}
        write_table(pa.table({"x": pa.array([2**60 + 1])}), tmp_path / "p" / "3.parquet")
        with pytest.raises(DataError, match=r"3\.parquet: column 'x' has a value that double.* does not hold"):
            TableSource(tmp_path / "p").read()

    def test_text_with_columns_in_another_order_and_of_another_type(self, tmp_path):
        write(tmp_path / "p" / "1.csv", "x,y\n1,2020-01-01\n2,\n")
        write(tmp_path / "p" / "2.csv", "y,x\nlate,2.5\n")
        source = TableSource(tmp_path / "p")
        assert source.read().to_pydict() == {"x": [1.0, 2.0, 2.5], "y": ["2020-01-01", None, "late"]}

    @pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
    def test_hive_folders_are_columns(self, tmp_path, suffix):
        root = tmp_path / "t"
        for i, folder in enumerate(
            ["year=2020/place=a b", "year=2021/place=c%20d", "year=2021/place=__HIVE_DEFAULT_PARTITION__"]
        ):
            write_table(pa.table({"x": [i, i]}), root / folder / f"1{suffix}")
        source = TableSource(root)
        assert source.names == ["x", "year", "place"]
        read = source.read().sort_by("x")
        assert read.to_pydict() == {
            "x": [0, 0, 1, 1, 2, 2],
            "year": [2020, 2020, 2021, 2021, 2021, 2021],
            "place": ["a b", "a b", "c d", "c d", None, None],
        }
        if not source.is_text:
            groups = [source.read_group(g) for g in source.row_groups()]
            assert pa.concat_tables(groups).equals(source.read())
        write_table(pa.table({"x": [3]}), root / f"4{suffix}")
        with pytest.raises(DataError, match="give the keys"):
            TableSource(root)


class TestWhole:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_a_file_is_whole_or_absent(self, tmp_path, suffix):
        """Until the end nothing but a hidden file changes, which is what a killed process leaves; on an error that goes
        too.
        """
        path, one = tmp_path / f"t{suffix}", pa.table({"x": [1]})
        write_table(one, path)
        before = path.read_bytes()
        with pytest.raises(KeyError), Writer(path) as writer:  # noqa: PT012
            writer.write(pa.table({"x": [2]}))
            assert path.read_bytes() == before
            assert TableSource(tmp_path).files == [path]
            raise KeyError
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]
        with pytest.raises(KeyError), Writer(tmp_path / f"new{suffix}"):
            raise KeyError
        with pytest.raises(DataError, match="no rows to write"), Writer(tmp_path / f"new{suffix}"):
            pass
        assert list(tmp_path.iterdir()) == [path]
        (tmp_path / "file").touch()
        with pytest.raises(RunError), Writer(tmp_path / "file" / f"t{suffix}") as writer:
            writer.write(one)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_frames_of_other_columns_are_refused(self, tmp_path, suffix):
        for second, words in (({"y": [2]}, "lacks the column 'x'"), ({"x": [2], "y": [2]}, "has the column 'y'")):
            with pytest.raises(DataError, match=words), Writer(tmp_path / f"t{suffix}") as writer:  # noqa: PT012
                writer.write(pa.table({"x": [2]}))
                writer.write(pa.table(second))
        with pytest.raises(DataError, match=r"cannot write .*t\.json.*\.parquet"):
            Writer(tmp_path / "t.json")
        assert not list(tmp_path.iterdir())

    def test_types_that_do_not_fit_those_of_the_first_frame(self, tmp_path):
        """Text does not mind; typed files take a schema beforehand."""
        frames = [pa.table({"x": [1]}), pa.table({"x": [2.5]})]
        for path in (tmp_path / "t.csv", tmp_path / "t.feather", tmp_path / "t.parquet"):
            with Writer(path, like=pa.schema([("x", pa.float64())])) as writer:
                for frame in frames:
                    writer.write(frame)
            assert TableSource(path).read()["x"].to_pylist() == [1.0, 2.5]
        with Writer(tmp_path / "u.csv") as writer:
            for frame in frames:
                writer.write(frame)
        assert (tmp_path / "u.csv").read_text() == "x\n1\n2.5\n"
        words = r"column 'x' is double here and int64 in the file.*like="
        with pytest.raises(DataError, match=words), Writer(tmp_path / "u.parquet") as writer:  # noqa: PT012
            for frame in frames:
                writer.write(frame)

    def test_like_alone_makes_a_file_of_no_rows(self, tmp_path):
        with Writer(tmp_path / "t.csv", like=table(0).schema):
            pass
        assert (tmp_path / "t.csv").read_text() == "x,k,job,yes,day,when\n"

    def test_what_a_format_cannot_hold(self, tmp_path):
        with pytest.raises(DataError, match=r"column 'x' is of type list.*name a \.parquet file"):
            write_table(pa.table({"x": [[1, 2]]}), tmp_path / "t.csv")
        orders = [pd.Categorical(["a"], order, ordered=True) for order in (["a", "b"], ["b", "a"])]
        with pytest.raises(DataError, match="other ordered categories"), Writer(tmp_path / "t.parquet") as writer:  # noqa: PT012
            for order in orders:
                writer.write(pd.DataFrame({"c": order}))
        assert not list(tmp_path.iterdir())
