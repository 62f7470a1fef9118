"""Sparse matrices in the estimators: the answers of dense rows, and never more than a block of them is dense."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from contracts.dense_rows import rows_made_dense
from velbo import AnomalyDetector, VAEEstimator, VAEImputer
from velbo.errors import DataError

N, D = 60, 8
RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(RNG.gamma(0.5, 2, (1, D)), (N, D)).astype(np.float32)
SMALL = {"n_latents": 2, "recipe": "mlp", "hidden": (8,), "max_epochs": 2, "n_samples": 3, "random_state": 0}


@pytest.fixture(scope="module")
def fitted() -> VAEEstimator:
    return VAEEstimator(**SMALL).fit(sp.csr_matrix(COUNTS))


@pytest.fixture
def most(monkeypatch) -> list[int]:
    """Rows of each array that is made of a sparse matrix, in blocks of 17."""
    monkeypatch.setattr("velbo.rows.sparse.MOST_ROWS", 17)
    return rows_made_dense(monkeypatch)


def test_a_sparse_matrix_is_one_field_as_for_fit(fitted):
    """Of counts, by their values; and the whole model can be saved, and sampled from."""
    (field,) = fitted.fitted_.schema.fields
    assert (field.name, field.kind, field.shape) == ("x", "count", (D,))
    assert fitted.n_features_in_ == D
    assert fitted.sample(3, random_state=0).shape == (3, D)
    real = VAEEstimator(**SMALL, columns={"x": "real"}).fit(sp.csr_array(COUNTS))
    assert real.fitted_.schema.fields[0].kind == "real"


@pytest.mark.parametrize("form", ["csr_matrix", "csc_array", "coo_matrix"])
def test_what_is_asked_of_it_is_that_of_dense_rows(fitted, most, form):
    x = getattr(sp, form)(COUNTS)
    for name in ("transform", "score_samples", "contributions", "reconstruct", "predict", "predict_proba"):
        use = getattr(fitted, name)
        np.testing.assert_allclose(use(x), use(COUNTS), rtol=1e-9, atol=1e-12, err_msg=name)
    assert max(most) == 17
    z = fitted.transform(x)
    np.testing.assert_allclose(fitted.inverse_transform(z), fitted.reconstruct(COUNTS), rtol=1e-9)


def test_a_model_of_dense_columns_takes_sparse_rows(most):
    model = VAEEstimator(**SMALL).fit(COUNTS)
    np.testing.assert_allclose(model.score_samples(sp.csr_matrix(COUNTS)), model.score_samples(COUNTS), rtol=1e-9)
    assert max(most) == 17
    with pytest.raises(DataError, match="begun on dense columns"):
        model.partial_fit(sp.csr_matrix(COUNTS))


def test_fits_make_no_more_dense_than_a_batch(most, monkeypatch):
    """But for the rows held out, and those that parts start from; with weights and by partial_fit too."""
    monkeypatch.setattr("velbo.training.start.ROWS", 5)
    monkeypatch.setattr("velbo.training.validation.MAX_ROWS", 7)
    x, weight = sp.csr_matrix(COUNTS), np.repeat([0.0, 1.0, 2.0], N // 3)
    model = VAEEstimator(**SMALL, batch_size=16).fit(x, sample_weight=weight)
    model.partial_fit(x, sample_weight=weight).partial_fit(x)
    assert max(most) == 17
    assert model.n_iter_ == 4


def test_weights_are_those_of_the_rows():
    """Rows of weight 0 are left out before all else; the weights of others are what training has for dense rows."""
    x, weight = sp.csr_matrix(COUNTS), np.repeat([1.0, 0.0], N // 2)
    only = VAEEstimator(**SMALL).fit(x, sample_weight=weight)
    alone = VAEEstimator(**SMALL).fit(x[: N // 2])
    np.testing.assert_array_equal(only.score_samples(x), alone.score_samples(x))
    uneven = VAEEstimator(**SMALL).fit(x, sample_weight=1 + weight)
    assert np.abs(uneven.score_samples(x) - VAEEstimator(**SMALL).fit(x).score_samples(x)).max() > 1e-6


def test_the_detector_takes_them(most):
    x = sp.csr_matrix(COUNTS)
    detector = AnomalyDetector(0.1, hidden=(8,), n_latents=2, max_epochs=2, random_state=0).fit(x)
    np.testing.assert_allclose(detector.decision_scores_, -detector.score_samples(COUNTS), rtol=1e-9)
    assert detector.labels_.sum() == 6


@pytest.mark.parametrize("sample_posterior", [False, True])
def test_stored_missing_cells_are_filled_and_all_else_stays(sample_posterior, most):
    """As of the dense rows, one after the other; and what is not stored stays so."""
    holes = COUNTS.copy()
    holes[[3, 3, 20, 59], [0, 5, 1, 7]] = np.nan
    x = sp.csr_matrix(holes)
    options = {"estimator": VAEEstimator(**SMALL), "sample_posterior": sample_posterior, "random_state": 0}
    imputer = VAEImputer(**options).fit(x)
    full = imputer.transform(x)
    assert sp.issparse(full)
    assert full.nnz == x.nnz
    dense = full.toarray()
    assert not np.isnan(dense).any()
    np.testing.assert_array_equal(dense[~np.isnan(holes)], holes[~np.isnan(holes)])
    if not sample_posterior:
        np.testing.assert_allclose(dense, imputer.transform(holes), rtol=1e-6)
    assert np.isnan(x.data).sum() == 4


def test_equal_rows_in_other_blocks_have_draws_of_their_own(monkeypatch):
    """Of numbers with decimals, so that two draws are never equal; and the same seed gives the same draws."""
    monkeypatch.setattr("velbo.rows.sparse.MOST_ROWS", 2)
    real = np.random.default_rng(1).normal(size=(N, D))
    estimator = VAEEstimator(**SMALL).fit(sp.csr_matrix(real))
    holes = np.tile(real[0], (6, 1))
    holes[:, 3] = np.nan
    x = sp.csr_matrix(holes)
    drawn = estimator.impute_by_draws(x, 0).toarray()[:, 3]
    assert len(set(drawn)) == 6
    np.testing.assert_array_equal(estimator.impute_by_draws(x, 0).toarray()[:, 3], drawn)


def test_what_does_not_go_together_is_refused(fitted):
    x = sp.csr_matrix(COUNTS)
    frame = pd.DataFrame(COUNTS, columns=list("abcdefgh"))
    with pytest.raises(DataError, match="one column given others"):
        fitted.predict_proba(x, "x")
    with pytest.raises(DataError, match="images are arrays"):
        VAEEstimator(**SMALL, image_shape=(2, 4)).fit(x)
    with pytest.raises(DataError, match="model is of a data frame"):
        VAEEstimator(**SMALL).fit(frame).transform(x)
    with pytest.raises(DataError, match=r"adata\.X"):
        VAEEstimator(**SMALL).fit(SimpleNamespace(X=x, obs=frame, var_names=list("abcdefgh")))
    bad = COUNTS.copy()
    bad[40, 2] = -1
    with pytest.raises(ValueError, match="row 40, "):
        fitted.transform(sp.csr_matrix(bad))
