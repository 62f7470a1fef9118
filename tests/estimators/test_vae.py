"""The scikit-learn estimators: scikit-learn's own checks, and what they do not see."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from velbo import AnomalyDetector, VAEEstimator, VAEImputer
from velbo.errors import RunError
from velbo.rows.row_numbers import row_name

SMALL = {"n_latents": 2, "hidden": (8,), "max_epochs": 3, "n_samples": 3, "random_state": 0}
EXPECTED = dict.fromkeys(
    ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"),
    "training draws noise and batches at random, so weights and repeated rows give one expected loss and not one "
    "model; the loss is tested in tests/training/test_weights.py",
)


@parametrize_with_checks(
    [VAEEstimator(**SMALL), AnomalyDetector(**SMALL), VAEImputer(VAEEstimator(**SMALL), random_state=0)],
    expected_failed_checks=lambda _: EXPECTED,
)
def test_scikit_learn_checks(estimator, check):
    """Two are expected to fail, and why is said. scikit-learn itself skips one, its array-API check, unless
    SCIPY_ARRAY_API is set in the environment before SciPy is imported; velbo takes NumPy arrays and data frames there.
    """
    check(estimator)


@pytest.mark.parametrize("use", ["fit", "partial_fit"])
def test_rows_are_told_by_their_numbers_in_X_where_some_weigh_nothing(use):
    frame = pd.DataFrame({"x": np.arange(20) + 0.5})
    frame.loc[7, "x"] = np.inf
    weight = np.where(np.arange(20) < 2, 0.0, 1.0)
    with pytest.raises(ValueError, match="row 7 holds infinity"):
        getattr(VAEEstimator(**SMALL), use)(frame, sample_weight=weight)


@pytest.mark.parametrize("use", ["fit", "partial_fit"])
def test_rows_of_the_offset_are_told_by_their_numbers_in_X(monkeypatch, use):
    """Which are looked at in another order, and without those of weight 0."""
    x = np.random.default_rng(0).normal(size=(20, 2))
    weight = np.where(np.arange(20) < 2, 0.0, 1.0)

    def scores(model, rows, n_samples):
        np.testing.assert_array_equal(rows, x[[int(row_name(i).split()[1]) for i in range(len(rows))]])
        return np.arange(len(rows), dtype=float)

    monkeypatch.setattr("velbo.trained_model.TrainedModel.scores", scores)
    getattr(VAEEstimator(**SMALL), use)(x, sample_weight=weight)


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(as_frame=True).data


@pytest.fixture(scope="module")
def fitted(cancer):
    model = VAEEstimator(4, hidden=(64,), max_epochs=15, learning_rate=3e-3, n_samples=5, random_state=0)
    return model.fit(cancer)


def test_works_in_a_pipeline_and_a_search(cancer):
    model = make_pipeline(StandardScaler(), VAEEstimator(n_latents=2, hidden=(8,), max_epochs=2, random_state=0))
    search = GridSearchCV(model, {"vaeestimator__n_latents": [1, 3]}, cv=2).fit(cancer[:100])
    assert np.isfinite(search.best_score_)
    assert clone(model).fit_transform(cancer[:50]).shape == (50, 2)


def test_pandas_in_and_out(cancer, fitted):
    embedding = VAEEstimator(**SMALL).set_output(transform="pandas").fit(cancer[:60]).transform(cancer[:5])
    assert isinstance(embedding, pd.DataFrame)
    assert list(embedding.columns) == ["vaeestimator0", "vaeestimator1"]
    assert list(fitted.feature_names_in_) == list(cancer.columns)


def test_likelihood_is_in_the_units_of_the_data(cancer, fitted):
    """Far above independent Normals, whose log-likelihood has a closed form in the same units."""
    x = cancer.to_numpy()
    independent = -0.5 * 30 * (1 + np.log(2 * np.pi)) - np.log(x.std(0)).sum()
    assert fitted.score(cancer) > independent + 10
    same, scaled = (VAEEstimator(**SMALL).fit(unit * cancer) for unit in (1, 1000))
    assert scaled.score(1000 * cancer) == pytest.approx(same.score(cancer) - 30 * np.log(1000), abs=0.01)


def test_scores_do_not_change_from_call_to_call(cancer, fitted):
    np.testing.assert_array_equal(fitted.score_samples(cancer), fitted.score_samples(cancer))
    np.testing.assert_array_equal(fitted.transform(cancer), fitted.transform(cancer))


def test_reconstruction_is_in_the_units_of_the_data(cancer, fitted):
    error = (fitted.reconstruct(cancer) - cancer.to_numpy()) / cancer.to_numpy().std(0)
    assert np.mean(error**2) < 0.5
    np.testing.assert_allclose(
        fitted.inverse_transform(fitted.transform(cancer)), fitted.reconstruct(cancer), rtol=1e-9
    )


def test_samples_are_seeded_and_look_like_the_data(cancer, fitted):
    a, b = fitted.sample(500, random_state=1), fitted.sample(500, random_state=1)
    np.testing.assert_array_equal(a, b)
    z = (a.mean() - cancer.mean()) / cancer.std()
    assert np.abs(z).max() < 0.6


def test_missing_cells_are_welcome(cancer):
    x = cancer.to_numpy().copy()
    x[np.random.default_rng(0).random(x.shape) < 0.3] = np.nan
    model = VAEEstimator(n_latents=2, hidden=(8,), max_epochs=3, random_state=0).fit(x)
    assert np.isfinite(model.score_samples(x)).all()
    assert np.isfinite(model.transform(x)).all()


def test_partial_fit_goes_on_where_it_was(cancer):
    """The bound rises from call to call, and the optimizer's moments survive."""
    model = VAEEstimator(n_latents=2, hidden=(16,), random_state=0, batch_size=64, n_samples=3)
    scores = []
    for _ in range(15):
        model.partial_fit(cancer[:256])
        scores.append(model.history_[-1]["train_bound"])
    assert scores[-1] > scores[4] > scores[0]
    assert model.n_iter_ == 15
    assert float(model._moments["optimizer/0/step"]) == 15 * 4


def test_images(tmp_path):
    from velbo import load

    x = load("digits")[:100].reshape(100, 64)
    model = VAEEstimator(
        2, recipe="conv", hidden=(4,), likelihood="bernoulli", image_shape=(8, 8), max_epochs=1, random_state=0
    )
    assert model.fit(x).sample(3).shape == (3, 64)
    model.save(tmp_path)
    np.testing.assert_array_equal(VAEEstimator.load(tmp_path).score_samples(x), model.score_samples(x))


def test_save_and_load(cancer, fitted, tmp_path):
    fitted.save(tmp_path)
    again = VAEEstimator.load(tmp_path)
    np.testing.assert_array_equal(again.score_samples(cancer), fitted.score_samples(cancer))
    assert again.get_params() == fitted.get_params()
    assert again.n_features_in_ == 30
    assert again.n_iter_ == fitted.n_iter_
    assert again.module_.n_latents == 4
    assert again.partial_fit(cancer).n_iter_ == fitted.n_iter_ + 1
    (tmp_path / "estimator.json").write_text("{}")
    with pytest.raises(RunError, match="not a saved estimator"):
        VAEEstimator.load(tmp_path)


def test_fit_does_not_touch_global_random_state(cancer):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    VAEEstimator(**SMALL).fit(cancer[:60])
    assert torch.equal(torch.get_rng_state(), before)
