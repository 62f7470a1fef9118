"""What holds rows, and what does not; what all data frames have in common."""

from __future__ import annotations

import math
from typing import Any

import narwhals
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.sparse import csr_matrix

from contracts.tables import LIBRARIES, NAN, arrays_in, cells_of, frame_of, type_in
from velbo.errors import DataError, SchemaError
from velbo.rows import Field, Schema, container_of, infer
from velbo.rows.containers import CONTAINERS, container_named
from velbo.rows.tensors import shape_of

X = Schema((Field("x", "real"),))


def test_every_container_is_found_by_its_name():
    assert {c.name for c in CONTAINERS} == {"array", "mapping", "pandas", "polars", "pyarrow"}
    for name in ("array", "mapping", "pandas", "polars", "pyarrow"):
        assert container_named(name).name == name


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_frame_is_one_under_narwhals_too(library):
    frame = LIBRARIES[library]({"x": [1.0, 2.0]})
    for same in (frame, nw.from_native(frame), narwhals.from_native(frame)):
        assert container_of(same).name == library
        assert container_of(same).length(same) == 2
        assert X.numbers(same).tolist() == [[1.0], [2.0]]
        assert cells_of(container_of(same).take(same, np.array([1]))["x"]) == [2.0]
        assert cells_of(X.changed(same, np.array([[True], [False]]), np.array([[5.0], [5]]))["x"]) == [5.0, 2.0]


class Lazy:
    def compute(self) -> Any: ...


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (pl.LazyFrame({"x": [1]}), "not LazyFrame; collect it first"),
        (Lazy(), "not Lazy; compute it first"),
        (pd.Series([1]), "not Series; give .to_frame.. of it"),
        (pl.Series([1]), "not Series; give .to_frame.. of it"),
        (None, "not NoneType"),
        ("digits", "not str"),
        (3, "not int"),
        ({1, 2}, "not set"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_what_holds_no_rows_is_refused_with_advice(x, words):
    for ask in (infer, X.numbers, lambda rows: X.filled(rows, np.zeros((1, 1)))):
        with pytest.raises(DataError, match=f"a data frame or an array is needed, {words}"):
            ask(x)


def test_sparse_rows_are_made_dense_by_the_user_where_cells_are_asked_for():
    """`infer` and what goes block by block take them; see test_sparse.py."""
    for ask in (X.numbers, lambda rows: X.filled(rows, np.zeros((1, 1)))):
        with pytest.raises(DataError, match=r"needed, not csr_matrix; give .toarray\(\) of it"):
            ask(csr_matrix(np.eye(2)))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"x": []}), "no rows"),
        (pd.DataFrame(), "no rows; give some, and a column at least"),
        (pd.DataFrame(index=[1, 2]), "a column at least"),
        (pl.DataFrame({"x": []}), "no rows"),
        (pl.DataFrame(), "a column at least"),
        (pa.table({"x": pa.array([], pa.float64())}), "no rows"),
        (pa.table({}), "a column at least"),
        ({}, "a column at least"),
        ({"x": []}, "no rows"),
        ({"x": np.zeros((0, 3))}, "data: 'x': it has no rows"),
        (np.zeros((0, 3)), "it has no rows"),
        (np.zeros((3, 0)), "it has no columns"),
        ([], "one observation a row is needed"),
        (np.zeros(3), r"not shape \(3,\).*Reshape your data"),
        ([[1, 2], [3]], "rows have different lengths"),
        (np.array([[1j]]), "Complex data not supported"),
        (np.array([["2020-01-01"]], "M8[D]"), "cells of type datetime64"),
    ],
    ids=str,
)
def test_empty_and_shapeless_data_are_refused(frame, words):
    with pytest.raises(DataError, match=words):
        infer(frame)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are called 'a'; rename one"),
        (pd.DataFrame([[1, 2]], columns=[0, "0"]), "two columns are called '0'"),
        (pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), "two columns are called 'a'"),
        (pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])), "several levels; join"),
    ],
    ids=["twice", "number and text", "arrow", "levels"],
)
def test_names_that_are_not_plain_are_refused(frame, words):
    with pytest.raises(DataError, match=words):
        infer(frame)
    with pytest.raises(DataError, match=words):
        X.filled(frame, np.zeros((1, 1)))


def test_cells_of_no_known_type_are_refused_by_name_with_the_option_to_type():
    for frame in (
        pa.table({"x": [[1], [2]]}),
        pa.table({"x": [b"a", b"b"]}),
        pa.table({"x": [{"a": 1}, {"a": 2}]}),
        pl.DataFrame({"x": [[1], [2, 3]]}),
        pl.DataFrame({"x": [object(), object()]}),
        pd.DataFrame({"x": pd.period_range("2020", periods=2, freq="M")}),
        pd.DataFrame({"x": pd.cut(pd.Series([1, 2, 3]), 2)}),
    ):
        with pytest.raises(SchemaError, match=r"column 'x' holds cells of type .*--column x=drop"):
            infer(frame)
    for frame, words in (
        (
            pd.DataFrame({"x": [1, "a", 2.5]}),
            r"column 'x' holds Python objects \(float, int, str\) that are not of one",
        ),
        (pd.DataFrame({"x": [1j, 2]}), "column 'x' is of type complex128, which Arrow does not have"),
        (pl.DataFrame({"x": pl.Series([1, 2], dtype=pl.Int128)}), "column 'x' is of type Int128, which Arrow does not"),
        (pd.DataFrame({"x": [2**70, 1]}), "column 'x' holds Python objects"),
        (pd.DataFrame({"x": [np.zeros(2), np.zeros(3)]}), r"column 'x' holds arrays of the shapes \(2,\), \(3,\)"),
        (pd.DataFrame({"x": [["a"], ["b"]]}), r"column 'x' holds arrays .*--column x=drop"),
    ):
        with pytest.raises(DataError, match=words):
            infer(frame)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_column_that_is_dropped_may_hold_anything(library):
    """It is not looked at: in inference, numbers and filling."""
    columns: dict[str, Any] = {"any": [{"a": 1}, {"a": 2}, {"a": 3}], "x": [1.5, None, 3.5]}
    if library == "pandas":
        columns["any"] = [1, "a", object()]
    frame = LIBRARIES[library](columns)
    with pytest.raises(DataError, match="column 'any'"):
        infer(frame)
    schema = infer(frame, {"any": "drop", "x": "real"})
    np.testing.assert_array_equal(schema.numbers(frame), [[1.5], [NAN], [3.5]])
    filled = schema.filled(frame, np.array([[0], [2.5], [0]]))
    assert cells_of(filled["x"]) == [1.5, 2.5, 3.5]
    assert list(filled["any"]) == list(frame["any"])
    new = schema.new(np.array([[2.5]]))
    assert list(new.column_names if library == "pyarrow" else new.columns) == ["x"]


CELLS: dict[str, list[Any]] = {
    "n": [1.5, None, 4.25],
    "i": [3, None, 900],
    "job": ["clerk", None, "nurse"],
    "yes": [True, None, False],
}
NEW = np.array([[9, 9, 1, 0], [2.5, 41.0, 0, 1], [9, 9, 0, 1.0]])
"""Of row 1 2.5, 41, the first category, True; for the others something else."""


def training() -> Schema:
    whole = {"n": [1.5, 0.25, 4.25], "i": [3, 7, 900], "job": ["clerk", "actor", "nurse"], "yes": [True, True, False]}
    return infer(pd.DataFrame(whole))


def filled_alone(frame: Any, name: str) -> Any:
    """A frame of one of the columns, filled."""
    schema = training()
    one = Schema((schema.field(name),), schema.container)
    return one.filled(frame, NEW[:, schema.places[name]])


@pytest.mark.parametrize(
    ("name", "cells", "wanted"),
    [
        ("n", pd.Series([1, None, 4], dtype="Int64"), 2),
        ("n", pd.Series([1, None, 4], dtype="float32"), 2.5),
        ("n", pd.Series(["1", None, "4"], dtype="object"), "2.50"),
        ("i", pd.Series([3, np.nan, 900]), 41.0),
        ("i", pd.Series([3, None, 100], dtype="Int8"), 41),
        ("job", pd.Series(pd.Categorical(["clerk", None, "nurse"])), "actor"),
        ("job", pd.Series(pd.Categorical(["clerk", None, "nurse"], ["nurse", "clerk"], ordered=True)), "actor"),
        ("job", pd.Series(pd.Categorical(["clerk", None, "nurse"], ["actor", "nurse", "clerk"])), "actor"),
        ("yes", pd.Series([1, np.nan, 0]), 1.0),
        ("n", pd.Series(pd.arrays.SparseArray([1.0, np.nan, 4.0])), 2.5),
        ("i", pl.Series([3, None, 100], dtype=pl.Int8), 41),
        ("n", pl.Series([1, None, 4]), 2),
        ("n", pl.Series([1.0, math.nan, 4.0], dtype=pl.Float32), 2.5),
        ("job", pl.Series(["clerk", None, "nurse"], dtype=pl.Enum(["nurse", "actor", "clerk"])), "actor"),
        ("job", pl.Series(["clerk", None, "nurse"], dtype=pl.Categorical), "actor"),
        ("n", pa.array([1, None, 4]), 2),
        ("n", pa.array([1.0, None, 4.0], pa.float32()), 2.5),
        ("n", pa.chunked_array([pa.array([1.0, NAN]), pa.array([4.0])]), 2.5),
        ("job", pa.array(["clerk", None, "nurse"], pa.string_view()), "actor"),
        ("job", pa.array(["clerk", None, "nurse"]).dictionary_encode(), "actor"),
        ("job", pa.array(["clerk", None, "nurse"], pa.string_view()).dictionary_encode(), "actor"),
        ("n", pa.array([1.0, None, 4.0], pa.float16()).dictionary_encode(), 2.5),
        (
            "job",
            pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), ["nurse", "clerk"], ordered=True),
            "actor",
        ),
    ],
    ids=lambda v: str(getattr(v, "dtype", getattr(v, "type", v)))[:40],
)
def test_filling_keeps_the_type_that_a_frame_has_even_if_training_had_another(name, cells, wanted):
    frame = frame_of(cells, name)
    filled = filled_alone(frame, name)
    before, after = cells_of(frame[name]), cells_of(filled[name])
    assert after == [before[0], wanted, before[2]]
    if isinstance(cells, pd.Series) and cells.dtype == "category":
        assert filled[name].cat.ordered == cells.cat.ordered
        assert list(filled[name].cat.categories) == [*cells.cat.categories, *{"actor"} - {*cells.cat.categories}]
    else:
        assert type_in(filled, name) == type_in(frame, name)


def test_a_column_of_nothing_but_missing_cells_takes_the_type_of_training():
    """pandas and Arrow read an empty column as floats or as null."""
    schema = training()
    missing = {name: [None] * 3 for name in CELLS}
    for frame in (
        pd.DataFrame(missing),
        pd.DataFrame(missing, dtype="float64"),
        pl.DataFrame(missing),
        pl.DataFrame(missing, schema=dict.fromkeys(missing, pl.Float64)),
        pa.table(missing),
        pa.table(missing, pa.schema([(name, pa.float64()) for name in missing])),
    ):
        filled = schema.filled(frame, NEW)
        assert [cells_of(filled[name])[1] for name in missing] == [2.5, 41, "actor", True]
        assert cells_of(filled["job"]) == ["clerk", "actor", "actor"]


def test_a_column_of_missing_cells_in_a_type_of_numbers_keeps_it_for_numbers():
    for frame, wanted in (
        (pd.DataFrame({"n": pd.array([None] * 3, "Float32")}), 2.5),
        (pl.DataFrame({"n": pl.Series([None] * 3, dtype=pl.Int8)}), 2),
        (pa.table({"n": pa.nulls(3, pa.float32())}), 2.5),
    ):
        filled = filled_alone(frame, "n")
        assert type_in(filled, "n") == type_in(frame, "n")
        assert cells_of(filled["n"])[1] == wanted


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_type_without_room_for_the_models_values_is_refused(library):
    with pytest.raises(SchemaError, match="column 'job' is of type double, which has no room"):
        filled_alone(LIBRARIES[library]({"job": [1.5, None, 2.5]}), "job")


# columns of arrays


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_of_arrays_come_back_in_their_type(library):
    """Lists of fixed sizes, lists in lists, tensors of any order of axes, polars' arrays, pandas' objects."""
    rng = np.random.default_rng(0)
    frame = LIBRARIES[library]({**arrays_in(library, rng), "size": rng.normal(size=12)})
    schema = infer(frame)
    assert {f.name: len(f.shape) for f in schema.fields if f.shape} == {
        name: 2
        if name in ("image", "nested", "tensor", "objects", "permuted") or (library, name) == ("pyarrow", "single")
        else 1
        for name in arrays_in(library, rng)
    }
    v = schema.numbers(frame)
    back = schema.new(v)
    for f in schema.fields:
        if f.name == "permuted":  # in which order its axes lie is how a column is stored
            assert shape_of(type_in(back, f.name)) == shape_of(type_in(frame, f.name))
            continue
        assert type_in(back, f.name) == type_in(frame, f.name), f.name
        if f.name != "large":  # beyond 53 bits v has not every number
            assert same(back[f.name], frame[f.name]), f.name
    np.testing.assert_array_equal(schema.numbers(back), v)


def same(a: Any, b: Any) -> bool:
    cells = [np.array(column.to_pylist() if isinstance(column, pa.ChunkedArray) else list(column)) for column in (a, b)]
    return bool(np.array_equal(*cells))


@pytest.mark.parametrize("library", ["pyarrow", "polars", "pandas"])
def test_missing_arrays_are_filled_and_the_others_stay_bit_for_bit(library):
    """Whole numbers beyond 53 bits, single precision, half precision; type, order and the rows that stay missing."""
    rng = np.random.default_rng(0)
    whole = arrays_in(library, rng)
    gone = np.arange(12) % 4 == 1
    part = {name: without(column, gone) for name, column in whole.items()}
    frame = LIBRARIES[library](part)
    schema = infer(LIBRARIES[library](whole), {"large": "real"})
    v = schema.numbers(LIBRARIES[library](whole)).astype(np.float64)
    assert (np.isnan(schema.numbers(frame)) == gone[:, None]).all()
    v[5] = NAN  # of this row the model says nothing
    filled = schema.filled(frame, v)
    for name in whole:
        assert type_in(filled, name) == type_in(frame, name), name
        before, after, wanted = (list(t[name]) for t in (frame, filled, LIBRARIES[library](whole)))
        for row in range(12):
            if row == 5:
                assert is_gone(after[row]), name
            elif gone[row] and name == "large":
                np.testing.assert_allclose(plain(after[row]), plain(wanted[row]), rtol=1e-15)
            else:
                assert np.array_equal(plain(after[row]), plain(wanted[row])), (name, row)
                assert gone[row] or np.array_equal(plain(before[row]), plain(after[row]))


def without(column: Any, gone: np.ndarray) -> Any:
    if isinstance(column, pl.Series):
        return column.zip_with(pl.Series(~gone), pl.Series([None] * len(column), dtype=column.dtype))
    if isinstance(column, pd.Series):
        return column.where(~gone, None)
    storage = column.storage if isinstance(column.type, pa.FixedShapeTensorType) else column
    lists = pa.array([None if g else v for v, g in zip(storage.to_pylist(), gone, strict=True)], storage.type)
    return pa.ExtensionArray.from_storage(column.type, lists) if storage is not column else lists


def plain(cell: Any) -> np.ndarray:
    return np.array(cell.as_py() if isinstance(cell, pa.Scalar) else cell)


def is_gone(cell: Any) -> bool:
    cell = cell.as_py() if isinstance(cell, pa.Scalar) else cell
    return cell is None or (isinstance(cell, float) and math.isnan(cell)) or cell is pd.NA


@pytest.mark.parametrize("library", [*LIBRARIES, "mapping"])
def test_a_column_of_nothing_stands_for_missing_arrays(library):
    """pandas, polars and Arrow read it as nulls, which tell no shape."""
    make = LIBRARIES.get(library, lambda columns: {name: np.array(cells) for name, cells in columns.items()})
    whole = (
        arrays_in(library, np.random.default_rng(0)) if library in LIBRARIES else {"x": np.arange(24.0).reshape(12, 2)}
    )
    for name, column in whole.items():
        schema = infer(make({name: column}), kind="real")
        v = schema.numbers(make({name: column})).astype(np.float64)
        frame = make({name: [None] * 12})
        assert np.isnan(schema.numbers(frame)).all()
        filled = schema.filled(frame, v)
        np.testing.assert_array_equal(schema.numbers(filled), v)
        assert (
            library in ("pandas", "mapping")
            or name == "permuted"
            or type_in(filled, name) == type_in(make({name: column}), name)
        )


def test_missing_cells_in_arrays_are_filled_one_by_one():
    cells = pa.FixedSizeListArray.from_arrays(pa.array([1, 2**60 + 1, None, 4, 5, 6]), 2)
    schema = infer(pa.table({"x": cells}))
    v = np.array([[9, 9], [7.6, 9], [9, 9.0]])
    filled = schema.filled(pa.table({"x": cells}), v)
    assert filled["x"].type == cells.type
    assert filled["x"].to_pylist() == [[1, 2**60 + 1], [8, 4], [5, 6]]
    image = np.array([[[0.5, NAN], [1.5, -0.0]]], np.float32)
    filled = infer(np.concatenate([image, image + 1])).filled(image, np.full((1, 4), 0.1))
    assert filled.dtype == np.float32
    assert filled.tobytes() == np.array([[[0.5, 0.1], [1.5, -0.0]]], np.float32).tobytes()


def test_arrays_that_are_changed_as_a_whole_are_floats():
    """Of whole numbers a model may say fractions, as point estimates; the form stays, and no batch has another type."""
    cells = pa.FixedSizeListArray.from_arrays(pa.array([1, 2, 3, 4], pa.int16()), 2)
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.array([[1, 2], [3, 4]], np.uint8))
    for column, kind in ((cells, pa.list_(pa.float64(), 2)), (tensors, pa.fixed_shape_tensor(pa.float64(), [2]))):
        table = pa.table({"x": column})
        schema, all_of_it = infer(table, {"x": "real"}), np.ones((2, 2), bool)
        for last in (8.0, 8.5):
            changed = schema.changed(table, all_of_it, np.array([[5, 6], [7, last]]))
            assert changed["x"].type == kind
            assert plain(changed["x"][1]).tolist() == [7, last]
        assert schema.new(np.array([[5, 6.5]]))["x"].type == kind
