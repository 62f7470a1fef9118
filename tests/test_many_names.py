"""A column of more than 1,000 names goes through every verb, beside other columns."""

from __future__ import annotations

import csv

import numpy as np
import pyarrow as pa
import pytest

from contracts.commands import call
from velbo import TrainedModel, evaluate, fit
from velbo.compress import compress, decompress
from velbo.config import Budget, Optimisation, Recipe, TrainingConfig

C, N = 1_200, 6_000


def table() -> dict[str, np.ndarray]:
    """A shop, and a number whose mean is that of the shop's class."""
    rng = np.random.default_rng(0)
    shop = rng.permutation(np.arange(N) % C)
    return {
        "shop": np.array([f"s{k:04d}" for k in shop]),
        "city": np.array(["a", "b"])[shop // 600],
        "amount": (shop // 100 + rng.normal(size=N)).round(2),
    }


TRAINING = TrainingConfig(Budget(epochs=4), Optimisation(batch_size=128))


@pytest.fixture(scope="module")
def fitted() -> TrainedModel:
    return fit(table(), Recipe("mlp", latent=2, hidden=(32,)), training=TRAINING)


def some(n: int = 40) -> dict[str, np.ndarray]:
    return {name: cells[:n] for name, cells in table().items()}


def test_it_learns_what_goes_with_a_name(fitted):
    """Better than columns apart: a name alone is worth log 1,200 = 7.1 nats, a city log 2, an amount 2.7."""
    shop = fitted.schema.field("shop")
    assert (shop.kind, shop.n_categories, len(shop.counts)) == ("categorical", C, C)
    assert evaluate(fitted.model, fitted.store(table()), samples=1).elbo > -(7.1 + 0.7 + 2.7)


def test_rows_are_drawn_filled_predicted_and_coded(fitted, tmp_path):
    names = set(table()["shop"])
    assert set(fitted.sample(50)["shop"]) <= names
    holes = some(6) | {"shop": np.array([None, *some(6)["shop"][1:]], dtype=object)}
    filled = fitted.impute(holes, samples=20)
    assert filled["shop"][0] in names
    assert list(filled["shop"][1:]) == list(holes["shop"][1:])
    found = fitted.predict(some(3), "shop", samples=16)
    np.testing.assert_allclose(found.p.sum(-1), 1, rtol=1e-5)
    rows = pa.table(some())
    compress(fitted, rows, tmp_path / "rows.velbo")
    assert decompress(tmp_path / "rows.velbo", trained=fitted) == rows


def test_what_was_saved_is_the_same_model(fitted, tmp_path):
    fitted.save(tmp_path / "run")
    again = TrainedModel.load(tmp_path / "run")
    np.testing.assert_array_equal(again.encode(some()), fitted.encode(some()))
    np.testing.assert_array_equal(again.scores(some(), samples=4), fitted.scores(some(), samples=4))


@pytest.mark.parametrize("kind", ["shop=categorical:categorical", "shop=drop"])
def test_the_command_line_takes_another_kind(kind, tmp_path):
    with open(tmp_path / "rows.csv", "w", newline="") as f:
        csv.writer(f).writerows([[*table()], *zip(*table().values(), strict=True)])
    code, shown, _ = call("schema", tmp_path / "rows.csv", "--column", kind)
    assert code == 0
    assert "as given" in shown
