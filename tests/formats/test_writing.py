"""Files are whole or absent; tables that do not fit are refused by name."""

from __future__ import annotations

import importlib.util
import os

import pandas as pd
import pyarrow as pa
import pytest

from velbo.errors import DataError, RunError
from velbo.formats import FORMATS, open_source, readable, writable, write_table, writers

EXCEL = pytest.param(".xlsx", marks=pytest.mark.skipif(not importlib.util.find_spec("openpyxl"), reason="an extra"))
SUFFIXES = [".parquet", ".feather", ".arrow", ".jsonl", ".npz", ".npy", EXCEL]
ONE = pa.table({"x": [1]})


def columns(source) -> dict:
    rows = source.read()
    return {name: rows[name].to_pylist() for name in rows.column_names}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_is_whole_or_absent(tmp_path, suffix):
    """Until the end nothing but a hidden file changes, which is what a killed process leaves; on an error that goes
    too.
    """
    path = tmp_path / f"t{suffix}"
    write_table(ONE, path)
    before = path.read_bytes()
    with pytest.raises(KeyError), writers([path]) as [writer]:  # noqa: PT012
        writer.write(pa.table({"x": [2]}))
        assert path.read_bytes() == before
        assert open_source(tmp_path).n_rows in (1, None)
        raise KeyError
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(KeyError), writers([tmp_path / f"new{suffix}"]):
        raise KeyError
    with pytest.raises(DataError, match="no rows to write"), writers([tmp_path / f"new{suffix}"]):
        pass
    assert list(tmp_path.iterdir()) == [path]
    (tmp_path / "file").touch()
    with pytest.raises(RunError), writers([tmp_path / "file" / f"t{suffix}"]) as [writer]:
        writer.write(ONE)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tables_of_other_columns_are_refused(tmp_path, suffix):
    for second, words in (({"y": [2]}, "lacks the column 'x'"), ({"x": [2], "y": [2]}, "has the column 'y'")):
        with pytest.raises(DataError, match=words), writers([tmp_path / f"t{suffix}"]) as [writer]:  # noqa: PT012
            writer.write(pa.table({"x": [2]}))
            writer.write(pa.table(second))
    for bad in (pa.Table.from_arrays([pa.array([1])] * 2, ["a", "a"]), pa.table({})):
        with pytest.raises(DataError, match="columns, each of a name of its own"):
            write_table(bad, tmp_path / f"t{suffix}")
    assert not list(tmp_path.iterdir())


def test_suffixes_that_nobody_writes(tmp_path):
    for name in ("t.json", "t", "t.png"):
        with pytest.raises(DataError, match=rf"cannot write .*{name}': name a .*\.parquet.*\.npz.* file"):
            write_table(ONE, tmp_path / name)


def test_a_name_that_is_no_text_is_refused(tmp_path):
    """Arrow takes names of UTF-8 alone, to write and to read."""
    path = tmp_path / (os.fsdecode(b"\xff\xfe") + ".csv")
    with pytest.raises(DataError, match=r"no UTF-8; give the file another name"):
        write_table(ONE, path)
    path.write_text("x\n1\n")
    with pytest.raises(DataError, match=r"no UTF-8; give the file another name"):
        open_source(path)


def test_types_that_do_not_fit_those_of_the_first_table(tmp_path):
    """A schema beforehand makes them fit."""
    tables = [pa.table({"x": [1]}), pa.table({"x": [2.5]})]
    for suffix in (".feather", ".parquet", ".npz"):
        with writers([tmp_path / f"t{suffix}"], [pa.schema([("x", pa.float64())])]) as [writer]:
            for table in tables:
                writer.write(table)
        assert columns(open_source(tmp_path / f"t{suffix}")) == {"x": [1.0, 2.5]}
    words = r"column 'x' is double here and int64 in the file.*likes="
    with pytest.raises(DataError, match=words), writers([tmp_path / "u.parquet"]) as [writer]:  # noqa: PT012
        for table in tables:
            writer.write(table)
    with pytest.raises(DataError, match=r"u\.npz: cannot hold"), writers([tmp_path / "u.npz"]) as [writer]:  # noqa: PT012
        for table in tables:
            writer.write(table)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_like_alone_makes_a_file_of_no_rows(tmp_path, suffix):
    with writers([tmp_path / f"t{suffix}"], [ONE.schema]):
        pass
    if suffix != ".jsonl":  # which has no place for names
        assert len(open_source(tmp_path / f"t{suffix}").read()) == 0


def test_ordered_categories_must_agree(tmp_path):
    orders = [pd.Categorical(["a"], order, ordered=True) for order in (["a", "b"], ["b", "a"])]
    tables = [pa.Table.from_pandas(pd.DataFrame({"c": order}), preserve_index=False) for order in orders]
    with pytest.raises(DataError, match="other ordered categories"), writers([tmp_path / "t.parquet"]) as [writer]:  # noqa: PT012
        for table in tables:
            writer.write(table)
    assert not list(tmp_path.iterdir())


def test_a_type_that_parquet_lacks_names_it(tmp_path):
    months = pa.table({"x": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})
    with pytest.raises(DataError, match=r"t\.parquet: cannot hold this table: .*month_day_nano"):
        write_table(months, tmp_path / "t.parquet")
    assert not list(tmp_path.iterdir())
    write_table(months, tmp_path / "t.arrow")


def test_every_suffix_is_that_of_one_format():
    suffixes = [suffix for kind in FORMATS for suffix in kind.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)
    assert set(readable()) >= {".parquet", ".feather", ".arrow", ".ipc", ".npy", ".npz", ".jsonl", ".ndjson", ".xlsx"}
    assert set(readable()) - set(writable()) == {".h5ad"}
    assert set(writable()) <= set(readable())
