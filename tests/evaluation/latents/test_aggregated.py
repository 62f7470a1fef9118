"""The aggregated posterior against closed forms, quadrature and a direct sum."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal

from velbo import VAE, LinearGaussian
from velbo.errors import DataError
from velbo.evaluation import aggregated_posterior, score_rows
from velbo.likelihoods import Normal as NormalHead
from velbo.posteriors import DiagonalNormal, FullNormal, RowDraw
from velbo.priors import LearnedNormal, StandardNormal
from velbo.rows import Store

ORACLE = LinearGaussian.random(5, 2, seed=0)


def in_the_population(oracle: LinearGaussian) -> tuple[float, float]:
    """(I, KL(q(z) || p(z))) of the best diagonal q for x ~ p(x), where q(z) is Normal."""
    x = torch.stack([torch.zeros(5).double(), *torch.eye(5).double()])
    mean, scale = oracle.best_diagonal(x)
    gain = (mean[1:] - mean[0]).T
    covariance_x = oracle.weight @ oracle.weight.T + oracle.sigma**2 * torch.eye(5)
    covariance = gain @ covariance_x @ gain.T + torch.diag(scale[0] ** 2)
    information = 0.5 * (torch.logdet(covariance) - 2 * scale[0].log().sum())
    aggregated = MultivariateNormal(torch.zeros(2).double(), covariance)
    standard = MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
    return float(information), float(torch.distributions.kl_divergence(aggregated, standard))


def test_the_bracket_holds_the_information_of_the_population():
    """20 sets of 60 rows; both sides' means within 4 standard errors of the right side: false alarm 1e-4 over seeds."""
    information, marginal = in_the_population(ORACLE)
    found = [
        aggregated_posterior(ORACLE.vae(), Store.from_tensor(ORACLE.sample(60, seed=s)), 4, seed=s) for s in range(20)
    ]
    low, high = torch.tensor([f.information for f in found]).T
    assert float(low.mean()) < information + 4 * float(low.std()) / math.sqrt(20)
    assert float(high.mean()) > information - 4 * float(high.std()) / math.sqrt(20)
    wide = aggregated_posterior(ORACLE.vae(), Store.from_tensor(ORACLE.sample(600)), 4)
    assert wide.information[1] - wide.information[0] < 0.6 * float(high.mean() - low.mean())
    below, above = torch.tensor([f.marginal_kl for f in found]).mean(0)
    assert float(below) < marginal + 0.1
    assert float(above) > marginal - 0.1
    for f in found:
        assert f.rate - f.information[0] == pytest.approx(f.marginal_kl[1])
        assert f.information[0] <= math.log(60)


def test_it_is_the_direct_sum():
    """Against all pairs at once, for a posterior that factorises, and the parts add up."""
    x, model = ORACLE.sample(300), ORACLE.vae()
    model.prior = LearnedNormal(2).double()
    with torch.no_grad():
        model.prior.loc.add_(0.3)
        found = aggregated_posterior(model, Store.from_tensor(x), 2, seed=1)
        q = model.encode(x)
    again = aggregated_posterior(model, Store.from_tensor(x), 2, seed=1)
    assert found == again
    assert found.total_correlation is not None
    assert found.dimension_wise_kl is not None
    assert found.marginal_kl[1] == pytest.approx(found.total_correlation + sum(found.dimension_wise_kl), abs=1e-9)
    z = RowDraw(x, 1).sample(q, 2).flatten(0, 1)
    pairs = q.base_dist.log_prob(z[:, None])
    log_qz, log_single = pairs.sum(-1).logsumexp(1) - math.log(300), pairs.logsumexp(1) - math.log(300)
    assert found.total_correlation == pytest.approx(float((log_qz - log_single.sum(-1)).mean()), abs=1e-9)
    own = q.log_prob(z.view(2, 300, 2)).flatten()
    assert found.information[0] == pytest.approx(float((own - log_qz).mean()), abs=1e-9)
    alone = pairs.sum(-1).masked_fill(torch.eye(300).bool().repeat(2, 1), -math.inf).logsumexp(1) - math.log(299)
    assert found.information[1] == pytest.approx(float((own - alone).mean()), abs=1e-9)


def test_two_clusters_carry_one_bit_and_no_more():
    """q(z|x) = N(+-50, 1) by the sign of x, rows in equal parts: I = log 2, exactly known up to e^-1000; the clusters
    of two latents are the same, so TC = log 2 as well.
    """

    class Sign(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.anything = nn.Parameter(torch.zeros(()).double())

        def forward(self, x: Tensor) -> Independent:
            return Independent(Normal(50 * x.sign().expand(-1, 2), torch.ones(len(x), 2).double()), 1)

    x = torch.tensor([-1.0, 1.0] * 20).double()[:, None] * torch.arange(1, 41).double()[:, None]
    model = VAE(Sign(), nn.Sequential(NormalHead(2, 1).double()), StandardNormal(2).double())
    found = aggregated_posterior(model, Store.from_tensor(x), 3)
    assert found.information[0] == pytest.approx(math.log(2), abs=1e-12)
    assert found.total_correlation == pytest.approx(math.log(2), abs=1e-12)


def test_posteriors_that_do_not_factorise_have_no_total_correlation():
    """And a diagonal covariance written as a full one gives the same information."""
    x, plain = ORACLE.sample(40), ORACLE.vae()
    full = FullNormal(5, 2).double()
    with torch.no_grad():
        full.linear.weight.zero_()
        full.linear.bias.zero_()
        head = plain.encoder[0]
        assert isinstance(head, DiagonalNormal)
        full.linear.weight[:4], full.linear.bias[:4] = head.linear.weight, head.linear.bias
    other = VAE(nn.Sequential(full), plain.decoder, plain.prior)
    data = Store.from_tensor(x)
    found, expected = aggregated_posterior(other, data), aggregated_posterior(plain, data)
    assert found.total_correlation is None
    assert found.dimension_wise_kl is None
    assert found.information == pytest.approx(expected.information, abs=1e-9)


def test_its_rate_is_the_models():
    """By sampling against the closed form; 5 standard errors of 300 rows: false alarm 6e-7 over seeds."""
    data = Store.from_tensor(ORACLE.sample(300))
    rate = score_rows(ORACLE.vae(), data, 1).rate
    found = aggregated_posterior(ORACLE.vae(), data, 20)
    assert found.rate == pytest.approx(float(rate.mean()), abs=5 * math.sqrt(1 / (300 * 20)))
    with pytest.raises(DataError, match="at least 2 rows"):
        aggregated_posterior(ORACLE.vae(), Store.from_tensor(ORACLE.sample(1)))
