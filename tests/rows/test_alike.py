"""Counts of one table are of one kind, whatever a column looks like by itself; ages, years and codes are none."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from velbo.rows import infer

N = 400
RNG = np.random.default_rng(0)
GENES = {f"g{i}": RNG.poisson(8 + i**2, N) * (np.arange(N) > 0) for i in range(12)}
"""Counts from 0 to over 12: no doubt about them."""
RARE = RNG.poisson(0.8, N)
FEW = np.where(np.arange(N) == 0, 9, np.minimum(RARE, 5))
"""Never 6, 7 or 8."""


def kind(column: np.ndarray, others: dict[str, np.ndarray] | None = None, asked: dict[str, str] | None = None) -> str:
    field = infer(pa.table({**(GENES if others is None else others), "new": column}), asked or {}).fields[-1]
    return field.kind


@pytest.mark.parametrize(
    "column",
    [RARE, FEW, 1 + RNG.poisson(20, N), np.where(np.arange(N) == 5, 1050, RNG.poisson(2, N))],
    ids=["few values", "a gap", "never 0", "far"],
)
def test_counts_among_counts_are_counts(column):
    assert kind(column, {}) in ("ordinal", "integer", "count")
    assert kind(column) == "count"


@pytest.mark.parametrize(
    ("column", "is_of"),
    [
        (RNG.integers(18, 90, N), "integer"),  # ages
        (RNG.integers(1950, 2020, N), "integer"),  # years
        (RNG.integers(-3, 40, N), "integer"),
        (RNG.integers(0, 10**6, N), "integer"),
        (RNG.integers(1, 6, N), "ordinal"),  # answers
        (2 * RNG.integers(0, 5, N), "ordinal"),  # codes
        (RNG.integers(0, 2, N), "binary"),
        (RNG.poisson(0.8, N).astype(np.int16), "ordinal"),  # of another type
    ],
)
def test_other_whole_numbers_stay(column, is_of):
    assert kind(column) == kind(column, {}) == is_of


def test_what_is_asked_stays_and_few_counts_decide_nothing():
    assert kind(RARE, asked={"new": "ordinal"}) == "ordinal"
    assert kind(RARE, dict(list(GENES.items())[:9])) == "ordinal"
    grades = {f"a{i}": RNG.integers(0, 5, N) for i in range(20)}
    assert kind(RARE, GENES | grades) == "ordinal"  # most are none


def test_made_counts_of_all_rates_are_of_one_kind():
    """200 genes, mean counts from 0.5 to 300: 95 are counts by themselves, 46 look like grades, 59 like any numbers."""
    rates = np.geomspace(0.5, 300, 200)
    rows = pa.table({f"g{i}": RNG.negative_binomial(2, 2 / (2 + rate), N) for i, rate in enumerate(rates)})
    schema = infer(rows)
    assert Counter(f.kind for f in schema.fields) == {"count": 200}
    (reason,) = {f.reason for f in schema.fields if "columns like it" in f.reason}
    assert reason.startswith("whole numbers, as ")
