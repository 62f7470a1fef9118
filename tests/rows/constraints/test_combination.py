"""Fixed combinations: which rows break them, and the nearest that is known."""

from __future__ import annotations

from collections import Counter

import numpy as np

from velbo.rows import Field
from velbo.rows.constraints import Combination
from velbo.rows.constraints.combination import counted

FIELDS = [
    Field("school", "categorical", categories=("HS", "BSc", "MSc")),
    Field("years", "integer", scale=8.0),
]
KNOWN = Combination("school with years", ("school", "years"), ((0, 9), (1, 13), (2, 14), (1, 12)))


def near(v: list[float], *free: int) -> list[float]:
    return KNOWN.nearest(np.array([v], float), np.array([free], bool), FIELDS)[0].tolist()


def test_what_no_row_had_breaks_them():
    v = np.array([[0, 9], [0, 13], [1, 12], [np.nan, 13]], float)
    assert KNOWN.broken(v, FIELDS).tolist() == [False, True, False, False]


def test_columns_named_first_stay_and_numbers_move_least():
    assert near([1, 9], 1, 1) == [1, 12]  # the nearer one
    assert near([1, 99], 1, 1) == [1, 13]  # both are far: the more frequent one
    assert near([0, 14], 1, 1) == [0, 9]


def test_cells_that_are_not_free_decide():
    assert near([0, 14], 1, 0) == [2, 14]
    assert near([2, 9], 0, 1) == [2, 14]
    assert near([2, 99], 1, 0) == [2, 99]  # nothing known has it


def test_whole_rows_are_counted():
    seen = Counter[tuple[float, ...]]()
    for part in ([[0, 1], [0, 1], [np.nan, 1]], [[0, 1], [1, 1]], [[np.nan, np.nan]]):
        counted(np.array(part, float), seen)
    assert seen == {(0, 1): 3, (1, 1): 1}
