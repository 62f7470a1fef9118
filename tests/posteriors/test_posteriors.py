"""q(z|x): the family's contract, and what goes with it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributions import Categorical, Independent, LogNormal, MultivariateNormal, Normal, kl_divergence

from contracts.posteriors import PosteriorContract
from contracts.sizes import F
from velbo.errors import ConfigError
from velbo.nets import MLP
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.posteriors import (
    DiagonalNormal,
    FullNormal,
    Pathwise,
    Posterior,
    RowDraw,
    body_and_head,
    detach,
    from_noise,
    noise_like,
)
from velbo.priors import StandardNormal
from velbo.terms import closed_form_kl


class TestDiagonalNormal(PosteriorContract):
    def head(self, n_latents: int) -> Posterior:
        return DiagonalNormal(F, n_latents)


class TestFullNormal(PosteriorContract):
    def head(self, n_latents: int) -> Posterior:
        return FullNormal(F, n_latents)

    def test_its_kl_is_torchs_between_full_normals(self):
        q = self.q(3)
        loc, scale = torch.randn(3).double(), 0.5 + torch.rand(3).double()
        kl = closed_form_kl(q, Independent(Normal(loc, scale), 1))
        assert kl is not None
        other = MultivariateNormal(loc, scale_tril=torch.diag(scale))
        torch.testing.assert_close(kl[:, 0], kl_divergence(q, other))
        assert closed_form_kl(q, Independent(LogNormal(loc, scale), 1)) is None

    def test_it_reaches_the_true_posterior_where_a_diagonal_one_cannot(self):
        """Best q of a linear-Gaussian model with correlated latents: the ELBO is log p(x), to 1e-10."""
        oracle = LinearGaussian.random(5, 2, seed=0)
        x = oracle.sample(4)
        q, decoder = oracle.posterior(x), oracle.vae().decoder
        eps = torch.randn(7, 4, 2, dtype=torch.float64)
        z = from_noise(q, eps)
        prior = StandardNormal(2).double()()
        log_w = decoder(z).log_prob(x) + prior.log_prob(z) - q.log_prob(z)
        torch.testing.assert_close(log_w, oracle.log_px(x).expand(7, -1), atol=1e-10, rtol=0)


def test_closed_form_kl_per_latent_agrees_with_quadrature():
    q, p = DiagonalNormal(F, 2).double()(torch.randn(3, F).double()), StandardNormal(2).double()()
    z = torch.linspace(-25, 25, 50001).double()
    log_q = q.base_dist.log_prob(z[:, None, None])
    integral = torch.trapezoid(log_q.exp() * (log_q - p.base_dist.log_prob(z[:, None, None])), z, dim=0)
    kl = closed_form_kl(q, p)
    assert kl is not None
    torch.testing.assert_close(kl, integral, atol=1e-8, rtol=0)


def test_kl_of_posteriors_that_do_not_factorise_is_one_part():
    q = torch.distributions.MultivariateNormal(torch.ones(4, 2), 2 * torch.eye(2))
    p = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    kl = closed_form_kl(q, p)
    assert kl is not None
    assert kl.shape == (4, 1)
    torch.testing.assert_close(kl[:, 0], kl_divergence(q, p).expand(4))


def test_no_closed_form_is_none():
    q = Independent(LogNormal(torch.zeros(3, 2), torch.ones(3, 2)), 1)
    assert closed_form_kl(q, StandardNormal(2)()) is None


def test_unknown_distributions_are_refused_with_advice():
    with pytest.raises(TypeError, match="score-function"):
        Pathwise().sample(Categorical(logits=torch.zeros(3, 2)), 1)
    with pytest.raises(NotImplementedError, match=r"detach\.register"):
        detach(Categorical(logits=torch.zeros(3, 2)))
    with pytest.raises(NotImplementedError):
        from_noise(Categorical(logits=torch.zeros(3, 2)), torch.zeros(3))


def test_row_noise_belongs_to_the_row():
    """Neither order, nor neighbours, nor chunking of the samples changes a row's draws; another seed does."""
    rows = torch.randn(4, 3)
    q = Independent(Normal(torch.zeros(4, 2), torch.ones(4, 2)), 1)
    whole = RowDraw(rows, 0).sample(q, 6)
    draw = RowDraw(rows, 0)
    assert torch.equal(torch.cat([draw.sample(q, 1), draw.onwards().sample(q, 5)]), whole)
    alone = RowDraw(rows[2:3], 0).sample(Independent(Normal(torch.zeros(1, 2), torch.ones(1, 2)), 1), 6)
    assert torch.equal(alone[:, 0], whole[:, 2])
    assert not torch.equal(RowDraw(rows, 1).sample(q, 6), whole)
    assert len({float(v) for v in whole[0, :, 0]}) == 4


def test_row_draws_of_other_posteriors_are_the_same_for_the_same_rows():
    rows, q = torch.randn(4, 3), Independent(LogNormal(torch.zeros(4, 2), torch.ones(4, 2)), 1)
    assert torch.equal(RowDraw(rows, 0).sample(q, 3), RowDraw(rows, 0).sample(q, 3))


def test_an_encoder_comes_apart_into_body_and_head():
    """Both share its weights; names in the state dict are those of the layers."""
    encoder = nn.Sequential(MLP(F, 8), nn.Tanh(), DiagonalNormal(8, 2))
    body, head = body_and_head(encoder)
    x = torch.randn(3, F)
    torch.testing.assert_close(head(body(x)).mean, encoder(x).mean)
    assert head is encoder[-1]
    assert sorted(head.state_dict()) == sorted(FullNormal(8, 2).state_dict()) == ["linear.bias", "linear.weight"]
    for wrong, name in (
        (nn.Sequential(MLP(F, 8)), "MLP"),
        (DiagonalNormal(F, 2), "DiagonalNormal"),
        (nn.Sequential(), ""),
    ):
        with pytest.raises(ConfigError, match=rf"nn\.Sequential\(\.\.\., head\).*ends in {name}"):
            body_and_head(wrong)


def test_noise_is_as_z_unless_registered():
    q = Independent(Normal(torch.zeros(4, 2).double(), torch.ones(4, 2).double()), 1)
    assert noise_like(q).shape == (4, 2)
    assert noise_like(q).dtype == torch.float64
