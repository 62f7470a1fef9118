"""Parquet and Arrow: types and values bit for bit, groups in any order, an index of pandas, damage."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from velbo.errors import ConfigError, DataError
from velbo.formats import as_array, as_tensor_column, convert, open_source, write_table, writers

SUFFIXES = [".parquet", ".pq", ".feather", ".ARROW", ".ipc"]


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
            "image": as_tensor_column(rng.integers(0, 256, (n, 3, 2)).astype(np.uint8)),
        }
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read_again_whole_and_in_batches(tmp_path, suffix):
    """Also the second part, which has its columns in another order."""
    path, rows = tmp_path / f"t{suffix}", table()
    with writers([path]) as [writer]:
        writer.write(rows.slice(0, 150))
        writer.write(rows.slice(150).select(rows.column_names[::-1]))
    source = open_source(path)
    assert source.names == rows.column_names
    assert source.n_rows == 200
    assert source.schema == rows.schema
    read = source.read()
    assert read.equals(rows)
    for size in (1, 64, 200, 1000):
        batches = list(source.batches(size))
        assert {len(b) for b in batches[:-1]} <= {size}
        assert len(batches) == -(-200 // size)
        assert pa.concat_tables(batches).equals(read)


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_types_are_kept(tmp_path, suffix):
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
            "m": pa.array([None, "1.10"], pa.string()).cast(pa.decimal128(20, 2)),
            "s": pa.array(["a", None], pa.large_string()),
            "v": pa.array(["a", None], pa.string_view()),
            "l": pa.array([[1], None]),
            "r": pa.array([{"a": 1}, None]),
            "b": as_tensor_column(np.array([[True, False], [False, False]])),
        }
    )
    write_table(rows, tmp_path / f"t{suffix}")
    read = open_source(tmp_path / f"t{suffix}").read()
    assert read.equals(rows)
    assert read.schema == rows.schema
    assert read["c"].chunk(0).dictionary.to_pylist() == ["lo", "hi", "none of it"]


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_fixed_size_lists_of_numbers_are_arrays(tmp_path, suffix):
    """Read as tensors, so that (N, 3) comes back as an array; rewritten as the lists that they were."""
    lists = pa.array([[1.0, 2.0, 3.0], [4.0, None, 6.0]], pa.list_(pa.float32(), 3))
    write_table(
        pa.table({"v": lists, "w": pa.array([["a"], ["b"]], pa.list_(pa.string(), 1))}), tmp_path / f"t{suffix}"
    )
    source = open_source(tmp_path / f"t{suffix}")
    np.testing.assert_array_equal(as_array(source.read()["v"]), np.float32([[1, 2, 3], [4, np.nan, 6]]))
    np.testing.assert_array_equal(as_array(source.read_group(source.row_groups()[0])["v"])[0], [1, 2, 3])
    assert source.schema.field("w").type == pa.list_(pa.string(), 1)
    convert(source.path, tmp_path / "u.parquet")
    assert pq.read_schema(tmp_path / "u.parquet").field("v").type == lists.type
    assert pq.read_table(tmp_path / "u.parquet")["v"].to_pylist() == lists.to_pylist()


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_frames_of_other_libraries_with_categories(tmp_path, suffix):
    frame = pl.DataFrame(
        {"s": ["a,", None], "c": pl.Series(["x", "y"], dtype=pl.Enum(["z", "y", "x"])), "d": [1.5, None]}
    )
    write_table(frame.to_arrow(), tmp_path / f"t{suffix}")
    assert open_source(tmp_path / f"t{suffix}").read().to_pydict() == frame.to_dict(as_series=False)


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_later_tables_may_have_new_categories(tmp_path, suffix):
    parts = [["b", "a", None], ["c", "a"], ["a", "d", "b"]]
    with writers([tmp_path / f"t{suffix}"]) as [writer]:
        for part in parts:
            writer.write(pa.Table.from_pandas(pd.DataFrame({"c": pd.Categorical(part)}), preserve_index=False))
    source, cells = open_source(tmp_path / f"t{suffix}"), [cell for part in parts for cell in part]
    assert source.read()["c"].to_pylist() == cells
    assert [v for b in source.batches(3) for v in b["c"].to_pylist()] == cells
    assert [source.read_group(g)["c"].to_pylist() for g in source.row_groups()] == parts


def test_more_categories_than_codes_are_told(tmp_path):
    kind = pa.dictionary(pa.int8(), pa.string())
    parts = [pa.table({"c": pa.array([str(i) for i in range(n, n + 100)]).cast(kind)}) for n in (0, 100)]
    words = r"200 categories, and codes of type int8.*likes="
    with pytest.raises(DataError, match=words), writers([tmp_path / "t.parquet"]) as [writer]:  # noqa: PT012
        for part in parts:
            writer.write(part)


class TestGroups:
    @pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
    def test_they_are_parts_in_any_order(self, tmp_path, suffix):
        path, rows = tmp_path / f"t{suffix}", table()
        with writers([path]) as [writer]:
            for start in range(0, 200, 64):
                writer.write(rows.slice(start, 64))
        source = open_source(path)
        groups = source.row_groups()
        assert [(g.file, g.index, g.n_rows) for g in groups] == [(path, i, n) for i, n in enumerate((64, 64, 64, 8))]
        parts = [source.read_group(g) for g in reversed(groups)]
        assert pa.concat_tables(reversed(parts)).equals(source.read())

    def test_no_piece_is_larger_than_a_batch(self, tmp_path):
        """Constant memory, whatever the length of a row group: 200,000 rows in one."""
        rows = pa.table({"x": np.arange(200_000)})
        pq.write_table(rows, tmp_path / "t.parquet", row_group_size=200_000)
        source = open_source(tmp_path / "t.parquet")
        batches = list(source.batches(1000))
        assert [len(b) for b in batches] == [1000] * 200
        assert pa.concat_tables(batches).equals(rows)
        assert max(len(piece) for piece in source.tables()) <= 65_536
        with pytest.raises(ConfigError, match="1 row or more"):
            source.batches(0)

    def test_a_stream_does_not_take_a_whole_row_group_into_memory(self, tmp_path):
        """A row group of 48 MB, of which a batch of 65,536 rows has 3 MB."""
        rng = np.random.default_rng(0)
        pq.write_table(pa.table({str(i): rng.random(10**6) for i in range(6)}), tmp_path / "t.parquet")
        before, most = pa.total_allocated_bytes(), 0
        for _ in open_source(tmp_path / "t.parquet").batches():
            most = max(most, pa.total_allocated_bytes() - before)
        assert most < 24 * 10**6

    def test_rows_of_many_bytes_make_small_batches(self, tmp_path, monkeypatch):
        """64 KiB at most instead of 64 MiB: 2 KiB a row, 100 rows."""
        monkeypatch.setattr("velbo.formats.base.BYTES_PER_BATCH", 2**16)
        wide = pa.table({"x": as_tensor_column(np.zeros((100, 16, 16)))})
        for suffix in (".parquet", ".arrow"):
            write_table(wide, tmp_path / f"t{suffix}")
            source = open_source(tmp_path / f"t{suffix}")
            assert [g.n_rows for g in source.row_groups()] == [32, 32, 32, 4]
            assert [len(b) for b in source.batches()] == [32, 32, 32, 4]


class TestIndexOfPandas:
    def frame(self) -> pd.DataFrame:
        return pd.DataFrame({"a": [1.5, 2.5, 3.5], "b": ["x", "y", None]}, index=[7, 3, 5])

    @pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
    @pytest.mark.parametrize("name", [None, "id"])
    def test_it_is_no_column_but_comes_back(self, tmp_path, suffix, name):
        path, frame = tmp_path / f"t{suffix}", self.frame().rename_axis(name)
        write_table(pa.Table.from_pandas(frame), path)
        source, stored = open_source(path), name or "__index_level_0__"
        assert source.names == source.read().column_names == ["a", "b"]
        assert [(n.text, n.option) for n in source.notes()] == [
            (f"'{stored}' is the index of a pandas frame, and no field.", f"{path}:+{stored}")
        ]
        again = tmp_path / "again.parquet"
        convert(path, again)
        pd.testing.assert_frame_equal(pd.read_parquet(again), frame)
        asked = open_source(f"{path}:+{stored}")
        assert asked.read()[stored].to_pylist() == [7, 3, 5]
        assert not asked.notes()

    def test_a_range_is_not_stored_and_comes_back(self, tmp_path):
        frame = self.frame().reset_index(drop=True)
        frame.to_parquet(tmp_path / "t.parquet")
        source = open_source(tmp_path / "t.parquet")
        assert source.names == ["a", "b"]
        assert source.notes() == []
        convert(source.path, tmp_path / "u.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "u.parquet"), frame)

    def test_several_levels_and_metadata_of_others(self, tmp_path):
        frame = self.frame().set_index(["b"], append=True)
        frame.to_parquet(tmp_path / "t.parquet")
        assert open_source(tmp_path / "t.parquet").names == ["a"]
        for junk in (b"no json", b"[]", b'{"index_columns": "a"}', b'{"index_columns": [5, null]}'):
            other = pa.table({"a": [1]}).replace_schema_metadata({"pandas": junk})
            pq.write_table(other, tmp_path / "other.parquet")
            assert open_source(tmp_path / "other.parquet").names == ["a"]


class TestDamage:
    def test_files_that_are_none(self, tmp_path):
        for bad in ("bad.parquet", "bad.feather"):
            (tmp_path / bad).write_bytes(b"PAR1 nothing")
            with pytest.raises(DataError, match=rf"{bad}: cannot be read"):
                open_source(tmp_path / bad)
        pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), tmp_path / "two.parquet")
        with pytest.raises(DataError, match="two columns are called 'a'"):
            open_source(tmp_path / "two.parquet")
        pq.write_table(pa.table({}), tmp_path / "none.parquet")
        with pytest.raises(DataError, match=r"none\.parquet: the table has no columns"):
            open_source(tmp_path / "none.parquet")

    def test_older_and_streamed_files_of_arrow_are_told_with_advice(self, tmp_path):
        rows = pa.table({"x": [1]})
        with pa.ipc.new_stream(tmp_path / "s.arrow", rows.schema) as stream:
            stream.write_table(rows)
        with pytest.raises(DataError, match=r"s\.arrow: holds a stream of Arrow.*new_file"):
            open_source(tmp_path / "s.arrow")
        (tmp_path / "old.feather").write_bytes(b"FEA1 and more")
        with pytest.raises(DataError, match=r"old\.feather: is Feather of version 1; .*write_feather"):
            open_source(tmp_path / "old.feather")

    def test_compressed_feather_is_read(self, tmp_path):
        feather.write_feather(table(), tmp_path / "t.feather", compression="zstd")
        assert open_source(tmp_path / "t.feather").read().equals(table())

    def test_damage_inside_a_file_is_told(self, tmp_path):
        path = tmp_path / "t.parquet"
        pq.write_table(pa.table({"x": np.arange(1000)}), path, compression="none", use_dictionary=False)
        whole = path.read_bytes()
        path.write_bytes(whole[:4] + b"\xff" * 60 + whole[64:])
        source = open_source(path)
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
            open_source(tmp_path / "t.feather").read()

    @pytest.mark.parametrize("suffix", [".parquet", ".feather"])
    def test_no_rows_are_a_table_whose_columns_are_known(self, tmp_path, suffix):
        empty = table(0)
        write_table(empty, tmp_path / f"t{suffix}")
        source = open_source(tmp_path / f"t{suffix}")
        assert source.read().equals(empty)
        assert list(source.batches()) == []
        assert source.n_rows == 0
        assert convert(source.path, tmp_path / "u.parquet") == 0
        assert open_source(tmp_path / "u.parquet").read().equals(empty)


def test_columns_with_points_in_their_names_are_told_apart(tmp_path):
    """Arrow takes a.b for a part of a, and would read both."""
    rows = pa.table({"a": [1], "a.b": [2], "c": [{"b": 3}]})
    for suffix in (".parquet", ".arrow"):
        write_table(rows, tmp_path / f"t{suffix}")
        for names in (["a"], ["a.b"], ["c", "a"]):
            source = open_source(f"{tmp_path}/t{suffix}:{'+'.join(names)}")
            assert source.read().equals(rows.select(names))
            assert source.read_group(source.row_groups()[0]).equals(rows.select(names))


def test_twenty_thousand_columns_take_seconds(tmp_path):
    """Whatever is done for each column must not look at all others; quadratic in columns this takes minutes."""
    rows = pa.table({f"gene {i}": np.arange(60.0) + i for i in range(20_000)})
    write_table(rows, tmp_path / "t.arrow")
    start = time.process_time()
    source = open_source(tmp_path / "t.arrow")
    assert source.schema == rows.schema
    assert sum(len(b) for b in source.batches()) == 60
    assert convert(source, tmp_path / "u.parquet") == 60
    assert len(open_source(tmp_path / "u.parquet").fingerprint()) == 16
    assert time.process_time() - start < 30


def test_arrays_of_two_sizes_are_no_column(tmp_path: Path):
    for i, shape in enumerate([(2, 2), (3, 2)]):
        write_table(pa.table({"x": as_tensor_column(np.zeros((1, *shape)))}), tmp_path / "p" / f"{i}.parquet")
    with pytest.raises(DataError, match=r"1\.parquet: column 'x' is of type arrays 3 x 2 of double, and arrays 2 x 2"):
        open_source(tmp_path / "p").read()
