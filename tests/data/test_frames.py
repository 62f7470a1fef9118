"""Data frames -> codes -> data frames, in every library."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import narwhals
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from velbo.data import Column, frames
from velbo.errors import ConfigError, DataError, SchemaError, VelboWarning

N = 60


def everything() -> dict[str, Any]:
    """A column of every sort, as Python lists without holes."""
    rng = np.random.default_rng(0)
    return {
        "size": rng.normal(size=N).round(2).tolist(),
        "price": np.exp(2 * rng.normal(size=N)).tolist(),
        "share": np.linspace(0, 1, N).tolist(),
        "age": rng.integers(18, 90, N).tolist(),
        "visits": [*rng.poisson(20, N).tolist()[:-1], 0],
        "grade": rng.integers(1, 6, N).tolist(),
        "job": rng.choice(["nurse", "clerk", " pilot"], N).tolist(),
        "member": (rng.random(N) < 0.5).tolist(),
        "born": [dt.datetime(1990, 1, 1) + dt.timedelta(days=int(d), seconds=7) for d in rng.integers(0, 9000, N)],
        "one": ["x"] * N,
    }


KINDS = {
    "size": "real",
    "price": "positive",
    "share": "bounded",
    "age": "integer",
    "visits": "count",
    "grade": "ordinal",
    "job": "categorical",
    "member": "binary",
    "born": "datetime",
    "one": "constant",
}


def as_pandas(columns: dict[str, Any]) -> Any:
    return pd.DataFrame(columns)


BACKENDS = {"pandas": as_pandas, "polars": pl.DataFrame, "pyarrow": pa.table}


def equal(a: Any, b: Any) -> bool:
    return a.equals(b)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_column_of_every_kind_is_recognised_and_comes_back_as_it_was(backend):
    frame = BACKENDS[backend](everything())
    columns = frames.guess(frame)
    assert {c.name: c.kind for c in columns} == KINDS
    assert all(c.reason for c in columns)
    codes = frames.codes(frame, columns)
    assert codes.shape == (N, 9)
    assert codes.dtype == np.float64
    assert frames.is_frame(frame)
    assert frames.backend_of(frame) == backend
    assert equal(frames.rebuild(codes, columns, backend), frame)


def test_codes_are_values_places_and_seconds():
    frame = pd.DataFrame(everything())
    columns = frames.guess(frame)
    codes = dict(zip([c.name for c in columns if c.is_modelled], frames.codes(frame, columns).T, strict=True))
    np.testing.assert_array_equal(codes["age"], frame["age"])
    job = next(c for c in columns if c.name == "job")
    assert job.categories == (" pilot", "clerk", "nurse")
    assert [job.categories[int(i)] for i in codes["job"]] == frame["job"].tolist()
    seconds = (frame["born"] - pd.Timestamp(0)).dt.total_seconds()
    np.testing.assert_array_equal(codes["born"], seconds)
    size = next(c for c in columns if c.name == "size")
    assert (size.location, size.scale) == pytest.approx((frame["size"].mean(), frame["size"].std(ddof=0)))
    price = next(c for c in columns if c.name == "price")
    assert price.scale == pytest.approx(math.exp(np.log(frame["price"]).mean()))
    share = next(c for c in columns if c.name == "share")
    assert share.location < 0
    assert share.location + share.scale > 1


PANDAS_TYPES = [
    pd.Series([1, 2, 3, 300] * 5, dtype="int16"),
    pd.Series([1, 2, 3, 255] * 5, dtype="uint8"),
    pd.Series([1, 2**53, -3, 4] * 5, dtype="int64"),
    pd.Series([1, None, 3, 400] * 5, dtype="Int64"),
    pd.Series([1.5, np.nan, 0.25, 3] * 5, dtype="float32"),
    pd.Series([1.5, None, 0.25, 3] * 5, dtype="Float64"),
    pd.Series([True, False, None, True] * 5, dtype="boolean"),
    pd.Series([True, False, True, True] * 5, dtype="bool"),
    pd.Series(["a", "b", None, "c"] * 5, dtype="string"),
    pd.Series(["a", "b", None, "c"] * 5, dtype="object"),
    pd.Series(["a", "b", None, "c"] * 5, dtype="category"),
    pd.Series([3, 1, 2, 1] * 5, dtype="category"),
    pd.Series(pd.Categorical(["lo", "hi", "mid", "lo"] * 5, ["lo", "mid", "hi"], ordered=True)),
    pd.Series(pd.to_datetime(["2020-01-01", "2021-05-06 07:08:09.123456", None, "2022-02-02"] * 5, format="ISO8601")),
    pd.Series(pd.date_range("2020-01-01", periods=20, tz="Europe/Berlin", unit="us")),
    pd.Series(pd.to_timedelta([1, 2, None, 4] * 5, unit="s")),
    pd.Series([2**53, 5, 0, 4] * 5, dtype="uint64"),
    pd.Series([2**53, 5, None, 4] * 5, dtype="UInt64"),
    pd.Series([-128, 127, None, 4] * 5, dtype="Int8"),
    pd.Series(["a", "b", None, "c"] * 5, dtype="string[python]"),
    pd.Series([True, False, None, True] * 5, dtype="object"),
    pd.Series([1, None, 3, 400] * 5, dtype="int64[pyarrow]"),
    pd.Series([True, False, None, True] * 5, dtype="bool[pyarrow]"),
    pd.Series(["a", "b", None, "c"] * 5, dtype=pd.ArrowDtype(pa.string())),
    pd.Series(pd.Categorical(["b", "a", None, "c"] * 5, ["c", "unused", "b", "a"])),
    pd.Series(pd.date_range("1931-02-03 04:05:06", periods=20, unit="ns")),
    pd.Series(pd.date_range("1931-02-03 04:05:06", periods=20, unit="s")),
]


@pytest.mark.parametrize("series", PANDAS_TYPES, ids=lambda s: f"{s.dtype}"[:20])
def test_pandas_types_come_back_with_their_holes(series):
    frame = pd.DataFrame({"x": series, "y": np.arange(20) % 3 + 0.5})
    columns = frames.guess(frame)
    back = frames.rebuild(frames.codes(frame, columns), columns, "pandas")
    pd.testing.assert_series_equal(back["x"], frame["x"])


POLARS_TYPES = [
    pl.Series("x", [1, None, 3, 400] * 5, dtype=pl.Int16),
    pl.Series("x", [1.5, None, 0.25, 3] * 5, dtype=pl.Float32),
    pl.Series("x", [True, None, False, True] * 5),
    pl.Series("x", ["a", None, "b", "c"] * 5),
    pl.Series("x", ["a", None, "b", "c"] * 5, dtype=pl.Categorical),
    pl.Series("x", ["lo", None, "hi", "mid"] * 5, dtype=pl.Enum(["lo", "mid", "hi"])),
    pl.Series("x", [dt.date(2020, 1, 1), None, dt.date(2021, 1, 1), dt.date(2022, 1, 1)] * 5),
    pl.Series("x", [dt.timedelta(seconds=1), None, dt.timedelta(seconds=2), dt.timedelta(seconds=5)] * 5),
]


@pytest.mark.parametrize("series", POLARS_TYPES, ids=lambda s: str(s.dtype)[:12])
def test_polars_types_come_back_with_their_holes(series):
    frame = pl.DataFrame([series, pl.Series("y", np.arange(20) % 3 + 0.5)])
    columns = frames.guess(frame)
    back = frames.rebuild(frames.codes(frame, columns), columns, "polars")
    assert back["x"].dtype == series.dtype
    assert back.equals(frame)


ARROW_TYPES = [
    pa.array([1, 127, None, 5] * 5, pa.int8()),
    pa.array([1, 2**53, None, 5] * 5, pa.uint64()),
    pa.array([0.1, 0.25, None, 5] * 5, pa.float32()),
    pa.array(["b", "a", None, "c"] * 5, pa.large_string()),
    pa.array(["b", "a", None, "c"] * 5, pa.string_view()),
    pa.array([1, 10**9, None, 5] * 5, pa.timestamp("ms", "Europe/Berlin")),
    pa.array([1, 10**9, None, 5] * 5, pa.duration("ms")),
    pa.array([dt.date(1820, 1, 1), dt.date(9999, 1, 1), None, dt.date(2000, 1, 1)] * 5, pa.date64()),
    pa.array([Decimal("1.50"), Decimal("-2.25"), None, Decimal("3.75")] * 5),
    pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2] * 5, pa.int8()), ["lo", "mid", "hi"], ordered=True),
]


@pytest.mark.parametrize("column", ARROW_TYPES, ids=lambda a: str(a.type)[:20])
def test_arrow_types_come_back_with_their_holes(column):
    table = pa.table({"x": column})
    columns = frames.guess(table)
    assert frames.rebuild(frames.codes(table, columns), columns, "pyarrow").equals(table)


def test_the_order_of_an_arrow_dictionary_does_not_matter():
    """Cells and type come back; how they are encoded is Arrow's affair and differs from chunk to chunk."""
    for order in (["b", "a", "c"], ["c", "b", "a"]):
        table = pa.table({"x": pa.array([*order, None]).dictionary_encode()})
        (column,) = frames.guess(table)
        assert column.categories == ("a", "b", "c")
        back = frames.rebuild(frames.codes(table, [column]), [column], "pyarrow")
        assert back.schema == table.schema
        assert back["x"].to_pylist() == [*order, None]


def test_types_without_room_for_holes_give_way():
    frame = pd.DataFrame({"i": [1, 2, 900], "b": [True, False, True], "u": np.array([1, 2, 200], np.uint8)})
    columns = frames.guess(frame)
    back = frames.rebuild(np.array([[1, 0, 2], [np.nan] * 3]), columns, "pandas")
    assert [str(t) for t in back.dtypes] == ["Int64", "boolean", "UInt8"]
    assert back.iloc[0].tolist() == [1, False, 2]
    assert back.iloc[1].isna().all()


def test_new_numbers_are_rounded_and_kept_within_their_type():
    table = pa.table({"i": pa.array([1, 2, 100], pa.int8()), "f": [0.25, 1.5, 2.0], "d": [Decimal("1.5")] * 2 + [None]})
    columns = frames.guess(table, {"i": "integer", "d": "real", "f": "real"})
    back = frames.rebuild(np.array([[7.6, 0.123, 2.26], [300.0, 9, -1e-9]]), columns, "pyarrow")
    assert back.schema == table.schema
    assert back.to_pydict() == {"i": [8, 127], "f": [0.12, 9.0], "d": [Decimal("2.3"), Decimal("0.0")]}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("origin", BACKENDS)
def test_rows_go_back_in_another_library_too(origin, backend):
    frame = BACKENDS[origin](everything())
    columns = frames.guess(frame)
    back = frames.rebuild(frames.codes(frame, columns), columns, backend)
    assert frames.backend_of(back) == backend
    for name, cells in everything().items():
        assert cells_of(back[name]) == cells, name


def test_an_order_of_categories_is_kept():
    lo_hi = pd.Categorical(["lo", "hi", "mid"] * 5, ["lo", "mid", "hi"], ordered=True)
    for frame in (
        pd.DataFrame({"x": lo_hi}),
        pl.DataFrame({"x": pl.Series(list(lo_hi), dtype=pl.Enum(["lo", "mid", "hi"]))}),
    ):
        (column,) = frames.guess(frame)
        assert (column.kind, column.categories) == ("ordinal", ("lo", "mid", "hi"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_columns_are_found_by_name_in_any_order(backend):
    whole = everything()
    columns = frames.guess(BACKENDS[backend](whole), {"price": "drop"})
    mixed = BACKENDS[backend](dict(reversed(whole.items())))
    np.testing.assert_array_equal(frames.codes(mixed, columns), frames.codes(BACKENDS[backend](whole), columns))
    del whole["price"], whole["one"]
    frames.codes(BACKENDS[backend](whole), columns)
    del whole["age"]
    with pytest.raises(SchemaError, match="no column 'age'"):
        frames.codes(BACKENDS[backend](whole), columns)


@pytest.mark.parametrize("backend", BACKENDS)
def test_filling_touches_missing_cells_only(backend):
    whole, holes = everything(), everything()
    for name, cells in holes.items():
        if name != "one":
            holes[name] = [None if i % 3 == 1 else v for i, v in enumerate(cells)]
    frame = BACKENDS[backend](holes)
    columns = frames.guess(frame, {"price": "drop"})
    codes = frames.codes(BACKENDS[backend](whole), columns)
    filled = frames.fill(frame, codes, columns)
    expected = {k: holes[k] if k == "price" else whole[k] for k in whole}
    for name, wanted in expected.items():
        assert cells_of(filled[name]) == cells_of(BACKENDS[backend]({name: wanted})[name]), name


def cells_of(column: Any) -> list[Any]:
    """None where missing."""
    return [None if pd.isna(v) else v for v in (column.to_pylist() if isinstance(column, pa.ChunkedArray) else column)]


def test_filling_keeps_types_index_and_every_observed_bit():
    frame = pd.DataFrame(
        {"a": [0.1 + 0.2, np.nan, -0.0], "b": pd.array([1, None, 3], "Int64"), "c": pd.Categorical(["u", None, "v"])},
        index=[7, 5, 3],
    )
    columns = [
        Column("a", "real"),
        Column("b", "integer", "int64", "Int64"),
        *frames.guess(frame[["c"]], {"c": "categorical"}),
    ]
    filled = frames.fill(frame, np.array([[9.0, 9, 1], [0.5, 2, 1], [9, 9, 0]]), columns)
    assert filled.dtypes.equals(frame.dtypes)
    assert filled.index.tolist() == [7, 5, 3]
    assert filled["a"].to_numpy().tobytes() == np.array([0.1 + 0.2, 0.5, -0.0]).tobytes()
    assert filled["b"].tolist() == [1, 2, 3]
    assert filled["c"].tolist() == ["u", "v", "v"]
    assert frame.isna().to_numpy().sum() == 3


HOLES = {"n": [1.5, None, 4.25], "i": [3, None, 900], "job": ["clerk", None, "nurse"], "yes": [True, None, False]}
NEW = np.array([[9, 9, 1, 0], [2.5, 41.0, 0, 1], [9, 9, 0, 1.0]])
"""Codes: 2.5, 41, the first category, True for row 1, and something else for the others."""


def training(**change: str) -> tuple[Column, ...]:
    whole = {"n": [1.5, 0.25, 4.25], "i": [3, 7, 900], "job": ["clerk", "actor", "nurse"], "yes": [True, True, False]}
    return frames.guess(pd.DataFrame(whole), change)


@pytest.mark.parametrize(
    ("name", "cells", "wanted"),
    [
        ("n", pd.Series([1, None, 4], dtype="Int64"), 2),
        ("n", pd.Series([1, None, 4], dtype="float32"), 2.5),
        ("n", pd.Series(["1", "?", "4"], dtype="object"), "2.50"),
        ("i", pd.Series([3, np.nan, 900]), 41.0),
        ("i", pd.Series([3, None, 100], dtype="Int8"), 41),
        ("job", pd.Series(pd.Categorical(["clerk", None, "nurse"])), "actor"),
        ("job", pd.Series(pd.Categorical(["clerk", None, "nurse"], ["nurse", "clerk"], ordered=True)), "actor"),
        ("yes", pd.Series([1, np.nan, 0]), 1.0),
        ("i", pl.Series([3, None, 100], dtype=pl.Int8), 41),
        ("n", pl.Series([1, None, 4]), 2),
        ("n", pl.Series([1.0, math.nan, 4.0], dtype=pl.Float32), 2.5),
        ("job", pl.Series(["clerk", None, "nurse"], dtype=pl.Enum(["nurse", "actor", "clerk"])), "actor"),
        ("job", pl.Series(["clerk", None, "nurse"], dtype=pl.Categorical), "actor"),
        ("n", pa.array([1, None, 4]), 2),
        ("n", pa.array([1.0, None, 4.0], pa.float32()), 2.5),
        ("job", pa.array(["clerk", None, "nurse"], pa.string_view()), "actor"),
        ("job", pa.array(["clerk", None, "nurse"]).dictionary_encode(), "actor"),
        (
            "job",
            pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), ["nurse", "clerk"], ordered=True),
            "actor",
        ),
    ],
    ids=str,
)
def test_filling_keeps_the_type_that_a_frame_has_even_if_training_had_another(name, cells, wanted):
    frame = AS_ONE.get(type(cells), lambda cells, name: pa.table({name: cells}))(cells, name)
    filled = frames.fill(frame, NEW, training())
    assert cells_of(filled[name])[1] == wanted
    before, after = cells_of(frame[name]), cells_of(filled[name])
    assert (after[0], after[2]) == (before[0], before[2])
    if isinstance(cells, pd.Series) and cells.dtype == "category":
        assert filled[name].cat.ordered == cells.cat.ordered
        assert list(filled[name].cat.categories[:2]) == list(cells.cat.categories)
    else:
        assert type_in(filled, name) == type_in(frame, name)


AS_ONE = {
    pd.Series: lambda cells, name: cells.rename(name).to_frame(),
    pl.Series: lambda cells, name: pl.DataFrame({name: cells}),
}


def type_in(frame: Any, name: str) -> Any:
    return frame[name].type if isinstance(frame, pa.Table) else frame[name].dtype


def test_a_column_of_nothing_but_holes_takes_the_type_of_training():
    """pandas and Arrow read an empty column as floats or as null."""
    columns = training()
    holes = {name: [None] * 3 for name in HOLES}
    for frame in (
        pd.DataFrame(holes),
        pd.DataFrame(holes, dtype="float64"),
        pl.DataFrame(holes),
        pl.DataFrame(holes, schema=dict.fromkeys(holes, pl.Float64)),
        pa.table(holes),
    ):
        filled = frames.fill(frame, NEW, columns)
        assert [cells_of(filled[name])[1] for name in holes] == [2.5, 41, "actor", True]
        assert cells_of(filled["job"]) == ["clerk", "actor", "actor"]


def test_a_column_of_holes_in_a_type_of_numbers_keeps_it_for_numbers():
    for frame, wanted in (
        (pd.DataFrame({"n": pd.array([None] * 3, "Float32")}), 2.5),
        (pl.DataFrame({"n": pl.Series([None] * 3, dtype=pl.Int8)}), 2),
        (pa.table({"n": pa.nulls(3, pa.float32())}), 2.5),
    ):
        filled = frames.fill(frame, NEW, training())
        assert type_in(filled, "n") == type_in(frame, "n")
        assert cells_of(filled["n"])[1] == wanted


def test_a_type_without_room_for_the_models_values_is_refused():
    frame = pd.DataFrame({"job": [1.5, np.nan, 2.5]})
    with pytest.raises(SchemaError, match="column 'job' is of type double, which has no room"):
        frames.fill(frame, NEW, training())


def test_an_enum_that_lacks_a_category_is_given_it():
    frame = pl.DataFrame({"job": pl.Series(["clerk", None, "nurse"], dtype=pl.Enum(["nurse", "clerk"]))})
    filled = frames.fill(frame, NEW, training())
    assert filled["job"].to_list() == ["clerk", "actor", "nurse"]
    assert filled["job"].dtype == pl.Enum(["nurse", "clerk", "actor"])


def test_filling_finds_columns_with_other_names_than_text_and_rows_with_one_index():
    """Two rows are called 5 and columns 0 and 1; the frame itself stays as it is."""
    frame = pd.DataFrame({0: [1.5, np.nan, 4.25], 1: ["a", "b", None]}, index=[5, 5, 1])
    columns = frames.guess(frame, {"0": "real"})
    filled = frames.fill(frame, np.array([[9, 1], [2.5, 1], [9, 0]]), columns)
    assert filled.to_dict("list") == {0: [1.5, 2.5, 4.25], 1: ["a", "b", "a"]}
    assert filled.index.tolist() == [5, 5, 1]
    assert frame.isna().to_numpy().sum() == 2


def test_unseen_categories_count_as_missing_and_are_counted():
    columns = frames.guess(pd.DataFrame({"job": ["a", "b", "c"] * 5, "k": [1.5, 2.5, 3.5] * 5}))
    new = pd.DataFrame({"job": ["a", "pilot", "chef", "pilot"], "k": [1.5] * 4})
    with pytest.warns(VelboWarning, match="3 cells hold 2 categories that training did not have .first 'pilot'."):
        codes = frames.codes(new, columns)
    np.testing.assert_array_equal(codes[:, 0], [0, np.nan, np.nan, np.nan])


def test_values_of_another_type_are_understood():
    columns = frames.guess(pd.DataFrame({"code": pd.Categorical(["1", "2", "3"] * 5), "n": [1.5, 2, 7] * 5}))
    new = pd.DataFrame({"code": [3, 1], "n": ["2.5", " ? "]})
    np.testing.assert_array_equal(frames.codes(new, columns), [[2, 2.5], [0, np.nan]])
    array = np.array([["2", 7.5], [None, 1]], dtype=object)
    np.testing.assert_array_equal(frames.codes(array, columns), [[1, 7.5], [np.nan, 1]])
    array = np.array([[2, "7.5"], ["1", pd.NA], [np.nan, 1]], dtype=object)
    np.testing.assert_array_equal(frames.codes(array, columns), [[1, 7.5], [0, np.nan], [np.nan, 1]])


@pytest.mark.parametrize(
    ("trained", "new", "wanted"),
    [
        ([0, 1, 1], ["1.0", "0", " "], [1, 0, np.nan]),
        ([0, 1, 1], [True, False, None], [1, 0, np.nan]),
        ([0, 1, 1], [1.0, 0.0, np.nan], [1, 0, np.nan]),
        ([True, False], ["True", "false", "1"], [1, 0, 1]),
        ([True, False], [1, 0, 1], [1, 0, 1]),
        (["1", "01"], [1, 1], [0, 0]),
        (["1", "01"], ["01", "1"], [0, 1]),
        (["2", "1"], [Decimal("1.0"), Decimal(2)], [0, 1]),
        (["true", "false"], [True, False], [1, 0]),
    ],
)
def test_a_category_is_what_a_cell_means_if_its_type_is_another(trained, new, wanted):
    """Text is matched as it is, so that 01 (code 0) and 1 stay two things; a number may be either, and is the first."""
    column = frames.guess(pd.DataFrame({"x": trained}))
    np.testing.assert_array_equal(frames.codes(pd.DataFrame({"x": new}), column)[:, 0], wanted)


def test_categories_of_single_precision_are_found_in_double_and_back():
    v = np.array([0.1, 0.2, 0.7])
    for a, b in ((v, v.astype(np.float32)), (v.astype(np.float32), v)):
        columns = frames.guess(pd.DataFrame({"x": a}), {"x": "categorical"})
        if a.dtype == np.float32:
            np.testing.assert_array_equal(frames.codes(pd.DataFrame({"x": b}), columns)[:, 0], [0, 1, 2])
        np.testing.assert_array_equal(frames.codes(pd.DataFrame({"x": a}), columns)[:, 0], [0, 1, 2])


def test_cells_that_do_not_fit_their_kind_are_named():
    columns = (
        Column("n", "count"),
        Column("p", "positive"),
        Column("b", "bounded", location=0.0, scale=1.0),
        Column("i", "integer"),
    )
    good = {"n": [1, 2], "p": [1.0, 2.0], "b": [0.5, 0.5], "i": [-1, 2]}
    assert frames.codes(pd.DataFrame(good), columns).shape == (2, 4)
    for name, bad, words in [
        ("n", -1, "row 1, column 'n' holds -1, which is no whole number from 0"),
        ("p", 0.0, "row 1, column 'p' holds 0, which is not above 0"),
        ("b", 1.5, "column 'b' holds 1.5, which does not lie between"),
        ("i", 0.5, "not whole"),
        ("i", math.inf, "row 1, column 'i' holds inf"),
        ("n", "many", "row 1, column 'n' holds 'many', which is no number"),
        ("n", 1e40, r"which is over 1e\+30"),
        ("p", 1e40, r"holds 1e\+40, which differs from what is usual by a factor of over 1e\+30"),
        ("p", 1e-40, "differs from what is usual"),
        ("i", 1e12, r"which is over 1e\+09 standard deviations from the mean"),
    ]:
        with pytest.raises(SchemaError, match=words):
            frames.codes(
                pd.DataFrame(
                    {**good, name: [str(good[name][0]), bad] if isinstance(bad, str) else [good[name][0], bad]}
                ),
                columns,
            )


def test_a_constant_that_is_another_now_is_told():
    """What means the same (3, 3.0, "3") does not warn: warnings are errors here."""
    day = dt.datetime(2020, 1, 1)
    frame = pd.DataFrame({"one": [3] * 3, "day": [day] * 3, "no": [None] * 3, "x": [1.5, 2.5, 4.5]})
    columns = frames.guess(frame)
    for same in (frame, frame.assign(one=3.0), frame.assign(one="3"), frame.assign(one=[3, None, 3])):
        assert frames.codes(same, columns).shape == (3, 1)
    for name, new, words in [
        ("one", [4, 3, 5], "was 3 in every row of the training data, and 2 cells hold something else now .first '4'"),
        ("day", [day, day, dt.datetime(2021, 1, 1)], "was 2020-01-01 in every row .*1 cells .*first '2021-01-01 00"),
        ("no", [None, "a", None], "was missing in every row .*1 cells .*first 'a'"),
    ]:
        with pytest.warns(VelboWarning, match=words):
            frames.codes(frame.assign(**{name: new}), columns)


CONSTANTS = {
    "text": pa.array(["x"] * 3),
    "truth": pa.array([True] * 3),
    "whole": pa.array([7] * 3, pa.int8()),
    "day": pa.array([dt.date(2020, 1, 1)] * 3),
    "moment": pa.array([dt.datetime(2020, 1, 1, 3, 4, 5)] * 3, pa.timestamp("us", "Asia/Tokyo")),
    "span": pa.array([dt.timedelta(seconds=4)] * 3),
    "named": pa.array(["q"] * 3).dictionary_encode(),
    "nothing": pa.nulls(3),
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_constants_come_back(backend):
    table = pa.table(CONSTANTS)
    frame = {"pandas": table.to_pandas, "polars": lambda: pl.from_arrow(table), "pyarrow": lambda: table}[backend]()
    columns = frames.guess(frame)
    assert {c.kind for c in columns} == {"constant"}
    assert frames.codes(frame, columns).shape == (3, 0)
    back = frames.rebuild(np.empty((3, 0)), columns, backend)
    assert equal(back, frame)


def test_dates_are_no_numbers_and_numbers_no_names_for_them():
    day = dt.datetime(2020, 1, 1)
    columns = (
        Column("n", "real"),
        Column("k", "binary", "string", categories=("a", "b")),
        Column("t", "datetime", "timestamp[us]", scale=1e9),
        Column("s", "real", "duration[s]"),
    )
    good = {"n": [1.5], "k": ["b"], "t": [day], "s": [dt.timedelta(seconds=3)]}
    np.testing.assert_array_equal(frames.codes(pd.DataFrame(good), columns), [[1.5, 1, 1_577_836_800, 3]])
    text = frames.codes(pd.DataFrame({**good, "t": ["2020-01-01 00:00:00"], "n": ["1.5"]}), columns)
    np.testing.assert_array_equal(text, [[1.5, 1, 1_577_836_800, 3]])
    for name, cells, words in [
        ("n", [day], "column 'n' holds dates and held double in training"),
        ("n", good["s"], "column 'n' holds durations and held double"),
        ("t", good["s"], "column 't' holds durations and held timestamp"),
        ("s", [day], "column 's' holds dates and held duration"),
        ("k", [day], "column 'k' holds dates and held string"),
        ("n", [[1.0]], "column 'n' holds list<"),
    ]:
        with pytest.raises(SchemaError, match=words):
            frames.codes(pd.DataFrame({**good, name: cells}), columns)


def test_everything_that_is_wrong_is_said_at_once():
    frame = pl.DataFrame({"a": [1.5, math.inf], "b": [[1], [2]], "c": ["u", "v"], "d": [1.5, 2.5]})
    with pytest.raises(
        SchemaError, match=r"row 1, column 'a' .*; column 'b' holds cells of type .*; column 'd' cannot"
    ):
        frames.guess(frame, {"d": "count"})


def test_a_column_that_is_dropped_may_hold_anything():
    """It is not looked at: by guess, codes and fill."""
    frame = pd.DataFrame({"any": [1, "a", object()], "x": [1.5, np.nan, 3.5]})
    with pytest.raises(SchemaError, match="column 'any' holds Python objects of several types"):
        frames.guess(frame)
    columns = frames.guess(frame, {"any": "drop", "x": "real"})
    np.testing.assert_array_equal(frames.codes(frame, columns), [[1.5], [np.nan], [3.5]])
    filled = frames.fill(frame, np.array([[0], [2.5], [0]]), columns)
    assert filled["x"].tolist() == [1.5, 2.5, 3.5]
    assert filled["any"].tolist() == frame["any"].tolist()
    assert list(frames.rebuild(np.array([[2.5]]), columns, "pandas").columns) == ["x"]


def test_what_a_frame_is():
    for frame in (pd.DataFrame({"x": [1]}), pl.DataFrame({"x": [1]}), pa.table({"x": [1]})):
        for same in (frame, nw.from_native(frame), narwhals.from_native(frame)):
            assert frames.is_frame(same)
            assert frames.backend_of(same) == frames.backend_of(frame)
            assert frames.codes(same, (Column("x", "real"),)).tolist() == [[1.0]]
    lazy = pl.LazyFrame({"x": [1]})
    for none in (np.zeros((2, 2)), [[1]], pd.Series([1]), lazy, None):
        assert not frames.is_frame(none)
    for none, words in (
        (lazy, "not LazyFrame; collect it first"),
        (pd.Series([1]), "not Series"),
        (None, "not NoneType"),
    ):
        with pytest.raises(DataError, match=f"a data frame or an array is needed, {words}"):
            frames.codes(none, (Column("x", "real"),))
        with pytest.raises(DataError, match=words):
            frames.guess(none)
    with pytest.raises(SchemaError, match=r"2 columns are needed, not shape \(3,\)"):
        frames.codes(np.zeros(3), (Column("x", "real"), Column("y", "drop")))


def test_tables_that_are_none():
    for frame, words in [
        (pd.DataFrame({"x": []}), "no rows"),
        (pd.DataFrame(), "no columns"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are called 'a'"),
        (pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])), "several levels"),
        (pd.DataFrame({"x": [1, "a", 2.5]}), "several types"),
    ]:
        with pytest.raises(DataError, match=words):
            frames.guess(frame)
    with pytest.raises(SchemaError, match=r"type list<.*--column x=drop"):
        frames.guess(pa.table({"x": [[1], [2]]}))
    assert frames.guess(pa.table({"x": [[1], [2]], "y": [1.5, 2.5]}), {"x": "drop"})[0].kind == "drop"


def test_small_and_empty_columns():
    for frame in (
        pd.DataFrame({"x": [1.5]}),
        pd.DataFrame({"x": [None, None]}),
        pd.DataFrame({"x": [2.0, np.nan, 2.0]}),
    ):
        (column,) = frames.guess(frame)
        assert column.kind == "constant"
    assert frames.guess(pd.DataFrame({0: [1.5, 2.5, 3.5]}))[0].name == "0"


def test_overrides():
    frame = pd.DataFrame({"age=now": [20, 30, 40] * 4, "id": range(12), "x": [0.5, 1.5, 2.5] * 4})
    columns = frames.guess(frame, frames.parse_overrides(["age=now=count:poisson", "id=drop"]))
    assert [(c.kind, c.likelihood, c.reason) for c in columns[:2]] == [
        ("count", "poisson", "as given"),
        ("drop", "", "as given"),
    ]
    for texts, words in [(["x"], "name=kind"), (["y=real"], "unknown column 'y'"), (["x=reel"], "Did you mean 'real'")]:
        with pytest.raises(ConfigError, match=words):
            frames.guess(frame, frames.parse_overrides(texts))


def test_clipping_keeps_to_what_was_seen():
    columns = (Column("a", "real", low=-1, high=2), Column("b", "drop"), Column("c", "count", low=0, high=5))
    np.testing.assert_array_equal(frames.clip_to_observed(np.array([[-3.0, 9], [1, 3]]), columns), [[-1, 5], [1, 3]])


def test_chunks_of_any_size_give_the_same_columns():
    frame = pa.table({**everything(), "id": [str(i) for i in range(N)]})
    whole = frames.guess(frame, {"id": "drop"})
    for size in (1, 7, N):
        chunks = (frame.slice(i, size) for i in range(0, N, size))
        for a, b in zip(frames.guess_chunks(chunks, {"id": "drop"}), whole, strict=True):
            assert {**a.to_json(), "location": 0, "scale": 0, "mean": 0, "reason": ""} == {
                **b.to_json(),
                "location": 0,
                "scale": 0,
                "mean": 0,
                "reason": "",
            }
            assert (a.location, a.scale, a.mean) == pytest.approx((b.location, b.scale, b.mean), rel=1e-12)


def test_chunks_have_the_same_columns_and_types_that_go_together():
    whole, part = pd.DataFrame({"x": [1, 2, 500], "y": ["a", "b", "c"]}), pd.DataFrame({"x": [-0.5], "y": [None]})
    x, y = frames.guess_chunks([whole, part])
    assert (x.kind, x.dtype, x.native, y.categories, y.n_missing) == ("real", "double", "float64", ("a", "b", "c"), 1)
    for other, words in [
        (whole[["x"]], "column 'y' is not in every chunk"),
        (whole.assign(z=1), "column 'z' is not in every chunk"),
        (whole.assign(x="a"), "column 'x' holds int64 before row 3 and"),
        (whole.assign(x=math.inf), "row 3, column 'x' holds infinity"),
    ]:
        with pytest.raises(SchemaError, match=words):
            frames.guess_chunks([whole, other])


def test_a_schema_is_described_and_survives_json():
    columns = frames.guess(pd.DataFrame(everything()))
    assert [Column.from_json(c.to_json()) for c in columns] == list(columns)
    record = next(r for r in frames.describe(columns) if r["column"] == "job")
    assert record["values"] == "pilot, clerk, nurse"
    assert record["reason"] == "3 distinct names"
    day, gone = dt.date(2020, 2, 3), [object(), object()]
    columns = frames.guess(pd.DataFrame({"day": [day] * 2, "n": [2.0] * 2, "gone": gone}), {"gone": "drop"})
    assert [(r["values"], r["missing"]) for r in frames.describe(columns)] == [
        ("2020-02-03", "0"),
        ("2", "0"),
        ("-", "-"),
    ]
