"""Scores without labels: the trimmed bound against its definition and against data that never held the odd rows, what
settings leave alone, and planted rows found through every face.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from velbo.anomalies import HIDDEN, numbers_as_reals

from contracts.commands import call
from contracts.objectives import bound_of, displaced, gradient_of, terms_of
from velbo import (
    AnomalyDetector,
    Budget,
    ObjectiveConfig,
    Recipe,
    TrainingConfig,
    VAEEstimator,
    Validation,
    for_anomalies,
    infer,
    infer_table,
)
from velbo.errors import ConfigError
from velbo.objectives import ELBO, IWAE, Trimmed
from velbo.oracles.linear_gaussian import LinearGaussian


@pytest.fixture
def oracle():
    return LinearGaussian.random(5, 2, seed=4)


# the objective


def test_the_surrogate_is_the_mean_over_the_rows_that_fit_best():
    """Bounds 0, -4, -1, -9, -2 with two of five trimmed: (0 - 1 - 2) / 3 stays; of one row nothing is."""
    bound = Trimmed(1, 0.4, IWAE)(terms_of(torch.tensor([[0.0, -4.0, -1.0, -9.0, -2.0]])))
    assert bound.surrogate.mean().item() == pytest.approx(-1.0)
    assert torch.equal(bound.surrogate == 0, torch.tensor([True, True, False, True, False]))
    assert torch.equal(bound.value, torch.tensor([0.0, -4.0, -1.0, -9.0, -2.0]))
    assert Trimmed(1, 0.99, IWAE)(terms_of(torch.tensor([[-3.0]]))).surrogate.item() == -3.0


def test_trimming_nothing_is_the_other_objective(oracle):
    vae, x = displaced(oracle), oracle.sample(7)
    terms = vae.terms(x, 3)
    for of in (ELBO, IWAE):
        assert torch.equal(Trimmed(3, 0.0, of)(terms, 0.5).surrogate, of(3)(terms, 0.5).surrogate)


@pytest.mark.parametrize("distance", [50.0, 1e6])
def test_odd_rows_that_are_trimmed_leave_no_trace_in_the_gradient(oracle, distance):
    """12 rows, 4 of them odd, 4 / 12 trimmed: the gradient is that of the ELBO of the other 8, to rounding, however far
    the odd ones lie; untrimmed it is another.
    """
    vae, x = displaced(oracle), oracle.sample(12)
    odd = torch.arange(12) % 3 == 0
    terms = vae.terms(torch.where(odd[:, None], x + distance, x), 1)
    of_rest = ELBO()(terms).surrogate[~odd]
    trimmed = Trimmed(trim=4 / 12)(terms).surrogate
    for part in (vae.encoder, vae.decoder):
        expected = gradient_of(of_rest, part)
        torch.testing.assert_close(gradient_of(trimmed, part), expected, rtol=1e-12, atol=1e-12)
        assert (gradient_of(ELBO()(terms).surrogate, part) - expected).abs().max() > 1


def test_the_value_stays_the_bound_of_every_row(oracle):
    vae, x = displaced(oracle), oracle.sample(10)
    torch.manual_seed(0)
    value = bound_of(vae, ELBO(), x).value
    torch.manual_seed(0)
    assert torch.equal(bound_of(vae, Trimmed(), x).value, value)


@pytest.mark.parametrize("trim", [-0.1, 1.0, float("nan")])
def test_trim_is_a_share(trim):
    with pytest.raises(ConfigError, match="share of the rows"):
        Trimmed(trim=trim)


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
    assert numbers_as_reals(infer_table(FRAME, {"visits": "count"})) == {
        "grade": "real:normal-fixed",
        "size": "real:normal-fixed",
        "flag": "real:normal-fixed",
        "day": "datetime:normal-fixed",
    }


def test_what_is_set_is_left_as_it_is():
    schema = infer(np.zeros((20, 3)) + 0.5)
    recipe = Recipe("mlp", 3, (7,), "normal", prior="mixture")
    objective, training = ObjectiveConfig("iwae"), TrainingConfig(Budget(3), validation=Validation(0.2))
    assert for_anomalies(recipe, objective, training, schema) == (recipe, objective, training)
    recipe, objective, training = for_anomalies(Recipe(), ObjectiveConfig(), TrainingConfig(), schema)
    assert (recipe.recipe, recipe.hidden, recipe.likelihood) == ("resmlp", HIDDEN, "normal-fixed")
    assert (objective.objective, training.budget.epochs, training.validation.validation) == ("trimmed:trim=0.4", 50, 0)


# the faces


@parametrize_with_checks([AnomalyDetector(n_latents=2, hidden=(8,), max_epochs=3, n_samples=3, random_state=0)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def planted(n: int = 400, n_odd: int = 120):
    """Rows near a line in 4 dimensions and, last, a cluster of odd ones off it: so many that a model which has to
    explain them does.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 1)) * [1, 1, -1, -1] + 0.1 * rng.normal(size=(n, 4))
    odd = [2, -2, 2, -2] + 0.01 * rng.normal(size=(n_odd, 4))
    return np.concatenate([x, odd]), np.arange(n + n_odd) >= n


def test_a_cluster_of_odd_rows_is_found_where_a_density_explains_it():
    x, odd = planted()
    detector, density = AnomalyDetector(random_state=0), VAEEstimator(random_state=0)
    assert roc_auc_score(odd, -detector.fit(x).score_samples(x)) > 0.98
    assert roc_auc_score(odd, -density.fit(x).score_samples(x)) < 0.9


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, bool])
def test_whole_numbers_and_truth_values_are_standardised_as_any(dtype):
    x = (np.random.default_rng(0).integers(0, 2, (50, 3)) * [1, 9, 200]).astype(dtype)
    schema = AnomalyDetector(max_epochs=1, random_state=0).fit(x).fitted_.schema
    assert schema.kind == "real"
    np.testing.assert_allclose(schema.scale, x.std(0), rtol=1e-6)


def test_a_row_is_odd_by_the_cell_that_is():
    x, _ = planted(300, 0)
    frame = pd.DataFrame(x, columns=list("abcd")).assign(name=np.where(x[:, 0] > 0, "up", "down"))
    frame.loc[7, "c"] = 6.0
    detector = AnomalyDetector(random_state=0, columns={"name": "categorical"}).fit(frame)
    assert [c.likelihood for c in detector.fitted_.schema.columns] == ["normal-fixed"] * 4 + ["categorical"]
    assert detector.score_samples(frame).argmin() == 7
    assert detector.contributions(frame.iloc[[7]]).argmin() == 2


def test_trim_is_a_parameter_as_any_other():
    x, _ = planted(40, 4)
    fast = AnomalyDetector(max_epochs=2, random_state=0)
    a, b = (
        clone(fast).set_params(trim=0.0).fit(x),
        VAEEstimator(
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
    x, odd = planted()
    pd.DataFrame(x, columns=list("abcd")).to_csv(tmp_path / "t.csv", index=False)
    code, _, err = call("fit", tmp_path / "t.csv", "--run", tmp_path / "r", "--anomalies")
    assert code == 0, err
    assert "the rows that fit worst are trimmed" in err
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    assert config["objective"]["objective"] == "trimmed:trim=0.4"
    assert {c["likelihood"] for c in config["schema"]["columns"]} == {"normal-fixed"}
    code, _, err = call("score", tmp_path / "r", tmp_path / "t.csv", "-o", tmp_path / "s.csv")
    assert code == 0, err
    assert roc_auc_score(odd, -pd.read_csv(tmp_path / "s.csv").iloc[:, -1]) > 0.98


def test_the_command_line_standardises_an_array_of_whole_numbers(tmp_path):
    x = np.random.default_rng(0).integers(0, 200, (40, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    code, _, err = call("fit", tmp_path / "x.npy", "--run", tmp_path / "r", "--anomalies", "--epochs", 1)
    assert code == 0, err
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    assert (config["schema"]["kinds"], config["recipe"]["likelihood"]) == (["real"], "normal-fixed")
    np.testing.assert_allclose(config["schema"]["scale"], x.std(0))
