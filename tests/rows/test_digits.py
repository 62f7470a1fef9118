"""Numbers that are drawn have as many digits behind the point as those of the data."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import velbo
from velbo.config import Budget, Recipe, TrainingConfig
from velbo.rows.digits import DigitCounts, _digits, as_written, shares
from velbo.rows.field import Field
from velbo.rows.statistics import MAX_DECIMALS

CENTS = np.arange(100, 1000) / 100
"""All numbers from 1 to 9.99 with two digits; one in ten ends in 0."""
TENTHS = np.arange(10, 100) / 10


def counted(*parts: np.ndarray, precision: type[np.floating] = np.float64) -> DigitCounts:
    counts = DigitCounts()
    for part in parts:
        counts.add(part, precision)
    return counts


@pytest.mark.parametrize(
    ("numbers", "w"),
    [
        (CENTS, {2: 1.0}),
        (np.concatenate([CENTS, np.tile(TENTHS, 10)]), {1: 0.5, 2: 0.5}),
        (np.concatenate([CENTS, np.repeat(np.arange(1.0, 10), 100)]), {0: 0.5, 2: 0.5}),
        (np.concatenate([CENTS, np.full(100, np.pi)]), {2: 0.9, MAX_DECIMALS + 1: 0.1}),
        (np.arange(100, 1000) / 1e5, {5: 1.0}),
        (np.concatenate([np.arange(100, 1000) / 1e3, np.tile(np.arange(10, 100) / 1e2, 10)]), {2: 0.5, 3: 0.5}),
    ],
)
def test_shares_are_exact_where_every_last_digit_is_there_once(numbers, w):
    """No chance: w of the module's equation is known, as are the counts."""
    (row,) = counted(numbers).table()
    expected = [w.get(d, 0.0) for d in range(MAX_DECIMALS + 2)]
    np.testing.assert_allclose(shares(np.array([row]))[0], expected, atol=1e-12)


def test_shares_of_any_counts_are_a_law():
    rng = np.random.default_rng(0)
    w = shares(np.hstack([rng.integers(-9, 15, (200, 1)), rng.integers(0, 50, (200, MAX_DECIMALS + 2))]))
    assert (w >= 0).all()
    np.testing.assert_allclose(w.sum(1), 1.0, atol=1e-12)


def test_a_table_does_not_depend_on_how_rows_are_divided():
    v = np.round(np.random.default_rng(0).lognormal(2, 2, 50_000), 2)
    assert counted(v).table() == counted(*np.split(v, [7, 19_999, 20_001, 33_000])).table()


def test_single_precision_counts_the_digits_that_were_written():
    v = CENTS.astype(np.float32).astype(np.float64)
    assert counted(v, precision=np.float32).table() == counted(CENTS).table()


@pytest.mark.parametrize(
    "v", [np.arange(1.0, 500), np.random.default_rng(0).normal(size=500)], ids=["whole", "measured"]
)
def test_nothing_is_kept_where_all_numbers_are_alike(v):
    assert counted(v).table() == ()


def test_numbers_are_written_as_those_of_their_size():
    """Tenths from 10 on, thousandths below 1: as concentrations are. ``uniform`` goes through its whole range."""
    data = np.concatenate([np.arange(100, 1000) / 10, np.arange(100, 1000) / 1000])
    field = Field("a", "real", low=0.1, high=99.9, digits=counted(data).table())
    n = 1000
    v = np.concatenate([np.linspace(11, 98, n) + np.pi / 1e4, np.linspace(0.11, 0.98, n) + np.pi / 1e6])
    written = as_written(v, field, np.tile((np.arange(n) + 0.5) / n, 2))
    assert _digits(written[:n], np.float64).max() == 1
    assert _digits(written[n:], np.float64).max() == 3
    assert np.abs(written - v)[:n].max() <= 0.05 + 1e-12
    assert np.abs(written - v)[n:].max() <= 0.0005 + 1e-12


def test_rounding_leaves_the_range_of_the_data_as_little_as_the_draw_did():
    field = Field("a", "positive", low=0.7, high=3.2, digits=counted(np.tile(np.arange(1.0, 4), 10), CENTS).table())
    v = np.array([0.7, 0.72, 3.2, 3.199, 0.3, np.nan, 0.0])
    for uniform in (0.0, 0.5, 0.999):
        written = as_written(v, field, np.full(len(v), uniform))
        assert (written[:4] >= 0.7).all()
        assert (written[:4] <= 3.2).all()
        assert 0.3 <= written[4] <= 0.7
        assert np.isnan(written[5])
        assert written[6] == 0.0


def test_numbers_that_repeat_are_drawn_as_the_nearest_that_does():
    """A scale of 21 steps in units of its own deviation has no digits; a value of one row alone is not told."""
    steps = np.random.default_rng(0).integers(0, 21, 2000)
    v = (steps - steps.mean()) / steps.std()
    v[0] = 0.1234
    field = velbo.infer({"a": v}).modelled[0]
    seen = np.unique(v[1:])
    assert field.repeated == tuple(seen)
    drawn = np.concatenate([np.linspace(-2, 2, 999), [np.nan]])
    written = as_written(drawn, field, np.zeros(1000))
    assert np.array_equal(written[:-1], seen[np.abs(drawn[:-1, None] - seen).argmin(1)])
    assert np.isnan(written[-1])


@pytest.mark.parametrize("share", [0.9, 1.0])
def test_numbers_that_do_not_repeat_are_no_list(share):
    """A tenth of cells of their own, or fewer cells a value than five, or decimals, and nothing is kept."""
    v = np.arange(2000) % 50 / 7.0 if share < 1 else np.repeat(np.arange(500) / 7.0, 4)
    v[: int(2000 * (1 - share))] += np.random.default_rng(0).normal(size=int(2000 * (1 - share)))
    assert velbo.infer({"a": v}).modelled[0].repeated == ()
    assert velbo.infer({"a": np.arange(2000) % 50 / 4}).modelled[0].repeated == ()


@pytest.fixture(scope="module")
def prices() -> pa.Table:
    """2,000 rows; six in a thousand prices were averaged and have all digits."""
    rng = np.random.default_rng(0)
    price, weight = np.round(rng.lognormal(1, 0.5, 2000), 2), np.round(rng.normal(80, 9, 2000), 1)
    price[:12] += np.pi / 1000
    return pa.table({"price": price, "weight": weight.astype(np.float32), "class": rng.choice(["a", "b"], 2000)})


@pytest.fixture(scope="module")
def fitted(prices: pa.Table) -> velbo.TrainedModel:
    return velbo.fit(prices, Recipe("mlp", 2, (16,)), training=TrainingConfig(Budget(epochs=2)))


def digits_of(table: pa.Table, name: str) -> np.ndarray:
    column = table[name].to_numpy()
    return _digits(column.astype(np.float64), column.dtype.type)


def test_a_few_long_numbers_do_not_make_all_new_ones_long(fitted):
    """Binomial with p = 0.006: more than 3 % of 2,000 has a chance below 1e-25. The draws are of one seed anyway."""
    rows = fitted.sample(2000, seed=3)
    assert (digits_of(rows, "price") > 2).mean() < 0.03
    assert digits_of(rows, "weight").max() == 1


def test_point_estimates_keep_their_digits(fitted, prices):
    """A mean is no draw: rounding it to the digits of a price would make it worse."""
    assert (digits_of(fitted.sample(200, mean=True), "price") > 2).mean() > 0.9
    assert (digits_of(fitted.reconstruct(prices.slice(0, 200)), "price") > 2).mean() > 0.9


def test_draws_for_missing_cells_and_variations_are_written_like_data(fitted, prices):
    gaps = prices.slice(100, 50).set_column(0, "price", pa.nulls(50, pa.float64()))
    for filled in fitted.impute_many(gaps, 2, samples=5, steps=2):
        assert (digits_of(filled, "price") > 2).mean() < 0.2
    (made,) = fitted.variations(prices.slice(100, 50), 1, groups=1)
    assert (digits_of(made, "price") > 2).mean() < 0.2


def test_given_cells_are_as_they_were_given(prices):
    """Those drawn from their empirical law are prices that were there, as near as a single-precision model holds them;
    those that are given come out to the last bit."""
    recipe = Recipe("mlp", 2, (16,), condition=("price",))
    conditional = velbo.fit(prices, recipe, training=TrainingConfig(Budget(epochs=1)))
    drawn, seen = conditional.sample(500)["price"].to_numpy(), prices["price"].to_numpy()
    assert np.abs(drawn[:, None] - seen).min(1).max() < 1e-6
    given = conditional.sample(500, given={"price": [2.6314159, 2.63] * 250})["price"].to_numpy()
    assert (given == np.tile([2.6314159, 2.63], 250)).all()
