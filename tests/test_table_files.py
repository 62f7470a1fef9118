"""Tables in files: what is read, what is written, whole and in a stream."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from velbo.data.table_files import TableSource, is_table_source
from velbo.data.table_writing import Writer, convert, write_table
from velbo.data.text_tables import TextTable
from velbo.errors import DataError, RunError


def table(n: int = 200) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "x": [None if i % 7 == 3 else v for i, v in enumerate(rng.normal(size=n).tolist())],
            "k": pa.array(rng.integers(-5, 5, n), pa.int32()),
            "job": pa.array([("a, b", 'c"d', None, " e")[i % 4] for i in range(n)]),
            "yes": rng.random(n) < 0.5,
            "day": [dt.date(2020, 1, 1) + dt.timedelta(days=i) for i in range(n)],
            "when": [dt.datetime(2020, 1, 1, 5) + dt.timedelta(seconds=i) for i in range(n)],
        }
    )


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".feather", ".arrow"])
def test_what_is_written_is_read_again_whole_and_in_batches(tmp_path, suffix):
    path, rows = tmp_path / f"t{suffix}", table()
    with Writer(path) as writer:
        writer.write(rows.slice(0, 150))
        writer.write(rows.slice(150).to_pandas(types_mapper=pd.ArrowDtype))
    source = TableSource(path)
    assert is_table_source(path)
    read = source.read()
    if suffix in (".csv", ".tsv"):
        # text knows neither 32 bits, nor a missing text from an empty one
        rows = rows.set_column(1, "k", rows["k"].cast(pa.int64()))
        rows = rows.set_column(2, "job", [[v or "" for v in rows["job"].to_pylist()]])
    assert read.to_pydict() == rows.to_pydict()
    assert read.schema.types == rows.schema.types
    for size in (1, 64, 1000):
        batches = list(source.batches(size))
        assert {len(b) for b in batches[:-1]} <= {size}
        assert pa.concat_tables(batches).equals(read)


def test_parquet_keeps_categories_and_zones(tmp_path):
    frame = pd.DataFrame(
        {
            "c": pd.Categorical(["lo", "hi", None], ["lo", "hi"], ordered=True),
            "t": pd.date_range("2020-01-01", periods=3, tz="Europe/Berlin"),
            "n": pd.array([1, None, 3], "Int16"),
        }
    )
    write_table(frame, tmp_path / "t.parquet")
    read = TableSource(tmp_path / "t.parquet").read()
    assert read.schema.field("c").type.ordered
    assert read["t"].type.tz == "Europe/Berlin"
    assert read["n"].type == pa.int16()


def write(path: Path, text: str) -> TableSource:
    path.write_text(text)
    return TableSource(path)


def test_types_hold_over_the_whole_file_however_late_they_show(tmp_path):
    """In blocks of a few rows: whole numbers, then a fraction; numbers, then a word; dates, then times."""
    lines = ["a,b,c,d,e,f,zip"] + ["1,1,2020-01-01,true,,7,01234"] * 300 + ["2.5,x,2020-01-01 05:00:00,no,,?,99"]
    path = tmp_path / "late.csv"
    path.write_text("\n".join(lines))
    text = TextTable(path, block=400)
    assert [str(t) for t in text.schema.types] == [
        "double",
        "string",
        "timestamp[us]",
        "string",
        "double",
        "int64",
        "string",
    ]
    read = pa.concat_tables(text.batches(text.schema))
    assert len(read) == 301
    assert read["a"].to_pylist()[-2:] == [1.0, 2.5]
    assert read["b"].to_pylist()[-2:] == ["1", "x"]
    assert read["f"].to_pylist()[-2:] == [7, None]
    assert read["zip"].to_pylist()[0] == "01234"
    assert read["e"].null_count == 301


def test_blanks_words_for_missing_cells_and_headers(tmp_path):
    source = write(tmp_path / "a.csv", '\ufeffname , n,text\r\n Ann , 3, ?\r\n Bob ,NA," x, y"\r\n\r\n')
    read = source.read()
    assert read.column_names == ["name", "n", "text"]
    assert read["name"].to_pylist() == [" Ann ", " Bob "]
    assert read["n"].to_pylist() == [3, None]
    assert read["text"].to_pylist() == [" ?", " x, y"]
    plain = write(tmp_path / "b.csv", "1,2\n3,\n")
    assert plain.names == ["0", "1"]
    assert plain.read().to_pydict() == {"0": [1, 3], "1": [2, None]}


def test_text_that_is_no_table(tmp_path):
    for i, (text, words) in enumerate(
        [
            ("a,b\n1,2\n3\n", "line 3 has 1 cells, the first line has 2"),
            ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells"),
            ("a,a\n1,2\n", "a second column called 'a'"),
            ("a,\n1,2\n", "no name for column 1"),
            ("a,b\n", "no row below"),
            ("", "the file is empty"),
        ]
    ):
        with pytest.raises(DataError, match=words):
            write(tmp_path / f"{i}.csv", text).read()
    (tmp_path / "latin.csv").write_bytes("a,b\nM\xfcller,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.csv"):
        TableSource(tmp_path / "latin.csv").read()


def test_files_that_are_none(tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match=r"bad\.parquet: cannot be read"):
        TableSource(tmp_path / "bad.parquet")
    with pytest.raises(DataError, match="no file or folder"):
        TableSource(tmp_path / "none.csv")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(DataError, match="no table"):
        TableSource(tmp_path / "x.json")
    assert not is_table_source(tmp_path / "x.json")


def test_a_folder_is_one_table_in_the_order_of_names(tmp_path):
    folder = tmp_path / "parts"
    for i in (2, 0, 1):
        write_table(pa.table({"x": [i * 10, i * 10 + 1]}), folder / f"part-{i}.parquet")
    source = TableSource(folder)
    assert is_table_source(folder)
    assert source.read()["x"].to_pylist() == [0, 1, 10, 11, 20, 21]
    assert [g.n_rows for g in source.row_groups()] == [2, 2, 2]
    write_table(pa.table({"y": [1]}), folder / "part-3.parquet")
    with pytest.raises(DataError, match=r"column 'x' is in part-0\.parquet and not in all"):
        TableSource(folder)
    write_table(pa.table({"x": ["word"]}), folder / "part-3.parquet")
    with pytest.raises(DataError, match=r"part-3\.parquet: a column is of another type"):
        TableSource(folder).read()


def test_a_folder_of_text_has_types_that_hold_all_files(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    write(folder / "1.csv", "x\n1\n2\n")
    write(folder / "2.csv", "x\n2.5\n")
    assert TableSource(folder).read()["x"].to_pylist() == [1.0, 2.0, 2.5]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_row_groups_are_parts_in_any_order(tmp_path, suffix):
    path, rows = tmp_path / f"t{suffix}", table()
    with Writer(path) as writer:
        for start in range(0, 200, 64):
            writer.write(rows.slice(start, 64))
    source = TableSource(path)
    groups = source.row_groups()
    assert [g.n_rows for g in groups] == [64, 64, 64, 8]
    parts = [source.read_group(g) for g in reversed(groups)]
    assert pa.concat_tables(reversed(parts)).equals(source.read())
    with pytest.raises(DataError, match=r"velbo convert .*t\.csv .*t\.parquet"):  # noqa: PT012
        assert convert(path, tmp_path / "t.csv") == 200
        TableSource(tmp_path / "t.csv").row_groups()


def test_fingerprints_tell_tables_apart(tmp_path):
    rows = table()
    for suffix in (".csv", ".parquet", ".feather"):
        path = tmp_path / f"t{suffix}"
        write_table(rows, path)
        first = TableSource(path).fingerprint()
        assert TableSource(path).fingerprint() == first
        write_table(rows.set_column(1, "k", [pa.array([9] * 200, pa.int32())]), path)
        assert TableSource(path).fingerprint() != first


def test_a_file_is_whole_or_absent(tmp_path):
    path = tmp_path / "t.csv"
    write_table(pa.table({"x": [1]}), path)
    with pytest.raises(KeyError), Writer(path) as writer:  # noqa: PT012
        writer.write(pa.table({"x": [2]}))
        raise KeyError
    assert path.read_text().splitlines()[1:] == ["1"]
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]
    with pytest.raises(DataError, match="a part has the columns y"), Writer(path) as writer:  # noqa: PT012
        writer.write(pa.table({"x": [2]}))
        writer.write(pa.table({"y": [2]}))
    with pytest.raises(DataError, match="no rows to write"), Writer(tmp_path / "none.csv"):
        pass
    with pytest.raises(DataError, match="cannot write"):
        Writer(tmp_path / "t.json")
    with pytest.raises(RunError), Writer(Path("/proc/t.csv")) as writer:
        writer.write(pa.table({"x": [2]}))
    assert len(list(tmp_path.iterdir())) == 1


def test_no_batch_is_larger_than_asked_for_whatever_the_row_groups(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": np.arange(200_000)}), path, row_group_size=200_000)
    sizes = [len(b) for b in TableSource(path).batches(1000)]
    assert max(sizes) == 1000
    assert sum(sizes) == 200_000
