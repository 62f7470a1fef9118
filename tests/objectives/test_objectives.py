"""Bounds are what their names say; surrogates have the right gradients. All against exact answers, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from contracts.elsewhere import ELSEWHERE, there, watched
from contracts.objectives import bound_of, displaced, gradient_of, per_row_gradients, ready, some_terms, terms_of
from velbo.errors import ConfigError
from velbo.likelihoods import Bernoulli
from velbo.model import VAE
from velbo.nets import MLP
from velbo.objectives import (
    ELBO,
    IWAE,
    OBJECTIVES,
    Bound,
    DReG,
    FreeBits,
    Objective,
    ScoreFunction,
    closed_rate,
    log_mean_exp,
    make_objective,
    sampled_rate,
)
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.posteriors import DiagonalNormal, Pathwise, StickingTheLanding
from velbo.priors import StandardNormal
from velbo.terms import Terms


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_pass_computes_where_the_terms_are_and_waits_for_nothing(name):
    """So that a GPU is given a whole step at once, beta among its numbers."""
    model, objective = there(displaced(LinearGaussian.random(5, 2, seed=4))), ready(name)
    with watched():
        terms = model.terms(torch.zeros(6, 5, dtype=torch.float64, device=ELSEWHERE), objective.samples, objective.draw)
        objective(terms, torch.ones((), device=ELSEWHERE)).surrogate.sum().backward()


@pytest.fixture
def oracle():
    return LinearGaussian.random(5, 2, seed=4)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0, 4.0])
def test_reported_value_does_not_depend_on_beta(name, beta):
    objective, terms = ready(name, 4), some_terms()
    assert torch.equal(objective(terms, beta).value, objective(terms).value)


def test_reported_value_does_not_depend_on_free_bits():
    terms = some_terms()
    assert torch.equal(ELBO(4, free_bits=FreeBits(5.0))(terms).value, ELBO(4)(terms).value)


def test_elbo_is_reconstruction_minus_rate():
    terms = some_terms()
    bound = ELBO(4, closed_rate)(terms, beta=0.5)
    assert terms.kl is not None
    torch.testing.assert_close(bound.value, terms.log_px_z.mean(0) - terms.kl.sum(-1))
    torch.testing.assert_close(bound.surrogate, terms.log_px_z.mean(0) - 0.5 * terms.kl.sum(-1))
    torch.testing.assert_close(bound.value, bound.reconstruction - bound.rate)


def test_elbo_is_a_mean_over_samples_not_a_sum():
    one, many = some_terms(1), some_terms(1)
    many = Terms(*(t.expand(50, *t.shape[1:]) for t in (many.log_px_z, many.log_pz, many.log_qz, many.z)), many.kl)
    torch.testing.assert_close(ELBO(50)(many).value, ELBO(1)(one).value)


def test_iwae_value_is_the_log_of_the_mean_weight():
    """Not the self-normalised sum, which is up to log K too large; its gradient is the autograd of the value."""
    log_w = torch.tensor([[0.3, -800.0], [1.2, -790.0]], dtype=torch.float64)
    value = IWAE(2)(terms_of(log_w)).value
    assert value[0].item() == pytest.approx(math.log((math.exp(0.3) + math.exp(1.2)) / 2), abs=1e-14)
    assert value[1].item() == pytest.approx(-790 + math.log((1 + math.exp(-10)) / 2), abs=1e-12)
    weights = torch.softmax(log_w, 0)
    assert ((weights * log_w).sum(0) > value).all()


def test_iwae_with_one_sample_is_the_elbo():
    terms = some_terms(1)
    torch.testing.assert_close(IWAE(1)(terms).value, ELBO(1, sampled_rate)(terms).value)


def test_iwae_rises_with_k_towards_log_px(oracle):
    """In expectation; 3,000 rows, false alarm below 1e-6."""
    x = oracle.sample(3000)
    with torch.no_grad():
        terms = displaced(oracle).terms(x, 64)
        values = [log_mean_exp(terms.log_w.reshape(-1, k, len(x)).movedim(0, 1)).mean() for k in (1, 4, 16, 64)]
    assert values == sorted(values)
    exact = float(oracle.log_px(x).mean())
    assert values[0] < exact - 0.05
    assert float(values[-1]) == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_values_are_bounds(oracle, name):
    """Mean over 3,000 rows of value - log p(x) is at most 4 of its standard errors; false alarm below 1e-4 where the
    bound is tight, far below where it is not.
    """
    gap = value_minus_log_px(oracle, displaced(oracle), ready(name, 4, 3000))
    assert gap.mean() <= 4 * gap.std() / math.sqrt(len(gap))


def test_that_a_value_is_a_bound_can_fail(oracle):
    """The self-normalised sum, which some call the IWAE's value, is none and is found out."""

    class SelfNormalised(IWAE):
        def __call__(self, terms, beta=1.0):
            value = (torch.softmax(terms.log_w, 0) * terms.log_w).sum(0)
            return Bound(value, value, value, value)

    gap = value_minus_log_px(oracle, displaced(oracle), SelfNormalised(4))
    assert gap.mean() > 4 * gap.std() / math.sqrt(len(gap))


def value_minus_log_px(oracle: LinearGaussian, vae: VAE, objective: Objective) -> Tensor:
    x = oracle.sample(3000)
    with torch.no_grad():
        values = [bound_of(vae, objective, part, beta=0.3).value for part in x.split(300)]
        return torch.cat(values) - oracle.log_px(x)


WITH_CLOSED_RATE = ("elbo", "beta-tc", "info-vae", "trimmed")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_at_the_true_posterior_values_are_log_px(name):
    """log w is constant there, so what is made of log w is exact; with a rate in closed form it is so in the mean,
    where 3,000 rows are within 5 standard errors, false alarm below 1e-6.
    """
    oracle = LinearGaussian.random(5, 2, seed=4, orthogonal=True)
    gap = value_minus_log_px(oracle, oracle.vae(), ready(name, 4, 3000))
    if name in WITH_CLOSED_RATE:
        assert abs(gap.mean()) < 5 * gap.std() / math.sqrt(len(gap))
    else:
        assert gap.abs().max() < 1e-9


def test_free_bits_charge_only_what_is_above_them():
    terms = some_terms(groups=(2, 3))
    kl = terms.kl
    assert kl is not None
    per_latent = sum(max(0.4, kl[:, j].mean().item()) for j in range(5))
    assert FreeBits(0.4)(terms)[0].item() == pytest.approx(per_latent)
    per_group = max(1.3, kl[:, :2].sum(-1).mean().item()) + max(1.3, kl[:, 2:].sum(-1).mean().item())
    assert FreeBits(1.3, per_group=True)(terms)[0].item() == pytest.approx(per_group)
    assert FreeBits(0.0)(terms).mean().item() == pytest.approx(kl.sum(-1).mean().item())


def test_closed_rate_and_free_bits_need_a_closed_form():
    terms = some_terms()
    without = Terms(terms.log_px_z, terms.log_pz, terms.log_qz, terms.z, None)
    with pytest.raises(ConfigError, match="elbo-sampled"):
        ELBO(4, closed_rate)(without)
    with pytest.raises(ConfigError, match="closed-form"):
        FreeBits(0.1)(without)
    torch.testing.assert_close(ELBO(4)(without).rate, sampled_rate(terms))


# gradients


def exact_elbo_gradient(oracle: LinearGaussian, vae: VAE, x: Tensor) -> Tensor:
    q = vae.encode(x)
    return gradient_of(oracle.elbo(x, q.mean, q.stddev), vae.encoder)


@pytest.mark.parametrize("name", ["elbo", "elbo-sampled", "stl", "score-function"])
def test_gradient_estimators_are_unbiased(oracle, name):
    """Mean of 4,000 independent estimates within 5 standard errors of the exact gradient in every coordinate;
    false alarm below 1e-5 over seeds.
    """
    vae, x = displaced(oracle), oracle.sample(1)
    exact = exact_elbo_gradient(oracle, vae, x)
    objective = make_objective(name, 2)
    rows = x.expand(4000, -1)  # every row is an independent estimate: per-row gradients by linearity
    estimates = per_row_gradients(vae, objective, rows)
    error = estimates.std(0) / math.sqrt(len(estimates))
    assert ((estimates.mean(0) - exact).abs() <= 5 * error + 1e-12).all()


def variance(vae: VAE, objective, x: Tensor) -> float:
    return float(per_row_gradients(vae, objective, x).var(0).sum())


def test_score_function_is_far_noisier_than_pathwise(oracle):
    vae, rows = displaced(oracle), oracle.sample(1).expand(2000, -1)
    pathwise, score = (variance(vae, make_objective(n, 1), rows) for n in ("elbo", "score-function"))
    assert score > 20 * pathwise
    assert variance(vae, make_objective("score-function", 4), rows) < 0.1 * score  # the baseline is at work


def test_sticking_the_landing_has_no_variance_at_the_optimum():
    """q is the true posterior: the pathwise gradient still has noise, the landing does not."""
    oracle = LinearGaussian.random(5, 2, seed=4, orthogonal=True)
    vae, rows = oracle.vae(), oracle.sample(1).expand(500, -1)
    assert variance(vae, make_objective("stl", 1), rows) < 1e-20
    assert variance(vae, make_objective("elbo-sampled", 1), rows) > 1e-2


def test_dreg_agrees_with_iwae_in_mean_and_has_less_variance(oracle):
    """Both estimate the gradient of the same bound; 20,000 rows, 5 standard errors, false alarm below 1e-5."""
    vae, rows = displaced(oracle), oracle.sample(1).expand(20000, -1)
    plain, doubly = (per_row_gradients(vae, make_objective(n, 8), rows) for n in ("iwae", "dreg"))
    error = ((plain.var(0) + doubly.var(0)) / len(rows)).sqrt()
    assert ((plain.mean(0) - doubly.mean(0)).abs() <= 5 * error).all()
    assert doubly.var(0).sum() < 0.5 * plain.var(0).sum()


def test_dreg_gradient_is_the_formula(oracle):
    """sum_k w~_k^2 (d log w_k / d z_k)(d z_k / d phi) for phi, sum_k w~_k d log w_k / d theta for theta, by hand."""
    vae, x = displaced(oracle), oracle.sample(1)
    torch.manual_seed(7)
    bound = DReG(3)(vae.terms(x, 3, StickingTheLanding()))
    encoder = gradient_of(bound.surrogate, vae.encoder)
    decoder = torch.autograd.grad(bound.surrogate.mean(), vae.decoder[0].linear.bias)[0]  # type: ignore[index]
    torch.manual_seed(7)
    terms = vae.terms(x, 3, StickingTheLanding())
    dz = torch.autograd.grad(terms.log_w.sum(), terms.z, retain_graph=True)[0]
    weights = torch.softmax(terms.log_w.detach(), 0)
    by_hand = torch.autograd.grad(
        terms.z, list(vae.encoder.parameters()), weights.unsqueeze(-1) ** 2 * dz, retain_graph=True
    )
    torch.testing.assert_close(encoder, torch.cat([g.flatten() for g in by_hand]))
    theta = vae.decoder[0].linear.bias  # type: ignore[index]
    expected = torch.autograd.grad((weights * terms.log_w).sum(), theta)[0]
    torch.testing.assert_close(decoder, expected)


def test_score_function_with_one_sample_has_no_baseline(oracle):
    vae, x = displaced(oracle), oracle.sample(1)
    bound = ScoreFunction(1)(vae.terms(x, 1, ScoreFunction(1).draw))
    assert bound.surrogate.isfinite().all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_term_of_the_bound_has_a_gradient_at_initialisation(name):
    """No clamp of the KL to [0, 0], no dead encoder or decoder."""
    vae = VAE(
        nn.Sequential(MLP(6, 8), DiagonalNormal(8, 2)), nn.Sequential(MLP(2, 8), Bernoulli(8, 6)), StandardNormal(2)
    )
    bound = bound_of(vae, ready(name, 2), torch.randint(0, 2, (16, 6)).float())
    (-bound.surrogate.mean()).backward()
    for parameter_name, p in vae.named_parameters():
        assert p.grad is not None, parameter_name
        assert p.grad.abs().sum() > 0, parameter_name
    rate = make_objective("elbo")(vae.terms(torch.randint(0, 2, (16, 6)).float(), 2, Pathwise())).rate
    gradients = torch.autograd.grad(rate.mean(), list(vae.encoder.parameters()))
    assert all(g.abs().sum() > 0 for g in gradients)
