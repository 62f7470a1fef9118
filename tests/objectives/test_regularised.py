"""beta-TC and InfoVAE: what a batch says of the aggregated posterior, against enumeration, quadrature and torch's own
mixtures; the value stays the ELBO.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, Normal

from contracts.objectives import bound_of, diagonal, displaced, gradient_of, some_terms
from velbo.errors import ConfigError
from velbo.likelihoods import Bernoulli
from velbo.model import VAE
from velbo.nets import MLP
from velbo.objectives import ELBO, BetaTC, InfoVAE, log_aggregated, sampled_rate, squared_mmd
from velbo.objectives.mmd import SCALES, kernel
from velbo.objectives.total_correlation import log_row_weights
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.posteriors import DiagonalNormal, FullNormal
from velbo.priors import LearnedNormal, StandardNormal
from velbo.terms import Terms


@pytest.fixture
def oracle():
    return LinearGaussian.random(5, 2, seed=4)


DOUBLE = torch.zeros(1, dtype=torch.float64)


def some_q(n: int, n_latents: int = 2, seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    loc, scale = torch.randn(2, n, n_latents, generator=g, dtype=torch.float64)
    return diagonal(loc, 0.3 + scale.abs())


def mixture(q) -> MixtureSameFamily:
    """The aggregated posterior by torch's own mixture."""
    return MixtureSameFamily(Categorical(logits=q.base_dist.loc.new_zeros(len(q.base_dist.loc))), q)


def marginal(q, d: int) -> MixtureSameFamily:
    loc, scale = q.base_dist.loc[:, d], q.base_dist.scale[:, d]
    return MixtureSameFamily(Categorical(logits=torch.zeros_like(loc)), Normal(loc, scale))


def penalties(q, p, z: Tensor, n_rows: int) -> dict[str, Tensor]:
    """Each part alone, (B,): what its weight multiplies, with nothing reconstructed."""
    log_qz = q.log_prob(z)
    terms = Terms(torch.zeros_like(log_qz), p.log_prob(z), log_qz, z, None, q=q, p=p)
    none = {"mi_weight": 0.0, "tc_weight": 0.0, "kl_weight": 0.0}
    return {n: -BetaTC(len(z), **{**none, n: 1.0}, n_rows=n_rows)(terms).surrogate for n in none}


# the aggregated posterior


@pytest.mark.parametrize(("batch", "rows"), [(1, 1), (1, 50), (2, 2), (5, 5), (5, 100), (500, 60000), (40, 7)])
def test_every_row_of_weights_sums_to_one(batch, rows):
    weights = log_row_weights(batch, rows, DOUBLE).exp()
    torch.testing.assert_close(weights.sum(1), torch.ones(batch, dtype=torch.float64))
    if batch > 1:
        torch.testing.assert_close(weights.diagonal(), torch.full((batch,), 1 / rows, dtype=torch.float64))


def test_a_batch_of_all_rows_is_the_exact_mixture():
    """Against torch's mixture, in log q(z) and every log q(z_d), for three samples a row."""
    q = some_q(6)
    z = q.sample(torch.Size((3,)))
    joint, marginals = log_aggregated(q, z, 6)
    torch.testing.assert_close(joint, mixture(q).log_prob(z))
    for d in range(2):
        torch.testing.assert_close(marginals[..., d], marginal(q, d).log_prob(z[..., d]))


def test_the_estimate_is_unbiased_over_all_batches():
    """Row 0 with every pair of the other 5 rows, by enumeration: the mean of q(z) and of q(z_d) is exact."""
    q, n = some_q(6), 6
    z = q.sample(torch.Size((4,)))
    found = []
    for others in itertools.combinations(range(1, n), 2):
        index = [0, *others]
        part = diagonal(q.base_dist.loc[index], q.base_dist.scale[index])
        joint, marginals = log_aggregated(part, z[:, index], n)
        found.append(torch.cat([joint[:, :1], marginals[:, 0]], 1).exp())
    exact = [mixture(q).log_prob(z)[:, :1], *(marginal(q, d).log_prob(z[..., d])[:, :1] for d in range(2))]
    torch.testing.assert_close(torch.stack(found).mean(0), torch.cat(exact, 1).exp())


# beta-TC


def test_with_all_weights_1_the_surrogate_is_the_elbos(oracle):
    """Whatever the batch knows of the aggregated posterior: it cancels, in value and gradient."""
    vae, x = displaced(oracle), oracle.sample(7)
    for beta in (1.0, 0.3):
        found = []
        for objective in (BetaTC(3, 1.0, 1.0, 1.0, n_rows=1000), ELBO(3, sampled_rate)):
            torch.manual_seed(2)
            bound = bound_of(vae, objective, x, beta)
            found.append((bound.surrogate, gradient_of(bound.surrogate, vae)))
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_parts_are_exact_where_the_aggregated_posterior_factorises():
    """Means on a product grid: q(z) is a product of two mixtures, so TC is 0 at every z; MI and DKL by torch."""
    grid = torch.cartesian_prod(*(torch.tensor(v, dtype=torch.float64) for v in ([-2.0, 0.0, 1.0], [-1.0, 3.0])))
    q, p = diagonal(grid, torch.full_like(grid, 0.4)), StandardNormal(2).double()()
    z = q.sample(torch.Size((5,)))
    parts = penalties(q, p, z, 6)
    torch.testing.assert_close(parts["tc_weight"], torch.zeros(6, dtype=torch.float64), atol=1e-12, rtol=0)
    joint = mixture(q).log_prob(z)
    torch.testing.assert_close(parts["mi_weight"], (q.log_prob(z) - joint).mean(0))
    torch.testing.assert_close(parts["kl_weight"], (joint - p.log_prob(z)).mean(0))


def test_total_correlation_by_quadrature():
    """Means on a diagonal: the mean of the estimate over q(z), by a grid, is the TC of the mixture, log 2 in the limit
    of two far points.
    """
    loc = torch.tensor([[-4.0, -4.0], [4.0, 4.0]], dtype=torch.float64)
    q = diagonal(loc, torch.full_like(loc, 0.5))
    axis = torch.linspace(-8, 8, 321, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis).unsqueeze(1).expand(-1, 2, -1)
    joint, marginals = log_aggregated(q, z, 2)
    density = joint[:, 0].exp() * (axis[1] - axis[0]) ** 2
    assert density.sum().item() == pytest.approx(1, abs=1e-9)
    total_correlation = (density * (joint - marginals.sum(-1))[:, 0]).sum()
    assert total_correlation.item() == pytest.approx(math.log(2), abs=1e-9)


def test_weights_multiply_their_parts():
    q, p = some_q(5), StandardNormal(2).double()()
    z = q.sample(torch.Size((2,)))
    parts = penalties(q, p, z, 40)
    log_qz = q.log_prob(z)
    terms = Terms(torch.zeros_like(log_qz), p.log_prob(z), log_qz, z, None, q=q, p=p)
    found = BetaTC(2, 0.5, 7.0, 2.0, n_rows=40)(terms, beta=0.3).surrogate
    expected = 0.5 * parts["mi_weight"] + 7 * parts["tc_weight"] + 2 * parts["kl_weight"]
    torch.testing.assert_close(found, -0.3 * expected)


def test_a_batch_of_one_row_has_no_mutual_information_and_no_total_correlation():
    q, p = some_q(1), StandardNormal(2).double()()
    z = q.sample(torch.Size((3,)))
    parts = penalties(q, p, z, 1000)
    for name in ("mi_weight", "tc_weight"):
        torch.testing.assert_close(parts[name], torch.zeros(1, dtype=torch.float64), atol=1e-14, rtol=0)
    torch.testing.assert_close(parts["kl_weight"], (q.log_prob(z) - p.log_prob(z)).mean(0))


@pytest.mark.parametrize("objective", [BetaTC(1, n_rows=30), InfoVAE(1), InfoVAE(1, alpha=1.0)])
@pytest.mark.parametrize("n", [1, 2])
def test_short_batches_have_finite_gradients(objective, n):
    vae = VAE(
        nn.Sequential(MLP(4, 5), DiagonalNormal(5, 2)), nn.Sequential(MLP(2, 5), Bernoulli(5, 4)), LearnedNormal(2)
    )
    bound = bound_of(vae, objective, torch.ones(n, 4))
    assert all(t.shape == (n,) for t in vars(bound).values())
    bound.surrogate.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in vae.encoder.parameters())


def test_the_value_is_the_elbo():
    terms = some_terms()
    for objective in (BetaTC(4, n_rows=9), InfoVAE(4), InfoVAE(4, alpha=1.0)):
        for part in ("value", "reconstruction", "rate"):
            assert torch.equal(getattr(objective(terms), part), getattr(ELBO(4)(terms), part))


def test_what_is_missing_is_told():
    terms = some_terms()
    with pytest.raises(ConfigError, match="for_rows"):
        BetaTC(4)(terms)
    with pytest.raises(ConfigError, match="holds none"):
        BetaTC(4, n_rows=9)(replace(terms, q=None))
    with pytest.raises(ConfigError, match="hold none"):
        InfoVAE(4)(replace(terms, p=None))
    full = FullNormal(3, 2)(torch.randn(3, 3))
    with pytest.raises(ConfigError, match=r"MultivariateNormal.*posterior 'diagonal'"):
        BetaTC(4, n_rows=9)(replace(terms, q=full))


# InfoVAE


def test_mmd_is_the_formula():
    """By loops over pairs."""
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 4, 3, generator=g, dtype=torch.float64)

    def k(a: Tensor, b: Tensor) -> float:
        return sum(6 * s / (6 * s + float((a - b).square().sum())) for s in SCALES)

    pairs = [(i, j) for i in range(4) for j in range(4)]
    within = sum(k(x[i], x[j]) + k(y[i], y[j]) for i, j in pairs if i != j) / 12
    across = sum(k(x[i], y[j]) for i, j in pairs) / 16
    assert squared_mmd(x, y).item() == pytest.approx(within - 2 * across, abs=1e-13)
    assert torch.equal(kernel(x, x).diagonal(), torch.full((4,), float(len(SCALES)), dtype=torch.float64))
    assert torch.equal(squared_mmd(x[:1], y[:1]), torch.tensor(0.0, dtype=torch.float64))


def test_mmd_is_unbiased():
    """0 in the mean for two samples of one distribution, and for a shifted one what quadrature says: 2,000 pairs of 5
    rows, 5 standard errors, false alarm below 1e-5.
    """
    x, y = torch.randn(2, 2000, 5, 1, dtype=torch.float64)
    axis = torch.linspace(-9, 9, 1201, dtype=torch.float64)
    for shift in (0.0, 1.5):
        found = squared_mmd(x + shift, y)
        density = [Normal(DOUBLE + m, 1.0).log_prob(axis).exp() * (axis[1] - axis[0]) for m in (shift, 0.0)]
        difference = density[0] - density[1]
        exact = difference @ kernel(axis.unsqueeze(1), axis.unsqueeze(1)) @ difference
        assert abs(found.mean() - exact) < 5 * found.std() / math.sqrt(len(found))
    assert exact > 0.5


def test_surrogate_is_the_formula():
    """With the same draws of the prior."""
    terms, objective = some_terms(), InfoVAE(4, alpha=0.3, weight=5.0)
    assert terms.p is not None
    torch.manual_seed(1)
    found = objective(terms, beta=0.7)
    torch.manual_seed(1)
    mmd = squared_mmd(terms.z, terms.p.sample(torch.Size((4, 3)))).mean()
    expected = found.reconstruction - 0.7 * (0.7 * found.rate + 4.3 * mmd)
    torch.testing.assert_close(found.surrogate, expected)


def test_alpha_0_and_weight_1_is_the_elbo(oracle):
    vae, x = displaced(oracle), oracle.sample(5)
    found = []
    for objective in (InfoVAE(2, 0.0, 1.0), ELBO(2)):
        torch.manual_seed(2)
        found.append(gradient_of(bound_of(vae, objective, x, 0.6).surrogate, vae))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_a_learned_prior_follows_log_p_at_full_weight_whatever_alpha(alpha):
    """Its gradient is that of the ELBO on the same samples; encoder and decoder have that of the formula, where the
    prior is a constant.
    """
    torch.manual_seed(0)
    vae = VAE(
        nn.Sequential(MLP(4, 5), DiagonalNormal(5, 2)), nn.Sequential(MLP(2, 5), Bernoulli(5, 4)), LearnedNormal(2)
    ).double()
    x = torch.randint(0, 2, (6, 4)).double()
    terms = replace(vae.terms(x, 3), kl=None)
    bound = InfoVAE(3, alpha, 10.0)(terms, beta=0.5)
    elbo = ELBO(3)(terms, beta=0.5)
    torch.testing.assert_close(gradient_of(bound.surrogate, vae.prior), gradient_of(elbo.surrogate, vae.prior))
    torch.manual_seed(1)
    bound = InfoVAE(3, alpha, 10.0)(terms)
    torch.manual_seed(1)
    assert terms.p is not None
    mmd = squared_mmd(terms.z, terms.p.sample(terms.z.shape[:2])).mean()
    formula = bound.reconstruction - (1 - alpha) * bound.rate - (alpha + 9) * mmd
    for part in (vae.encoder, vae.decoder):
        torch.testing.assert_close(gradient_of(bound.surrogate, part), gradient_of(formula, part))
