"""NumPy's files: the array that NumPy itself reads, in rows at a time; nothing is unpickled."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from velbo.errors import DataError
from velbo.formats import as_array, as_tensor_column, convert, open_source, write_table

RNG = np.random.default_rng(0)
ARRAYS = {
    "floats": RNG.normal(size=(40, 3)),
    "single": RNG.normal(size=(40, 3)).astype(np.float32),
    "half": RNG.normal(size=(40, 3)).astype(np.float16),
    "bytes": RNG.integers(0, 256, (40, 4, 5, 3)).astype(np.uint8),
    "unsigned": np.full((40, 2), 2**64 - 1, np.uint64),
    "bits": RNG.random((40, 3)) < 0.5,
    "foreign": RNG.integers(-9, 9, (40, 3)).astype(">i4"),
    "fortran": np.asfortranarray(RNG.normal(size=(40, 3, 2, 2))),
    "nan": np.where(RNG.random((40, 3)) < 0.5, np.nan, 1.0),
    "one column": RNG.normal(size=(40, 1)),
    "empty": np.zeros((0, 7), np.float32),
}


def save(path: Path, array: np.ndarray, archive: str) -> str:
    """The array in one of three files; the name to open it by."""
    if archive == "npy":
        np.save(path.with_suffix(".npy"), array)
        return f"{path}.npy"
    save = np.savez_compressed if archive == "packed" else np.savez
    save(path.with_suffix(".npz"), x=array, other=np.zeros(3))
    return f"{path}.npz:x"


@pytest.mark.parametrize("archive", ["npy", "npz", "packed"])
@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_are_read_as_numpy_reads_them(tmp_path, monkeypatch, kind, archive):
    """As a whole and in groups of 7 rows, in any order."""
    array = ARRAYS[kind]
    monkeypatch.setattr("velbo.formats.base.ROWS_PER_BATCH", 7)
    source = open_source(save(tmp_path / "a", array, archive))
    assert source.names == ["x"]
    assert source.n_rows == len(array)
    read = as_array(source.read()["x"])
    assert read.dtype == (np.float32 if kind == "half" else array.dtype.newbyteorder("="))
    assert read.shape == array.shape
    np.testing.assert_array_equal(read, array)
    groups = source.row_groups()
    assert [g.n_rows for g in groups] == [7] * (len(array) // 7) + [len(array) % 7] * (len(array) % 7 > 0)
    parts = [as_array(source.read_group(g)["x"]) for g in reversed(groups)][::-1]
    if parts:
        np.testing.assert_array_equal(np.concatenate(parts), array)
        np.testing.assert_array_equal(as_array(next(source.batches(5))["x"]), array[:5])


def test_an_archive_is_a_column_for_each_array_of_as_many_rows(tmp_path):
    """Labels and days beside images; an array of other rows must be left out by name."""
    days = np.array(["2020-01-05", "NaT"], "M8[D]")
    columns = {
        "image": np.arange(8.0).reshape(2, 2, 2),
        "label": np.array([3, 1], np.uint8),
        "word": np.array(["a", "bcd"]),
        "bytes": np.array([b"x", b"yz"]),
        "day": days,
        "month": days.astype("M8[M]"),
        "hour": days.astype("M8[h]"),
        "time": days.astype("M8[ns]"),
        "for": np.array([90, "NaT"], "m8[m]"),
        "foreign": days.astype(">M8[s]"),
    }
    np.savez(tmp_path / "t.npz", **columns)
    rows = open_source(tmp_path / "t.npz").read()
    assert rows.column_names == list(columns)
    assert [str(kind) for kind in rows.schema.types[1:]] == [
        *("uint8", "string", "string", "date32[day]", "date32[day]"),
        *("timestamp[s]", "timestamp[ns]", "duration[s]", "timestamp[s]"),
    ]
    got = rows.drop_columns(["image", "time"]).to_pydict()
    day, midnight = days[0].astype(object), days.astype("M8[s]")[0].astype(object)
    assert {name: got[name] for name in ("label", "word", "bytes")} == {
        "label": [3, 1],
        "word": ["a", "bcd"],
        "bytes": ["x", "yz"],
    }
    assert got["day"] == [day, None]
    assert got["month"] == [day.replace(day=1), None]
    assert got["hour"] == got["foreign"] == [midnight, None]
    assert rows["time"].cast(pa.int64()).to_pylist() == [1578182400 * 10**9, None]
    assert got["for"][0].total_seconds() == 5400
    np.savez(tmp_path / "u.npz", **columns, test=np.zeros((3, 2)), n=np.array(5))
    with pytest.raises(DataError, match=r"u\.npz:n: is one value and no rows; name the arrays"):
        open_source(tmp_path / "u.npz").read()
    assert open_source(f"{tmp_path}/u.npz:image+label").read().equals(rows.select(["image", "label"]))
    with pytest.raises(
        DataError, match=r"2 arrays of different numbers of rows: image .*, test \(3, 2\).*u\.npz:image or"
    ):
        open_source(f"{tmp_path}/u.npz:image+test").read()
    np.savez(tmp_path / "positions.npz", np.zeros((2, 3)), np.ones(2))
    assert open_source(tmp_path / "positions.npz").names == ["arr_0", "arr_1"]


def test_records_are_a_column_for_each_field(tmp_path):
    records = np.zeros(3, [("name", "U4"), ("pixels", "u1", (2, 2)), ("größe", ">f8")])
    records["name"], records["pixels"], records["größe"] = (
        ["a", "b", "c"],
        np.arange(12).reshape(3, 2, 2),
        [1, 2.5, np.nan],
    )
    np.save(tmp_path / "r.npy", records)
    rows = open_source(tmp_path / "r.npy").read()
    assert rows.column_names == ["name", "pixels", "größe"]
    assert rows["name"].to_pylist() == ["a", "b", "c"]
    np.testing.assert_array_equal(as_array(rows["pixels"]), records["pixels"])
    np.testing.assert_array_equal(as_array(rows["größe"]), records["größe"])
    np.save(tmp_path / "s.npy", records.reshape(3, 1))
    with pytest.raises(DataError, match=r"records are rows of one axis, not of shape \(3, 1\); save array.ravel\(\)"):
        open_source(tmp_path / "s.npy")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([[1, None]], object), r"Python objects, which are pickled.*astype\(float\)"),
        (np.zeros((2, 2), complex), r"Complex data not supported.*np\.stack\(\[x\.real"),
        (np.zeros((2, 2), "M8[D]"), "holds datetime64.* in 2 axes.*a column for each array"),
        (np.array([["a"]]), "holds <U1 in 2 axes"),
        (np.zeros((2, 2), np.longdouble), r"float128.*x\.astype\('float64'\)"),
        (np.zeros((2, 2), "V4"), "cells of type .* are no numbers"),
        (np.zeros((2, 0)), r"it has no columns \(shape \(2, 0\)\)"),
        (np.array(3.0), "is one value and no rows"),
    ],
)
def test_what_is_no_rows_of_numbers_is_refused_with_advice(tmp_path, array, words):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=rf"x\.npy: .*{words}"):
        open_source(tmp_path / "x.npy").read()


def test_an_archive_of_bytes_and_odd_dates(tmp_path):
    np.savez(tmp_path / "x.npz", b=np.array([b"\xff"]), t=np.array([1], "M8[ps]"))
    with pytest.raises(DataError, match=r"x\.npz:b: holds bytes that are no text in UTF-8"):
        open_source(f"{tmp_path}/x.npz:b").read()
    with pytest.raises(DataError, match=r"x\.npz:t: holds datetime64\[ps\].*x\.astype\('M8\[ns\]'\)"):
        open_source(f"{tmp_path}/x.npz:t").read()


def test_damaged_files_are_told(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((10, 10)))
    whole = (tmp_path / "x.npy").read_bytes()
    header = whole[10:128]
    for damaged in (
        b"no array at all",
        whole[:7],
        whole[:9],
        whole[:60],
        whole[:10] + b"{" * 118,
        whole.replace(header, b"{'descr': '<f8'}".ljust(118)),
        whole.replace(b"(10, 10)", b"(-1, 10)"),
        whole.replace(b"(10, 10)", b"'10, 10'"),
        whole.replace(b"'<f8'", b"'<q9'"),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + header,
    ):
        (tmp_path / "bad.npy").write_bytes(damaged)
        with pytest.raises(DataError, match=r"bad\.npy: cannot be read"):
            open_source(tmp_path / "bad.npy")
    (tmp_path / "bad.npy").write_bytes(whole[:-100])
    with pytest.raises(DataError, match=r"bad\.npy: is cut short: 700 of 800 bytes"):
        open_source(tmp_path / "bad.npy")
    (tmp_path / "bad.npy").write_bytes(whole)
    source = open_source(tmp_path / "bad.npy")
    (tmp_path / "bad.npy").write_bytes(whole[:-100])
    with pytest.raises(DataError, match=r"bad\.npy: is shorter than it was when it was opened"):
        source.read()


def test_damaged_archives_are_told(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", x=RNG.normal(size=(500, 10)))
    whole = (tmp_path / "x.npz").read_bytes()
    for damaged in (b"PK nothing", whole[: len(whole) // 2]):
        (tmp_path / "bad.npz").write_bytes(damaged)
        with pytest.raises(DataError, match=r"bad\.npz: not a readable \.npz archive"):
            open_source(tmp_path / "bad.npz")
    (tmp_path / "bad.npz").write_bytes(whole[:20000] + b"\xff" * 200 + whole[20200:])
    with pytest.raises(DataError, match=r"bad\.npz: not a readable \.npz archive"):
        open_source(tmp_path / "bad.npz").read()
    with zipfile.ZipFile(tmp_path / "none.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"no array in this archive.*np\.savez"):
        open_source(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ("(4611686018427387904, 4)", "is cut short: 64 of"),
        ("(100000000000, 2)", "is cut short: 64 of"),
        ("(-1, 2)", "its shape is"),
        ("(2, 10**30)", "no NumPy array"),
        ("(" + "1, " * 100 + ")", "its shape is"),
        ("(" + "1, " * 100_000 + ")", "its header has 300056 bytes"),
    ],
)
def test_a_header_is_not_believed(tmp_path, shape, said):
    """What it says of the size is held against the file before a byte is asked for."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    start = b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header
    (tmp_path / "x.npy").write_bytes(start + bytes(64))
    with pytest.raises(DataError, match=said):
        open_source(tmp_path / "x.npy").read()
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", start + bytes(64))
    with pytest.raises(DataError, match=said):
        open_source(tmp_path / "x.npz").read()


def test_a_directory_that_points_out_of_its_archive(tmp_path):
    np.savez(tmp_path / "x.npz", x=RNG.normal(size=(5, 2)))
    whole = bytearray((tmp_path / "x.npz").read_bytes())
    at = whole.find(b"PK\x01\x02") + 42
    whole[at : at + 4] = (2**32 - 2).to_bytes(4, "little")
    (tmp_path / "x.npz").write_bytes(whole)
    with pytest.raises(DataError, match=r"not a readable \.npz archive"):
        open_source(tmp_path / "x.npz").read()


def test_a_bomb_is_refused_before_the_disk_is_full(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((10_000, 100)))
    monkeypatch.setattr("velbo.formats.stored_array.disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 10**6))  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=r"takes 8,000,128 bytes on disk, and 1,000,000 are free.*TMPDIR"):
        open_source(tmp_path / "x.npz").read()


def test_images_with_channels_first_are_noticed(tmp_path):
    for shape, doubt in (
        ((4, 3, 16, 16), True),
        ((4, 1, 8, 8), True),
        ((4, 16, 16, 3), False),
        ((4, 3, 3, 3), False),
        ((4, 3, 8, 9), False),
        ((4, 5, 8, 8), False),
    ):
        np.save(tmp_path / "x.npy", np.zeros(shape, np.uint8))
        notes = open_source(tmp_path / "x.npy").notes()
        assert [(n.option, n.column, n.in_doubt) for n in notes] == [("np.moveaxis(x, 1, -1)", "x", True)] * doubt


class TestWriting:
    def test_numbers_side_by_side(self, tmp_path):
        """One array of the type that holds all columns; whole numbers exactly or not at all."""
        rows = pa.table({"a": pa.array([1, 2], pa.int16()), "b": [0.5, None], "c": pa.array([3, 4], pa.uint8())})
        write_table(rows, tmp_path / "t.npy")
        array = np.load(tmp_path / "t.npy")
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, [[1, 0.5, 3], [2, np.nan, 4]])
        np.testing.assert_array_equal(as_array(open_source(tmp_path / "t.npy").read()["x"]), array)
        write_table(pa.table({"a": [True], "b": [False]}), tmp_path / "t.npy")
        assert np.load(tmp_path / "t.npy").dtype == bool
        with pytest.raises(DataError, match=r"t\.npy: cannot hold .*'a' has whole numbers that float64.*\.npz"):
            write_table(pa.table({"a": [2**53 + 1], "b": [0.5]}), tmp_path / "t.npy")

    @pytest.mark.parametrize("suffix", [".npy", ".npz"])
    def test_one_column_of_arrays_in_many_parts(self, tmp_path, monkeypatch, suffix):
        monkeypatch.setattr("velbo.formats.base.ROWS_PER_BATCH", 7)
        pictures = RNG.integers(0, 256, (30, 4, 5)).astype(np.uint8)
        write_table(pa.table({"image": as_tensor_column(pictures)}), tmp_path / f"t{suffix}")
        loaded = np.load(tmp_path / f"t{suffix}")
        np.testing.assert_array_equal(loaded if suffix == ".npy" else loaded["image"], pictures)

    def test_an_archive_has_an_array_for_each_column(self, tmp_path, monkeypatch):
        """Text as wide as it is anywhere, though a later part has the widest."""
        monkeypatch.setattr("velbo.formats.base.ROWS_PER_BATCH", 2)
        rows = pa.table(
            {
                "image": as_tensor_column(RNG.normal(size=(5, 2, 2)).astype(np.float32)),
                "word": ["a", "bb", "ä", "", "longer"],
                "big": pa.array([1, 2, 3, 4, 2**64 - 1], pa.uint64()),
                "day": pa.array([1, None, 3, 4, 5], pa.date32()),
                "time": pa.array([1, None, 3, 4, 5], pa.timestamp("ns")),
                "for": pa.array([1, None, 3, 4, 5], pa.duration("us")),
                "yes": [True, False, True, False, True],
            }
        )
        write_table(rows, tmp_path / "t.npz")
        assert open_source(tmp_path / "t.npz").read().equals(rows)
        with np.load(tmp_path / "t.npz") as archive:
            assert archive["word"].tolist() == rows["word"].to_pylist()
            assert archive["word"].dtype == "<U6"
            assert np.isnat(archive["day"][1])

    @pytest.mark.parametrize(
        ("name", "column", "words"),
        [
            ("t.npy", ["a"], r"type string, and a \.npy file holds numbers.*\.npz.*\.parquet"),
            ("t.npy", [[1]], r"list.*name a \.npz"),
            ("t.npy", [1, None], r"'x' has a missing value, and in NumPy's files int64 has none.*\.parquet"),
            ("t.npz", [True, None], "missing value, and .* bool has none"),
            ("t.npz", ["a", None], "missing value, and .* text has none"),
            ("t.npz", ["a\0"], "ends with a zero byte"),
            (
                "t.npz",
                pa.array([1], pa.timestamp("s", "UTC")),
                r"tz=UTC\], which NumPy does not have; name a \.parquet",
            ),
            ("t.npz", pa.array([1], pa.time32("s")), "which NumPy does not have"),
        ],
    )
    def test_what_they_cannot_hold_is_refused_with_a_format_that_can(self, tmp_path, name, column, words):
        with pytest.raises(DataError, match=rf"{name}: cannot hold this table: .*{words}"):
            write_table(pa.table({"x": column}), tmp_path / name)
        assert not list(tmp_path.iterdir())

    def test_truth_values_beside_numbers(self, tmp_path):
        with pytest.raises(DataError, match="some columns are truth values and some are numbers"):
            write_table(pa.table({"x": [True], "y": [1]}), tmp_path / "t.npy")

    def test_no_rows(self, tmp_path):
        empty = pa.table({"a": pa.array([], pa.float64()), "b": pa.array([], pa.float64())})
        write_table(empty, tmp_path / "t.npy")
        write_table(empty.append_column("w", pa.array([], pa.string())), tmp_path / "t.npz")
        assert np.load(tmp_path / "t.npy").shape == (0, 2)
        assert open_source(tmp_path / "t.npz").schema.names == ["a", "b", "w"]
        assert convert(tmp_path / "t.npz", tmp_path / "u.parquet") == 0


def test_a_compressed_array_is_unpacked_once_and_in_constant_memory(tmp_path, monkeypatch):
    """Of 3 MB, the file that is read from holds all and memory no more than a batch; names alone unpack nothing."""
    array = np.arange(4 * 10**5, dtype=np.float64).reshape(-1, 2)
    np.savez_compressed(tmp_path / "t.npz", x=array)
    unpacked = []
    original = zipfile.ZipFile.open
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *args, **kw: unpacked.append(1) or original(*args, **kw))
    source = open_source(tmp_path / "t.npz")
    assert source.names == ["x"]
    assert len(unpacked) == 1
    sizes = [(len(b), b.nbytes) for b in source.batches()]
    assert sum(n for n, _ in sizes) == 2 * 10**5
    assert max(size for _, size in sizes) < 2 * 10**6
    assert len(unpacked) == 2


def test_text_of_any_encoding_in_headers(tmp_path):
    """Version 3 of the format has names in UTF-8, written here by hand."""
    header = "{'descr': [('é', '<i4')], 'fortran_order': False, 'shape': (2,)}\n".encode()
    file = io.BytesIO()
    file.write(b"\x93NUMPY\x03\x00" + len(header).to_bytes(4, "little") + header + np.int32([1, 2]).tobytes())
    (tmp_path / "t.npy").write_bytes(file.getvalue())
    assert open_source(tmp_path / "t.npy").read().to_pydict() == {"é": [1, 2]}


@pytest.mark.parametrize("code", [0xD800, 0x110000, 0xFFFFFFFF])
def test_numbers_that_are_no_letters(tmp_path, code):
    """Four bytes a letter, which need not be one."""
    np.save(tmp_path / "x.npy", np.array([1, 2, code], "<u4").view("<U1"))
    with pytest.raises(DataError, match="holds numbers that are no letters"):
        open_source(tmp_path / "x.npy").read()
