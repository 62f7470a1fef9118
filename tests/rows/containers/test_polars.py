"""polars' data frames: every type comes back."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from contracts.tables import NAN, POLARS_COLUMNS
from velbo.rows import infer
from velbo.rows.containers import container_of


@pytest.mark.parametrize("series", POLARS_COLUMNS, ids=lambda s: str(s.dtype)[:18])
def test_types_come_back_with_their_missing_cells(series):
    frame = pl.DataFrame([series, pl.Series("y", np.arange(20) % 3 + 0.5)])
    schema = infer(frame)
    back = schema.new(schema.numbers(frame))
    assert back["x"].dtype == series.dtype
    assert back.equals(frame)


@pytest.mark.parametrize("series", POLARS_COLUMNS, ids=lambda s: str(s.dtype)[:18])
def test_filling_changes_no_observed_cell_of_any_type(series):
    whole = pl.DataFrame([series, pl.Series("y", np.arange(20) % 3 + 0.5)])
    schema = infer(whole)
    gone = pl.Series(np.arange(20) % 5 == 2)
    part = whole.with_columns(series.zip_with(~gone, pl.Series([None] * 20, dtype=series.dtype)))
    filled = schema.filled(part, schema.numbers(whole))
    assert filled.equals(whole)
    assert filled.schema == whole.schema
    assert part["x"].null_count() > whole["x"].null_count()


def test_an_enum_that_lacks_a_category_is_given_it():
    schema = infer(pl.DataFrame({"job": ["actor", "clerk", "nurse"]}))
    frame = pl.DataFrame({"job": pl.Series(["clerk", None, "nurse"], dtype=pl.Enum(["nurse", "clerk"]))})
    filled = schema.filled(frame, np.zeros((3, 1)))
    assert filled["job"].to_list() == ["clerk", "actor", "nurse"]
    assert filled["job"].dtype == pl.Enum(["nurse", "clerk", "actor"])


def test_an_order_of_categories_is_kept():
    frame = pl.DataFrame({"x": pl.Series(["lo", "hi", "mid"] * 5, dtype=pl.Enum(["lo", "mid", "hi"]))})
    (field,) = infer(frame).fields
    assert (field.kind, field.categories) == ("ordinal", ("lo", "mid", "hi"))


def test_a_constant_enum_and_a_flag_among_its_names_keep_them():
    names = pl.Enum(["p", "q"])
    for cells in (["q", "q"], ["q", None]):
        frame = pl.DataFrame({"x": pl.Series(cells, dtype=names), "y": [0.5, 1.5]})
        schema = infer(frame)
        back = schema.new(schema.numbers(frame))
        assert back.equals(frame)
        assert back["x"].dtype == names


def test_nan_and_null_are_both_missing_and_the_rest_is_as_it_was():
    frame = pl.DataFrame({"x": [0.1, NAN, None, -0.0]})
    schema = infer(pl.DataFrame({"x": [0.1, 2.5, 7.125, -0.0]}))
    filled = schema.filled(frame, np.array([[9], [NAN], [1.5], [9.0]]))["x"]
    assert filled.to_numpy().tobytes() == np.array([0.1, NAN, 1.5, -0.0]).tobytes()


def test_rows_are_taken():
    frame = pl.DataFrame({"x": [1, 2, 3]})
    assert container_of(frame).take(frame, np.array([2, 0]))["x"].to_list() == [3, 1]
