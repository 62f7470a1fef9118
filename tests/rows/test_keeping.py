"""Made rows keep constraints: exactly the law that rejection gives, by construction where no draw would, and not at all
where what may not be changed stands against it.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from velbo.rows import Field, Schema
from velbo.rows.constraints import Combination, Constraints, Linear
from velbo.rows.keeping import TRIES, Keeping

DICE = tuple(Field(name, "integer", low=1.0, high=6.0, dtype="int64", decimals=0) for name in "ab")
AT_MOST = Linear("a <= b", ("a", "b"), (1.0, -1.0), "<=")
NEVER = Linear("a >= 7", ("a",), (-1.0,), "<=", -7.0)


def keeping(*constraints: Linear | Combination, fields: tuple[Field, ...] = DICE) -> Keeping:
    linear = tuple(c for c in constraints if isinstance(c, Linear))
    return Keeping(Schema(fields, constraints=Constraints(linear, tuple(set(constraints) - set(linear)))))


def dice(rng: np.random.Generator):
    return lambda rows, n, round_: rng.integers(1, 7, (n, len(rows), 2)).astype(float)


def test_draws_are_those_of_the_law_given_the_constraint():
    """Two dice, a <= b: 21 pairs, each as likely. False alarms: one in 1,000 seeds."""
    rng = np.random.default_rng(0)
    kept = keeping(AT_MOST).keep(rng.integers(1, 7, (3, 700, 2)).astype(float), np.ones((700, 2), bool), dice(rng))
    a, b = kept.v.reshape(-1, 2).astype(int).T
    counts = np.zeros((7, 7))
    np.add.at(counts, (a, b), 1)
    assert counts.sum() == counts[1:, 1:][np.triu_indices(6)].sum() == 2100
    assert chisquare(counts[1:, 1:][np.triu_indices(6)]).pvalue > 0.001
    assert (kept.moved, kept.left.any(), kept.broken) == (0, False, "a <= b")


def test_cells_that_are_given_stay_and_every_row_is_drawn_for_itself():
    """a is 6 in each row, so b is 6 by the law; one draw in six has it, so 340 draws meet it in all but one of 1e27."""
    rng, v = np.random.default_rng(0), np.full((1, 20, 2), 6.0)
    v[..., 1] = 1

    def draw(rows, n, round_):
        return np.stack([np.full((n, len(rows)), 6.0), rng.integers(1, 7, (n, len(rows)))], -1)

    kept = keeping(AT_MOST).keep(v, np.array([[False, True]] * 20), draw)
    assert (kept.v == 6).all()
    assert kept.moved == 0


def test_what_no_draw_meets_is_moved_and_counted():
    asked = list[tuple[int, int]]()

    def draw(rows, n, round_):
        asked.append((len(rows), n))
        return np.full((n, len(rows), 2), [5.0, 2.0])

    kept = keeping(AT_MOST).keep(np.full((1, 3, 2), [5.0, 2.0]), np.array([[True, False]] * 3), draw)
    assert asked == [(3, n) for n in TRIES]
    assert kept.v.tolist() == [[[2, 2]] * 3]
    assert (kept.moved, kept.left.any()) == (3, False)


def test_what_cannot_be_kept_is_left_and_named():
    """a is 5 and b its equal that is 7 or more: no. Where a may change too, both are 7."""
    equal, high = Linear("a = b", ("a", "b"), (1.0, -1.0), "="), Linear("b >= 7", ("b",), (-1.0,), "<=", -7.0)
    v = np.full((1, 2, 2), [5.0, 2.0])
    kept = keeping(equal, high).keep(v, np.array([[False, True], [True, True]]), None)
    assert kept.left.tolist() == [[True, False]]
    assert kept.v[0, :, 0].tolist() == [5, 7]
    assert kept.v[0, 1].tolist() == [7, 7]
    assert kept.broken in ("a = b", "b >= 7")


def test_constraints_that_undo_each_other_are_met_in_the_end():
    """a <= b halves the way between the two, and a >= 7 takes it back: after some rounds one of them moves alone."""
    kept = keeping(AT_MOST, NEVER).keep(np.full((1, 1, 2), [5.0, 2.0]), np.ones((1, 2), bool), None)
    assert kept.v.tolist() == [[[7, 7]]]
    assert kept.moved == 1


def test_rows_without_a_free_cell_of_it_are_none_of_its_business():
    v = np.full((1, 1, 2), [5.0, 2.0])
    kept = keeping(AT_MOST).keep(v, np.zeros((1, 2), bool), None)
    assert (kept.moved, kept.left.any(), kept.broken) == (0, False, "")
    assert keeping(AT_MOST).breaks(v[0]).tolist() == [[True]]


def test_sums_hold_by_construction_and_draws_beyond_a_range_are_drawn_again():
    fields = (*DICE, Field("c", "count", low=2.0, high=9.0, dtype="int64", decimals=0))
    rng = np.random.default_rng(0)

    def draw(rows, n, round_):
        return np.concatenate([dice(rng)(rows, n, round_), np.zeros((n, len(rows), 1))], -1)

    start = draw(np.arange(500), 1, 0)
    found = keeping(Linear("a + b = c", ("a", "b", "c"), (1, 1, -1), "="), fields=fields).keep(
        start, np.ones((500, 3), bool), draw
    )
    assert (found.v[..., 0] + found.v[..., 1] == found.v[..., 2]).all()
    assert (found.v[..., 2].min(), found.v[..., 2].max()) == (2, 9)
    fine = start.sum(-1) <= 9
    assert (found.v[fine][:, :2] == start[fine][:, :2]).all()  # what was in the range is as it was drawn


def test_codes_of_numbers_are_compared_as_numbers():
    """Codes 0, 1 of a stand for 5, 7, and those of b for 1, 6, 9."""
    fields = (
        Field("a", "ordinal", categories=(5, 7), dtype="int64", high=1.0),
        Field("b", "ordinal", categories=(1, 6, 9), dtype="int64", high=2.0),
    )
    works = keeping(AT_MOST, fields=fields)
    assert works.breaks(np.array([[0, 0], [0, 1], [1, 1], [1, 2]], float))[:, 0].tolist() == [True, False, True, False]
    assert works.nearest(np.array([[0.0, 0]]), np.array([[False, True]])).tolist() == [[0, 1]]


def test_combinations_with_a_density_follow_their_first_column():
    fields = (
        Field("town", "categorical", categories=("Jena", "Delft"), dtype="string", high=1.0),
        Field("latitude", "real", low=50.9, high=52.0, decimals=1, scale=0.5),
    )
    known = Combination("town with latitude", ("town", "latitude"), ((0.0, 50.9), (1.0, 52.0)))
    v = np.array([[[0, 51.7], [1, 51.0]]])
    kept = keeping(known, fields=fields).keep(v, np.ones((2, 2), bool), None)
    assert kept.v.tolist() == [[[0, 50.9], [1, 52.0]]]


@pytest.mark.parametrize("kind", ["timestamp[us]", "date32[day]"])
def test_what_comes_out_keeps_it(kind):
    """A date that is drawn between two midnights comes out as one of them: that is what is compared."""
    day = 86_400.0
    fields = tuple(Field(name, "datetime", dtype=kind, step=day, high=9 * day, scale=day) for name in "ab")
    works = keeping(AT_MOST, fields=fields)
    v = np.array([[1.6 * day, 1.7 * day], [1.4 * day, 0.6 * day], [1.4 * day, 0.4 * day]])
    written = works.written(v)
    assert (written / day).tolist() == [[2, 2], [1, 1], [1, 0]]
    assert works.breaks(written)[:, 0].tolist() == [False, False, True]


def test_calls_of_one_round_draw_other_rows():
    """40,000 rows are drawn again in several calls, each by noise of its own."""

    def draw(rows, n, call):
        return np.random.default_rng(call).uniform(0, 1, (n, len(rows), 2))

    fields = tuple(Field(name, "real", low=0.0, high=1.0, scale=0.3) for name in "ab")
    v = np.tile([1.0, 0.0], (1, 40_000, 1))
    kept = keeping(AT_MOST, fields=fields).keep(v, np.ones((40_000, 2), bool), draw)
    assert len(np.unique(kept.v[0], axis=0)) == 40_000


def test_whole_numbers_end_below_what_lies_between_them():
    fields = (DICE[0], Field("b", "real", low=0.0, high=10.0, decimals=2))
    kept = keeping(AT_MOST, fields=fields).keep(np.array([[[5, 3.77]]]), np.array([[True, False]]), None)
    assert kept.v.tolist() == [[[3, 3.77]]]


def test_what_is_left_is_as_it_was_drawn():
    tax = tuple(Field(name, "positive", low=0.1, high=99.0, decimals=2, scale=10.0) for name in ("net", "tax", "gross"))
    total = Linear("net + tax = gross", ("net", "tax", "gross"), (1, 1, -1), "=")
    kept = keeping(total, fields=tax).keep(np.array([[[30, 4.67, 20]]]), np.array([[False, True, False]]), None)
    assert kept.left.all()
    assert kept.v.tolist() == [[[30, 4.67, 20]]]
