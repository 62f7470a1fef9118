"""Fields that are no part of x: constant ones, and those that the user drops."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from contracts.kinds import (
    DATE_TYPES,
    DECIMAL_TYPES,
    DURATION_TYPES,
    FLOAT_TYPES,
    TEXT_TYPES,
    TIME_TYPES,
    WHOLE_TYPES,
    KindContract,
    in_types,
)
from contracts.tables import LIBRARIES, NAN, cells_of
from velbo.errors import SchemaError, VelboWarning
from velbo.rows import KINDS, infer

DAY = dt.datetime(2020, 1, 1)


class TestConstant(KindContract):
    kind = "constant"
    columns = (
        *in_types(["a"] * 3, TEXT_TYPES),
        *in_types([5] * 3, WHOLE_TYPES, FLOAT_TYPES, DECIMAL_TYPES),
        pa.array([0.1] * 3),
        pa.array([True] * 3),
        pa.array([2**63 + 1] * 3, pa.uint64()),
        pa.array([2**62 + 1] * 3),
        *in_types([DAY] * 3, DATE_TYPES, TIME_TYPES),
        *in_types([dt.timedelta(hours=4)] * 3, DURATION_TYPES),
        pa.nulls(3),
        pa.nulls(3, pa.float32()),
        pa.nulls(3, pa.timestamp("us", "UTC")),
        pa.DictionaryArray.from_arrays(pa.array([1, 1], pa.int8()), ["p", "q", "r"], ordered=True),
    )
    claimed = (
        np.array([2.5, 2.5]),
        np.array(["a", "a"]),
        np.array([None, None]),
        np.full((2, 3), NAN),
    )
    not_claimed = (
        np.array([2.5, NAN]),
        np.array(["a", "b"]),
        np.ones((3, 2)),
        np.zeros((3, 2, 2), np.uint8),
    )
    refused = (
        (np.array([1, 2, 3]), "it has 3 distinct values; take kind drop to leave it out"),
        (np.ones((3, 2)), "its cells are arrays; take kind drop"),
    )


class TestDrop(KindContract):
    kind = "drop"
    not_claimed = (
        np.array([2.5, 2.5]),
        np.array([None, None]),
    )


@pytest.mark.parametrize("kind", ["constant", "drop"])
def test_it_is_no_part_of_a_model(kind):
    table = pa.table({"x": [2.5, 2.5], "y": [0.5, 1.5]})
    schema = infer(table, {"x": kind})
    assert not KINDS[kind].is_modelled
    assert [f.name for f in schema.modelled] == ["y"]
    assert schema.numbers(table).shape == (2, 1)
    assert [c.name for c in schema.cells] == ["y"]
    with pytest.raises(AssertionError, match="no part of x"):
        KINDS[kind].view([])


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_dropped_is_in_no_new_row_and_stays_in_old_ones(library):
    frame = LIBRARIES[library]({"x": ["a", None, "c"], "y": [0.5, None, 2.5]})
    schema = infer(frame, {"x": "drop", "y": "real"})
    new = schema.new(np.array([[1.5]]))
    assert list(new.column_names if library == "pyarrow" else new.columns) == ["y"]
    filled = schema.filled(frame, np.full((3, 1), 1.5))
    assert cells_of(filled["x"]) == ["a", None, "c"]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "cells",
    [[DAY, None, DAY], [dt.timedelta(hours=4), None, dt.timedelta(hours=4)]],
    ids=["dates", "durations"],
)
def test_a_date_or_nothing_is_filled_and_in_doubt(library, cells):
    frame = LIBRARIES[library]({"x": cells, "y": [0.5, 1.5, 2.5]})
    schema = infer(frame)
    assert schema.fields[0].kind == "constant"
    assert "1 missing cells are filled with the one value" in schema.doubts()[0]
    filled = schema.filled(frame, schema.numbers(frame))
    assert cells_of(filled["x"]) == cells_of(LIBRARIES[library]({"x": [cells[0]] * 3})["x"])


CONSTANTS: dict[str, Any] = {
    "text": pa.array(["x"] * 3),
    "truth": pa.array([True] * 3),
    "whole": pa.array([7] * 3, pa.int8()),
    "day": pa.array([dt.date(2020, 1, 1)] * 3),
    "moment": pa.array([dt.datetime(2020, 1, 1, 3, 4, 5)] * 3, pa.timestamp("us", "Asia/Tokyo")),
    "span": pa.array([dt.timedelta(seconds=4)] * 3),
    "named": pa.array(["q"] * 3).dictionary_encode(),
    "nothing": pa.nulls(3),
    "number": pa.array([0.5, 1.5, 2.5]),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_constants_come_back_in_every_library(library):
    table = pa.table(CONSTANTS)
    frame: Any = {"pandas": table.to_pandas, "polars": lambda: pl.from_arrow(table), "pyarrow": lambda: table}[
        library
    ]()
    schema = infer(frame)
    assert {f.kind for f in schema.fields[:-1]} == {"constant"}
    assert schema.new(schema.numbers(frame)).equals(frame)


def test_arrays_of_nothing_come_back():
    rows = {"x": np.full((3, 2, 2), NAN), "y": np.array([0.5, 1.5, 2.5])}
    schema = infer(rows)
    assert schema.fields[0].kind == "constant"
    back = schema.new(schema.numbers(rows))
    np.testing.assert_array_equal(back["x"], rows["x"])
    with pytest.warns(VelboWarning, match=r"'x' was missing in every row of .* 12 cells .*first '1'"):
        schema.numbers({**rows, "x": np.ones((3, 2, 2))})


def test_nothing_but_constants_is_no_data():
    with pytest.raises(SchemaError, match="no column is left to learn from"):
        infer(pd.DataFrame({"x": [1, 1], "y": ["a", "a"]}))
