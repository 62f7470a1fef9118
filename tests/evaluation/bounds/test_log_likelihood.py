"""Numbers that can be trusted: exact on the oracle for every count of samples and every chunking."""

from __future__ import annotations

import itertools
import json
import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from velbo import VAE, LinearGaussian, Recipe, TrainingConfig, evaluate, score_rows
from velbo.config import Budget
from velbo.errors import CollapseWarning, ConfigError
from velbo.evaluation.bounds.chunks import chunk_sizes
from velbo.evaluation.bounds.summary import active_units, standard_error
from velbo.fitting import carry_out, plan
from velbo.likelihoods import Normal
from velbo.nets import MLP
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.rows import Store, infer
from velbo.rows.encodings import Standardise


def store(x: torch.Tensor) -> Store:
    return Store.from_tensor(x)


@pytest.fixture
def exact():
    """q is the posterior: every log w is log p(x), whatever z is drawn."""
    return LinearGaussian.random(5, 2, seed=0, orthogonal=True)


@pytest.fixture
def inexact():
    return LinearGaussian.random(5, 2, seed=1)


@pytest.mark.parametrize("samples", [1, 7, 150])
@pytest.mark.parametrize("chunk", [None, 1, 2, 7, 64, 149, 1000])
def test_log_likelihood_is_exact_on_the_oracle(exact, samples, chunk):
    """No sign flipped, no count rounded to a batch, the number drawn is the number divided by; remainders included."""
    x = exact.sample(13)
    scores = score_rows(exact.vae(), store(x), samples, chunk)
    torch.testing.assert_close(scores.log_likelihood, exact.log_px(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("samples", [1, 7, 150])
@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 1000])
def test_chunking_changes_nothing_where_there_is_noise(inexact, samples, chunk):
    x, vae = inexact.sample(9), inexact.vae()
    whole, parts = score_rows(vae, store(x), samples), score_rows(vae, store(x), samples, chunk)
    torch.testing.assert_close(parts.log_likelihood, whole.log_likelihood, rtol=0, atol=1e-10)
    torch.testing.assert_close(parts.elbo, whole.elbo, rtol=0, atol=1e-10)


def test_scores_belong_to_their_rows(inexact):
    """Any order, any subset, any call: the same numbers."""
    x, vae = inexact.sample(9), inexact.vae()
    whole = score_rows(vae, store(x), 20).log_likelihood
    assert torch.equal(score_rows(vae, store(x), 20).log_likelihood, whole)
    order = torch.randperm(9)
    torch.testing.assert_close(score_rows(vae, store(x[order]), 20).log_likelihood, whole[order], rtol=0, atol=1e-10)
    torch.testing.assert_close(score_rows(vae, store(x[4:5]), 20).log_likelihood, whole[4:5], rtol=0, atol=1e-10)
    assert not torch.equal(score_rows(vae, store(x), 20, seed=1).log_likelihood, whole)


def test_elbo_terms_are_the_oracles(inexact):
    """Closed-form rate exact; reconstruction within 5 standard errors (200 rows, 500 samples; false alarm 1e-6)."""
    x, vae = inexact.sample(200), inexact.vae()
    scores, (mean, scale) = score_rows(vae, store(x), 500), inexact.best_diagonal(x)
    torch.testing.assert_close(scores.rate, inexact.rate(mean, scale))
    torch.testing.assert_close(scores.kl.sum(-1), scores.rate)
    torch.testing.assert_close(scores.posterior_mean, mean)
    error = scores.reconstruction - inexact.reconstruction(x, mean, scale)
    assert abs(float(error.mean())) < 5 * float(error.std()) / math.sqrt(200)


def test_bound_rises_to_the_exact_log_likelihood(inexact):
    """Row by row over 2,000 rows, fresh draws at each K. The rises are 7 to 13 standard errors; a test of 2 has a false
    alarm below 1e-6.
    """
    x, vae = inexact.sample(2000), inexact.vae()
    with torch.no_grad():
        for p in vae.encoder.parameters():
            p += 0.1
    exact = inexact.log_px(x)
    bounds = [score_rows(vae, store(x), k, seed=k).log_likelihood for k in (1, 4, 16, 1000)]
    for low, high in itertools.pairwise([*bounds, exact]):
        rise = high - low
        assert float(rise.mean()) > 2 * float(rise.std()) / math.sqrt(2000)
    assert float((exact - bounds[-1]).mean()) < 0.15 * float((exact - bounds[0]).mean())


def test_reduced_precision_is_asked_for_and_near(inexact):
    """bfloat16 keeps 8 bits: the same numbers to 2 %, not to 1e-6; an unknown precision is told."""
    encoder = nn.Sequential(MLP(5, 64, 64), DiagonalNormal(64, 2))
    decoder = nn.Sequential(MLP(2, 64, 64), Normal(64, 5))
    vae, data = VAE(encoder, decoder, StandardNormal(2)), store(inexact.sample(50).float())
    exact, near = (score_rows(vae, data, 20, precision=p).log_likelihood for p in ("float32", "bf16"))
    assert not torch.allclose(exact, near, rtol=1e-6)
    torch.testing.assert_close(near, exact, rtol=0.02, atol=0.1)
    with pytest.raises(ConfigError, match="float32"):
        score_rows(vae, data, 20, precision="half")


def test_chunks_are_bounded_in_memory():
    rows, samples = chunk_sizes(10**6, 784, None)
    assert rows * samples * 784 <= 4_000_000
    assert chunk_sizes(10, 10**9, None)[0] == 1
    with pytest.raises(ConfigError, match="at least 1"):
        score_rows(LinearGaussian.random(3, 1).vae(), store(torch.zeros(2, 3).double()), 0)


def test_data_units_are_named_and_right(exact):
    """Standardising x by s adds -log s per cell: the log-density of the data is that of a scaled oracle."""
    x, scale = exact.sample(50), torch.tensor([0.5, 2.0, 1.0, 10.0, 3.0]).double()
    values = x * scale + 7
    encoding = Standardise((7.0,) * 5, tuple(scale.tolist()))
    data = Store(encoding.store(values.numpy(), torch.float64), encoding, torch.float64)
    result = evaluate(exact.vae(), data, 10)
    scaled = LinearGaussian(exact.weight, exact.bias, exact.sigma)
    expected = scaled.log_px(x) - scale.log().sum()
    assert result.log_likelihood == pytest.approx(float(expected.mean()), abs=1e-9)
    assert result.log_det == pytest.approx(-float(scale.log().sum()))
    assert result.elbo == pytest.approx(result.reconstruction - result.rate)
    assert result.log_likelihood_se == pytest.approx(float(expected.std()) / math.sqrt(50))
    assert result.bits_per_dim == pytest.approx(-float(expected.mean()) / (5 * math.log(2)))


def test_missing_cells_are_marginalised():
    """x_1 missing: log p(x_2) of the oracle with that cell left out, and no log-determinant for it."""
    full = LinearGaussian.random(2, 1, seed=5)
    part = LinearGaussian(full.weight[1:], full.bias[1:], full.sigma)
    x = full.sample(40)
    decoder = nn.Sequential(Normal(1, 2, float(full.sigma)).double())
    with torch.no_grad():
        decoder[0].linear.weight.copy_(full.weight)
        decoder[0].linear.bias.copy_(full.bias)

    class SecondCellOnly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = part.vae().encoder

        def forward(self, x):
            return self.inner(x[..., 1:])

    holes = x.clone()
    holes[:, 0] = math.nan
    encoding = Standardise((0.0, 0.0), (5.0, 2.0))
    data = Store(holes, encoding, torch.float64)
    result = evaluate(VAE(SecondCellOnly(), decoder, StandardNormal(1)), data, 3)
    assert result.log_likelihood == pytest.approx(float(part.log_px(x[:, 1:]).mean()) - math.log(2), abs=1e-9)
    assert result.bits_per_dim == pytest.approx(-result.log_likelihood / math.log(2))


def test_dequantised_bound_is_below_the_mass():
    """E_u log p(v + u) - log L <= log P(v), for a Normal whose bin masses are known; equality is impossible."""
    rows = np.random.default_rng(0).integers(0, 256, (300, 4)).astype(np.uint8)
    what = plan(rows, Recipe("mlp", 2, (4,), "normal"), training=TrainingConfig(Budget(epochs=1)))
    fitted = carry_out(what, rows)
    result = fitted.evaluate(rows, 50)
    assert result.log_det == pytest.approx(-4 * math.log(256))
    assert result.bits_per_dim >= 7.9  # uniform bytes carry 8 bits


def test_active_units():
    z = torch.zeros(1000, 3).double()
    z[:, 0] = torch.linspace(-1, 1, 1000)
    z[:, 1] = 0.05 * torch.linspace(-1, 1, 1000)
    assert active_units(z) == 1
    assert math.isnan(standard_error(torch.zeros(1)))


def test_collapse_is_said_with_advice_and_only_then(exact):
    encoder = DiagonalNormal(5, 2).double()
    nn.init.zeros_(encoder.linear.weight)
    nn.init.zeros_(encoder.linear.bias)
    with torch.no_grad():
        encoder.linear.bias[2:] = math.log(math.e - 1)
    collapsed = VAE(nn.Sequential(encoder), exact.vae().decoder, exact.vae().prior)
    with pytest.warns(CollapseWarning, match=r"0 of 2 latents.*--beta-warmup"):
        result = evaluate(collapsed, store(exact.sample(30)), 5)
    assert result.active_units == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate(exact.vae(), store(exact.sample(30)), 5)


def test_evaluation_is_json_with_every_promised_key(exact):
    result = evaluate(exact.vae(), store(exact.sample(1)), 5)
    record = json.loads(json.dumps(result.to_json(), allow_nan=False))
    promised = (
        "rows samples elbo elbo_se reconstruction rate log_likelihood log_likelihood_se bits_per_dim active_units "
        "latent"
    )
    assert set(promised.split()) <= set(record)
    assert record["elbo_se"] is None


def test_binarised_scores_are_fixed_by_the_row():
    grey = np.random.default_rng(0).integers(0, 256, (60, 8, 8)).astype(np.uint8)
    what = plan(grey, Recipe("mlp", 2, (8,), "bernoulli"), training=TrainingConfig(Budget(epochs=1)))
    fitted = carry_out(what, grey)
    scores = fitted.log_likelihood(grey, 5)
    np.testing.assert_allclose(fitted.log_likelihood(grey[::-1], 5)[::-1], scores, rtol=1e-5)
    assert [f.kind for f in infer(grey).fields] == ["byte"]
