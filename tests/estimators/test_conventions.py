"""What others' conventions ask of the estimators: PyOD's names, weights, fillings, one column given others, pickles."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import erf
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from velbo import AnomalyDetector, VAEEstimator, VAEImputer
from velbo.errors import ConfigError

OPTIONS = {"n_latents": 2, "recipe": "mlp", "hidden": (16,), "max_epochs": 40, "batch_size": 32}
OPTIONS |= {"learning_rate": 0.01, "n_samples": 20, "random_state": 0}

SHORT = OPTIONS | {"max_epochs": 3}


def table(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    a = rng.normal(size=n)
    return pd.DataFrame({"a": a, "b": 3 * a + 0.2 * rng.normal(size=n), "sex": np.where(a > 0, "f", "m")})


@pytest.fixture(scope="module")
def fitted() -> VAEEstimator:
    return VAEEstimator(**OPTIONS, columns={"a": "real:normal", "b": "real:normal"}).fit(table())


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    x = table().drop(columns="sex").to_numpy(copy=True)
    x[:5] = [9.0, -30.0]
    return AnomalyDetector(0.05, hidden=(16,), n_latents=2, max_epochs=15, n_samples=10, random_state=0).fit(x)


def test_the_detector_has_the_names_of_pyod(detector):
    """Scores rise with anomaly, labels are 1 above the threshold, and predict keeps scikit-learn's -1."""
    x = table().drop(columns="sex").to_numpy(copy=True)
    x[:5] = [9.0, -30.0]
    np.testing.assert_allclose(detector.decision_scores_, -detector.score_samples(x), rtol=1e-9)
    assert detector.labels_.sum() == 10
    assert detector.labels_[:5].all()
    np.testing.assert_array_equal(detector.labels_ == 1, detector.predict(x) == -1)
    np.testing.assert_array_equal(detector.labels_ == 1, detector.decision_scores_ > detector.threshold_)
    p = detector.predict_proba(x)
    z = (detector.decision_scores_ - detector.decision_scores_.mean()) / detector.decision_scores_.std()
    np.testing.assert_allclose(p[:, 1], erf(z / np.sqrt(2)).clip(0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(p.sum(-1), 1)


def test_a_detector_comes_back_whole(detector, tmp_path):
    detector.save(tmp_path)
    for again in (AnomalyDetector.load(tmp_path), pickle.loads(pickle.dumps(detector))):
        np.testing.assert_array_equal(again.decision_scores_, detector.decision_scores_)
        np.testing.assert_array_equal(again.labels_, detector.labels_)
        assert again.threshold_ == detector.threshold_
        x = np.zeros((3, 2))
        np.testing.assert_array_equal(again.predict_proba(x), detector.predict_proba(x))


@pytest.mark.parametrize("name", ["fitted", "detector"])
def test_a_pickle_is_no_larger_than_the_folder(name, request, tmp_path):
    estimator = request.getfixturevalue(name)
    estimator.save(tmp_path)
    folder = sum(f.stat().st_size for f in tmp_path.iterdir())
    assert len(pickle.dumps(estimator)) <= folder


def test_a_pickle_gives_the_same_answers_and_goes_on_learning(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.score_samples(table()), fitted.score_samples(table()))
    assert again.module_ is again.fitted_.model
    assert again.partial_fit(table()).n_iter_ == fitted.n_iter_ + 1
    assert pickle.loads(pickle.dumps(VAEEstimator(3))).n_latents == 3


def test_a_column_given_others(fitted):
    x = table()
    p = fitted.predict_proba(x, "sex")
    np.testing.assert_allclose(p.sum(-1), 1)
    assert fitted.prediction(x, "sex").values == ("f", "m")
    best = fitted.prediction(x[["a"]], "sex").best
    assert (best == x["sex"]).mean() > 0.9
    b = fitted.prediction(x, "b", given=["a"])
    assert np.corrcoef(b.mean, x["b"])[0, 1] > 0.9
    assert (b.effective_samples >= 1).all()
    with pytest.raises(ConfigError, match=r"column 'b' holds numbers, .* prediction\(X, 'b'\)"):
        fitted.predict_proba(x, "b")
    array = VAEEstimator(**SHORT).fit(x[["a", "b"]].to_numpy())
    assert array.prediction(x[["a", "b"]].to_numpy(), "1", given=["0"]).mean.shape == (200,)


def test_rows_are_sampled_given_a_column(fitted):
    assert set(fitted.sample(20, random_state=0, given={"sex": "f"})["sex"]) == {"f"}


def test_the_imputer_fills(fitted):
    """Nearer than the mean; observed cells are as they were, in the columns that came in; in a pipeline; by draws."""
    x = table()
    gone = np.random.default_rng(1).random(x.shape) < 0.2
    gone[:, 0] = False
    holes = x.mask(gone)
    imputer = VAEImputer(clone(fitted), random_state=0)
    full = imputer.fit_transform(holes)
    assert isinstance(full, pd.DataFrame)
    assert full.notna().all().all()
    pd.testing.assert_frame_equal(full.where(~gone), holes)
    exact = imputer.estimator_.fitted_.to(torch.float64)
    pd.testing.assert_frame_equal(full, exact.impute(holes))  # by as many samples as a row needs
    mean = SimpleImputer().fit_transform(holes[["b"]])[:, 0]
    error, of_mean = (np.abs(v - x["b"])[gone[:, 1]].mean() for v in (full["b"], mean))
    assert error < 0.4 * of_mean
    assert list(imputer.get_feature_names_out()) == ["a", "b", "sex"]
    drawn = VAEImputer(VAEEstimator(**SHORT), sample_posterior=True, random_state=0).fit(holes)
    np.testing.assert_array_equal(drawn.transform(holes), drawn.transform(holes))
    assert np.std(drawn.transform(holes)["b"] - full["b"]) > 0.01
    array = x[["a", "b"]].mask(gone[:, :2]).to_numpy()
    found = make_pipeline(VAEImputer(VAEEstimator(**SHORT)), VAEEstimator(**SHORT)).fit_transform(array)
    assert found.shape == (200, 2)


def test_weights_move_the_model_and_those_of_0_leave_rows_out():
    """Rows of weight 0 are left out, before all else; a heavy group is what is learned, and what the offset is of."""
    x = np.concatenate(
        (np.random.default_rng(0).normal(size=(100, 2)), 8 + np.random.default_rng(1).normal(size=(100, 2)))
    )
    first, second = np.repeat([1.0, 0.0], 100), np.repeat([1.0, 50.0], 100)
    options = {**OPTIONS, "max_epochs": 10, "validation_fraction": 0.0}
    only = VAEEstimator(**options).fit(x, sample_weight=first)
    np.testing.assert_array_equal(only.score_samples(x[:9]), VAEEstimator(**options).fit(x[:100]).score_samples(x[:9]))
    heavy = VAEEstimator(**options).fit(x, sample_weight=second)
    even = VAEEstimator(**options).fit(x)
    assert heavy.score_samples(x[100:]).mean() > even.score_samples(x[100:]).mean()
    assert heavy.score_samples(x[:100]).mean() < even.score_samples(x[:100]).mean()
    with pytest.raises(ValueError, match="at least one non-zero"):
        VAEEstimator(**options).fit(x, sample_weight=np.zeros(200))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        VAEEstimator(**options).fit(x, sample_weight=-np.ones(200))


def test_options_reach_the_plan(capsys):
    model = VAEEstimator(
        **{**OPTIONS, "max_epochs": 2},
        posterior="full",
        objective="iwae:samples=3",
        beta=0.5,
        max_minutes=5,
        device="cpu",
        verbose=1,
    )
    plan = model.fit(table()).fitted_.plan
    assert plan.recipe.posterior == "full"
    assert plan.training.weighting.beta == 0.5
    assert plan.training.budget.minutes == 5
    assert plan.training.machine.device == "cpu"
    assert plan.make_objective().samples == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["epoch", "1"], ["epoch", "2"]]
    assert "validation_bound" in lines[0]
