"""What a field is taken for, what is in doubt, and why one is refused."""

from __future__ import annotations

import datetime as dt
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from contracts.tables import N, everything
from velbo.errors import ConfigError, DataError, SchemaError
from velbo.rows import Field, container_of, infer
from velbo.rows.inference import infer_fields
from velbo.rows.kinds import kind_of

RNG = np.random.default_rng(0)
SPREAD = RNG.permutation(100_000)[:200]
DAYS = [dt.date(2020, 1, 1), dt.date(2021, 1, 1)] * 5


def field_of(cells: Any, asked: str = "", name: str = "x") -> Field:
    return fields_of([pd.DataFrame({name: cells})], {name: asked} if asked else {})[0]


def fields_of(chunks: Sequence[Any], asked: dict[str, str] | None = None) -> tuple[Field, ...]:
    return infer_fields((container_of(chunk).columns(chunk, "data") for chunk in chunks), asked)


@pytest.mark.parametrize(
    ("cells", "kind", "reason"),
    [
        ([True, False, None], "binary", "2 distinct values"),
        (["a", "b", None], "binary", "2 distinct values"),
        ([0.5, 1.5, 1.5], "binary", "2 distinct values"),
        (["Y", None, "Y"], "binary", "'Y' or missing, which counts as a value"),
        ([2.5, None, 2.5], "binary", "2.5 or missing, which counts as a value"),
        (pd.Categorical(["a", "b"] * 3, ["a", "b", "c"]), "categorical", "2 distinct names"),
        (pd.Categorical(["a", "b"] * 3, ["a", "b"], ordered=True), "ordinal", "2 categories that have an order"),
        (["a", "b", "?"], "categorical", "3 distinct names"),
        (DAYS, "datetime", "dates"),
        ([dt.timedelta(1), dt.timedelta(2)] * 3, "real", "durations, in seconds"),
        ([None] * 3, "constant", "every cell is missing"),
        ([2.5, 2.5], "constant", "one value"),
        ([dt.date(2020, 1, 1), None], "constant", "one value"),
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
    field = field_of(cells)
    assert (field.kind, field.reason) == (kind, reason)
    assert np.isfinite([field.low, field.high, field.location, field.scale]).all()
    assert float(field.scale) > 0


@pytest.mark.parametrize(
    ("rows", "kind", "shown"),
    [
        (RNG.integers(0, 256, (5, 8, 9)).astype(np.uint8), "byte", "256 levels"),
        (RNG.integers(0, 2, (5, 8, 9)).astype(np.uint8), "binary", "0 to 1"),
        (RNG.integers(0, 17, (50, 8, 9)), "byte", "17 levels"),
        (RNG.integers(0, 256, (5, 8, 9)).astype(float), "byte", "256 levels"),
        (RNG.random((5, 8, 9)), "real", "0."),
        (RNG.normal(size=(5, 3)), "real", "-"),
        (RNG.integers(0, 9, (50, 3)), "real", "0 to 8"),
        (RNG.integers(0, 9, (5, 3)).astype(np.uint8), "byte", "256 levels"),
        (np.array([[0, 1.5], [1, 2.5]]), "real", "0 to 2.5"),
        (np.array([[0, np.nan], [1, 1]]), "binary", "0 to 1"),
        (np.array([[True, False], [False, True]]), "binary", "0 to 1"),
        (RNG.integers(-3, 9, (5, 8, 9)), "real", "-3 to"),
        (RNG.integers(0, 60_000, (5, 8, 9)).astype(np.uint16), "real", " to "),
    ],
    ids=lambda v: f"{v.dtype}{v.shape}" if isinstance(v, np.ndarray) else str(v),
)
def test_kinds_of_arrays(rows, kind, shown):
    schema = infer(rows)
    (field,) = schema.fields
    assert (field.name, field.kind, field.shape) == ("x", kind, rows.shape[1:])
    assert shown in schema.records()[0]["values"]
    assert kind in schema.describe()


def test_levels_may_be_given():
    assert infer(np.array([[0, 3], [2, 1]]), kind="byte", levels=4).field("x").levels == 4
    with pytest.raises(SchemaError, match="it holds 3, and 3 levels end at 2; give --levels"):
        infer(np.array([[0, 3], [2, 1]]), kind="byte", levels=3)
    with pytest.raises(ConfigError, match="levels must be between 2 and 65536, not 1"):
        infer(np.zeros((3, 2), np.uint8), kind="byte", levels=1)


def test_location_and_scale_are_those_that_kinds_promise():
    """Strictly inside (location, location + scale); (0, 1) where all values are inside it; logs for positives."""
    v = np.array([1.0, 2.0, 40.5])
    assert field_of(v, "positive").scale == pytest.approx(np.exp(np.log(v).mean()), rel=1e-15)
    assert field_of(v, "positive").location == 0
    real = field_of(v, "real")
    assert (real.location, real.scale) == pytest.approx((v.mean(), v.std()), rel=1e-15)
    for cells in ([0.2, 0.5, 0.7], [0.0, 0.5, 0.7], [-3, 2.5, 8], [1e6, 1e6 + 1, 1e6 + 0.5]):
        field = field_of(cells, "bounded")
        location, scale = float(field.location), float(field.scale)
        assert location < min(cells)
        assert max(cells) < location + scale
        assert scale <= 1.002 * max(1, max(cells) - min(cells))
    assert field_of([0.2, 0.5, 0.7], "bounded").scale == 1
    assert field_of([1e9, 1e9, 1e9], "real").scale == 1


def test_arrays_have_a_location_and_a_scale_for_every_cell():
    """Of observed cells; 1 where a cell is constant, within rounding error too."""
    rows = np.array([[1.0, 7.0, np.nan], [3.0, 7.0, np.nan], [np.nan, 7.0, 2.5]])
    (field,) = infer(rows).fields
    assert (field.location, field.scale) == ((2.0, 7.0, 2.5), (1.0, 1.0, 1.0))
    assert (field.low, field.high, field.n_missing) == ((1.0, 7.0, 2.5), (3.0, 7.0, 2.5), 3)
    stamps = infer(1.7e9 + RNG.normal(size=(100, 1))).field("x")
    assert stamps.each("scale")[0] == pytest.approx(1, rel=0.3)
    noise = infer(np.full((7, 1), 1e6 + 0.1)).field("x")
    assert noise.each("scale")[0] == 1
    empty = infer(np.array([[1.0, np.nan], [2.5, np.nan]])).field("x")
    assert np.isfinite([empty.low, empty.high, empty.mean, empty.location, empty.scale]).all()
    positive = infer(np.array([[1.0, 8.0], [4.0, 2.0]]), kind="positive").field("x")
    np.testing.assert_allclose(positive.scale, [2.0, 4.0])
    bounded = infer(np.array([[0.5, 8.0], [4.0, 2.0]]), kind="bounded").field("x")
    assert (np.array(bounded.location) < [0.5, 2]).all()


@pytest.mark.parametrize(
    ("name", "cells", "kind"),
    [
        ("n", np.arange(100), ""),
        ("n", RNG.permutation(100) * 10 + 7, ""),
        ("n", 2**62 + np.arange(100), ""),
        ("n", np.arange(12_000) * 3, ""),
        ("customer_id", SPREAD, ""),
        ("customerID", SPREAD, ""),
        ("Key", SPREAD, ""),
        ("id", 2**62 + SPREAD, ""),
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
        assert field_of(cells, name=name).kind == kind
    else:
        with pytest.raises(SchemaError, match=f"'{name}' holds identifiers.*--column {name}=drop.*{name}=integer"):
            field_of(cells, name=name)
        assert field_of(cells, "integer", name).kind == "integer"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([f"u{i}" for i in range(60)], "holds identifiers, another in every row: leave it out with --column x=drop"),
        ([f"a rather long sentence no. {i}" for i in range(60)], "free text.*--column x=drop"),
        ([f"n{i}" for i in range(1001)] * 2, "1,001 categories in 2,002 rows, fewer than 5 rows each.*x=categorical"),
        ([*map(str, range(80)), "oops", "hm"], "numbers and words, such as 'oops' in row 80: mend.*x=categorical"),
        ([*map(str, range(80)), "nan"], "numbers and words, such as 'nan' in row 80"),
        ([f"{v:.3f}" for v in RNG.normal(size=99)], "holds numbers as text: convert them.*x=categorical"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_refusals_name_the_call(cells, words):
    with pytest.raises(SchemaError, match=words):
        field_of(cells)


def test_names_that_are_long_or_whole_numbers_are_names_still():
    """Sentences that come twice each are no free text; of postal codes no number is meant."""
    assert field_of([f"a rather long sentence no. {i}" for i in range(60)] * 2).kind == "categorical"
    assert field_of([f"{v:05d}" for v in range(20)] * 3).kind == "categorical"


def test_whole_numbers_of_an_array_may_be_counts():
    """What they are is not guessed, but it is not passed over either."""
    (field,) = infer(np.array([[0, 300], [7, 1]])).fields
    assert field.kind == "real"
    assert field.doubts == ("its numbers are whole and none is below 0; if they are counts: --column x=count",)
    for other in ([[0, -3], [2, 400]], [[0, 0.5], [2, 400]]):
        assert infer(np.array(other)).fields[0].doubts == ()
    assert infer(np.array([[0, 300], [7, 1]]), kind="count").fields[0].doubts == ()


def test_ends_that_are_whole_are_shown_in_full():
    fields = infer(pa.table({"n": [12_285, 1_484_705, 7], "x": [0.5, 1.25e9, 3.0]})).fields
    assert kind_of(fields[0]).shown(fields[0]) == "7 to 1484705"
    assert fields[0].reason == "whole numbers from 7 to 1484705"
    assert kind_of(fields[1]).shown(fields[1]) == "0.5 to 1250000000"


@pytest.mark.parametrize(
    ("name", "cells", "doubt"),
    [
        ("sector_code", [1, 2, 3, 4, 5] * 3, "may be codes without an order; if so: --column sector_code=categorical"),
        ("type", [0, 5, 30] * 3, "--column type=categorical"),
        ("n", [1, 2, 4, 9] * 3, "--column n=categorical"),
        ("n", [1, 2, 3, 4] * 3, ""),
        ("typed", [1, 2, 3, 4] * 3, ""),
        ("zip", [0.5, 2.5, 3.5] * 3, ""),
        (
            "died",
            ["Y", None, None],
            "2 missing cells count as a value of their own and are never filled.*died=constant",
        ),
        ("day", [dt.date(2020, 1, 1), None], "1 missing cells are filled with the one value that there is"),
    ],
    ids=str,
)
def test_what_is_in_doubt_names_the_option_to_type(name, cells, doubt):
    doubts = field_of(cells, name=name).doubts
    assert len(doubts) == bool(doubt)
    if doubt:
        assert re.search(doubt, doubts[0])
    assert not field_of(cells, "drop", name).doubts


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
        *[(DAYS, kind, "dates; take kind datetime") for kind in ("real", "positive", "bounded", "integer", "count")],
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
    with pytest.raises(SchemaError, match=f"'x' cannot be of kind '{kind}': .*{words}"):
        field_of(cells, kind)


@pytest.mark.parametrize(
    ("rows", "kind", "words"),
    [
        (np.array([[0, 2.5], [1, 1]]), "byte", r"row 0, 1 holds 2.5, which is not whole"),
        (np.array([[[0, 2], [1, 1]], [[3, -4], [0, 0]]]), "byte", r"row 1, \(0, 1\) holds -4, which is below 0"),
        (np.array([[0, 2.0], [1, 1]]), "binary", "it holds numbers from 0 to 2"),
        (np.array([[0, 2.0], [1, 1]]), "categorical", "its cells are arrays; take kind byte, count or real"),
        (np.array([[0, 2.0], [1, 1]]), "datetime", "its cells are no dates"),
        (np.array([[1, 2.0], [0, 1]]), "positive", "row 1, 0 holds 0; take kind real"),
        (np.array([[1, 2.0], [0.5, 1]]), "count", "row 1, 0 holds 0.5, which is not whole"),
        (np.full((2, 2), np.nan), "real", "every cell is missing"),
        (np.array([[1, 2.0], [0, 1]]), "constant", "its cells are arrays; take kind drop to leave it out"),
    ],
    ids=lambda v: str(v)[:20],
)
def test_a_kind_that_does_not_fit_arrays_names_the_first_cell(rows, kind, words):
    with pytest.raises(SchemaError, match=f"'x' cannot be of kind '{kind}': {words}"):
        infer(rows, kind=kind)


def test_the_first_cell_is_that_of_the_whole_table_in_whatever_chunks():
    frame = pa.table({"a": [3.0, 4.0, None, -1.0, -2.0, 0.5], "b": ["1", "2", "3", None, "x", "y"]})
    for size in (1, 2, 6):
        for kinds, words in [
            ({"a": "count", "b": "drop"}, "row 5 holds 0.5, which is not whole"),
            ({"a": "positive", "b": "drop"}, "row 3 holds -1"),
            ({"a": "real", "b": "real"}, "row 4 holds 'x'"),
        ]:
            with pytest.raises(SchemaError, match=words):
                fields_of([frame.slice(i, size) for i in range(0, 6, size)], kinds)


def test_everything_that_is_wrong_is_said_at_once():
    frame = pl.DataFrame({"a": [1.5, math.inf], "b": [[1], [2]], "c": ["u", "v"], "d": [1.5, 2.5]})
    with pytest.raises(
        SchemaError,
        match=r"'a': row 1 holds infinity.*; column 'b' holds cells of type .*; 'd' cannot be of kind 'count'",
    ):
        infer(frame, {"d": "count"})


def test_what_is_asked_for():
    frame = pd.DataFrame({"age=now": [20, 30, 40] * 4, "id": range(12), "x": [0.5, 1.5, 2.5] * 4})
    fields = infer(frame, {"age=now": "count:poisson", "id": "drop", "x": ":normal"}).fields
    assert [(f.kind, f.likelihood, f.reason) for f in fields] == [
        ("count", "poisson", "as given"),
        ("drop", "", "as given"),
        ("real", "normal", "numbers"),
    ]
    assert {f.kind for f in infer(frame, {"id": "drop"}, kind="real").fields} == {"real", "drop"}
    for asked, words in [
        ({"y": "real"}, "unknown column 'y'"),
        ({"x": "reel"}, "unknown kind of 'x'.*Did you mean 'real'"),
    ]:
        with pytest.raises(ConfigError, match=words):
            infer(frame, asked)


def test_small_columns():
    for cells in ([1.5], [None, None], [2.0, 2.0]):
        assert field_of(cells).kind == "constant"
    assert infer(pd.DataFrame({0: [1.5, 2.5, 3.5]})).fields[0].name == "0"
    assert field_of([3, 3]).value == 3
    assert isinstance(field_of([3.0, 3.0]).value, int)
    assert field_of([True, True]).value is True


# chunks


def test_chunks_of_any_size_give_the_same_fields():
    frame = pa.table({**everything(), "id": [str(i) for i in range(N)]})
    whole = fields_of([frame], {"id": "drop"})
    rough = {"location": 0.0, "scale": 1.0, "mean": 0.0, "reason": ""}
    for size in (1, 7, N):
        cut = fields_of([frame.slice(i, size) for i in range(0, N, size)], {"id": "drop"})
        for a, b in zip(cut, whole, strict=True):
            assert replace(a, **rough) == replace(b, **rough)
            assert (a.location, a.scale, a.mean) == pytest.approx((b.location, b.scale, b.mean), rel=1e-12)


def test_chunks_have_the_same_columns_and_types_that_go_together():
    whole, part = pd.DataFrame({"x": [1, 2, 500], "y": ["a", "b", "c"]}), pd.DataFrame({"x": [-0.5], "y": [None]})
    x, y = fields_of([whole, part])
    assert (x.kind, x.dtype, x.native, y.categories, y.n_missing) == ("real", "double", "float64", ("a", "b", "c"), 1)
    for other, words in [
        (whole[["x"]], "column 'y' is not in every chunk"),
        (whole.assign(z=1), "column 'z' is not in every chunk"),
        (whole.assign(x="a"), "column 'x' holds int64 before row 3 and"),
        (whole.assign(x=math.inf), "'x': row 3 holds infinity"),
    ]:
        with pytest.raises(SchemaError, match=words):
            fields_of([whole, other])


def test_arrays_in_chunks_have_one_shape():
    rows = RNG.normal(size=(7, 2, 3))
    (whole,) = infer(rows).fields
    (cut,) = fields_of([{"x": rows[:3]}, {"x": rows[3:]}])
    np.testing.assert_allclose(cut.location, whole.location, rtol=1e-12)
    np.testing.assert_allclose(cut.scale, whole.scale, rtol=1e-12)
    with pytest.raises(
        SchemaError, match=r"'x' holds arrays of shape \(2, 3\) before row 7 and arrays of shape \(3, 2\)"
    ):
        fields_of([{"x": rows}, {"x": rows.reshape(7, 3, 2)}])
    with pytest.raises(SchemaError, match=r"'x' holds arrays of shape \(2, 3\) before row 7 and double from there on"):
        fields_of([{"x": rows}, {"x": rows[:, 0, 0]}])


def test_no_rows_and_no_chunks():
    for chunks in ([], [pa.table({"x": pa.array([], pa.float64())})]):
        with pytest.raises(DataError, match="no rows"):
            fields_of(chunks)
    assert fields_of([pa.table({"x": pa.array([], pa.float64())}), pa.table({"x": [0.5, 2.5, 1.0]})])[0].kind == "real"


# wide and long


@pytest.mark.parametrize("library", [pd.DataFrame, pa.table], ids=["pandas", "pyarrow"])
def test_work_is_linear_in_columns(library):
    """Lines of velbo that are run, and calls of Python's functions elsewhere, are as many for each of 240 columns as
    for each of 60: no column looks at all others. (A search inside one line of C, as of a list, is not seen.)
    """
    rng = np.random.default_rng(0)

    def steps(n: int) -> int:
        frame = library({f"c{i}": column for i, column in enumerate(rng.normal(size=(n, 20)))})
        infer(frame).numbers(frame)  # what is made once is made
        done = 0

        def count(frame: Any, event: str, arg: Any) -> Any:
            nonlocal done
            done += 1
            return count if "velbo" in frame.f_code.co_filename else None

        before = sys.gettrace()
        sys.settrace(count)
        try:
            infer(frame).numbers(frame)
        finally:
            sys.settrace(before)
        return done

    few, many = steps(60), steps(240)
    assert many < 1.1 * 4 * few
    assert many > 2 * few


def test_many_names_are_modelled_where_each_has_five_rows():
    """Whatever their number; without, they are refused. Names that are whole numbers only if the user says so."""
    names = [f"n{i}" for i in range(12_000)]
    field = field_of(names * 5)
    assert (field.kind, field.n_categories, field.counts[:3]) == ("categorical", 12_000, (5, 5, 5))
    with pytest.raises(SchemaError, match="12,000 categories in 59,999 rows, fewer than 5 rows each"):
        field_of((names * 5)[:-1])
    assert field_of(names * 2, "categorical").n_categories == 12_000
    assert field_of(list(range(12_000)) * 5).kind == "integer"
    assert field_of(list(range(12_000)) * 5, "categorical").n_categories == 12_000
    assert field_of([f"n{i}" for i in range(1000)] * 5).counts == ()
