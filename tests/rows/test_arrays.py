"""Anything array-like -> rows of finite numbers, or one clear error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from contracts.tables import NAN
from velbo.errors import DataError
from velbo.rows.arrays import as_rows, blocks, is_missing, plain_array


def test_types_stay_or_are_the_nearest_that_a_model_takes():
    for dtype, wanted in (
        ("u1", "u1"),
        ("i8", "i8"),
        (">i2", "i2"),
        ("?", "?"),
        ("f4", "f4"),
        ("f2", "f4"),
        (">f8", "f8"),
        ("g", "f8"),
    ):
        rows = as_rows(np.ones((2, 3), dtype))
        assert rows.dtype == np.dtype(wanted)
        assert rows.dtype.isnative
    same = np.ones((2, 3), np.float32)
    assert np.shares_memory(as_rows(same), same)
    np.testing.assert_array_equal(as_rows(pd.DataFrame({"a": [1.0, NAN], "b": [3, 4]})), [[1, 3], [NAN, 4]])
    assert as_rows(torch.ones(2, 3, requires_grad=True)).shape == (2, 3)
    assert as_rows(torch.ones(2, 3).bfloat16()).dtype == np.float32
    assert as_rows([[True, False]]).dtype == bool


def test_masked_cells_are_missing():
    """Whatever stands under the mask, infinity among it."""
    rows = np.ma.masked_array([[1.0, np.inf], [2.0, 3.0]], [[False, True], [False, False]], np.float32)
    np.testing.assert_array_equal(as_rows(rows), np.array([[1, NAN], [2, 3]], np.float32))
    assert as_rows(rows).dtype == np.float32
    whole = np.ma.masked_array([[1, 7]], [[False, True]])
    np.testing.assert_array_equal(as_rows(whole), [[1, NAN]])
    assert as_rows(np.ma.masked_array([[1, 7]])).dtype == np.int64
    names = np.ma.masked_array(["a", "b"], [True, False])
    assert plain_array(names).tolist() == [None, "b"]


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (
            np.array([[1, 2], ["x", 3]], dtype=object),
            r"cell at \(1, 0\) holds 'x', which is no number; argument must be a",
        ),
        (np.array([["1", "two"]]), r"cell at \(0, 1\) holds .*'two'"),
        (np.array([[1, 2], [np.inf, 3]]), r"row 1 holds inf at \(0,\); infinity has no likelihood"),
        (np.full((1, 2, 2), -np.inf, np.float32), r"row 0 holds inf at \(0, 0\)"),
        (np.array([[np.inf, 1]], np.float16), r"row 0 holds inf"),
        (np.array([[1j]]), "Complex data not supported"),
        (np.array([["2020"]], "M8[Y]"), "cells of type datetime64.*are no numbers"),
        (np.ones(3), r"one observation a row is needed, .*not shape \(3,\); Reshape your data"),
        (np.ones((0, 3)), r"it has no rows \(shape \(0, 3\)\)"),
        (np.ones((3, 0)), "it has no columns"),
        ([[1, 2], [3]], "rows have different lengths"),
    ],
    ids=str,
)
def test_what_holds_no_rows_of_numbers_is_refused_with_its_place(x, words):
    with pytest.raises(DataError, match=f"given: .*{words}"):
        as_rows(x, "given")


def test_objects_are_numbers_or_missing_in_every_spelling():
    np.testing.assert_array_equal(as_rows(np.array([[1, "2.5"], [None, pd.NA]], object)), [[1, 2.5], [NAN, NAN]])
    for missing in (None, NAN, pd.NA, pd.NaT, np.float32("nan")):
        assert is_missing(missing)
    for present in (0, "", "nan", False, np.datetime64("2020"), np.ones(2)):
        assert not is_missing(present) or isinstance(present, np.ndarray)


def test_blocks_are_all_rows_in_order_and_small(monkeypatch):
    monkeypatch.setattr("velbo.rows.arrays.CELLS_PER_BLOCK", 8)
    rows = np.arange(44).reshape(11, 4)
    parts = list(blocks(rows))
    assert [start for start, _ in parts] == [0, 2, 4, 6, 8, 10]
    np.testing.assert_array_equal(np.concatenate([part for _, part in parts]), rows)
    assert [start for start, _ in blocks(np.zeros((3, 100)))] == [0, 1, 2]
