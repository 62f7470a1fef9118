"""pandas' data frames: index, names, order and every type come back."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from contracts.tables import NAN, PANDAS_COLUMNS
from velbo.rows import Field, Schema, infer


@pytest.mark.parametrize("series", PANDAS_COLUMNS, ids=lambda s: f"{s.dtype}"[:20])
def test_types_come_back_with_their_missing_cells(series):
    frame = pd.DataFrame({"x": series, "y": np.arange(20) % 3 + 0.5})
    schema = infer(frame)
    back = schema.new(schema.numbers(frame))
    pd.testing.assert_frame_equal(back, frame)


HAVE_NO_ROOM = ("bool", "int16", "uint8", "int64", "uint64")


@pytest.mark.parametrize(
    "series", [s for s in PANDAS_COLUMNS if str(s.dtype) not in HAVE_NO_ROOM], ids=lambda s: f"{s.dtype}"[:20]
)
def test_filling_changes_no_observed_cell_of_any_type(series):
    """Some more cells are missing: they come back as they were in the whole; index and observed cells are as they are,
    and what is missing in the whole stays missing, since the numbers have nothing for it.
    """
    whole = pd.DataFrame({"x": series, "y": np.arange(20) % 3 + 0.5}).set_axis([f"r{i % 7}" for i in range(20)])
    schema = infer(whole)
    gone = np.isin(np.arange(20), [0, 1, 3, 9, 16])
    part = whole.assign(x=whole["x"].mask(gone))
    assert bool(part["x"].isna().sum() > whole["x"].isna().sum())
    filled = schema.filled(part, schema.numbers(whole))
    pd.testing.assert_frame_equal(filled, whole.astype({"x": part["x"].dtype}))


def test_a_cell_in_an_array_of_whole_numbers_may_stay_missing():
    """Of one the model says something, of the other nothing."""
    frame = pd.DataFrame({"x": pd.Series([np.array([1, 2]), [None, None], np.array([3, 4])], dtype=object)})
    filled = infer(frame, {"x": "real"}).filled(frame, np.array([[9, 9], [7.0, NAN], [9, 9]]))["x"]
    np.testing.assert_array_equal(filled[1], [7, NAN])
    assert filled[0].tolist() == [1, 2]


def test_types_without_room_for_missing_cells_give_way():
    frame = pd.DataFrame({"i": [1, 2, 900], "b": [True, False, True], "u": np.array([1, 2, 200], np.uint8)})
    back = infer(frame).new(np.array([[1, 0, 2], [NAN] * 3]))
    assert [str(t) for t in back.dtypes] == ["Int64", "boolean", "UInt8"]
    assert back.iloc[0].tolist() == [1, False, 2]
    assert back.iloc[1].isna().all()


def test_filling_keeps_types_index_and_every_observed_bit():
    frame = pd.DataFrame(
        {"a": [0.1 + 0.2, NAN, -0.0], "b": pd.array([1, None, 3], "Int64"), "c": pd.Categorical(["u", None, "v"])},
        index=[7, 5, 3],
    )
    frame.attrs["source"] = "here"
    (coded,) = infer(frame[["c"]], {"c": "categorical"}).fields
    schema = Schema((Field("a", "real"), Field("b", "integer", dtype="int64", native="Int64"), coded), "pandas")
    filled = schema.filled(frame, np.array([[9.0, 9, 1], [0.5, 2, 1], [9, 9, 0]]))
    assert filled.dtypes.equals(frame.dtypes)
    assert filled.index.tolist() == [7, 5, 3]
    assert filled.attrs == {"source": "here"}
    assert filled["a"].to_numpy().tobytes() == np.array([0.1 + 0.2, 0.5, -0.0]).tobytes()
    assert filled["b"].tolist() == [1, 2, 3]
    assert filled["c"].tolist() == ["u", "v", "v"]
    assert frame.isna().to_numpy().sum() == 3


def test_names_that_are_whole_numbers_come_back_as_such():
    frame = pd.DataFrame({0: [1, 2, 50], np.int64(7): ["a", "b", "c"], "2": [0.5, 1.25, 2.0]})
    schema = infer(frame, {"0": "integer"})
    assert [(f.name, f.key) for f in schema.fields] == [("0", 0), ("7", 7), ("2", None)]
    back = schema.new(schema.numbers(frame))
    assert list(back.columns) == [0, 7, "2"]
    pd.testing.assert_frame_equal(back, frame)
    assert pd.concat([frame, back]).shape == (6, 3)


def test_filling_finds_columns_with_other_names_than_text_and_rows_with_one_index():
    """Two rows are called 5 and columns 0 and a date; the frame itself stays as it is."""
    day = dt.date(2020, 1, 1)
    frame = pd.DataFrame({0: [1.5, NAN, 4.25], day: ["a", "b", None]}, index=[5, 5, 1])
    schema = infer(frame, {"0": "real"})
    filled = schema.filled(frame, np.array([[9, 1], [2.5, 1], [9, 0]]))
    assert filled.to_dict("list") == {0: [1.5, 2.5, 4.25], day: ["a", "b", "a"]}
    assert filled.index.tolist() == [5, 5, 1]
    assert frame.isna().to_numpy().sum() == 2


def test_an_order_of_categories_is_kept():
    frame = pd.DataFrame({"x": pd.Categorical(["lo", "hi", "mid"] * 5, ["lo", "mid", "hi"], ordered=True)})
    (field,) = infer(frame).fields
    assert (field.kind, field.categories) == ("ordinal", ("lo", "mid", "hi"))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"x": pd.Categorical(["q", "q"], ["p", "q"])}),
        pd.DataFrame({"x": pd.Categorical([3, 3], [3, 1], ordered=True)}),
    ],
    ids=["names", "ordered"],
)
def test_a_constant_keeps_the_categories_of_its_type(frame):
    whole = frame.assign(y=[0.5, 1.5])
    schema = infer(whole)
    assert schema.fields[0].kind == "constant"
    pd.testing.assert_frame_equal(schema.new(schema.numbers(whole)), whole)


def test_a_column_of_arrays_may_lack_some():
    """Objects: None, NaN or pandas' NA for an array; lists are arrays, and rows that are not touched stay lists."""
    for absent in (None, NAN, pd.NA):
        frame = pd.DataFrame({"x": pd.Series([[1, 2], absent, [3, 2**60 + 1]], dtype=object, index=[4, 4, 2])})
        schema = infer(frame)
        assert schema.field("x").shape == (2,)
        v = schema.numbers(frame)
        np.testing.assert_array_equal(np.isnan(v[:, 0]), [False, True, False])
        filled = schema.filled(frame, np.full((3, 2), 6.7))["x"]
        assert filled.iloc[0] == [1, 2]
        assert filled.iloc[1].tolist() == [7, 7]
        assert filled.iloc[2] == [3, 2**60 + 1]
        assert filled.index.tolist() == [4, 4, 2]


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([0.5, 1.5, 2.0], pa.float32()),
        pa.array(["a", "b", "c"], pa.large_string()),
        pa.array(["a", "b", "c"]).dictionary_encode(),
        pa.array([0.5, 1.5, 2.0]).cast(pa.decimal128(9, 2)),
        pa.array([10**9, 10**10, 10**11], pa.timestamp("ms", "Asia/Tokyo")),
        pa.array([10**9, 10**10, 10**11], pa.timestamp("s")).dictionary_encode(),
    ],
    ids=lambda cells: str(cells.type),
)
def test_arrow_types_of_pandas_are_filled(cells):
    part_of_it = pa.concat_arrays([cells, pa.nulls(1, cells.type)]).take(pa.array([0, 3, 2]))
    whole, part = (pd.DataFrame({"x": pd.arrays.ArrowExtensionArray(c)}) for c in (cells, part_of_it))
    schema = infer(whole)
    filled = schema.filled(part, schema.numbers(whole))
    assert filled["x"].dtype == whole["x"].dtype
    assert [*filled["x"]] == [*whole["x"]]
    new = schema.new(schema.numbers(whole))
    assert new["x"].dtype == whole["x"].dtype
    assert [*new["x"]] == [*whole["x"]]
