"""The linear-Gaussian oracle against linear algebra done another way, and the three forms of the ELBO against it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from velbo.objectives import elbo_closed, elbo_joint, elbo_split
from velbo.oracles.linear_gaussian import LinearGaussian


@pytest.fixture
def oracle():
    return LinearGaussian.random(6, 3, seed=1)


@pytest.fixture
def aligned():
    """W'W diagonal: the best diagonal q is the exact posterior."""
    return LinearGaussian.random(6, 3, seed=2, orthogonal=True)


def test_log_px_is_the_integral_over_z():
    oracle = LinearGaussian.random(2, 1, seed=3)
    x = oracle.sample(4)
    z = torch.linspace(-12, 12, 200001).double()
    mean = z[:, None] * oracle.weight[:, 0] + oracle.bias
    log_px_z = torch.distributions.Normal(mean[:, None], oracle.sigma).log_prob(x).sum(-1)
    log_pz = torch.distributions.Normal(0.0, 1.0).log_prob(z)[:, None]
    integral = torch.trapezoid((log_px_z + log_pz).exp(), z, dim=0).log()
    torch.testing.assert_close(oracle.log_px(x), integral, atol=1e-9, rtol=0)


def test_posterior_is_bayes(oracle):
    """log p(z|x) = log p(x, z) - log p(x) at any z."""
    x, z = oracle.sample(5), torch.randn(5, 3).double()
    normal = torch.distributions.Normal
    log_joint = normal(z @ oracle.weight.T + oracle.bias, oracle.sigma).log_prob(x).sum(-1)
    log_joint += normal(0.0, 1.0).log_prob(z).sum(-1)
    torch.testing.assert_close(oracle.posterior(x).log_prob(z), log_joint - oracle.log_px(x))


def test_gap_is_the_kl_to_the_posterior(oracle):
    x = oracle.sample(5)
    mean, scale = torch.randn(5, 3).double(), torch.rand(5, 3).double() + 0.1
    q = torch.distributions.MultivariateNormal(mean, torch.diag_embed(scale**2))
    torch.testing.assert_close(oracle.gap(x, mean, scale), torch.distributions.kl_divergence(q, oracle.posterior(x)))


def test_gap_vanishes_where_the_posterior_is_diagonal(oracle, aligned):
    x = aligned.sample(5)
    assert aligned.gap(x, *aligned.best_diagonal(x)).abs().max() < 1e-12
    x = oracle.sample(5)
    assert oracle.gap(x, *oracle.best_diagonal(x)).min() > 0.01


def test_best_diagonal_is_a_maximum(oracle):
    x = oracle.sample(5)
    mean, scale = (t.clone().requires_grad_() for t in oracle.best_diagonal(x))
    gradients = torch.autograd.grad(oracle.elbo(x, mean, scale).sum(), [mean, scale])
    assert max(float(g.abs().max()) for g in gradients) < 1e-10


def test_the_three_forms_are_one_number_where_the_integrand_is_constant(aligned):
    """q is the posterior: log p(x, z) - log q(z|x) = log p(x) at every z, so (1) and (2) are exact, not estimates."""
    x = aligned.sample(8)
    terms = aligned.vae().terms(x, samples=3)
    torch.testing.assert_close(elbo_joint(terms), aligned.log_px(x), rtol=0, atol=1e-10)
    torch.testing.assert_close(elbo_split(terms), aligned.log_px(x), rtol=0, atol=1e-10)


def test_the_three_forms_agree_in_expectation_exactly(oracle):
    """With z placed at the nodes of Gauss-Hermite quadrature, exact for these polynomials, the mean over samples is the
    expectation: (1) = (2) = (3) = the closed form to float64 accuracy.
    """
    x, vae = oracle.sample(4), oracle.vae()
    nodes, weights = np.polynomial.hermite_e.hermegauss(2)
    grid = torch.from_numpy(np.stack(np.meshgrid(nodes, nodes, nodes), -1).reshape(-1, 3))
    assert np.allclose(weights, weights[0])  # two nodes of equal weight: a plain mean is the quadrature

    class AtNodes:
        def sample(self, q, n_samples):
            return q.mean + q.stddev * grid[:, None]

        def log_prob(self, q, z):
            return q.log_prob(z)

    terms = vae.terms(x, 8, AtNodes())
    exact = oracle.elbo(x, *oracle.best_diagonal(x))
    for form in (elbo_joint, elbo_split, elbo_closed):
        torch.testing.assert_close(form(terms), exact, rtol=0, atol=1e-10)


def test_monte_carlo_error_falls_as_the_root_of_samples(oracle):
    """Slope of log error against log L within 0.1 of -1/2 for all three forms; fixed seed, false alarm below 1e-3."""
    x, vae = oracle.sample(400), oracle.vae()
    exact = oracle.elbo(x, *oracle.best_diagonal(x))
    counts = [4, 16, 64, 256]
    for form in (elbo_joint, elbo_split, elbo_closed):
        with torch.no_grad():
            errors = [float((form(vae.terms(x, n)) - exact).square().mean().sqrt()) for n in counts]
        slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
        assert slope == pytest.approx(-0.5, abs=0.1)


def test_form_one_and_two_agree_on_the_same_samples(oracle):
    terms = oracle.vae().terms(oracle.sample(8), 5)
    torch.testing.assert_close(elbo_joint(terms), elbo_split(terms), rtol=0, atol=1e-12)


@pytest.mark.parametrize("q", [2, 10, 20])
def test_maximum_likelihood_is_probabilistic_pca(q):
    """Digits / 16; scikit-learn divides the covariance by N - 1, which costs it 5e-6 nats a row."""
    x = torch.from_numpy(load_digits().data / 16)
    ours = float(LinearGaussian.maximum_likelihood(x, q).log_px(x).mean())
    assert ours == pytest.approx({2: 0.005707, 10: 17.451947, 20: 27.277300}[q], abs=1e-6)
    theirs = PCA(q).fit(x.numpy()).score(x.numpy())
    assert theirs <= ours < theirs + 1e-4


def test_maximum_likelihood_has_a_tight_bound():
    x = torch.from_numpy(load_digits().data / 16)
    best = LinearGaussian.maximum_likelihood(x, 5)
    assert best.gap(x, *best.best_diagonal(x)).abs().max() < 1e-8
    with pytest.raises(ValueError, match="between 1 and 63"):
        LinearGaussian.maximum_likelihood(x, 64)


def test_vae_has_the_oracles_numbers(oracle):
    x, vae = oracle.sample(5), oracle.vae()
    q = vae.encode(x)
    mean, scale = oracle.best_diagonal(x)
    torch.testing.assert_close(q.mean, mean)
    torch.testing.assert_close(q.stddev, scale)
    terms = vae.terms(x, 2)
    assert terms.kl is not None
    torch.testing.assert_close(terms.kl.sum(-1), oracle.rate(mean, scale))
    assert math.isclose(float(vae.decode(mean).stddev[0, 0]), 0.7, rel_tol=1e-12)
