"""Scores without labels: what settings leave alone, and planted rows found from Python, scikit-learn and the shell."""

from __future__ import annotations

import json

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
    Recipe,
    TrainingConfig,
    VAEEstimator,
    Validation,
    infer,
)
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
        "grade": "real:normal-fixed",
        "size": "real:normal-fixed",
        "flag": "real:normal-fixed",
        "day": "datetime:normal-fixed",
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


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_whole_numbers_are_standardised_as_any(dtype):
    x = (np.random.default_rng(0).integers(0, 2, (50, 3)) * [1, 9, 200]).astype(dtype)
    fields = AnomalyDetector(max_epochs=1, random_state=0).fit(x).fitted_.schema.fields
    assert {(field.kind, field.likelihood) for field in fields} == {("real", "normal-fixed")}
    np.testing.assert_allclose([field.scale for field in fields], x.std(0), rtol=1e-6)


def test_a_row_is_odd_by_the_cell_that_is():
    x, _ = planted(300, 0)
    frame = pd.DataFrame(x, columns=list("abcd")).assign(name=np.where(x[:, 0] > 0, "up", "down"))
    frame.loc[7, "c"] = 6.0
    detector = AnomalyDetector(random_state=0, columns={"name": "categorical"}).fit(frame)
    assert [c.likelihood for c in detector.fitted_.schema.fields] == ["normal-fixed"] * 4 + ["categorical"]
    assert detector.score_samples(frame).argmin() == 7
    assert detector.contributions(frame.iloc[[7]]).argmin() == 2


def test_trim_is_a_parameter_as_any_other():
    x, _ = planted(40, 4)
    fast = AnomalyDetector(max_epochs=2, random_state=0)
    a, b = (
        clone(fast).set_params(trim=0.0).fit(x),
        VAEEstimator(
            8,
            recipe="resmlp",
            hidden=HIDDEN,
            likelihood="normal-fixed",
            max_epochs=2,
            validation_fraction=0.0,
            random_state=0,
        ).fit(x),
    )
    assert np.array_equal(a.score_samples(x), b.score_samples(x))
    assert not np.array_equal(clone(fast).fit(x).score_samples(x), a.score_samples(x))


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
    assert {f["likelihood"] for f in config["schema"]["fields"]} == {"normal-fixed"}
    code, _, err = call("score", tmp_path / "r", tmp_path / "t.csv", "-o", tmp_path / "s.csv")
    assert code == 0, err
    assert roc_auc_score(anomalous, -pd.read_csv(tmp_path / "s.csv").iloc[:, -1]) > 0.98


def test_the_command_line_standardises_an_array_of_whole_numbers(tmp_path):
    x = np.random.default_rng(0).integers(0, 200, (40, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    code, _, err = call("fit", tmp_path / "x.npy", "--run", tmp_path / "r", "--anomalies", "--epochs", 1)
    assert code == 0, err
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    (field,) = config["schema"]["fields"]
    assert (field["kind"], field["likelihood"]) == ("real", "normal-fixed")
    np.testing.assert_allclose(field["scale"], x.std(0))
