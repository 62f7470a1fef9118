"""What a column is taken for, and why one is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from velbo.data import Column, frames
from velbo.errors import SchemaError

RNG = np.random.default_rng(0)
SPREAD = RNG.permutation(100_000)[:200]
DAYS = [dt.date(2020, 1, 1), dt.date(2021, 1, 1)] * 5


def column_of(cells: Any, asked: str = "", name: str = "x") -> Column:
    (column,) = frames.guess(pd.DataFrame({name: cells}), {name: asked} if asked else {})
    return column


@pytest.mark.parametrize(
    ("cells", "kind", "reason"),
    [
        ([True, False, None], "binary", "2 distinct values"),
        (["a", "b", "?"], "binary", "2 distinct values"),
        ([0.5, 1.5, 1.5], "binary", "2 distinct values"),
        (pd.Categorical(["a", "b"] * 3, ["a", "b", "c"]), "categorical", "2 distinct names"),
        (pd.Categorical(["a", "b"] * 3, ["a", "b"], ordered=True), "ordinal", "2 categories that have an order"),
        (DAYS, "datetime", "dates"),
        ([dt.timedelta(1), dt.timedelta(2)] * 3, "real", "durations, in seconds"),
        ([None] * 3, "constant", "every cell is missing"),
        ([2.5, None, 2.5], "constant", "one value"),
        ([1, 5, 3, 3], "ordinal", "3 distinct whole numbers from 1 to 5"),
        ([1.0, 5.0, np.nan, 3.0], "ordinal", "3 distinct whole numbers from 1 to 5"),
        ([0, 5, 30], "count", "whole numbers from 0 to 30"),
        ([1, 5, 30], "integer", "whole numbers from 1 to 30"),
        ([0, 5, 1000], "integer", "whole numbers from 0 to 1000"),
        ([0.001, 0.5, 1.25, 900], "positive", "numbers from 0.001 to 900, over 6 powers of ten"),
        (np.linspace(0.02, 0.98, 30), "bounded", "numbers that fill [0, 1]"),
        (np.linspace(0.2, 0.98, 30), "real", "numbers"),
        (np.linspace(1.5, 3.25, 30), "real", "numbers"),
    ],
    ids=str,
)
def test_kinds_and_their_reasons(cells, kind, reason):
    column = column_of(cells)
    assert (column.kind, column.reason) == (kind, reason)
    assert np.isfinite([column.low, column.high, column.location, column.scale]).all()
    assert column.scale > 0


def test_location_and_scale_are_those_that_columns_promise():
    """Strictly inside (location, location + scale); (0, 1) where all values are inside it; logs for positives."""
    v = np.array([1.0, 2.0, 40.5])
    assert column_of(v, "positive").scale == pytest.approx(np.exp(np.log(v).mean()), rel=1e-15)
    assert column_of(v, "positive").location == 0
    real = column_of(v, "real")
    assert (real.location, real.scale) == pytest.approx((v.mean(), v.std()), rel=1e-15)
    for cells in ([0.2, 0.5, 0.7], [0.0, 0.5, 0.7], [-3, 2.5, 8], [1e6, 1e6 + 1, 1e6 + 0.5]):
        column = column_of(cells, "bounded")
        assert column.location < min(cells)
        assert max(cells) < column.location + column.scale
        assert column.scale <= 1.002 * max(1, max(cells) - min(cells))
    assert column_of([0.2, 0.5, 0.7], "bounded").scale == 1
    assert column_of([1e9, 1e9, 1e9], "real").scale == 1


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("n", np.arange(100), ""),
        ("n", RNG.permutation(100) * 10 + 7, ""),
        ("customer_id", SPREAD, ""),
        ("customerID", SPREAD, ""),
        ("Key", SPREAD, ""),
        ("paid", SPREAD, "integer"),
        ("valid", SPREAD, "integer"),
        ("n", np.arange(40), "count"),
        ("n", [0, 11, *range(20, 1000, 10)], "count"),
        ("id", [*SPREAD, SPREAD[0]], "integer"),
        ("n", SPREAD + 0.5, "real"),
    ],
    ids=str,
)
def test_whole_numbers_that_all_differ_are_identifiers_if_they_count_or_are_called_so(name, cells, kind):
    if kind:
        assert column_of(cells, name=name).kind == kind
    else:
        with pytest.raises(SchemaError, match=f"'{name}' holds identifiers.*--column {name}=drop.*{name}=integer"):
            column_of(cells, name=name)
        assert column_of(cells, "integer", name).kind == "integer"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([f"u{i}" for i in range(60)], "holds identifiers, another in every row: leave it out with --column x=drop"),
        ([f"a rather long sentence no. {i}" for i in range(60)], "free text.*--column x=drop"),
        ([f"n{i}" for i in range(1001)] * 2, "more than 1000 categories.*x=drop"),
        ([*map(str, range(80)), "oops", "hm"], "numbers and words, such as 'oops' in row 80: mend.*x=categorical"),
        ([f"{v:.3f}" for v in RNG.normal(size=99)], "holds numbers as text: convert them.*x=categorical"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_refusals_name_the_call(cells, words):
    with pytest.raises(SchemaError, match=words):
        column_of(cells)


def test_names_that_are_long_or_whole_numbers_are_names_still():
    """Sentences that come twice each are no free text; of postal codes no number is meant."""
    assert column_of([f"a rather long sentence no. {i}" for i in range(60)] * 2).kind == "categorical"
    assert column_of([f"{v:05d}" for v in range(20)] * 3).kind == "categorical"


@pytest.mark.parametrize(
    ("cells", "kind", "words"),
    [
        ([3, -1, -7], "count", "row 1 holds -1; take kind integer"),
        ([3, 0, 0.5], "positive", "row 1 holds 0; take kind real, or count"),
        ([np.nan, 3, 0.5], "integer", "row 2 holds 0.5, which is not whole"),
        ([*map(float, range(12_000)), 0.5], "count", "row 12000 holds 0.5, which is not whole"),
        (["1", None, "b"], "real", "row 2 holds 'b', no number"),
        (["1", "2.5", "7"], "real", "its numbers are text; convert them"),
        (["a", "b"], "datetime", "no dates"),
        (DAYS, "categorical", "dates; take kind datetime"),
        ([dt.timedelta(1), dt.timedelta(2)], "binary", "durations; take kind real"),
        ([1, 2, 3], "binary", "3 distinct values"),
        ([1, 2, 3], "constant", "3 distinct values; take kind drop"),
        *[
            ([np.nan] * 3, kind, "every cell is missing")
            for kind in ("real", "positive", "bounded", "integer", "count")
        ],
        ([pd.NaT] * 3, "datetime", "every cell is missing"),
        ([None] * 3, "categorical", "it has no values"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_a_kind_that_does_not_fit_names_the_first_cell(cells, kind, words):
    with pytest.raises(SchemaError, match=f"column 'x' cannot be of kind '{kind}': .*{words}"):
        column_of(cells, kind)


def test_the_first_cell_is_that_of_the_whole_table_in_whatever_chunks():
    frame = pa.table({"a": [3.0, 4.0, None, -1.0, -2.0, 0.5], "b": ["1", "2", "3", "?", "x", "y"]})
    for size in (1, 2, 6):
        for kinds, words in [
            ({"a": "count", "b": "drop"}, "row 5 holds 0.5, which is not whole"),
            ({"a": "positive", "b": "drop"}, "row 3 holds -1"),
            ({"a": "real", "b": "real"}, "row 4 holds 'x'"),
        ]:
            with pytest.raises(SchemaError, match=words):
                frames.guess_chunks((frame.slice(i, size) for i in range(0, 6, size)), kinds)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"x": pd.Categorical(["q", "q"], ["p", "q"])}),
        pd.DataFrame({"x": pd.Categorical([3, 3], [3, 1], ordered=True)}),
        pl.DataFrame({"x": pl.Series(["q", "q"], dtype=pl.Enum(["p", "q"]))}),
        pa.table({"x": pa.DictionaryArray.from_arrays(pa.array([1, 1], pa.int8()), [5, 7])}),
    ],
    ids=["names", "ordered", "enum", "arrow"],
)
def test_a_constant_keeps_the_categories_of_its_type(frame):
    columns = frames.guess(frame)
    assert columns[0].kind == "constant"
    back = frames.rebuild(np.empty((2, 0)), columns, frames.backend_of(frame))
    if isinstance(frame, pa.Table):
        assert back.schema == frame.schema
        assert back["x"].to_pylist() == frame["x"].to_pylist()
    else:
        assert back.equals(frame)
        assert back["x"].dtype == frame["x"].dtype


def test_constants_are_plain_values():
    assert column_of([3, 3]).value == 3
    assert isinstance(column_of([3, 3]).value, int)
    assert column_of([True, True]).value is True


def test_wide_decimals_come_back():
    table = pa.table({"x": pa.array([1, 2, None, 500], pa.decimal256(40, 2))})
    columns = frames.guess(table)
    assert frames.rebuild(frames.codes(table, columns), columns, "pyarrow").equals(table)
