"""What a cell is worth in most rows: a row alone is explained as in its file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from velbo import Recipe, TrainedModel, TrainingConfig, fit
from velbo.config import Budget, Validation
from velbo.errors import ConfigError, RunError
from velbo.evaluation.cells import typical
from velbo.evaluation.cells.typical import SAMPLES
from velbo.evaluation.cells.weighted import probe, width
from velbo.oracles import LinearGaussian
from velbo.rows import Store

TRAINING = TrainingConfig(Budget(epochs=3))


def people(n: int = 240) -> pd.DataFrame:
    """Of several kinds, some cells missing."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"job": rng.choice(["nurse", "clerk"], n), "visits": rng.poisson(20, n), "income": np.exp(rng.normal(9, 1, n))}
    )
    frame.loc[rng.random(n) < 0.2, "income"] = None
    return frame


def test_a_row_alone_is_explained_as_in_its_file(tmp_path):
    """And by a model that was saved. Here b is the first column, and a cell of a is the anomalous one of every row of
    the file: the median of that file would hide it.
    """
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"b": rng.normal(size=300), "a": rng.normal(size=300)})
    model = fit(frame, Recipe("mlp", latent=1, hidden=(8,)), training=TRAINING, run=tmp_path / "run")
    odd = frame[:20].assign(a=6.0)
    together = model.explain(odd, samples=20)
    assert together["most_anomalous"].to_pylist() == ["a"] * 20
    model.save(tmp_path / "copy")
    for other in (model, TrainedModel.load(tmp_path / "run"), TrainedModel.load(tmp_path / "copy")):
        assert other.typical == model.typical
        for i in range(5):
            alone = other.explain(odd[i : i + 1], samples=20)
            assert alone["most_anomalous"].to_pylist() == ["a"]
            np.testing.assert_allclose(alone[3].to_numpy(), together[3].to_numpy()[i : i + 1], rtol=1e-4)


def test_what_is_kept_is_the_median_over_training_rows(monkeypatch):
    """All 60 of them, where none is held out."""
    monkeypatch.setattr("velbo.evaluation.cells.typical.ROWS", 100)
    frame = people(60)
    training = replace(TRAINING, validation=Validation(0.0))
    model = fit(frame, Recipe("mlp", latent=1, hidden=(8,)), training=training)
    each = model.contributions(frame, SAMPLES)
    middle = np.nanquantile(each, 0.5, axis=0, method="lower")
    np.testing.assert_allclose(model.typical, middle, atol=1e-4)


def test_medians_that_are_damaged_or_foreign_are_told(tmp_path):
    frame = people()
    fit(frame, Recipe("mlp", latent=1, hidden=(8,)), training=TRAINING).save(tmp_path)
    for text, error, what in (
        ('{"log_p": [1.0]}', RunError, "does not fit"),
        ('{"log_p": "x"}', ConfigError, "Expected"),
        ('{"log_q": []}', ConfigError, "log_p"),
        ("{", RunError, "not readable"),
    ):
        (tmp_path / "typical.json").write_text(text)
        with pytest.raises(error, match=what):
            TrainedModel.load(tmp_path)


def test_wide_rows_pay_for_fewer(monkeypatch):
    """100 rows where they are narrow; else as many as the numbers of p(x|z) allow, 20 at least."""
    monkeypatch.setattr(typical, "ROWS", 100)
    oracle = LinearGaussian.random(5, 2, seed=0)
    model, rows = oracle.vae(), Store.from_tensor(oracle.sample(200, seed=0))
    each = typical.SAMPLES * 5 * width(probe(model, rows))
    for numbers, n in ((10**9, 100), (50 * each, 50), (20 * each, 20), (20 * each - 1, 0)):
        monkeypatch.setattr(typical, "NUMBERS", numbers)
        assert typical.rows_that_pay(model, rows) == n


def test_rows_too_wide_for_medians_keep_none(monkeypatch):
    monkeypatch.setattr("velbo.evaluation.cells.typical.NUMBERS", 100)
    model = fit(people(), Recipe("mlp", latent=1, hidden=(8,)), training=TRAINING)
    found = model.explain(people(), samples=5)
    each = np.stack([found[name].to_numpy() for name in found.column_names[2:]], 1)
    least = np.nanargmin(each, 1)
    names = [name.removesuffix(" given the rest") for name in found.column_names[2:]]
    assert model.typical == ()
    assert found["most_anomalous"].to_pylist() == [names[i] for i in least]
