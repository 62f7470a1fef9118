"""The VAE's verbs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from velbo import VAE
from velbo.likelihoods import Bernoulli
from velbo.nets import MLP
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal


@pytest.fixture
def oracle():
    return LinearGaussian.random(5, 2, seed=0)


def test_the_readme_composition():
    encoder = nn.Sequential(MLP(784, 512, 512), DiagonalNormal(512, 32))
    decoder = nn.Sequential(MLP(32, 512, 512), Bernoulli(512, 784))
    model = VAE(encoder, decoder, prior=StandardNormal(32))
    terms = model.terms(torch.randint(0, 2, (3, 784)).float(), samples=4)
    assert terms.log_px_z.shape == terms.log_pz.shape == terms.log_qz.shape == terms.log_w.shape == (4, 3)
    assert terms.kl is not None
    assert terms.kl.shape == (3, 32)
    assert terms.groups == (32,)
    assert model.n_latents == 32


def test_terms_are_the_three_densities(oracle):
    x, vae = oracle.sample(4), oracle.vae()
    terms = vae.terms(x, 3)
    q, normal = vae.encode(x), torch.distributions.Normal
    torch.testing.assert_close(terms.log_pz, normal(0.0, 1.0).log_prob(terms.z).sum(-1))
    torch.testing.assert_close(terms.log_qz, normal(q.mean, q.stddev).log_prob(terms.z).sum(-1))
    mean = terms.z @ oracle.weight.T + oracle.bias
    torch.testing.assert_close(terms.log_px_z, normal(mean, oracle.sigma).log_prob(x).sum(-1))


def test_reconstruct_sample_and_interpolate(oracle):
    x, vae = oracle.sample(4), oracle.vae()
    mean = oracle.posterior(x).mean
    torch.testing.assert_close(vae.reconstruct(x), mean @ oracle.weight.T + oracle.bias)
    assert torch.equal(vae.reconstruct(x), vae.reconstruct(x))
    assert torch.equal(vae.sample(3, seed=1), vae.sample(3, seed=1))
    assert not torch.equal(vae.sample(3, seed=1), vae.sample(3, seed=2))
    line = vae.interpolate(x[:2], x[2:], steps=3)
    torch.testing.assert_close(line[0], vae.reconstruct(x[:2]))
    torch.testing.assert_close(line[2], vae.reconstruct(x[2:]))
    torch.testing.assert_close(line[1], (line[0] + line[2]) / 2)
    with pytest.raises(ValueError, match="at least its 2 ends"):
        vae.interpolate(x[:1], x[1:2], steps=1)


def test_samples_have_the_covariance_of_the_marginal(oracle):
    """W W' + sigma^2 I within 5 standard errors (about 1 / sqrt(n) of the largest entry); false alarm below 1e-4."""
    x = oracle.vae().sample(40000, seed=0)
    expected = oracle.weight @ oracle.weight.T + oracle.sigma**2 * torch.eye(5).double()
    assert (torch.cov(x.T) - expected).abs().max() < 5 * 2 * float(expected.diagonal().max()) / 200


def test_sampling_leaves_the_global_generator_alone(oracle):
    vae = oracle.vae()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    vae.sample(5)
    assert torch.equal(torch.rand(2), expected)
