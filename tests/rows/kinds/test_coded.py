"""Names: two, several, several in order; and arrays of zeros and ones."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from contracts.kinds import (
    DECIMAL_TYPES,
    FLOAT_TYPES,
    TEXT_TYPES,
    WHOLE_TYPES,
    ModelledContract,
    in_types,
)
from contracts.tables import NAN
from velbo.rows import KINDS, Field
from velbo.rows.kinds.coded import meaning

RNG = np.random.default_rng(0)
DATES = np.array(["2020-01-01", "2021-01-01"], "M8[D]")
DURATIONS = np.array([3600, 60], "m8[s]")
ORDERED = pa.DictionaryArray.from_arrays(pa.array([0, 2, None, 1], pa.int8()), ["lo", "mid", "hi"], ordered=True)


class TestBinary(ModelledContract):
    kind = "binary"
    columns = (
        *in_types(["a", "b", None, "a"], TEXT_TYPES),
        *in_types([5, 100, None, 5], WHOLE_TYPES, FLOAT_TYPES, DECIMAL_TYPES),
        pa.array([True, None, False, True]),
        pa.array(["Y", None, "Y", None]),
        pa.array([2.5, None, 2.5]),
        pa.array([True, None, True]),
        pa.array([2**63 + 1, 5, None, 5], pa.uint64()),
        pa.array(["NA", "nan", None]),
    )
    claimed = (
        np.array(["a", "b", "a"]),
        np.array([0.5, 1.5]),
        np.array([True, False, True]),
        np.array(["Y", None], object),
        RNG.integers(0, 2, (4, 3)),
        np.where(RNG.random((4, 3)) < 0.3, NAN, RNG.integers(0, 2, (4, 3))),
    )
    not_claimed = (
        DATES,
        DURATIONS,
        np.array(["a", "b", "c"]),
        np.array(["a", "a"]),
        np.array([[0, 2], [1, 1]]),
    )
    refused = (
        (np.array(["a", "b", "c"]), "it has 3 distinct values; take kind categorical or ordinal"),
        (np.array(["a", "a"]), "it has 1 distinct values"),
        (DATES, "its cells are dates; take kind datetime"),
        (DURATIONS, "its cells are durations; take kind real"),
        (np.array([[0, 2.0]]), "it holds numbers from 0 to 2"),
        (np.array([[0, 0.5]]), "it holds numbers from 0 to 0.5"),
    )
    misfits = ((DATES, "holds dates and held string in training"),)
    arrays = (
        RNG.integers(0, 2, (4, 3)).astype(np.uint8),
        RNG.random((4, 3, 2)) < 0.5,
        np.array([[1.0, NAN], [0, 0]], np.float32),
    )

    def features(self, field: Field) -> int:
        return 1


class TestCategorical(ModelledContract):
    kind = "categorical"
    columns = (
        *in_types(["a", "b", None, "c", "a"], TEXT_TYPES),
        *in_types([5, 100, None, 7, 5], WHOLE_TYPES, FLOAT_TYPES, DECIMAL_TYPES),
        pa.array([0.5, 2.25, None, 7.125]),
        pa.array([True, None, False, True]),
        pa.array(["NA", "None", "nan", "", None, "?"]),
        pa.array([2**62 + 1, 2**62 + 3, None, 5]),
        pa.array([2**63 + 1, 2**63 + 3, None, 5], pa.uint64()),
        pa.array(["Y", None]),
        ORDERED,
    )
    claimed = (
        np.array(["a", "b", "c"]),
        np.array(["1", "01", "001"]),
        pd.Series(["a", "?", "nan"]),
    )
    not_claimed = (
        np.array(["a", "b"]),
        np.arange(9),
        DATES,
        np.array([[0, 2], [1, 1]]),
    )
    refused = (
        (DATES, "its cells are dates; take kind datetime, or make them text"),
        (DURATIONS, "its cells are durations; take kind real"),
        (np.array([None, None]), "it has no values"),
        (np.arange(2**17 + 1), "it has over 131,072 values"),
        (np.array([[0, 2.0]]), "its cells are arrays; take kind byte, count or real"),
    )
    misfits = (
        (DATES, "holds dates and held string in training"),
        (pa.array([b"a"]), "holds binary and held string"),
    )

    def features(self, field: Field) -> int:
        return field.n_categories


class TestOrdinal(ModelledContract):
    kind = "ordinal"
    columns = (
        ORDERED,
        *in_types([5, 100, None, 7, 5], WHOLE_TYPES, FLOAT_TYPES, DECIMAL_TYPES),
        *in_types(["a", "b", None, "c", "a"], TEXT_TYPES),
    )
    claimed = (
        np.array([1, 5, 3, 3]),
        np.array([1.0, 5, NAN, 3]),
        np.arange(12),
    )
    not_claimed = (
        np.array([1, 5, 3, 40]),
        np.arange(13),
        np.array(["a", "b", "c"]),
        np.array([0.5, 1, 2]),
        DATES,
    )
    refused = (
        (DATES, "its cells are dates"),
        (np.array([[0, 2.0]]), "its cells are arrays"),
    )
    misfits = ((DURATIONS, "holds durations and held dictionary<.*> in training"),)

    def features(self, field: Field) -> int:
        return field.n_categories + 1


def test_an_encoder_sees_codes_and_ranks():
    names = [Field("job", "categorical", categories=("a", "b", "c")), Field("k", "categorical", categories=("u", "v"))]
    x = torch.tensor([[2.0, 0.0], [NAN, 1.0]])
    assert KINDS["categorical"].view(names)(x).tolist() == [[0, 0, 1, 1, 0], [0, 0, 0, 0, 1]]
    grades = [Field("g", "ordinal", categories=(1, 2, 3, 4, 5)), Field("h", "ordinal", categories=(1,))]
    assert KINDS["ordinal"].view(grades)(torch.tensor([[1.0, 0.0]])).tolist() == [[-0.5, -1, 0, 1, 0, 0, 0, 1]]
    flags = [Field("s", "binary", categories=("f", "m")), Field("x[0]", "binary")]
    assert KINDS["binary"].view(flags)(torch.tensor([[1.0, 1.0], [0.0, 0.0], [NAN, NAN]])).tolist() == [
        [1, 1], [-1, 0], [0, 0],
    ]  # fmt: skip
    assert KINDS["binary"].view(flags[1:])(torch.tensor([[0.25]])).tolist() == [[0.25]]


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        *[(cell, 1.0) for cell in ("1", " 1.0 ", True, "True", 1, "01")],
        *[(cell, 2**60 + 1) for cell in (2**60 + 1, str(2**60 + 1))],
        *[(cell, cell) for cell in ("a", None, "9" * 5000, dt.date(2020, 1, 1))],
        ("false", 0.0),
    ],
    ids=lambda v: str(v)[:20],
)
def test_what_a_cell_means(cell, wanted):
    assert meaning(cell) == wanted
