"""Semi-amortised posteriors: gradient ascent from the encoder's q, against the oracle that knows where it leads."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from velbo import VAE, LinearGaussian, score_rows
from velbo.errors import ConfigError
from velbo.nets import FillMissing
from velbo.posteriors import (
    DiagonalNormal,
    FullNormal,
    MixturePosterior,
    Posterior,
    SemiAmortised,
    body_and_head,
    inverse_autoregressive,
    semi_amortised,
    spline_coupling,
)
from velbo.priors import LearnedNormal
from velbo.rows import Store

ORACLE = LinearGaussian.random(5, 2, seed=0)
CURVATURE = ORACLE._m / ORACLE.sigma**2
HEADS: dict[str, Callable[[int, int], Posterior]] = {
    "diagonal": DiagonalNormal,
    "full": FullNormal,
    "mixture": lambda f, z: MixturePosterior(f, z, 3),
    "iaf": lambda f, z: inverse_autoregressive(f, z, 2, (8,), 3),
    "spline": lambda f, z: spline_coupling(f, z, 2, (8,), 3),
}


def refined(encoder: nn.Module, steps: int, lr: float = 0.02, points: int = 4) -> SemiAmortised:
    """Towards the oracle's bound; four points are exact for its two latents."""
    exact = ORACLE.vae()
    model = SemiAmortised(encoder, exact.decoder, exact.prior, steps, lr, points).double()
    nn.init.constant_(model.log_lr, math.log(lr))  # in float64
    return model


def displaced(by: float = 0.3) -> nn.Sequential:
    """The best diagonal encoder, all of its parameters off."""
    _, head = body_and_head(ORACLE.vae().encoder)
    with torch.no_grad():
        head.linear.bias += by
    return nn.Sequential(head)


def encoder_of(name: str) -> nn.Sequential:
    return nn.Sequential(nn.Linear(5, 4), HEADS[name](4, 2)).double()


def elbo(q: torch.distributions.Distribution, x: Tensor) -> Tensor:
    return ORACLE.elbo(x, q.mean, q.stddev)


# where the steps lead


def test_means_follow_gradient_descent_exactly():
    """On a quadratic the error is (I - eta M / sigma^2)^t times what it was: 1e-10 after every number of steps."""
    x, encoder, lr = ORACLE.sample(6), displaced(), 0.03
    best = ORACLE.posterior(x).mean
    error, shrink = encoder(x).mean - best, torch.eye(2).double() - lr * CURVATURE
    assert float(torch.linalg.eigvalsh(shrink).abs().max()) < 1
    for steps in (1, 2, 7, 30):
        expected = best + error @ torch.linalg.matrix_power(shrink, steps)
        torch.testing.assert_close(refined(encoder, steps, lr)(x).mean, expected, atol=1e-10, rtol=0)


def test_more_steps_raise_every_rows_bound_up_to_the_best_diagonals():
    x, encoder = ORACLE.sample(20), displaced()
    best = ORACLE.elbo(x, *ORACLE.best_diagonal(x))
    bounds = [elbo(encoder(x), x), *(elbo(refined(encoder, t)(x), x) for t in (1, 3, 10, 30)), best]
    for low, high in itertools.pairwise(bounds):
        assert (high > low).all()
    with torch.no_grad():
        torch.testing.assert_close(elbo(refined(encoder, 200, 0.05)(x), x), best, atol=1e-6, rtol=0)


@pytest.mark.parametrize("lr", [0.3, 10.0, 1e6])
def test_steps_that_are_too_long_are_shortened_and_never_make_it_worse(lr):
    """The least curvature times 0.3 is beyond stability. Twelve halvings are enough for 0.3 and 10 to gain."""
    x, encoder = ORACLE.sample(20), displaced()
    assert 0.3 * float(torch.linalg.eigvalsh(CURVATURE).max()) > 2
    gain = elbo(refined(encoder, 12, lr)(x), x) - elbo(encoder(x), x)
    assert (gain >= 0).all()
    assert (gain > 0).all() == (lr < 1e6)


def test_a_full_normal_is_refined_towards_the_true_posterior():
    """Its limit is log p(x), which the best diagonal q does not reach; 300 steps are within a tenth of that."""
    x = ORACLE.sample(5)
    encoder = nn.Sequential(FullNormal(5, 2)).double()
    with torch.no_grad():
        gap = torch.distributions.kl_divergence(refined(encoder, 300, 0.06)(x), ORACLE.posterior(x))
    assert (gap < 0.1 * ORACLE.gap(x, *ORACLE.best_diagonal(x))).all()


@pytest.mark.parametrize("name", HEADS)
def test_every_head_is_refined(name):
    """The bound of its own points rises on every row; so does the mean over rows of fresh draws', by more than 5
    standard errors of the 400 draws.
    """
    x, encoder = ORACLE.sample(30), encoder_of(name)
    model = refined(encoder, 8)
    own = [model._bound(x, y, model._generative[1]()) for y in (encoder[-1].linear(encoder[0](x)), model.refined(x))]
    assert (own[1] > own[0]).all()
    with torch.no_grad():
        before, after = (VAE(e, *model._generative).terms(x, 400).log_w.mean(1) for e in (encoder, model))
    error = math.hypot(float(before.std()), float(after.std())) / math.sqrt(400)
    assert float(after.mean() - before.mean()) > 5 * error


@pytest.mark.parametrize("name", HEADS)
def test_the_bound_stays_a_bound(name):
    """E_q[p(x, z) / q(z|x)] is p(x): with 5,000 draws the mean over 10 rows of the ratio to the exact p(x) is 1, not
    more by 5 standard errors (it may be less, for a q that misses a part); and L_5000 is not above log p(x) by 0.1.
    """
    x = ORACLE.sample(10)
    model = refined(encoder_of(name), 5)
    with torch.no_grad():
        log_w = VAE(model, *model._generative).terms(x, 5000).log_w - ORACLE.log_px(x)
    ratio = log_w.exp().mean(1)
    assert float(ratio.mean()) - 1 < 5 * float(ratio.std()) / math.sqrt(5000)
    assert float((log_w.logsumexp(0) - math.log(5000)).mean()) < 0.1
    assert float(log_w.mean()) < 0


# derivatives


@pytest.mark.parametrize("name", HEADS)
def test_the_steps_are_differentiated(name):
    """Along a random direction of all weights, encoder's, decoder's, prior's and step sizes, against central
    differences of a function of the refined parameters.
    """
    exact, encoder = ORACLE.vae(), encoder_of(name)
    prior = LearnedNormal(2).double()
    model = VAE(SemiAmortised(encoder, exact.decoder, prior, 3, 0.05, 4).double(), exact.decoder, prior)
    x, weights = ORACLE.sample(3), list(model.parameters())
    target = torch.randn(model.encoder.head.linear.out_features, dtype=torch.float64)
    direction = [torch.randn_like(w) for w in weights]

    def value() -> Tensor:
        return (model.encoder.refined(x).sin() @ target).sum()

    found = torch.autograd.grad(value(), weights, allow_unused=True)
    slope = sum(float((g * d).sum()) for g, d in zip(found, direction, strict=True) if g is not None)
    step, ends = 1e-7, []  # a spline's second derivatives jump at its knots
    for sign in (1, -2):
        with torch.no_grad():
            for w, d in zip(weights, direction, strict=True):
                w += sign * step * d
            ends.append(float(value()))
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-6)


def test_all_that_takes_part_learns():
    exact = ORACLE.vae()
    prior = LearnedNormal(2).double()
    model = VAE(SemiAmortised(displaced(), exact.decoder, prior, 2, 0.02).double(), exact.decoder, prior)
    model.encoder(ORACLE.sample(4)).mean.square().sum().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().sum() > 0, name


def test_without_gradients_it_is_the_same_and_leaves_no_trace():
    x, model = ORACLE.sample(4), refined(displaced(), 3)
    with torch.no_grad():
        q = model(x)
        assert torch.equal(model(x).mean, q.mean)
        assert not model.refined(x).requires_grad
    torch.testing.assert_close(model(x).mean, q.mean, atol=1e-12, rtol=0)
    assert not q.mean.requires_grad
    assert all(p.grad is None for p in [*model.parameters(), *model._generative[0].parameters()])


def test_a_frozen_encoder_is_refined_too():
    x, encoder = ORACLE.sample(4), displaced()
    expected = refined(encoder, 3)(x).mean
    model = refined(encoder.requires_grad_(False), 3)
    torch.testing.assert_close(model(x).mean, expected, atol=1e-12, rtol=0)
    assert model(x).mean.requires_grad  # by the step sizes


# what is shared, and what comes in


def test_decoder_and_prior_are_shared_and_owned_once():
    exact, prior = ORACLE.vae(), LearnedNormal(2).double()
    encoder = displaced()
    model = VAE(SemiAmortised(encoder, exact.decoder, prior, 3), exact.decoder, prior).double()
    plain = VAE(encoder, exact.decoder, prior)
    assert len(model.state_dict()) == len(plain.state_dict()) + 1
    assert [n for n, _ in model.named_parameters() if n.startswith("encoder")] == [
        "encoder.log_lr",
        "encoder.encoder.0.linear.weight",
        "encoder.encoder.0.linear.bias",
    ]
    x = ORACLE.sample(3)
    before = model.encode(x).mean
    with torch.no_grad():
        exact.decoder[0].linear.weight.mul_(1.1)
    assert not torch.allclose(model.encode(x).mean, before)


def test_any_leading_dimensions_and_blocks_of_rows(monkeypatch):
    x, model = ORACLE.sample(12), refined(displaced(), 3)
    expected = model(x).mean
    torch.testing.assert_close(model(x.view(3, 4, 5)).mean, expected.view(3, 4, 2))
    torch.testing.assert_close(model(x[0]).mean, expected[0])
    monkeypatch.setattr(semi_amortised, "CELLS_AT_ONCE", 5 * 4 * 5)
    with torch.no_grad():
        torch.testing.assert_close(model(x).mean, expected, atol=1e-12, rtol=0)


def test_scores_belong_to_their_rows():
    x, model = ORACLE.sample(9), refined(displaced(), 3)
    vae = VAE(model, *model._generative)
    whole = score_rows(vae, Store.from_tensor(x), 30).log_likelihood
    order = torch.randperm(9)
    for rows, chunk in ((order, None), (order[:4], 7)):
        scores = score_rows(vae, Store.from_tensor(x[rows]), 30, chunk).log_likelihood
        torch.testing.assert_close(scores, whole[rows], atol=1e-10, rtol=0)


def test_missing_cells_say_nothing():
    """Of a row without cells the best q is the prior, where the steps lead; others are the oracle's of fewer cells."""
    encoder = nn.Sequential(FillMissing(), *displaced())
    x = ORACLE.sample(2)
    x[0], x[1, 3:] = math.nan, math.nan
    with torch.no_grad():
        q = refined(encoder, 250, 0.06)(x)
    torch.testing.assert_close(q.mean[0], torch.zeros(2).double(), atol=1e-4, rtol=0)
    torch.testing.assert_close(q.stddev[0], torch.ones(2).double(), atol=1e-4, rtol=0)
    part = LinearGaussian(ORACLE.weight[:3], ORACLE.bias[:3], ORACLE.sigma)
    torch.testing.assert_close(q.mean[1:], part.posterior(x[1:, :3]).mean, atol=1e-4, rtol=0)


def test_what_cannot_be_refined_is_refused():
    exact = ORACLE.vae()
    with pytest.raises(ConfigError, match=r"velbo\.posteriors\.Posterior such as DiagonalNormal.*ends in Linear"):
        SemiAmortised(nn.Sequential(nn.Linear(5, 2)), exact.decoder, exact.prior, 3)
    for options, message in (
        ({"steps": 0}, "1 step or more"),
        ({"lr": 0.0}, "positive lr"),
        ({"points": 3}, "in pairs"),
    ):
        with pytest.raises(ConfigError, match=message):
            SemiAmortised(exact.encoder, exact.decoder, exact.prior, **{"steps": 2, **options})
