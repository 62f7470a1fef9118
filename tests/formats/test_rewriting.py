"""Rows into other files of which some cells are new: all others bit for bit, in the types of the file."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from velbo.errors import DataError, SchemaError
from velbo.formats import as_tensor_column, convert, open_source, rewrite, write_table


def filled(rows: pa.Table, values: dict[str, object], times: int = 1) -> list:
    """Missing cells of some columns, as the model would fill them; every other cell of these tables is junk."""
    masks = {name: np.asarray(pc.is_null(rows[name])) for name in values}
    new = {name: pa.array([values[name]] * len(rows)) for name in values}
    return [(pa.table(new), masks)] * times


BERLIN = pa.timestamp("ns", "Europe/Berlin")
YEAR_2020 = 1_577_836_800 * 10**9
EVERY: dict[str, tuple[pa.Array, object]] = {
    "i": (pa.array([1, None, -3], pa.int8()), 7),
    "u": (pa.array([2**64 - 1, None, 1], pa.uint64()), 7),
    "f": (pa.array([0.1, None, -0.0], pa.float32()), 0.5),
    "s": (pa.array(["0012.1", None, ""]), "new"),
    "large": (pa.array(["a", None, "b"], pa.large_string()), "new"),
    "view": (pa.array(["a", None, "b" * 30], pa.string_view()), "new"),
    "y": (pa.array([True, None, False]), True),
    "c": (pa.array(["x", None, "y"]).cast(pa.dictionary(pa.int8(), pa.string())), "new"),
    "order": (pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), ["lo", "hi"], ordered=True), "lo"),
    "dec": (pa.array([Decimal("1.10"), None, Decimal("-2.00")], pa.decimal128(20, 2)), Decimal("3.50")),
    "d": (pa.array([1, None, 3], pa.date32()), dt.date(2020, 1, 1)),
    "t": (pa.array([1, None, 3], BERLIN), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
    "dur": (pa.array([1, None, 3], pa.duration("ms")), dt.timedelta(seconds=2)),
    "list": (pa.array([[1], None, []]), [5]),
}


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("name", EVERY)
def test_every_type_keeps_its_cells(tmp_path, suffix, name):
    column, value = EVERY[name]
    write_table(pa.table({"x": column, "other": [1, 2, 3]}), tmp_path / f"t{suffix}")
    source = open_source(tmp_path / f"t{suffix}")
    assert rewrite(source, [tmp_path / f"u{suffix}"], lambda rows: filled(rows, {"x": value})) == 3
    rows = open_source(tmp_path / f"u{suffix}").read()
    assert rows["other"].to_pylist() == [1, 2, 3]
    assert rows.schema.field("x").type == column.type
    old, new = plain(column), plain(rows["x"])
    assert repr(new) == repr([old[0], YEAR_2020 if name == "t" else value, old[2]])


def plain(column) -> list:
    """Cells; of times, which Python does not have to the nanosecond, numbers."""
    return (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()


def test_floats_keep_their_bits(tmp_path):
    """Also those of a NaN that carries something, and of -0.0."""
    bits = np.array([0x7FF8000000000001, 0, 1 << 63], np.uint64)
    write_table(
        pa.table({"x": pa.array(bits.view(np.float64), mask=np.array([False, True, False]))}), tmp_path / "t.parquet"
    )
    rewrite(open_source(tmp_path / "t.parquet"), [tmp_path / "u.parquet"], lambda rows: filled(rows, {"x": 0.5}))
    new = open_source(tmp_path / "u.parquet").read()["x"].to_numpy().view(np.uint64)
    assert new[[0, 2]].tolist() == bits[[0, 2]].tolist()
    assert new[1] == np.float64(0.5).view(np.uint64)


def test_a_column_of_nothing_takes_the_type_of_what_fills_it(tmp_path):
    write_table(pa.table({"x": pa.nulls(2)}), tmp_path / "t.parquet")
    rewrite(open_source(tmp_path / "t.parquet"), [tmp_path / "u.parquet"], lambda rows: filled(rows, {"x": "a"}))
    assert open_source(tmp_path / "u.parquet").read()["x"].to_pylist() == ["a", "a"]


def test_arrays_keep_their_cells_too(tmp_path):
    """Images of which some rows are new, in Parquet and .npz."""
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    for suffix in (".parquet", ".npz"):
        write_table(pa.table({"image": as_tensor_column(images), "label": ["a", "b", "c"]}), tmp_path / f"t{suffix}")
        new = pa.table({"image": as_tensor_column(np.full_like(images, 99))})
        mask = np.array([False, True, False])
        rewrite(open_source(tmp_path / f"t{suffix}"), [tmp_path / f"u{suffix}"], lambda _: [(new, {"image": mask})])  # noqa: B023
        rows = open_source(tmp_path / f"u{suffix}").read()
        assert rows["image"].combine_chunks().to_numpy_ndarray().tolist() == [
            images[0].tolist(),
            [[99, 99]] * 2,
            images[2].tolist(),
        ]
        assert rows["label"].to_pylist() == ["a", "b", "c"]


def test_several_targets_from_one_stream_of_batches(tmp_path, monkeypatch):
    """Two fillings of 10 rows, 3 at a time; in the first batches nothing is missing."""
    monkeypatch.setattr("velbo.formats.base.ROWS_PER_BATCH", 3)
    cells: list = [*range(8), None, 9]
    write_table(pa.table({"x": cells, "n": pa.nulls(10)}), tmp_path / "t.parquet")
    seen = []

    def change(rows: pa.Table) -> list:
        seen.append(len(rows))
        return [filled(rows, {"x": value, "n": f"{value}"})[0] for value in (100, 200)]

    targets = [tmp_path / "a.parquet", tmp_path / "b.jsonl"]
    assert rewrite(open_source(tmp_path / "t.parquet"), targets, change) == 10
    assert seen == [3, 3, 3, 1]
    for target, value in zip(targets, (100, 200), strict=True):
        rows = open_source(target).read()
        assert rows["x"].to_pylist() == [value if cell is None else cell for cell in cells]
        assert rows["n"].to_pylist() == [str(value)] * 10


def test_what_a_file_says_besides_comes_back(tmp_path):
    """Index, its name, metadata of the table and of a column, order of columns, a column that is no number."""
    frame = pd.DataFrame({"b": [1.5, None], "a": ["x", "y"]}, index=pd.Index(["p", "q"], name="key"))
    table = pa.Table.from_pandas(frame)
    field = table.schema.field("b").with_metadata({"unit": "kg"})
    metadata = {**(table.schema.metadata or {}), b"who": b"me"}
    pq.write_table(table.cast(table.schema.set(0, field)).replace_schema_metadata(metadata), tmp_path / "t.parquet")
    rewrite(open_source(tmp_path / "t.parquet"), [tmp_path / "u.parquet"], lambda rows: filled(rows, {"b": 9.0}))
    schema = pq.read_schema(tmp_path / "u.parquet")
    assert schema.names == pq.read_schema(tmp_path / "t.parquet").names
    assert schema.metadata[b"who"] == b"me"
    assert schema.field("b").metadata[b"unit"] == b"kg"
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "u.parquet"), frame.fillna({"b": 9.0}))


@pytest.mark.parametrize("name", [None, "key"])
def test_an_index_in_formats_that_do_not_know_it(tmp_path, name):
    """One with a name is a column there; one without is not worth one. An array has no names at all."""
    frame = pd.DataFrame({"a": [1.5, 2.5]}, index=pd.Index([7, 8], name=name))
    frame.to_parquet(tmp_path / "t.parquet")
    convert(tmp_path / "t.parquet", tmp_path / "t.jsonl")
    assert open_source(tmp_path / "t.jsonl").read().to_pydict() == {"a": [1.5, 2.5]} | ({"key": [7, 8]} if name else {})
    convert(tmp_path / "t.parquet", tmp_path / "t.npy")
    assert np.load(tmp_path / "t.npy").tolist() == [1.5, 2.5]


def test_a_folder_becomes_one_file(tmp_path):
    for i, kind in enumerate((pa.int16(), pa.int32())):
        write_table(pa.table({"x": pa.array([i, None], kind)}), tmp_path / "p" / f"k={i}" / "1.parquet")
    rewrite(open_source(tmp_path / "p"), [tmp_path / "u.parquet"], lambda rows: filled(rows, {"x": 5}))
    rows = open_source(tmp_path / "u.parquet").read()
    assert rows.to_pydict() == {"x": [0, 5, 1, 5], "k": [0, 0, 1, 1]}
    assert rows.schema.field("x").type == pa.int32()


def test_a_type_without_room_is_told_and_nothing_is_left(tmp_path):
    write_table(pa.table({"x": pa.array([1, None], pa.int8())}), tmp_path / "t.parquet")
    for value, words in ((1000, "1000"), (0.5, "0.5")):
        with pytest.raises(SchemaError, match=rf"column 'x' is of type int8, which has no room .*{words}"):
            rewrite(open_source(tmp_path / "t.parquet"), [tmp_path / "u.parquet"], lambda r: filled(r, {"x": value}))  # noqa: B023
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_new_categories_join_the_old_ones_and_codes_stay(tmp_path):
    column = pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), ["lo", "hi"])
    write_table(pa.table({"x": column}), tmp_path / "t.arrow")
    rewrite(open_source(tmp_path / "t.arrow"), [tmp_path / "u.arrow"], lambda rows: filled(rows, {"x": "mid"}))
    new = open_source(tmp_path / "u.arrow").read()["x"].chunk(0)
    assert new.dictionary.to_pylist() == ["lo", "hi", "mid"]
    assert new.indices.to_pylist() == [1, 2, 0]


def test_a_damaged_source_leaves_no_target(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": np.arange(100_000)}), path, compression="none", use_dictionary=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:400_000] + b"\xff" * 200_000 + whole[600_000:])
    with pytest.raises(DataError, match=r"t\.parquet: cannot be read"):
        convert(path, tmp_path / "u.arrow")
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


@pytest.mark.parametrize("target", ["u.parquet", "u.arrow", "u.npz", "u.jsonl", "u.npy"])
def test_no_rows_become_an_empty_file(tmp_path: Path, target: str):
    write_table(pa.table({"x": pa.array([], pa.float64())}), tmp_path / "t.parquet")
    assert convert(tmp_path / "t.parquet", tmp_path / target) == 0
    assert (tmp_path / target).exists()


def test_built_in_sets_are_converted(tmp_path):
    assert convert("digits", tmp_path / "d.npy") == 1797
    assert np.load(tmp_path / "d.npy").shape == (1797, 8, 8)
    assert convert("iris:+target", tmp_path / "i.parquet") == 150
    assert open_source(tmp_path / "i.parquet").names[-1] == "target"
