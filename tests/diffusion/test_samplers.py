"""Samplers by their orders and laws, the density of the flow, and guidance: all against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from velbo.diffusion import (
    DDIM,
    Ancestral,
    ConditionalDenoiser,
    GaussianDenoiser,
    Guided,
    Heun,
    LevelMLP,
    LinearSchedule,
    Preconditioned,
    Sampler,
    alpha,
    flow_log_prob,
    hutchinson_trace,
    sigma,
)
from velbo.errors import ConfigError
from velbo.oracles import DiffusedGaussian, guided_gain

D = 3


@pytest.fixture
def schedule():
    return LinearSchedule(-6, 5).double()


@pytest.fixture
def oracle(schedule):
    return DiffusedGaussian.random(D, schedule)


def carried(oracle: DiffusedGaussian, z: Tensor) -> Tensor:
    """z_0 that the flow of the oracle carries z_1 to."""
    lam, axes = oracle._axes
    g0, g1 = (oracle.gamma(torch.tensor(t).double()) for t in (0.0, 1.0))
    gain = ((alpha(g0) ** 2 * lam + sigma(g0) ** 2) / (alpha(g1) ** 2 * lam + sigma(g1) ** 2)).sqrt()
    return alpha(g0) * oracle.mean + ((z - alpha(g1) * oracle.mean) @ axes * gain) @ axes.T


@pytest.mark.parametrize(("kind", "order"), [(DDIM, 1), (Heun, 2)])
def test_order_of_convergence(oracle, schedule, kind, order):
    """Slope of the log error against log T over 40 to 320 steps, within 0.1 of the order."""
    z = torch.randn(50, D).double()
    counts = [40, 80, 160, 320]
    errors = [float((kind(oracle.denoiser(), schedule, t)(z) - carried(oracle, z)).norm()) for t in counts]
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert slope == pytest.approx(-order, abs=0.1)


def test_ancestral_samples_have_the_law_of_the_chain(oracle, schedule, monkeypatch):
    """A linear denoiser makes z_0 a line in z_1 and the noise of each step: pushing unit vectors through the sampler
    gives its mean and covariance exactly, which are the chain's to 1e-12 and tend to the data's as 1 / T.
    """
    noise = iter(())
    monkeypatch.setattr(torch, "randn_like", lambda z: next(noise).expand_as(z))
    for steps in (5, 10):
        columns = []
        for source in range(steps + 1):  # z_1 and every step's noise in turn, the others 0
            unit, zero = torch.eye(D).double(), torch.zeros(D, D).double()
            given = [unit if i == source else zero for i in range(steps + 1)]
            noise = iter(given[1:])
            columns.append(Ancestral(oracle.denoiser(), schedule, steps)(given[0]))
        noise = iter([torch.zeros(D).double()] * steps)
        mean = Ancestral(oracle.denoiser(), schedule, steps)(torch.zeros(D).double())
        parts = torch.cat(columns) - mean
        exact = oracle.first_latents(steps)
        torch.testing.assert_close(mean, exact.loc, rtol=0, atol=1e-12)
        torch.testing.assert_close(parts.T @ parts, exact.covariance_matrix, rtol=0, atol=1e-12)
    few, many = (oracle.chain(t).covariance_matrix for t in (100, 200))
    ratio = (few - oracle.covariance).norm() / (many - oracle.covariance).norm()
    assert float(ratio) == pytest.approx(2, abs=0.1)


def test_a_sampler_is_its_step(oracle, schedule):
    """One of a user's own: the plain Euler step in z; of order 1 too."""

    class Euler(Sampler):
        def step(self, z: Tensor, late: Tensor, early: Tensor) -> Tensor:
            a = alpha(late)
            return z + (early - late) * 0.5 * a * (a * z - self.denoiser(z, late))

    z = torch.randn(5, D).double()
    errors = [float((Euler(oracle.denoiser(), schedule, t)(z) - carried(oracle, z)).norm()) for t in (200, 400)]
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.1)
    with pytest.raises(ConfigError, match="a sampler takes at least 1 step, not 0"):
        Heun(oracle.denoiser(), schedule, 0)


# the density of the flow


def test_the_flow_has_the_density_of_the_normal_that_it_ends_in(oracle, schedule):
    """And the error of Runge and Kutta's method falls by 16 where steps double: order 4."""
    z = oracle.flow().sample((20,))
    exact = oracle.flow().log_prob(z)
    with torch.no_grad():
        errors = {t: (flow_log_prob(oracle.denoiser(), schedule, z, t) - exact).norm() for t in (20, 40, 200)}
    assert errors[200] < 1e-8
    assert math.log2(errors[20] / errors[40]) == pytest.approx(4, abs=0.3)


def test_the_density_of_a_network_integrates_to_one():
    """A network of random weights in two dimensions: trapezoids on [-8, 8]^2, to 1e-4; and where it says nothing the
    density is N(0, I)'s to 1e-12.
    """
    network, schedule = LevelMLP(2, 2, 16).double(), LinearSchedule().double()
    denoiser = Preconditioned(network)
    side = torch.linspace(-8, 8, 81).double()
    z = torch.cartesian_prod(side, side)
    with torch.no_grad():
        plain = flow_log_prob(denoiser, schedule, z, 5)
        torch.testing.assert_close(plain, -0.5 * z.square().sum(-1) - math.log(2 * math.pi), rtol=0, atol=1e-12)
        for p in network.parameters():
            p.add_(0.3 * torch.randn_like(p))
        density = flow_log_prob(denoiser, schedule, z, 40).exp().view(81, 81)
        off = (density.log().view(-1) - plain).abs().max()
    assert float(off) > 0.5  # it is another law
    assert float(torch.trapezoid(torch.trapezoid(density, side), side)) == pytest.approx(1, abs=2e-4)


def test_hutchinsons_estimate_has_the_right_mean(oracle, schedule):
    """Over 20,000 copies of one row within 4.5 standard errors (a false alarm in 10^5), and it does scatter;
    log-mean-exp of it would be no density.
    """
    z = oracle.flow().sample((1,)).expand(20_000, D)
    with torch.no_grad():
        found = flow_log_prob(oracle.denoiser(), schedule, z, 10, hutchinson_trace)
        exact = flow_log_prob(oracle.denoiser(), schedule, z[:1], 10)
    spread = float(found.std())
    assert abs(float(found.mean() - exact)) < 4.5 * spread / math.sqrt(20_000)
    assert spread > 0.1


def test_too_many_numbers_for_a_density_are_refused_and_estimates_are_not(schedule):
    z = torch.randn(2, 65).double()
    with pytest.raises(ConfigError, match=r"for 65 of them, more than 64, .*; use what needs estimates alone"):
        flow_log_prob(Preconditioned(LevelMLP(65, 65, 4).double()), schedule, z)
    assert flow_log_prob(Preconditioned(LevelMLP(65, 65, 4).double()), schedule, z, 2, hutchinson_trace).shape == (2,)


def test_the_density_has_a_gradient(oracle, schedule):
    """With respect to z: the score of the Normal at the end, to 1e-6."""
    z = oracle.flow().sample((4,)).requires_grad_()
    ours, exact = (
        torch.autograd.grad(log_p.sum(), z)[0]
        for log_p in (flow_log_prob(oracle.denoiser(), schedule, z, 100), oracle.flow().log_prob(z))
    )
    torch.testing.assert_close(ours, exact, rtol=1e-6, atol=1e-6)


# guidance


def test_guidance_of_two_normals_is_the_closed_form():
    """Equation (24): the guided flow multiplies by the oracle's gain, to 1e-5 of it; and is not the tilted law."""
    schedule, w, c, u = LinearSchedule(-8, 9).double(), 1.5, 0.5, 1.2
    of_c, of_all = (GaussianDenoiser(torch.zeros(1).double(), torch.eye(1).double() * v) for v in (c, u))
    z = torch.randn(10, 1).double()
    gammas = schedule.grid(1)
    first, last = (float(sigma(g) / alpha(g)) for g in (gammas[1], gammas[0]))
    gain = guided_gain(c, u, w, first, last)
    end = Heun(Guided(of_c, of_all, w), schedule, 2000)(z)
    torch.testing.assert_close(end / alpha(gammas[0]), gain * z / alpha(gammas[1]), rtol=1e-5, atol=0)
    tilted = 1 / math.sqrt((1 + w) / c - w / u)
    assert gain * first < 0.75 * tilted
    plain = Heun(Guided(of_c, of_all, 0.0), schedule, 20)(z)
    torch.testing.assert_close(plain, Heun(of_c, schedule, 20)(z))


def test_a_conditional_denoiser_sees_what_is_given_of_each_row():
    """In evaluation always; nothing given is the same for all rows, and another c another answer. In training c is left
    out of 30 % of 5,000 rows, within 4.5 standard deviations (a false alarm in 10^5).
    """
    model = ConditionalDenoiser(Preconditioned(LevelMLP(D + 2 + 1, D, 8)).double(), 0.3)
    nn.init.normal_(model.denoiser.network.leave[-1].weight)
    z, gamma, c = (
        torch.randn(4, 1, D).double().expand(4, 5000, D),
        torch.tensor(0.0).double(),
        torch.ones(5000, 2).double(),
    )
    z = z[:, :1].expand(4, 5000, D)
    nothing = model.eval().nothing(c)(z, gamma)
    given = model.given(c)(z, gamma)
    assert (given - nothing).abs().amax(-1).min() > 1e-6
    torch.testing.assert_close(model.guided(c, 2.0)(z, gamma), 3 * given - 2 * nothing)
    torch.testing.assert_close(model.nothing(-c)(z, gamma), nothing)
    seen = model.train().given(c)(z, gamma)
    left_out = (seen - nothing).abs().amax((0, -1)) < 1e-12
    assert ((seen - given).abs().amax((0, -1)) < 1e-12).eq(~left_out).all()
    assert abs(float(left_out.double().mean()) - 0.3) < 4.5 * math.sqrt(0.21 / 5000)
