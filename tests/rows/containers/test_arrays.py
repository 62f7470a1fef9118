"""Arrays and mappings of arrays: masks, types and what NumPy takes for an array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from contracts.tables import NAN
from velbo.errors import DataError, SchemaError
from velbo.rows import Field, Schema, container_of, infer

RNG = np.random.default_rng(0)
REALS = RNG.normal(size=(6, 3))


class HasArray:
    """Whatever NumPy makes an array of."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array if dtype is None else self.array.astype(dtype)


@pytest.mark.parametrize(
    "rows",
    [
        REALS,
        REALS.astype(np.float32),
        REALS.astype(np.float16),
        REALS.astype(np.longdouble),
        REALS.astype(">f8"),
        (100 * REALS).astype(np.int8),
        (100 * REALS).astype(">i2"),
        np.array([[2**63 + 2048, 1], [5, 2**64 - 2048]], np.uint64),
        REALS > 0,
        REALS.tolist(),
        tuple(map(tuple, REALS)),
        HasArray(REALS),
        REALS.astype(object),
        REALS.astype(str),
        np.asfortranarray(REALS),
        REALS[::2],
        torch.tensor(REALS, requires_grad=True),
        torch.tensor(REALS).bfloat16(),
        torch.tensor(REALS).half(),
        np.ma.masked_array(REALS),
        RNG.normal(size=(4, 2, 3)),
        RNG.integers(0, 200, (4, 5, 3, 2)).astype(np.uint8),
    ],
    ids=lambda x: f"{type(x).__name__} {getattr(x, 'dtype', '')}",
)
def test_arrays_of_any_sort_are_one_field_and_come_back(rows):
    """In their own type; what has none of NumPy's comes back in the nearest of those."""
    schema = infer(rows)
    (field,) = schema.fields
    wanted = rows.detach().float().numpy() if isinstance(rows, torch.Tensor) and rows.dtype == torch.bfloat16 else rows
    wanted = wanted.detach().numpy() if isinstance(wanted, torch.Tensor) else np.asarray(wanted)
    if wanted.dtype.kind in "OU":
        wanted = wanted.astype(np.float64)
    assert field.shape == wanted.shape[1:]
    v = schema.numbers(rows)
    np.testing.assert_array_equal(v.astype(np.float64), wanted.reshape(len(wanted), -1).astype(np.float64))
    assert v.dtype.isnative
    back = schema.new(v.astype(np.float64))
    assert back.dtype == wanted.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, wanted)
    container = container_of(rows)
    assert (container.name, container.length(rows)) == ("array", len(wanted))
    taken = container.take(rows, np.array([1, 0]))
    np.testing.assert_array_equal(schema.numbers(taken), v[[1, 0]])


def test_masked_cells_are_missing_and_come_back_filled_or_masked():
    """Whole numbers beyond 53 bits, and of a cell the model says nothing."""
    data = np.array([[1, 2**60 + 1], [-999, 4], [5, -999]])
    rows = np.ma.masked_array(data, data == -999)
    schema = infer(rows)
    assert schema.field("x").n_missing == 2
    assert schema.field("x").low == (1.0, 4.0)
    v = np.array([[9, 9], [7.4, 9], [9, NAN]])
    filled = schema.filled(rows, v)
    assert filled.tolist() == [[1, 2**60 + 1], [7, 4], [5, None]]
    assert filled.dtype == data.dtype
    assert rows.mask.sum() == 2
    whole = schema.filled(rows, np.full((3, 2), 3.0))
    assert not np.ma.is_masked(whole)
    rows.harden_mask()
    assert schema.filled(rows, v).tolist() == filled.tolist()


def test_observed_cells_of_an_array_stay_bit_for_bit():
    for dtype in (np.float16, np.float32, np.float64, ">f4"):
        rows = np.array([[0.1, NAN, -0.0], [NAN, 3.0, 1e-7]], dtype)
        schema = infer(np.nan_to_num(rows))
        filled = schema.filled(rows, np.full((2, 3), 0.3))
        assert filled.dtype == rows.dtype
        expected = rows.copy()
        expected[np.isnan(rows)] = 0.3
        assert filled.tobytes() == expected.tobytes()
        assert np.isnan(rows).sum() == 2
        untouched = schema.filled(rows, np.full((2, 3), NAN))
        assert untouched.tobytes() == rows.tobytes()


def test_whole_numbers_of_a_model_go_back_into_whole_numbers():
    """As point estimates they may have fractions, and are floats; where all are new, whatever the numbers."""
    rows = np.arange(12).reshape(3, 2, 2).astype(np.uint8)
    schema = infer(rows)
    assert schema.new(np.array([[0, 255, 3, 4.0]])).dtype == np.uint8
    assert schema.new(np.array([[0, 256, 3, 4.0]])).dtype == np.float64
    assert schema.new(np.array([[0, 25.5, 3, 4]])).tolist() == [[[0, 25.5], [3, 4]]]
    everywhere = np.ones((3, 4), bool)
    for v in (7.0, 7.5):
        assert schema.changed(rows, everywhere, np.full((3, 4), v)).dtype == np.float64
    some = schema.changed(rows, np.arange(12).reshape(3, 4) == 5, np.full((3, 4), 7.6))
    assert some.dtype == np.uint8
    assert some.reshape(-1).tolist() == [0, 1, 2, 3, 4, 8, 6, 7, 8, 9, 10, 11]
    bits = infer(np.array([[True, False], [False, True]]))
    assert bits.new(np.array([[1, 0.0]])).dtype == bool
    assert bits.new(np.array([[1, 0.25]])).tolist() == [[1, 0.25]]


def test_numbers_beyond_a_type_are_its_ends():
    for dtype in (np.float16, np.float32):
        new = infer(REALS.astype(dtype)).new(np.array([[1e300, -1e300, 0.5]]))
        assert new.tolist() == [[np.finfo(dtype).max, np.finfo(dtype).min, 0.5]]


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (np.array(["a", "b", "c", "a"]), None),
        (np.array([b"a", b"\xc3\xbc", b"c", b"a"]), np.array(["a", "ü", "c", "a"])),
        (np.array(["a", None, "c", "b"], object), None),
        (np.array([1, 5, 900, 7], np.int16), None),
        (np.array([1, 5, 900, 7], ">i4"), np.array([1, 5, 900, 7], np.int32)),
        (np.array([1, 2**63 + 2048, 900, 7], np.uint64), None),
        (np.array([True, False, True, True]), None),
        (np.array([0.5, NAN, 2.0, 3.25], np.float32), None),
        (np.array([0.5, NAN, 2.0, 3.25], np.float16), None),
        (np.array([0.5, NAN, 2.0, 3.25], np.longdouble), np.array([0.5, NAN, 2.0, 3.25])),
        (np.array(["2020-01-01", "NaT", "2021-01-01", "2020-06-01"], "M8[D]"), None),
        (np.array(["2020-01", "NaT", "2021-01", "2020-06"], "M8[M]"), "M8[s]"),
        (np.array([3600, 7200, "NaT", 60], "m8[s]"), None),
        (np.array([3, 7, "NaT", 6], "m8[h]"), "m8[s]"),
        (torch.tensor([1, 5, 900, 7]), np.array([1, 5, 900, 7])),
        (torch.tensor([1.5, 5, 9, 7]).bfloat16(), np.array([1.5, 5, 9, 7], np.float32)),
        (pd.Series(["a", "b", "c", "a"]), np.array(["a", "b", "c", "a"])),
        (pd.Series([1, None, 900, 7], dtype="Int64"), np.array([1, NAN, 900, 7])),
        ([1.5, 5, 9, 7], np.array([1.5, 5, 9, 7])),
    ],
    ids=lambda x: f"{type(x).__name__} {getattr(x, 'dtype', '')}",
)
def test_named_arrays_come_back_in_their_type(cells, wanted):
    rows = {"cells": cells, "block": np.arange(8.0).reshape(4, 2)}
    schema = infer(rows)
    assert schema.container == "mapping"
    back = schema.new(schema.numbers(rows))
    wanted = cells if wanted is None else cells.astype(wanted) if isinstance(wanted, str) else wanted
    assert back["cells"].dtype == wanted.dtype
    np.testing.assert_array_equal(back["cells"], wanted)
    np.testing.assert_array_equal(back["block"], rows["block"])
    container = container_of(rows)
    assert container.length(rows) == 4
    np.testing.assert_array_equal(container.take(rows, np.array([3, 0]))["block"], [[6, 7], [0, 1]])


def test_named_arrays_are_filled_in_their_type():
    """And text that is longer than all that were there is not cut."""
    rows: dict[str, Any] = {
        "n": np.array([0.5, NAN, -0.0], np.float32),
        "job": np.array(["ab", None, "c"], object),
        "masked": np.ma.masked_array([2**60 + 1, -1, 3], [False, True, True]),
        "text": np.array(["c", "ab", "c"]),
        "day": np.array(["2020-01-01", "NaT", "2021-01-01"], "M8[D]"),
        "block": np.array([[NAN, 1.0], [2.0, 3.0], [4.0, NAN]]),
        "other": np.array([1, 2, 3]),
    }
    whole = {
        "n": np.array([0.5, 0.75, -0.0], np.float32),
        "job": np.array(["ab", "longer", "c"], object),
        "masked": np.array([2**60 + 1, 5, 3]),
        "text": np.array(["longer", "ab", "c"]),
        "day": np.array(["2020-01-01", "2020-07-01", "2021-01-01"], "M8[D]"),
        "block": np.array([[9.0, 1.0], [2.0, 3.0], [4.0, 8.0]]),
    }
    schema = infer(whole, {"masked": "integer"})
    v = schema.numbers(whole)
    v[2, schema.places["masked"]] = NAN
    filled = schema.filled(rows, v)
    assert filled["n"].tobytes() == whole["n"].tobytes()
    assert filled["job"].tolist() == ["ab", "longer", "c"]
    assert filled["masked"].tolist() == [2**60 + 1, 5, None]
    assert (filled["day"] == whole["day"]).all()
    assert filled["day"].dtype == whole["day"].dtype
    np.testing.assert_array_equal(filled["block"], whole["block"])
    assert filled["text"].tolist() == ["c", "ab", "c"]
    assert filled["other"].tolist() == [1, 2, 3]
    at = np.zeros(v.shape, bool)
    at[0] = True
    assert schema.changed(rows, at, np.nan_to_num(v))["text"].tolist() == ["longer", "ab", "c"]


def test_an_array_may_stand_for_a_table():
    """Its columns are those of the model in order, with those that are left out or without; its type stays."""
    schema = Schema((Field("a", "real", decimals=2), Field("id", "drop"), Field("n", "count", dtype="int64")))
    assert schema.numbers(np.array([[1.5, 7, 3], [2.5, 8, 4]])).tolist() == [[1.5, 3], [2.5, 4]]
    assert schema.numbers([[1.5, 3], [2.5, 4]]).tolist() == [[1.5, 3], [2.5, 4]]
    rows = np.array([[1.5, NAN], [NAN, 4]], np.float32)
    filled = schema.filled(rows, np.array([[9, 5], [0.25, 9.0]]))
    assert filled.dtype == np.float32
    assert filled.tolist() == [[1.5, 5], [0.25, 4]]
    masked = np.ma.masked_array([[2**60 + 1, 7, 3], [5, 8, -1]], [[False] * 3, [False, False, True]])
    assert schema.filled(masked, np.array([[9, 9], [9, 6.0]])).tolist() == [[2**60 + 1, 7, 3], [5, 8, 6]]
    objects = np.array([["a", None], ["b", 4.5]], object)
    named = infer(pd.DataFrame({"k": ["a", "b", "c"], "n": [1.5, 2.5, 4.0]}))
    assert named.filled(objects, np.array([[1, 2.5], [1, 9]])).tolist() == [["a", 2.5], ["b", 4.5]]
    for rows, words in (
        (np.zeros(3), r"3 columns are needed, not shape \(3,\)"),
        (np.zeros((2, 4)), r"3 columns are needed, not shape \(2, 4\)"),
    ):
        with pytest.raises(SchemaError, match=words):
            schema.numbers(rows)
    two = Schema((Field("image", "real", (2, 2)), Field("n", "count")))
    with pytest.raises(SchemaError, match="the model has the fields image, n; give a mapping of arrays"):
        two.numbers(np.zeros((2, 5)))


def test_an_array_stands_for_the_one_field_that_a_model_has():
    schema = infer({"image": RNG.integers(0, 9, (4, 3, 2)), "one": np.ones(4)})
    rows = RNG.integers(0, 9, (2, 3, 2))
    np.testing.assert_array_equal(schema.numbers(rows), rows.reshape(2, 6))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"a": np.zeros((3, 2)), "b": np.zeros(4)}, r"different numbers of rows \({'a': 3, 'b': 4}\)"),
        ({"a": 3.0}, "'a' is a single value; give an array of one a row"),
        ({"a": np.array([1j, 2])}, "data: 'a': cells of type complex128 are no numbers, text or dates"),
        ({"a": np.array([b"\xff", b"a"])}, "data: 'a': it holds bytes that are no text in UTF-8"),
        ({"a": [[1, 2], [3]]}, "data: 'a': rows have different lengths"),
        ({"a": np.array([["x", "y"], ["1", "2"]])}, r"data: 'a': the cell at \(0, 0\) holds"),
        (np.array([[1, 2], ["x", 3]], dtype=object), r"cell at \(1, 0\) holds 'x', which is no number"),
        (np.array([[1, 2], [np.inf, 3]]), r"row 1 holds inf at \(0,\)"),
    ],
    ids=str,
)
def test_what_fits_no_field_is_refused_by_name(rows, words):
    with pytest.raises(DataError, match=words):
        infer(rows)


def test_objects_of_several_types_are_text_and_masks_count_among_them():
    cells = np.ma.masked_array(np.array([1, "a", 2.5, None, "under the mask"], object), [False] * 4 + [True])
    schema = infer({"x": cells, "y": np.arange(5.0)}, {"x": "categorical"})
    assert schema.field("x").categories == ("1", "2.5", "a")
    np.testing.assert_array_equal(schema.numbers({"x": cells, "y": np.arange(5.0)})[:, 0], [0, 2, 1, NAN, NAN])


def test_objects_that_are_missing_are_so_in_every_spelling():
    rows = np.array([[1, None], [math.nan, pd.NA], [2, 3.5]], object)
    np.testing.assert_array_equal(infer(rows).numbers(rows), [[1, NAN], [NAN, NAN], [2, 3.5]])
