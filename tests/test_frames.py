"""Data frames -> codes -> data frames, in every library."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

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
    return [None if v != v else v for v in (column.to_pylist() if isinstance(column, pa.ChunkedArray) else column)]


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
    ]:
        with pytest.raises(SchemaError, match=words):
            frames.codes(
                pd.DataFrame(
                    {**good, name: [str(good[name][0]), bad] if isinstance(bad, str) else [good[name][0], bad]}
                ),
                columns,
            )


def test_a_constant_that_is_another_now_is_told():
    frame = pd.DataFrame({"one": [3, 3, 3], "x": [1.5, 2.5, 4.5]})
    columns = frames.guess(frame)
    assert frames.codes(frame.assign(one=3.0), columns).shape == (3, 1)
    with pytest.warns(VelboWarning, match="was 3.0 in every row of the training data and holds '4'"):
        frames.codes(frame.assign(one=4), columns)


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


def test_a_schema_is_described_and_survives_json():
    columns = frames.guess(pd.DataFrame(everything()))
    assert [Column.from_json(c.to_json()) for c in columns] == list(columns)
    record = next(r for r in frames.describe(columns) if r["column"] == "job")
    assert record["values"] == "pilot, clerk, nurse"
    assert record["reason"] == "3 distinct names"
