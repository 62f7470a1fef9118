"""Numbers above 0, and those in an interval."""

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


class TestPositive(ModelledContract):
    kind = "positive"
    columns = (
        *in_types([0.5, None, 2.25, 70.75, 0.5], FLOAT_TYPES, DECIMAL_TYPES),
        *in_types([5, None, 7, 100, 7], WHOLE_TYPES),
        *in_types([dt.timedelta(seconds=5), None, dt.timedelta(days=7)], DURATION_TYPES),
    )
    claimed = (
        np.exp(2 * RNG.normal(size=99)),
        np.array([0.001, 0.5, 1.25, 900]),
    )
    not_claimed = (
        np.array([0.0, 0.5, 900]),
        5 + RNG.random(99),
        np.exp(RNG.normal(size=(9, 4))),
    )
    refused = (
        (np.array([3, 0, 0.5]), "row 1 holds 0; take kind real, or count for whole numbers from 0"),
        (np.array([3, -1.5]), "row 1 holds -1.5"),
        (np.array([[1, 2.0], [0, 1]]), "row 1, 0 holds 0"),
        (DATES, "its cells are dates; take kind datetime"),
        (np.array(["1", "b"]), "row 1 holds 'b', no number"),
    )
    misfits = (
        (np.array([1, 0.0]), "holds 0, which is not above 0"),
        (np.array([1, 1e40]), r"which differs from what is usual by a factor of over 1e\+30"),
        (np.array([1, 1e-40]), "which differs from what is usual"),
    )
    arrays = (
        np.exp(RNG.normal(size=(4, 3))),
        RNG.integers(1, 9, (4, 3)),
        np.array([[1.0, NAN], [5, 2]], np.float32),
    )

    def features(self, field: Field) -> int:
        return 1


class TestBounded(ModelledContract):
    kind = "bounded"
    columns = (
        *in_types([0.5, None, 0, 1, 0.5], FLOAT_TYPES, DECIMAL_TYPES),
        *in_types([5, None, 7, 100, 7], WHOLE_TYPES),
        pa.array([-3.25, None, 8.0, 2.5]),
    )
    claimed = (
        np.linspace(0, 1, 30),
        np.linspace(0.02, 0.98, 30),
    )
    not_claimed = (
        np.linspace(0.2, 0.98, 30),
        np.linspace(0, 1.5, 30),
        np.array([0, 0.5, 1]),
        RNG.random((30, 3)),
    )
    refused = (
        (DATES, "its cells are dates; take kind datetime"),
        (np.array(["0.1", "b"]), "row 1 holds 'b', no number"),
        (np.full((2, 2), NAN), "every cell is missing"),
    )
    misfits = (
        (np.array([0.5, 1.5]), r"holds 1.5, which does not lie between -0.001 and 1.001"),
        (np.array([0.5, -0.5]), "holds -0.5, which does not lie between"),
    )
    arrays = (
        RNG.random((4, 3)),
        RNG.integers(-5, 9, (4, 3)),
        np.array([[1.0, NAN], [5, 2]], np.float32),
    )

    def features(self, field: Field) -> int:
        return 1


def test_an_encoder_sees_logarithms_and_the_spread_of_a_uniform_column():
    x = torch.tensor([[math.e], [1.0], [math.e**-30]], dtype=torch.float64)
    f = KINDS["positive"].view([Field("x", "positive")])(x)
    assert f[:, 0].tolist() == pytest.approx([1, 0, -3 * (1 + math.log(10))])
    x = torch.tensor([[0.75], [0.0], [1.0]], dtype=torch.float64)
    f = KINDS["bounded"].view([Field("x", "bounded")])(x)
    assert f[:, 0].tolist() == pytest.approx([0.25 * math.sqrt(12), -math.sqrt(3), math.sqrt(3)])


def test_the_unit_is_the_geometric_mean_and_the_interval_holds_all():
    field = infer({"x": np.array([0.5, 2.0, 8.0])}, {"x": "positive"}).field("x")
    assert (field.location, field.scale) == (0.0, pytest.approx(2.0))
    field = infer({"x": np.array([0.25, 0.5])}, {"x": "bounded"}).field("x")
    assert (field.location, field.scale) == (0.0, 1.0)
    field = infer({"x": np.array([-4.0, 4.0])}, {"x": "bounded"}).field("x")
    assert (field.location, field.scale) == pytest.approx((-4.008, 8.016))
