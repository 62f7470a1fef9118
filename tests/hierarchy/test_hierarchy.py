"""Groups of latents: what is drawn anew, where the mean path lies, how a chain is drawn from noise, and free bits."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import functional
from torch.distributions import kl_divergence

import velbo
from velbo import Budget, Recipe, TrainingConfig
from velbo.errors import ConfigError, VelboError
from velbo.hierarchy import Chain, Hierarchy
from velbo.objectives import ELBO, FreeBits
from velbo.oracles import LinearGaussianHierarchy
from velbo.posteriors import RowDraw, detach, from_noise, noise_like, signal
from velbo.priors import MixturePrior, StandardNormal

ORACLE = LinearGaussianHierarchy.random((5, 4, 3, 2), seed=2)
SIZES = (2, 3, 4)
"""Of the groups from the top: z_3, z_2, z_1."""


@pytest.fixture
def model() -> Hierarchy:
    return ORACLE.model()


@pytest.fixture
def x() -> torch.Tensor:
    return ORACLE.sample(6)


def test_the_prior_is_that_of_the_oracle(model):
    """Mean and covariance of the joint law of all groups, from log p(z) alone: a quadratic with that Hessian."""
    prior = model.prior()
    assert isinstance(prior, Chain)
    assert prior.sizes == SIZES
    zero = torch.zeros(9).double()
    gradient, slope = (f(prior.log_prob, zero) for f in (functional.jacobian, functional.hessian))
    assert isinstance(gradient, torch.Tensor)
    assert isinstance(slope, torch.Tensor)
    covariance = torch.linalg.inv(-slope)
    mean = covariance @ gradient
    # z_2 = A_2 z_3 + b_2 + noise, z_1 = A_1 z_2 + b_1 + noise
    a1, a2, b1, b2, q1, q2 = *ORACLE.a[1:], *ORACLE.b[1:], *ORACLE.q[1:]
    middle = a2 @ a2.T + torch.diag(q2)
    torch.testing.assert_close(mean[2:5], b2)
    torch.testing.assert_close(mean[5:], a1 @ b2 + b1)
    torch.testing.assert_close(covariance[2:5, 2:5], middle)
    torch.testing.assert_close(covariance[5:, 5:], a1 @ middle @ a1.T + torch.diag(q1))
    torch.testing.assert_close(covariance[5:, :2], a1 @ a2)


def test_draws_have_the_law_of_the_density(model):
    """Of 20,000 draws each latent's mean and variance are the prior's, within 5 standard errors (9 latents x 2: a false
    alarm in 100,000).
    """
    n = 20_000
    z = model.prior().sample((n,))
    a1, a2, b1, b2, q1, q2 = *ORACLE.a[1:], *ORACLE.b[1:], *ORACLE.q[1:]
    middle = a2 @ a2.T + torch.diag(q2)
    mean = torch.cat((torch.zeros(2), b2, a1 @ b2 + b1))
    variance = torch.cat((torch.ones(2), middle.diagonal(), (a1 @ middle @ a1.T).diagonal() + q1))
    assert ((z.mean(0) - mean).abs() < 5 * (variance / n).sqrt()).all()
    assert ((z.var(0) / variance - 1).abs() < 5 * math.sqrt(2 / n)).all()


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_kept_groups_stay_and_the_others_are_drawn_given_them(model, x, kept):
    z = model.encode(x).mean.expand(4, 6, 9)
    new = model.redrawn(z, kept)
    n = sum(SIZES[:kept])
    assert torch.equal(new[..., :n], z[..., :n])
    assert (new[..., n:] != z[..., n:]).all()
    if kept == 2:
        expected = z[..., 2:5] @ ORACLE.a[1].T + ORACLE.b[1]
        many = model.redrawn(z[:1].expand(20_000, 6, 9), 2)[..., 5:]
        error = (many.mean(0) - expected[0]).abs() / (ORACLE.q[1] / 20_000).sqrt()
        assert (error < 5).all()  # 24 means: a false alarm in 70,000


def test_variations_are_the_same_for_a_seed_and_others_for_another(model, x):
    first = model.variations(x, 3, 1, seed=4)
    assert first.shape == (3, 6, 5)
    assert torch.equal(first, model.variations(x, 3, 1, seed=4))
    assert not torch.equal(first, model.variations(x, 3, 1, seed=5))
    with pytest.raises(ConfigError, match=r"has 3 group\(s\) of latents, of which 4 cannot be kept"):
        model.variations(x, 1, 4)


def test_a_draw_is_a_function_of_its_noise(model, x):
    """z = g(eps): the mean for eps = 0, log q(z) that of N(0, I) less log |dz/deps|."""
    q = model.encode(x)
    eps = torch.randn(6, 9, dtype=torch.float64)
    assert noise_like(q).shape == eps.shape
    torch.testing.assert_close(from_noise(q, torch.zeros(6, 9).double()), q.mean)
    z = from_noise(q, eps)
    row = model.encode(x[:1])
    slope = functional.jacobian(lambda e: from_noise(row, e[None])[0], eps[0])
    log_normal = -0.5 * (eps[0].square() + math.log(2 * math.pi)).sum()
    torch.testing.assert_close(q.log_prob(z)[0], log_normal - torch.linalg.slogdet(slope)[1])  # pyright: ignore
    assert RowDraw(x, 0).sample(q, 3).shape == (3, 6, 9)


def test_a_detached_chain_has_the_value_and_no_gradient_of_its_parameters(model, x):
    q = model.encode(x)
    z = q.rsample().detach()
    torch.testing.assert_close(detach(q).log_prob(z), q.log_prob(z))
    (gradient,) = torch.autograd.grad(q.log_prob(z).sum(), model.encoder.head.linear.weight, retain_graph=True)
    assert gradient.abs().sum() > 0
    assert not detach(q).log_prob(z).requires_grad


def test_what_rows_move_is_nothing_where_q_is_p(model, x):
    """With q = p in the groups below the top, their signal is 0, though their means follow the top group."""
    for group in model.generator.groups:
        torch.nn.init.zeros_(group.q.weight)
        torch.nn.init.zeros_(group.q.bias)
    q = model.encode(x)
    assert signal(q)[:, :2].std(0).min() > 0.1
    torch.testing.assert_close(signal(q)[:, 2:], torch.zeros(6, 7).double())
    assert q.mean[:, 2:].std(0).min() > 0.01
    scores = velbo.score_rows(model, x, 2)
    torch.testing.assert_close(scores.group_kl[:, 1:], torch.zeros(6, 2).double(), atol=1e-9, rtol=0)
    assert velbo.evaluate(model, x, 2).active_units == 2


def test_free_bits_are_counted_by_group(model, x):
    """A group below its free nats has no gradient, one above it its own."""
    terms = model.terms(x, 4)
    means = terms.group_kl.mean(0).detach()
    free = float(means.sort().values[1])  # the middle one
    penalty = FreeBits(free + 1e-6, per_group=True)(terms)
    torch.testing.assert_close(penalty, (means.clamp_min(free + 1e-6).sum()).expand(6))
    bound = ELBO(free_bits=FreeBits(free, per_group=True))(terms)
    torch.testing.assert_close(bound.value, terms.log_px_z.mean(0) - terms.kl.sum(-1))  # pyright: ignore


def test_a_top_prior_without_a_closed_form_counts_by_samples(model, x):
    """Its group's KL is the mean of log q - log p of its samples, one number; the other groups keep theirs."""
    before = model.terms(x, 3, RowDraw(x, 0))
    model.generator.top = MixturePrior(2, 3).double()
    terms = model.terms(x, 3, RowDraw(x, 0))
    assert terms.groups == (1, 3, 4)
    torch.testing.assert_close(terms.group_kl[:, 1:], before.group_kl[:, 1:])
    q, p, z = model.encode(x).top, model.generator.top(), terms.z[..., :2]
    torch.testing.assert_close(terms.group_kl[:, 0], (q.log_prob(z) - p.log_prob(z)).mean(0))
    model.generator.top = StandardNormal(2).double()
    again = model.terms(x, 3, RowDraw(x, 0))
    torch.testing.assert_close(again.group_kl[:, 0], kl_divergence(q, model.generator.top()))


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe("ladder", refine=2), "refine is for one group of latents"),
        (Recipe("resmlp", groups=(3,)), "recipe 'resmlp' has one group of latents; take 'ladder'"),
    ],
)
def test_what_a_ladder_cannot_do_is_refused(recipe, words):
    with pytest.raises(VelboError, match=words):
        velbo.plan({"a": [1.0, 2.0] * 10, "b": [0.5, 0.1] * 10}, recipe)


def test_gaps_are_for_one_group(model, x):
    with pytest.raises(ConfigError, match=r"has 3 groups of latents.* velbo anneal"):
        velbo.gaps(model, x, 4)


def test_objectives_that_change_the_gradient_of_z_are_refused():
    data = {"a": [1.0, 2.5, 0.3] * 10, "b": [0.5, 0.1, 0.9] * 10}
    training = TrainingConfig(Budget(epochs=1))
    for objective in ("dreg", "piwae"):
        with pytest.raises(ConfigError, match="which is right for one group of latents, and this model has 3"):
            velbo.fit(data, Recipe("ladder", 2, (8,), groups=(2, 2)), objective=objective, training=training)
    for objective in ("iwae", "stl", "score-function", "renyi", "info-vae"):
        fitted = velbo.fit(data, Recipe("ladder", 2, (8,), groups=(2, 2)), objective=objective, training=training)
        assert math.isfinite(fitted.history.best)
