"""Inequalities and sums: what breaks them, and the nearest values that do not."""

from __future__ import annotations

import numpy as np
import pytest

from velbo.rows import Field
from velbo.rows.constraints import Linear

A, B, C = (Field(name, "real", low=-100.0, high=100.0, scale=scale) for name, scale in (("a", 1), ("b", 2), ("c", 3)))
SUM = Linear("a + b = c", ("a", "b", "c"), (1.0, 1.0, -1.0), "=")
AT_MOST = Linear("a <= b", ("a", "b"), (1.0, -1.0), "<=")
BELOW = Linear("a < b", ("a", "b"), (1.0, -1.0), "<")
WHOLE = [Field(name, "integer", low=0.0, high=20.0, decimals=0, scale=s) for name, s in (("a", 2), ("b", 3), ("c", 4))]


def free(*cells: int) -> np.ndarray:
    return np.array([cells], dtype=bool)


@pytest.mark.parametrize(
    ("constraint", "fields", "v", "broken"),
    [
        (SUM, [A, B, C], (0.1, 0.2, 0.3), False),  # which floats miss by 5e-17
        (SUM, [A, B, C], (1e9, 0.01, 1e9), True),  # a cent beside a billion is no rounding
        (SUM, [A, B, C], (1, 2, np.nan), False),
        (AT_MOST, [A, B], (1, 1), False),
        (AT_MOST, [A, B], (1.5, 1), True),
        (BELOW, [A, B], (1, 1), True),
        (BELOW, WHOLE[:2], (1, 2), False),
        (Linear("a > 17.9", ("a",), (-1.0,), "<", -17.9), WHOLE[:1], (18,), False),
        (AT_MOST, WHOLE[:2], (1e12 + 1, 1e12), True),
        (AT_MOST, [A, B], (1.6e9 + 0.002, 1.6e9), True),
        (Linear("0 <= a", ("a",), (-1.0,), "<=", 0.0), [A], (-1,), True),
    ],
)
def test_what_breaks_them(constraint, fields, v, broken):
    assert constraint.broken(np.array([v], float), fields).tolist() == [broken]


def test_single_precision_may_miss_a_sum_by_its_rounding():
    fields = [Field(name, "real", dtype="float") for name in "abc"]
    v = np.array([[0.1, 0.2, np.float32(0.1) + np.float32(0.2)]], np.float32).astype(float)
    assert not SUM.broken(v, fields).any()
    assert SUM.broken(v, [A, B, C]).all()


def test_the_column_that_stands_alone_follows():
    assert SUM.nearest(np.array([[1.0, 2, 9]]), free(1, 1, 1), [A, B, C]).tolist() == [[1, 2, 3]]


def test_of_what_is_left_each_gives_way_by_its_variance():
    """Variances 1 and 4 share a gap of 5: it is the mean of independent Normals given their sum."""
    found = SUM.nearest(np.array([[1.0, 2, 8]]), free(1, 1, 0), [A, B, C])
    assert found == pytest.approx(np.array([[2, 6, 8.0]]), abs=1e-12)
    assert SUM.nearest(np.array([[1.0, 2, 8]]), free(0, 1, 0), [A, B, C]).tolist() == [[1, 7, 8]]


def test_inequalities_are_met_at_their_end():
    found = AT_MOST.nearest(np.array([[5.0, 0]]), free(1, 1), [A, B])
    assert found == pytest.approx(np.array([[4, 4.0]]), abs=1e-12)
    assert AT_MOST.nearest(np.array([[5.0, 0]]), free(1, 0), [A, B]).tolist() == [[0, 0]]


def test_below_is_a_step_below_where_there_are_steps():
    assert BELOW.nearest(np.array([[5.0, 3]]), free(1, 0), WHOLE[:2]).tolist() == [[2, 3]]
    (near,) = BELOW.nearest(np.array([[5.0, 3]]), free(1, 0), [A, B])
    assert near[0] < near[1]


def test_ranges_hold_and_the_others_take_what_is_over():
    """b cannot go beyond 20, so a takes the rest, and all are whole."""
    v = np.array([[3.0, 19, 36], [2, 3, 10]])
    found = SUM.nearest(v, np.array([[1, 1, 0]] * 2, bool), WHOLE)
    assert found[0].tolist() == [16, 20, 36]
    assert (found[:, 0] + found[:, 1]).tolist() == [36, 10]
    assert (found % 1 == 0).all()


def test_cells_that_are_not_free_stay():
    v = np.array([[1.0, 2, 9]])
    assert SUM.nearest(v, free(0, 0, 0), [A, B, C]).tolist() == v.tolist()
