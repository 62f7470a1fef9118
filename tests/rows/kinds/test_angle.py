"""Numbers on a circle."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from contracts.kinds import DECIMAL_TYPES, FLOAT_TYPES, WHOLE_TYPES, ModelledContract, in_types
from contracts.tables import NAN
from velbo.rows import KINDS, Field, infer
from velbo.rows.encodings import standardised

RNG = np.random.default_rng(0)


class TestAngle(ModelledContract):
    kind = "angle"
    columns = (
        *in_types([0.5, None, 100.25, 0, 90.5], FLOAT_TYPES, DECIMAL_TYPES),
        *in_types([5, None, 7, 100, 0], WHOLE_TYPES),
        pa.array([-3.125, None, 3.0, 0.5]),
        pa.array([0.0, 360.0, None, 180.0]),
        pa.array([-180.0, 180.0, None, 7.5]),
    )
    not_claimed = (RNG.uniform(0, 2 * math.pi, 30), RNG.uniform(0, 360, 30), np.arange(0, 360, 90))
    refused = (
        (np.array(["1", "b"]), "row 1 holds 'b', no number"),
        (np.array(["2020-01-01", "2021-01-01"], "M8[D]"), "its cells are dates; take kind datetime"),
        (np.full(3, NAN), "every cell is missing"),
    )
    misfits = ((np.array([1.0, 1e12]), r"holds 1e\+12, which is over 1e\+06 turns of 360"),)
    arrays = (RNG.uniform(-3, 3, (4, 3)), RNG.integers(0, 360, (4, 2, 3)), np.array([[1.0, NAN], [5, 2]], np.float32))

    def features(self, field: Field) -> int:
        return 2


@pytest.mark.parametrize(
    ("cells", "low", "high", "unit"),
    [
        ([0, 90, 359.5], 0, 360, 180 / math.pi),
        ([-10, 90, 170], -180, 180, 180 / math.pi),
        ([0, 1.5, 6.25], 0, 2 * math.pi, 1),
        ([-3.0, 1.5, 3.1], -math.pi, math.pi, 1),
        ([-10, 350], -180, 180, 180 / math.pi),
    ],
)
def test_a_turn_and_where_it_begins_are_those_of_the_data(cells, low, high, unit):
    field = infer({"x": np.array(cells)}, {"x": "angle"}).field("x")
    assert (field.low, field.high, field.scale) == pytest.approx((low, high, unit))


def test_x_is_in_radians_and_a_turn_more_is_the_same():
    rows = {"wind": np.array([0.0, 90.0, 180.0, 359.5, NAN])}
    schema = infer(rows, {"wind": "angle"})
    encoding = standardised(schema.field("wind"))
    x = encoding.store(schema.numbers(rows), torch.float64)
    np.testing.assert_allclose(x[:, 0], np.radians([-180, -90, 0, 179.5, NAN]))
    np.testing.assert_allclose(encoding.log_det(1), -math.log(180 / math.pi))
    for turns in (-3, 1, 100):
        moved = encoding.store(schema.numbers({"wind": rows["wind"] + 360 * turns}), torch.float64)
        difference = (moved - x)[:4, 0] / (2 * math.pi)
        np.testing.assert_allclose(difference, difference.round(), atol=1e-12)
        assert moved[:4].abs().max() <= math.pi + 1e-12


def test_new_cells_lie_where_those_of_training_do_and_none_is_clipped_off_the_circle():
    """What is a little below 0 is a little below 360, and not 0."""
    frame = pd.DataFrame({"wind": [10.0, 340.0, 200.0], "y": [0.5, 1.5, 2.5]})
    schema = infer(frame, {"wind": "angle"})
    encoding = standardised(schema.field("wind"))
    x = torch.tensor([[-math.pi - 0.1], [math.pi + 0.1], [0.0], [8 * math.pi]], dtype=torch.float64)
    v = np.column_stack([encoding.restore(x), np.ones(4)])
    new = schema.new(v)["wind"]
    np.testing.assert_allclose(new, np.round([360 - math.degrees(0.1), math.degrees(0.1), 180, 180], 0), atol=1e-9)
    half = infer(pd.DataFrame({"wind": [-10.0, 170.5], "y": [0.5, 1.5]}), {"wind": "angle"})
    assert half.new(np.array([[190.0, 1], [-200, 1]]))["wind"].tolist() == [-170, 160]


def test_the_users_cells_are_not_turned():
    frame = pd.DataFrame({"wind": [370.0, NAN, 20.0], "y": [0.5, 1.5, 2.5]})
    schema = infer(frame, {"wind": "angle"})
    filled = schema.filled(frame, np.array([[0, 0], [-5.0, 0], [0, 0]]))
    assert filled["wind"].tolist() == [370.0, 355.0, 20.0]
    rows = np.array([[370.0, 20.0]])
    schema = infer(rows, kind="angle")
    assert schema.numbers(rows).tolist() == [[10.0, 20.0]]
    assert rows.tolist() == [[370.0, 20.0]]


def test_an_encoder_sees_sine_and_cosine():
    f = KINDS["angle"].view([Field("x", "angle")] * 2)(torch.tensor([[0.0, math.pi / 2], [NAN, math.pi]]))
    np.testing.assert_allclose(f, [[0, 1, 1, 0], [0, 0, 0, -1]], atol=1e-6)
