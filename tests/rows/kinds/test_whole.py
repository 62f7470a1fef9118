"""Whole numbers: integers and counts."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from contracts.kinds import DECIMAL_TYPES, DURATION_TYPES, FLOAT_TYPES, WHOLE_TYPES, ModelledContract, in_types
from contracts.tables import NAN
from velbo.rows import KINDS, Field, infer

RNG = np.random.default_rng(0)
DATES = np.array(["2020-01-01", "2021-01-01"], "M8[D]")


class TestInteger(ModelledContract):
    kind = "integer"
    columns = (
        *in_types([5, None, 7, 100, 7], WHOLE_TYPES, FLOAT_TYPES, DECIMAL_TYPES),
        pa.array([-5, None, 2**53, 100]),
        pa.array([True, None, False, True]),
        *in_types([dt.timedelta(seconds=5), None, dt.timedelta(seconds=7)], DURATION_TYPES),
    )
    claimed = (
        np.array([1, 5, 30]),
        np.array([0, 5, 1000]),
        np.array([-5.0, 7, NAN, 40]),
        np.array([1, 2, 2**63], "u8"),
    )
    not_claimed = (
        np.arange(9),
        np.array([0, 5, 30]),
        np.array([0.5, 7, 40]),
        RNG.integers(-9, 9, (4, 3)),
    )
    refused = (
        (np.array([NAN, 3, 0.5]), "row 2 holds 0.5, which is not whole"),
        (DATES, "its cells are dates; take kind datetime"),
        (np.array(["1", "b"]), "row 1 holds 'b', no number"),
        (np.array([[1, 2.5]]), "row 0, 1 holds 2.5, which is not whole"),
    )
    misfits = (
        (np.array([1.0, 0.5]), "holds 0.5, which is not whole"),
        (np.array([1.0, 1e12]), "which is over 1e.09 standard deviations"),
    )
    arrays = (
        RNG.integers(-9, 9, (4, 3)),
        RNG.integers(0, 9, (4, 2, 3)).astype(np.uint16),
        np.array([[1.0, NAN], [5, 2]]),
    )

    def features(self, field: Field) -> int:
        return 1


class TestCount(ModelledContract):
    kind = "count"
    columns = (
        *in_types([5, None, 0, 100, 7], WHOLE_TYPES, FLOAT_TYPES, DECIMAL_TYPES),
        pa.array([True, None, False, True]),
        *in_types([dt.timedelta(seconds=5), None, dt.timedelta(0)], DURATION_TYPES),
    )
    claimed = (
        np.array([0, 5, 30]),
        np.array([0, 5, NAN, 999]),
    )
    not_claimed = (
        np.array([1, 5, 30]),
        np.array([0, 5, 1000]),
        np.array([0, 1, 2]),
        RNG.integers(0, 9, (4, 3)),
    )
    refused = (
        (np.array([3, -1, -7]), "row 1 holds -1; take kind integer"),
        (np.array([3, 0.5]), "row 1 holds 0.5, which is not whole"),
        (DATES, "its cells are dates; take kind datetime"),
        (np.full(3, NAN), "every cell is missing"),
    )
    misfits = (
        (np.array([1, -1]), "holds -1, which is no whole number from 0"),
        (np.array([1, 0.5]), "holds 0.5, which is no whole number from 0"),
        (np.array([1, 1e40]), r"which is over 1e\+30"),
    )
    arrays = (
        RNG.integers(0, 9, (4, 3)),
        RNG.integers(0, 9, (4, 2, 3)).astype(np.int8),
        np.array([[1.0, NAN], [5, 2]]),
    )

    def features(self, field: Field) -> int:
        return 1


def test_frequent_numbers_are_kept():
    cells = np.array([0] * 30 + [7] * 5 + [*range(20, 85)])
    for kind in ("count", "integer"):
        assert infer({"x": cells, "y": np.arange(100)}, {"x": kind, "y": "drop"}).field("x").frequent == (0.0, 7.0)


def test_integers_are_standardised_about_a_whole_number_and_counts_are_as_they_are():
    cells = np.array([3, 4, 6, 8])
    integer, count = (infer({"x": cells}, {"x": kind}).field("x") for kind in ("integer", "count"))
    assert (integer.location, integer.scale) == (5.0, pytest.approx(cells.std()))
    assert (count.location, count.scale) == (0.0, 1.0)


def test_an_encoder_sees_counts_as_logarithms_between_minus_one_and_one():
    view = KINDS["count"].view([Field("n", "count", low=0, high=7), Field("m", "count", low=0, high=0)])
    f = view(torch.tensor([[3.0, 0.0], [0.0, 1.0], [7.0, 0.0]], dtype=torch.float64))
    assert f[:, 0].tolist() == pytest.approx([2 * math.log(4) / math.log(8) - 1, -1, 1])
    assert f[:, 1].tolist() == pytest.approx([-1, 2 * math.log(2) - 1, -1])
