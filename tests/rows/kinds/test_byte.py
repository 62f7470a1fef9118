"""Levels of pixels, in arrays and in columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from contracts.kinds import FLOAT_TYPES, WHOLE_TYPES, ModelledContract, in_types
from contracts.tables import NAN
from velbo.errors import SchemaError
from velbo.rows import KINDS, Field, infer

RNG = np.random.default_rng(0)


class TestByte(ModelledContract):
    kind = "byte"
    columns = (
        *in_types([5, None, 0, 100, 7], WHOLE_TYPES, FLOAT_TYPES),
        pa.array([True, None, False, True]),
    )
    claimed = (
        RNG.integers(0, 256, (4, 3)).astype(np.uint8),
        RNG.integers(0, 256, (4, 3, 2)),
        RNG.integers(0, 17, (4, 3, 2)).astype(np.float32),
    )
    not_claimed = (
        np.arange(9),
        RNG.integers(0, 90, 99).astype(np.uint8),
        RNG.integers(0, 2, (4, 3)).astype(np.uint8),
        RNG.integers(0, 300, (40, 3, 2)),
        RNG.integers(-1, 9, (40, 3, 2)),
        RNG.random((4, 3, 2)),
    )
    refused = (
        (np.array([[0, 2.5]]), "row 0, 1 holds 2.5, which is not whole"),
        (np.array([[0, -4]]), "row 0, 1 holds -4, which is below 0"),
        (np.array(["1", "b"]), "row 1 holds 'b', no number"),
        (np.full((2, 2), NAN), "every cell is missing"),
    )
    misfits = (
        (np.array([1, 0.5]), "holds 0.5, which is no whole number"),
        (np.array([1, -1]), "holds -1, which is no whole number"),
    )
    arrays = (
        RNG.integers(0, 256, (4, 3)).astype(np.uint8),
        RNG.integers(0, 60_000, (4, 3, 2)).astype(np.uint16),
        RNG.integers(0, 9, (4, 3, 2, 2)),
        np.array([[1.0, NAN], [5, 2]], np.float32),
    )

    def features(self, field: Field) -> int:
        return 1


@pytest.mark.parametrize(
    ("rows", "levels"),
    [
        (np.array([[0, 3]], np.uint8), 256),
        (np.array([[[0, 3]]]), 4),
        (np.array([[[0, 16.0]]]), 17),
        (np.array([[[0, 64]]]), 256),
        (np.array([[[0, 300]]]), 301),
    ],
)
def test_8_bits_have_256_levels_and_wider_types_tell_their_own(rows, levels):
    schema = infer(rows, kind="byte")
    assert schema.field("x").levels == levels
    with pytest.raises(SchemaError, match=f"holds {levels}, which is no whole number from 0 to {levels - 1}"):
        schema.numbers(np.full((1, *rows.shape[1:]), levels))


def test_an_encoder_sees_pixels_as_they_are():
    x = torch.tensor([[0.25, 1.0, NAN]])
    assert KINDS["byte"].view([Field("x", "byte")] * 3)(x).tolist() == [[0.25, 1.0, 0.0]]
