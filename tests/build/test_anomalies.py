"""Scores without labels: what settings leave alone, and planted rows found from Python, scikit-learn and the shell."""

from __future__ import annotations

import json
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from contracts.commands import call
from velbo import (
    AnomalyDetector,
    Asked,
    Budget,
    ObjectiveConfig,
    Optimisation,
    Recipe,
    TrainingConfig,
    VAEEstimator,
    Validation,
    infer,
    plan,
)
from velbo.build import complete
from velbo.build.anomalies import HIDDEN, for_anomalies, numbers_as_reals

# the settings

FRAME = pd.DataFrame(
    {
        "grade": np.arange(60) % 4,
        "size": np.linspace(1, 2, 60) ** 9,
        "yes": np.arange(60) % 2 == 0,
        "flag": np.arange(60) % 2,
        "name": list("abc") * 20,
        "day": pd.date_range("2020-01-01", periods=60),
        "visits": np.arange(60) ** 2 % 50,
    }
)


def test_numbers_are_reals_of_a_fixed_scale_and_names_stay():
    assert numbers_as_reals(infer(FRAME, {"visits": "count"})) == {
        "grade": "real:normal-narrow",
        "size": "real:normal-narrow",
        "flag": "real:normal-narrow",
        "day": "datetime:normal-narrow",
    }


def test_what_is_set_is_left_as_it_is():
    schema = infer(np.random.default_rng(0).normal(size=(20, 3)))
    recipe = Recipe("mlp", 3, (7,), "normal", prior="mixture")
    objective, training = ObjectiveConfig("iwae"), TrainingConfig(Budget(3), validation=Validation(0.2))
    said = Asked(recipe, objective, training, anomalies=True)
    assert for_anomalies(said, schema) == said
    found = for_anomalies(Asked(anomalies=True), schema)
    assert (found.recipe.recipe, found.recipe.hidden, found.recipe.latent) == ("resmlp", HIDDEN, 8)
    assert found.objective.objective == "trimmed:trim=0.4"
    assert (found.training.budget.epochs, found.training.validation.validation) == (50, 0)


def test_a_short_run_keeps_the_steps_of_a_long_one():
    """Smaller batches are more steps, which follow anomalous rows too: cardio's AUROC falls from 88 to 81 by them."""
    x = np.random.default_rng(0).normal(size=(60, 3))
    batches = [complete(x, Asked(anomalies=a)).plan.training.optimisation.batch_size for a in (True, False)]
    assert batches == [128, 32]
    asked = Asked(training=TrainingConfig(optimisation=Optimisation(batch_size=7)), anomalies=True)
    assert complete(x, asked).plan.training.optimisation.batch_size == 7


# finding planted rows


def planted(n: int = 400, n_anomalous: int = 120):
    """Rows near a line in 4 dimensions and, last, a cluster of anomalous ones off it: so many that a model which has to
    explain them does.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 1)) * [1, 1, -1, -1] + 0.1 * rng.normal(size=(n, 4))
    anomalous = [2, -2, 2, -2] + 0.01 * rng.normal(size=(n_anomalous, 4))
    return np.concatenate([x, anomalous]), np.arange(n + n_anomalous) >= n


def test_a_cluster_of_anomalous_rows_is_found_where_a_density_explains_it():
    x, anomalous = planted()
    detector, density = AnomalyDetector(random_state=0), VAEEstimator(8, recipe="mlp", random_state=0)
    assert roc_auc_score(anomalous, -detector.fit(x).score_samples(x)) > 0.98
    assert roc_auc_score(anomalous, -density.fit(x).score_samples(x)) < 0.9


# the unit of numbers

NORMAL = 2 * NormalDist().inv_cdf(0.9)
"""Of a normal column, its eight cells in ten in the middle, in standard deviations."""


def fields_of(x, **options):
    return plan(x, anomalies=True, **options).schema.fields


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_whole_numbers_are_measured_as_any(dtype):
    x = (np.random.default_rng(0).integers(0, 2, (50, 3)) * [1, 9, 200]).astype(dtype)
    fields = AnomalyDetector(max_epochs=1, random_state=0).fit(x).fitted_.schema.fields
    assert {(field.kind, field.likelihood) for field in fields} == {("real", "normal-narrow")}
    np.testing.assert_allclose([field.scale for field in fields], np.array([1, 9, 200]) / NORMAL, rtol=1e-6)


def test_far_cells_move_neither_the_place_nor_the_unit_of_a_column():
    """0.5 to 100.5 have median 50.5, and 80 lie between the quantiles, wherever the ten largest are."""
    x = np.arange(101.0) + 0.5
    far = np.where(x > 91, x * 5, x)
    for column in (x, far):
        (field,) = fields_of(pd.DataFrame({"a": column}))
        assert field.location == 50.5
        assert field.scale == pytest.approx(80 / NORMAL)


def test_a_column_of_nearly_equal_cells_keeps_its_deviation():
    x = np.zeros(100)
    x[:5] = 0.5
    (field,) = fields_of(pd.DataFrame({"a": x}))
    assert (field.location, field.scale) == (0, pytest.approx(x.std()))


def test_missing_cells_count_in_no_quantile():
    x = np.concatenate([np.arange(101.0) + 0.5, np.full(50, np.nan)])
    (field,) = fields_of(pd.DataFrame({"a": x}))
    assert (field.location, field.scale) == (50.5, pytest.approx(80 / NORMAL))


def test_the_unit_belongs_to_the_likelihood_whoever_asks_for_it():
    """A plan that is taken again with --like names the likelihood and not what the run was for."""
    x = np.random.default_rng(0).standard_exponential((60, 2))
    frame = pd.DataFrame(x, columns=["a", "b"])
    spread = np.diff(np.quantile(x, (0.1, 0.9), axis=0), axis=0)[0] / NORMAL
    given, guessed = fields_of(frame, columns={"a": "real:normal-fixed"})
    np.testing.assert_allclose([given.scale, guessed.scale], [x[:, 0].std(), spread[1]])
    asked, other = plan(frame, columns={"a": "real:normal-narrow"}).schema.fields
    np.testing.assert_allclose([asked.scale, asked.location], [spread[0], np.median(x[:, 0])])
    assert other.scale != pytest.approx(spread[1])


def test_scores_are_densities_in_the_unit_of_the_data():
    """In units of a sixteenth all numbers are 16 times as large, exactly, and log p of D cells is D log 16 less."""
    x, _ = planted(60, 0)
    detector = AnomalyDetector(max_epochs=2, random_state=0)
    near, far = (clone(detector).fit(rows).score_samples(rows) for rows in (x, 16 * x))
    np.testing.assert_allclose(far, near - 4 * np.log(16), rtol=1e-6)


def test_a_row_is_odd_by_the_cell_that_is():
    x, _ = planted(300, 0)
    frame = pd.DataFrame(x, columns=list("abcd")).assign(name=np.where(x[:, 0] > 0, "up", "down"))
    frame.loc[7, "c"] = 6.0
    detector = AnomalyDetector(random_state=0, columns={"name": "categorical"}).fit(frame)
    assert [c.likelihood for c in detector.fitted_.schema.fields] == ["normal-narrow"] * 4 + ["categorical"]
    assert detector.score_samples(frame).argmin() == 7
    assert detector.contributions(frame.iloc[[7]]).argmin() == 2


def test_trim_is_a_parameter_as_any_other():
    x, _ = planted(40, 4)
    fast = AnomalyDetector(max_epochs=2, random_state=0)
    trimmed, all_rows = clone(fast).fit(x), clone(fast).set_params(trim=0.0).fit(x)
    assert all_rows.fitted_.plan.objective.objective == "trimmed:trim=0.0"
    assert not np.array_equal(trimmed.score_samples(x), all_rows.score_samples(x))


def test_a_saved_detector_is_the_same(tmp_path):
    x, _ = planted(40, 4)
    detector = AnomalyDetector(trim=0.2, max_epochs=2, random_state=0).fit(x)
    detector.save(tmp_path / "d")
    loaded = AnomalyDetector.load(tmp_path / "d")
    assert loaded.get_params() == detector.get_params()
    assert np.array_equal(loaded.decision_function(x), detector.decision_function(x))


def test_the_command_line_takes_what_is_left_open_for_anomalies(tmp_path):
    x, anomalous = planted()
    pd.DataFrame(x, columns=list("abcd")).to_csv(tmp_path / "t.csv", index=False)
    code, _, err = call("fit", tmp_path / "t.csv", "--run", tmp_path / "r", "--anomalies")
    assert code == 0, err
    assert "the rows that fit worst are trimmed" in err
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    assert config["objective"]["objective"] == "trimmed:trim=0.4"
    assert {f["likelihood"] for f in config["schema"]["fields"]} == {"normal-narrow"}
    code, _, err = call("score", tmp_path / "r", tmp_path / "t.csv", "-o", tmp_path / "s.csv")
    assert code == 0, err
    assert roc_auc_score(anomalous, -pd.read_csv(tmp_path / "s.csv").iloc[:, -1]) > 0.98


def test_the_command_line_measures_an_array_of_whole_numbers(tmp_path):
    x = np.random.default_rng(0).integers(0, 200, (40, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    code, _, err = call("fit", tmp_path / "x.npy", "--run", tmp_path / "r", "--anomalies", "--epochs", 1)
    assert code == 0, err
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    (field,) = config["schema"]["fields"]
    assert (field["kind"], field["likelihood"]) == ("real", "normal-narrow")
    spread = np.diff(np.quantile(x, (0.1, 0.9), axis=0), axis=0)[0]
    np.testing.assert_allclose(field["scale"], spread / NORMAL)
