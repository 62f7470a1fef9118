"""MIWAE, CIWAE, PIWAE, Renyi and thermodynamic bounds: between ELBO and IWAE on every sample, with the gradients of
their formulas.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from contracts.objectives import bound_of, displaced, gradient_of, per_row_gradients, some_terms, terms_of
from velbo.model import VAE
from velbo.objectives import (
    CIWAE,
    ELBO,
    IWAE,
    MIWAE,
    PIWAE,
    TVO,
    DReG,
    Renyi,
    ScoreFunction,
    log_power_mean,
    sampled_rate,
)
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.posteriors import Detached, StickingTheLanding
from velbo.terms import Terms


@pytest.fixture
def oracle():
    return LinearGaussian.random(5, 2, seed=4)


def wild_log_w(k: int = 6, b: int = 50, spread: float = 100.0) -> Tensor:
    """Weights hundreds of nats apart."""
    return spread * torch.randn(k, b, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


# groups of samples


def test_miwae_is_iwae_for_one_group_and_the_elbo_for_groups_of_one():
    """To the last bit: weights are normalised over samples, not over the batch or the groups."""
    terms = some_terms(6, 5)
    for beta in (0.4, 1.0):
        one, iwae = MIWAE(6, 1)(terms, beta), IWAE(6)(terms, beta)
        assert torch.equal(one.value, iwae.value)
        assert torch.equal(one.surrogate, iwae.surrogate)
    torch.testing.assert_close(MIWAE(6, 6)(terms).value, ELBO(6, sampled_rate)(terms).value)


def test_miwae_is_the_mean_of_the_groups_bounds():
    """By hand: weights 1, 3, 1, 5 in groups {1, 1} and {3, 5}, and another row beside them."""
    log_w = torch.tensor([[1.0, 7.0], [3.0, 7.0], [1.0, 7.0], [5.0, 7.0]], dtype=torch.float64).log()
    value = MIWAE(4, 2)(terms_of(log_w)).value
    assert value[0].item() == pytest.approx(0.5 * (math.log(1.0) + math.log(4.0)), abs=1e-15)
    assert value[1].item() == pytest.approx(math.log(7.0), abs=1e-15)


def test_between_elbo_and_iwae_sample_by_sample():
    """MIWAE falls as groups are split, CIWAE as the mix grows, both within the two ends."""
    terms = terms_of(wild_log_w(8))
    elbo, iwae = ELBO(8, sampled_rate)(terms).value, IWAE(8)(terms).value
    by_groups = torch.stack([MIWAE(8, m)(terms).value for m in (8, 4, 2, 1)])
    mixed = torch.stack([CIWAE(8, mix)(terms).value for mix in (1.0, 0.6, 0.2, 0.0)])
    for values in (by_groups, mixed):
        torch.testing.assert_close(values[0], elbo)
        torch.testing.assert_close(values[-1], iwae)
    assert (mixed.diff(dim=0) > 0).all()
    assert (by_groups - elbo > -1e-9).all()
    assert (by_groups - iwae < 1e-9).all()
    assert (by_groups.mean(1).diff() > 1).all()


def by_hand_of_piwae(vae: VAE, x: Tensor, samples: int, groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """log w (K, B) and the two formulas in the header of multi_sample.py."""
    terms = vae.terms(x, samples, StickingTheLanding())
    log_w = terms.log_w.detach()
    dz = torch.autograd.grad(terms.log_w.sum(), terms.z, retain_graph=True)[0]
    encoder = 0.0
    for m in range(groups):
        within = torch.softmax(log_w[m::groups], 0)
        weights = torch.zeros_like(log_w)
        weights[m::groups] = within**2 / groups
        found = torch.autograd.grad(
            terms.z, list(vae.encoder.parameters()), weights.unsqueeze(-1) * dz / len(x), retain_graph=True
        )
        encoder = encoder + torch.cat([g.flatten() for g in found])
    overall = torch.softmax(log_w, 0)
    decoder = gradient_of((overall * terms.log_w).sum(0), vae.decoder)
    assert isinstance(encoder, Tensor)
    return log_w, encoder, decoder


@pytest.mark.parametrize("scale", [1.0, 0.02], ids=["near weights", "weights hundreds of nats apart"])
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_piwae_gradients_are_the_formulas(scale, groups):
    """phi follows MIWAE, theta IWAE of all; with a sharp likelihood whole groups weigh nothing overall and still teach
    the encoder.
    """
    oracle = LinearGaussian.random(5, 2, seed=4)
    oracle = LinearGaussian(oracle.weight, oracle.bias, scale * oracle.sigma)
    vae, x = oracle.vae(), oracle.sample(4)
    with torch.no_grad():
        for p in vae.encoder.parameters():
            p += 0.3
    torch.manual_seed(7)
    bound = bound_of(vae, PIWAE(6, groups), x)
    encoder, decoder = (gradient_of(bound.surrogate, part) for part in (vae.encoder, vae.decoder))
    torch.manual_seed(7)
    log_w, expected_encoder, expected_decoder = by_hand_of_piwae(vae, x, 6, groups)
    assert scale == 1 or (log_w.amax(0) - log_w.amin(0)).max() > 300
    torch.testing.assert_close(encoder, expected_encoder, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(decoder, expected_decoder, rtol=1e-7, atol=1e-7)
    assert encoder.abs().min() > 0


def test_piwae_with_one_group_is_dreg_and_reports_iwae(oracle):
    vae, x = displaced(oracle), oracle.sample(3)
    found = []
    for objective in (PIWAE(5, 1), DReG(5)):
        torch.manual_seed(3)
        bound = bound_of(vae, objective, x, beta=0.5)
        found.append((bound.value, gradient_of(bound.surrogate, vae)))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)
    terms = some_terms(6)
    assert torch.equal(PIWAE(6, 3)(terms).value, IWAE(6)(terms).value)


def test_piwae_and_miwae_agree_on_the_encoder_in_mean(oracle):
    """Two estimators of the gradient of one bound; 20,000 rows, 5 standard errors, false alarm below 1e-5."""
    vae, rows = displaced(oracle), oracle.sample(1).expand(20000, -1)
    plain, doubly = (per_row_gradients(vae, o, rows) for o in (MIWAE(8, 2), PIWAE(8, 2)))
    error = ((plain.var(0) + doubly.var(0)) / len(rows)).sqrt()
    assert ((plain.mean(0) - doubly.mean(0)).abs() <= 5 * error).all()
    assert doubly.var(0).sum() < 0.5 * plain.var(0).sum()


def test_piwae_in_float32_survives_weights_far_apart():
    """No infinity or NaN where one sample of another group outweighs all by 300 nats."""
    z = torch.zeros(4, 1, 1, requires_grad=True)
    log_px_z = torch.tensor([[0.0], [300.0], [-1.0], [299.0]]) + z.squeeze(-1)
    zero = torch.zeros(4, 1)
    PIWAE(4, 2)(Terms(log_px_z, zero, zero, z, None)).surrogate.sum().backward()
    within = torch.softmax(torch.tensor([0.0, -1.0]), 0)
    assert z.grad is not None
    torch.testing.assert_close(z.grad.flatten(), (within**2 / 2).repeat_interleave(2))


# powers


def test_renyi_is_iwae_at_0_and_the_elbo_at_1():
    terms = some_terms(5)
    torch.testing.assert_close(Renyi(5, 0.0)(terms).value, IWAE(5)(terms).value, rtol=0, atol=1e-13)
    assert torch.equal(Renyi(5, 1.0)(terms).value, terms.log_w.mean(0))


def test_renyi_is_the_formula():
    """alpha = 0.5 and 3 on weights 1, 4, 9: 2 log((1 + 2 + 3) / 3), and -1/2 log of the mean of w^-2."""
    log_w = torch.tensor([[1.0], [4.0], [9.0]], dtype=torch.float64).log()
    assert Renyi(3, 0.5)(terms_of(log_w)).value.item() == pytest.approx(2 * math.log(2), abs=1e-14)
    expected = -0.5 * math.log((1 + 1 / 16 + 1 / 81) / 3)
    assert Renyi(3, 3.0)(terms_of(log_w)).value.item() == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("spread", [0.01, 1.0, 300.0])
def test_renyi_falls_with_alpha_from_iwae_on_every_sample(spread):
    """Power means rise with the power: for alpha >= 0 nothing exceeds IWAE, whose mean is a bound."""
    terms = terms_of(wild_log_w(spread=spread))
    values = torch.stack([Renyi(6, alpha)(terms).value for alpha in (0.0, 0.1, 0.5, 0.999, 1.0, 1.001, 2.0, 50.0)])
    assert (values.diff(dim=0) < 1e-9 * spread).all()
    assert (values <= IWAE(6)(terms).value + 1e-9 * spread).all()
    assert (values >= terms.log_w.amin(0)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("power", [1e-3, 1e-6, 1e-9, 1e-15, -1e-3, -1e-9])
def test_renyi_is_continuous_at_1(dtype, power):
    """log power mean = mean + power / 2 var + O(power^2), to the precision of the numbers and not of their quotient;
    the gradient likewise.
    """
    log_w = (torch.randn(7, 20, generator=torch.Generator().manual_seed(0)).double() - 100).to(dtype).requires_grad_()
    found = log_power_mean(log_w, power)
    expected = log_w.mean(0) + 0.5 * power * log_w.var(0, correction=0)
    precision = 4 * 100 * torch.finfo(dtype).eps
    torch.testing.assert_close(found, expected, rtol=0, atol=precision + 3 * power**2)
    gradient = torch.autograd.grad(found.sum(), log_w)[0]
    torch.testing.assert_close(gradient, torch.softmax(power * log_w, 0), rtol=1e-5, atol=0)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
def test_renyi_gradient_is_the_weighted_mean(alpha):
    """By softmax of (1 - alpha) log w, at 300 nats apart too, finite everywhere."""
    log_w = wild_log_w(spread=300.0).requires_grad_()
    gradient = torch.autograd.grad(Renyi(6, alpha)(terms_of(log_w)).surrogate.sum(), log_w)[0]
    torch.testing.assert_close(gradient, torch.softmax((1 - alpha) * log_w, 0), rtol=1e-9, atol=1e-12)


# the thermodynamic path


@pytest.mark.parametrize("points", [1, 2, 7, 100])
@pytest.mark.parametrize("spread", [1.0, 100.0])
def test_tvo_lies_between_elbo_and_iwae_on_every_sample(points, spread):
    terms = terms_of(wild_log_w(spread=spread))
    value, slack = TVO(6, points)(terms).value, 1e-12 * spread
    assert (value >= terms.log_w.mean(0) - slack).all()
    assert (value <= IWAE(6)(terms).value + slack).all()


def test_tvo_path():
    """From 0, evenly on a log scale from the first point to 1, where it ends."""
    points, widths = TVO(points=4, first_point=0.001).path(torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(points, torch.tensor([0.0, 0.001, 0.01, 0.1], dtype=torch.float64))
    torch.testing.assert_close(points + widths, torch.tensor([0.001, 0.01, 0.1, 1.0], dtype=torch.float64))


def test_tvo_with_one_point_is_the_elbo_with_the_score_functions_gradient(oracle):
    """Exactly, from the same samples: the baseline is the mean of all K where the score function's leaves its own out,
    hence K - 1 over K, and f brings its own -log q, whose gradient has mean 0.
    """
    vae, x, k = displaced(oracle), oracle.sample(3), 4
    torch.manual_seed(5)
    terms = vae.terms(x, k, Detached())
    ours, theirs = TVO(k, 1)(terms), ScoreFunction(k)(terms)
    torch.testing.assert_close(ours.value, theirs.value)
    for part, shrunk in ((vae.encoder, (k - 1) / k), (vae.decoder, 1.0)):
        of_q = gradient_of(terms.log_qz.mean(0), vae.encoder) if part is vae.encoder else 0.0
        expected = shrunk * gradient_of(theirs.surrogate, part) - of_q
        torch.testing.assert_close(gradient_of(ours.surrogate, part), expected)


def test_tvo_converges_to_log_px(oracle):
    """A left sum is of first order: twice the points, half the distance to IWAE on the same samples, which itself is
    within 0.03 nat of log p(x), five times its standard error.
    """
    vae, x = displaced(oracle), oracle.sample(200)
    with torch.no_grad():
        terms = vae.terms(x, 200, Detached())
        iwae = IWAE(200)(terms).value
        short = torch.stack([(iwae - TVO(200, p, 1e-4)(terms).value).mean() for p in (1, 20, 40, 80, 160)])
    assert short[0] > 0.1
    assert ((short[1:-1] / short[2:] - 2).abs() < 0.25).all()
    assert short[-1] < 0.02
    assert abs(float((iwae - oracle.log_px(x)).mean())) < 0.03


def exact_tvo(vae: VAE, x: Tensor, tvo: TVO, beta: float) -> Tensor:
    """The left sum for one latent and one row, its expectations by a fine grid that covers q and posterior."""
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64).view(-1, 1, 1)
    q, p = vae.encode(x), vae.prior()
    log_q, log_px_z = q.log_prob(z), vae.decode(z).log_prob(x)
    f = log_px_z + beta * (p.log_prob(z) - log_q)
    points, widths = tvo.path(f)
    b = points.view(-1, 1, 1)
    return (widths.view(-1, 1, 1) * torch.softmax(log_q + b * f, 1) * f).sum()


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_tvo_gradients_are_those_of_the_exact_sum(beta):
    """Autograd of a quadrature against the mean of 100 estimates of 4,000 samples, in every parameter of encoder and
    decoder: 5 standard errors, false alarm below 1e-5; the bias, of order 1/K, is a tenth of one.
    """
    oracle, tvo = LinearGaussian.random(3, 1, seed=2), TVO(4000, 4, 0.05)
    vae, x = displaced(oracle), oracle.sample(1, seed=1)
    exact = torch.autograd.grad(exact_tvo(vae, x, tvo, beta), [*vae.parameters()])
    exact = torch.cat([g.flatten() for g in exact])
    estimates = torch.stack([gradient_of(bound_of(vae, tvo, x, beta).surrogate, vae) for _ in range(100)])
    error = estimates.std(0) / math.sqrt(len(estimates))
    assert ((estimates.mean(0) - exact).abs() <= 5 * error + 1e-9).all()
    assert (exact.abs() > 20 * error).sum() > len(exact) / 2


def test_tvo_draws_constants(oracle):
    assert not displaced(oracle).terms(oracle.sample(2), 3, TVO().draw).z.requires_grad
