"""Folders as one table, keys of folders, fingerprints, names that users give."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from velbo.errors import ConfigError, DataError
from velbo.formats import BUILTIN, Reading, Source, as_array, as_tensor_column, open_source, write_table

TYPED = [".parquet", ".feather", ".npz", ".jsonl"]


class TestFolders:
    def test_one_table_in_the_order_of_names(self, tmp_path):
        folder = tmp_path / "parts"
        for i in (2, 0, 1):
            write_table(pa.table({"x": [i * 10, i * 10 + 1]}), folder / f"part-{i}.parquet")
        for name in (
            "_SUCCESS",
            ".part-9.parquet",
            "notes.txt",
            "_temporary/part-7.parquet",
            "__MACOSX/part-8.parquet",
        ):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
        source = open_source(folder)
        assert source.read()["x"].to_pylist() == [0, 1, 10, 11, 20, 21]
        assert source.n_rows == 6
        assert [len(b) for b in source.batches(4)] == [4, 2]
        assert [g.n_rows for g in source.row_groups()] == [2, 2, 2]
        assert [source.read_group(g)["x"][0].as_py() for g in source.row_groups()] == [0, 10, 20]

    def test_files_that_do_not_fit_together_are_named(self, tmp_path):
        write_table(pa.table({"x": [1]}), tmp_path / "part-0.parquet")
        write_table(pa.table({"y": [1]}), tmp_path / "part-3.parquet")
        with pytest.raises(DataError, match=r"column 'x' is in part-0\.parquet and not in part-3\.parquet"):
            open_source(tmp_path)
        write_table(pa.table({"x": ["word"]}), tmp_path / "part-3.parquet")
        with pytest.raises(DataError, match=r"part-3\.parquet: column 'x' is of type string, and int64 .*part-0"):
            open_source(tmp_path).read()
        (tmp_path / "part-3.parquet").unlink()
        write_table(pa.table({"x": [1]}), tmp_path / "part-3.feather")
        with pytest.raises(DataError, match=r"part-0\.parquet and part-3\.feather are of two formats"):
            open_source(tmp_path)

    def test_a_type_that_holds_all_files(self, tmp_path):
        for i, column in enumerate([pa.array([1], pa.int32()), pa.array([2.5]), pa.nulls(1)]):
            write_table(pa.table({"x": column}), tmp_path / "p" / f"{i}.parquet")
        source = open_source(tmp_path / "p")
        assert source.read()["x"].to_pylist() == [1.0, 2.5, None]
        assert {source.read_group(g).schema.field("x").type for g in source.row_groups()} == {pa.float64()}
        write_table(pa.table({"x": pa.array([2**60 + 1])}), tmp_path / "p" / "3.parquet")
        with pytest.raises(DataError, match=r"3\.parquet: column 'x' has a value that double.* does not hold"):
            open_source(tmp_path / "p").read()

    @pytest.mark.parametrize("suffix", TYPED)
    def test_folders_called_key_and_value_are_columns(self, tmp_path, suffix):
        root = tmp_path / "t"
        folders = ["year=2020/place=a b", "year=2021/place=c%20d", "year=2021/place=__HIVE_DEFAULT_PARTITION__"]
        for i, folder in enumerate(folders):
            write_table(pa.table({"x": [i, i]}), root / folder / f"1{suffix}")
        source = open_source(root)
        assert source.names == ["x", "year", "place"]
        assert source.read().sort_by("x").to_pydict() == {
            "x": [0, 0, 1, 1, 2, 2],
            "year": [2020, 2020, 2021, 2021, 2021, 2021],
            "place": ["a b", "a b", "c d", "c d", None, None],
        }
        if suffix != ".jsonl":
            assert pa.concat_tables([source.read_group(g) for g in source.row_groups()]).equals(source.read())
        assert open_source(f"{root}:year+x").read().column_names == ["year", "x"]
        write_table(pa.table({"x": [3]}), root / f"4{suffix}")
        with pytest.raises(DataError, match="give the keys"):
            open_source(root)

    def test_keys_keep_their_zeros_and_days_are_days(self, tmp_path):
        for zip_code, day in (("00501", "2020-01-01"), ("10001", "2020-02-03")):
            write_table(pa.table({"x": [1]}), tmp_path / f"zip={zip_code}" / f"day={day}" / "1.parquet")
        schema = open_source(tmp_path).schema
        assert [str(kind) for kind in schema.types] == ["int64", "string", "date32[day]"]

    def test_links_to_folders_are_followed_once(self, tmp_path):
        write_table(pa.table({"x": [1]}), tmp_path / "data" / "a" / "1.parquet")
        (tmp_path / "data" / "b").symlink_to(tmp_path / "data" / "a")
        (tmp_path / "data" / "a" / "loop").symlink_to(tmp_path / "data")
        assert open_source(tmp_path / "data").n_rows == 1

    def test_a_format_that_the_suffix_does_not_tell(self, tmp_path):
        write_table(pa.table({"x": [1, 2]}), tmp_path / "t.parquet")
        (tmp_path / "t.parquet").rename(tmp_path / "t.data")
        for name in (tmp_path / "t.data", tmp_path):
            with pytest.raises(DataError, match=r"\.parquet, .*\.npz"):
                open_source(name)
            assert open_source(name, Reading(format="parquet")).read()["x"].to_pylist() == [1, 2]
        assert open_source(f"{tmp_path}/t.data:x", Reading(format="parquet")).names == ["x"]
        with pytest.raises(ConfigError, match=r"unknown format 'parqet'\. Did you mean 'parquet'"):
            open_source(tmp_path / "t.data", Reading(format="parqet"))


class TestNames:
    @pytest.fixture
    def here(self, tmp_path, monkeypatch) -> Path:
        monkeypatch.chdir(tmp_path)
        np.savez("two.npz", x=np.arange(6.0).reshape(2, 3), y=np.array([4, 5]), **{"a+b": np.array([1.5, 2.5])})
        write_table(pa.table({"a": [1, 2], "b": [3, 4], "a+b": [5, 6], "c:d": [7, 8]}), "t.PARQUET")
        return tmp_path

    @pytest.mark.parametrize(
        ("name", "columns"),
        [
            ("two.npz", ["x", "y", "a+b"]),
            ("two.npz:x", ["x"]),
            ("two.npz:x+y", ["x", "y"]),
            ("two.npz:y+a+b", ["y", "a+b"]),
            ("two.npz:a+b+y", ["a+b", "y"]),
            ("t.PARQUET:b+a", ["b", "a"]),
            ("t.PARQUET:a+b", ["a+b"]),
            ("t.PARQUET:c:d+a", ["c:d", "a"]),
            ("t.PARQUET:+a", ["a", "b", "a+b", "c:d"]),
            ("./t.PARQUET:b", ["b"]),
            ("digits", ["image"]),
            ("digits:image+label", ["image", "label"]),
            ("digits:+label", ["image", "label"]),
            ("digits:label", ["label"]),
            ("wine:alcohol+target", ["alcohol", "target"]),
        ],
    )
    def test_columns_after_a_colon(self, here, name, columns):
        source = open_source(name)
        assert source.names == source.schema.names == source.read().column_names == columns
        assert source.name == name

    def test_ten_thousand_columns_can_be_named(self, here):
        """Longer than a path may be, and in time that grows with their number."""
        names = [f"gene {i}" for i in range(10_000)]
        write_table(pa.table({name: [1.0] for name in names}), "wide.arrow")
        assert open_source("wide.arrow:" + "+".join(names[::-1])).names == names[::-1]
        with pytest.raises(DataError, match="no file or folder nothing"):
            open_source("nothing" * 10_000)

    def test_values_of_the_columns_asked_for(self, here):
        assert open_source("two.npz:y").read()["y"].to_pylist() == [4, 5]
        assert open_source("t.PARQUET:b+a").read().to_pydict() == {"b": [3, 4], "a": [1, 2]}
        assert open_source("t.PARQUET").select("c:d").read().to_pydict() == {"c:d": [7, 8]}
        assert open_source("t.PARQUET:a").select(["a+b", "b"]).names == ["a+b", "b"]
        with pytest.raises(DataError, match=r"no column 'b\+a'"):
            open_source("t.PARQUET").select(["b+a"])

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("t.PARQUET:aa", r"t\.PARQUET:aa: there is no column 'aa'\. Did you mean 'a'\? There are: a, b, a\+b, c:d"),
            ("two.npz:x+z", r"no column 'z'\..* There are: x, y, a\+b"),
            ("digits:lable", "no column 'lable'. Did you mean 'label'"),
            ("none.npz:x", r"there is no file or folder none\.npz$"),
            ("none.csv", r"no file or folder none\.csv"),
            ("nosuch/thing", "no file or folder nosuch/thing"),
            ("digit", "no file or folder digit, and unknown built-in data set 'digit'. Did you mean 'digits'"),
            (r"C:\data\x.npz", r"no file or folder C:\\data\\x\.npz"),
            ("t.json", r"no file or folder t\.json"),
        ],
    )
    def test_what_there_is_not(self, here, name, words):
        with pytest.raises(DataError, match=words):
            open_source(name)

    def test_a_file_whose_name_has_a_colon_is_that_file(self, here):
        write_table(pa.table({"q": [1]}), "t.parquet")
        Path("t.parquet").rename("two.npz:x")
        assert open_source("two.npz:x", Reading(format="parquet")).names == ["q"]

    def test_suffixes_that_are_not_known_are_told_with_all_that_are(self, here):
        Path("x.json").write_text("{}")
        Path("nothing").touch()
        for name in ("x.json", "nothing"):
            with pytest.raises(DataError) as error:
                open_source(name)
            for word in (".parquet", ".feather", ".npy", ".npz", ".jsonl", ".xlsx", "images", "--format parquet"):
                assert word in str(error.value)

    def test_an_empty_file_and_an_empty_folder(self, here):
        Path("empty.npy").touch()
        with pytest.raises(DataError, match=r"empty\.npy: the file is empty"):
            open_source("empty.npy")
        Path("folder", "dir.parquet").mkdir(parents=True)
        Path("folder", ".hidden.parquet").touch()
        with pytest.raises(DataError, match="folder: no table in this folder, and no images"):
            open_source("folder")

    def test_a_folder_of_the_name_of_a_built_in_set_is_said(self, here):
        write_table(pa.table({"x": [1]}), "digits/1.parquet")
        builtin = open_source("digits")
        assert builtin.names == ["image"]
        assert [(note.text, note.option) for note in builtin.notes()] == [
            ("'digits' is the built-in data set, and not the folder or file of that name.", "./digits")
        ]
        assert open_source("./digits").names == ["x"]
        assert open_source(Path("digits")).names == ["x"]

    def test_labels_are_for_images(self, here):
        with pytest.raises(ConfigError, match=r"--labels is for folders of images, and t\.PARQUET is none"):
            open_source("t.PARQUET", Reading(labels="table"))


class TestBuiltIn:
    @pytest.mark.parametrize("name", BUILTIN)
    def test_they_are_those_of_scikit_learn(self, name):
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")()
        source = open_source(f"{name}:+{'label' if name == 'digits' else 'target'}")
        rows = source.read()
        assert source.n_rows == len(rows) == len(bunch.data)
        if name == "digits":
            image = as_array(rows["image"])
            assert image.dtype == np.int64
            np.testing.assert_array_equal(image, bunch.images)
            np.testing.assert_array_equal(rows["label"], bunch.target)
        else:
            assert rows.column_names == [*bunch.feature_names, "target"]
            np.testing.assert_array_equal(np.stack(rows.columns[:-1], 1), bunch.data)
            assert rows["target"].to_pylist() == bunch.target_names[bunch.target].tolist()
        (group,) = source.row_groups()
        assert source.read_group(group).equals(rows)


class TestFingerprints:
    def test_they_tell_tables_apart(self, tmp_path):
        """A value, a name of a file, other columns: anything that changes rows or their order changes it; the same
        table has the same, wherever it lies.
        """
        rows, seen = pa.table({"x": np.arange(50.0), "k": [1] * 50}), []
        other = rows.set_column(1, "k", [[2] * 50])
        for suffix in TYPED:
            write_table(rows, tmp_path / "a" / f"t{suffix}")
            write_table(rows, tmp_path / "b" / f"u{suffix}")
            first = open_source(tmp_path / "a" / f"t{suffix}").fingerprint()
            assert open_source(tmp_path / "b" / f"u{suffix}").fingerprint() == first
            write_table(other, tmp_path / "a" / f"t{suffix}")
            seen += [first, open_source(tmp_path / "a" / f"t{suffix}").fingerprint()]
            seen.append(open_source(f"{tmp_path}/a/t{suffix}:k").fingerprint())
        write_table(rows, tmp_path / "parts" / "1.parquet")
        write_table(rows, tmp_path / "parts" / "2.parquet")
        seen.append(open_source(tmp_path / "parts").fingerprint())
        (tmp_path / "parts" / "2.parquet").rename(tmp_path / "parts" / "0.parquet")
        seen.append(open_source(tmp_path / "parts").fingerprint())
        seen += [open_source(name).fingerprint() for name in ("digits", "digits:label", "iris", "wine")]
        assert len(set(seen)) == len(seen) == 4 * 3 + 2 + 4


class TestReadings:
    @pytest.mark.parametrize("suffix", TYPED)
    def test_a_source_says_how_it_was_read(self, tmp_path, suffix):
        write_table(pa.table({"x": [1.5]}), tmp_path / f"t{suffix}")
        reading = open_source(tmp_path / f"t{suffix}").reading()
        (tmp_path / f"t{suffix}").rename(tmp_path / "t.other")
        again = open_source(tmp_path / "t.other", reading)
        assert again.read()["x"].to_pylist() == [1.5]
        assert again.reading() == reading

    def test_a_note_of_several_files_is_said_once(self, tmp_path):
        for i in range(3):
            pq.write_table(
                pa.Table.from_pandas(pa.table({"x": [i]}).to_pandas().set_index([[7]])), tmp_path / f"{i}.parquet"
            )
        source = open_source(tmp_path)
        assert len(source.notes()) == 1
        assert source.names == ["x"]
        assert isinstance(source, Source)


def test_images_of_several_files_are_one_array(tmp_path):
    pictures = np.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    for i, some in enumerate(pictures):
        write_table(pa.table({"image": as_tensor_column(some)}), tmp_path / f"{i}.npy")
    np.testing.assert_array_equal(as_array(open_source(tmp_path).read()["x"]), pictures.reshape(6, 4, 4))


def test_a_system_is_no_data_set_and_a_pipe_no_table(tmp_path, monkeypatch):
    """Neither by its name nor by a link among data; a pipe would be waited for without end."""
    for name in ("/", "/proc", "/etc"):
        with pytest.raises(DataError, match="is no folder of data, but a system's own"):
            open_source(name)
    write_table(pa.table({"x": [1, 2]}), tmp_path / "data" / "a.parquet")
    (tmp_path / "data" / "all").symlink_to("/")
    with pytest.raises(DataError, match=r"leads to /, a system's own folder; remove the link"):
        open_source(tmp_path / "data")
    (tmp_path / "data" / "all").unlink()
    monkeypatch.setattr("velbo.formats.folder.MAX_FILES", 0)
    (tmp_path / "data" / "more").mkdir()
    with pytest.raises(DataError, match="holds more than 0 files"):
        open_source(tmp_path / "data")
    os.mkfifo(tmp_path / "x.csv")
    (tmp_path / "z.csv").symlink_to("/dev/zero")
    for name in ("x.csv", "z.csv"):
        with pytest.raises(DataError, match="is a pipe or a device"):
            open_source(tmp_path / name)


def test_numbers_of_thousands_of_digits(tmp_path):
    """Python refuses to make a number of them; as text they are read, character by character."""
    long = "9" * 5000
    (tmp_path / "x.csv").write_text("a,b\n" + f"{long},1\n" * 9)
    assert set(open_source(tmp_path / "x.csv").read()["a"].to_pylist()) == {long}
    (tmp_path / "y.csv").write_text(f"{long},{long}1\n1,2\n3,4\n")
    open_source(tmp_path / "y.csv").read()
    (tmp_path / "z.csv").write_text("²,³\n1.5,2.5\n3,4\n")
    assert open_source(tmp_path / "z.csv").names == ["²", "³"]
