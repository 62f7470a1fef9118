"""The bound, its steps and its weights, against the diffusion of a Gaussian, of which all is known."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, kl_divergence

from velbo.diffusion import (
    ContinuousTime,
    CosineSchedule,
    DiscreteTime,
    LinearSchedule,
    MinSNR,
    MonotoneSchedule,
    Preconditioned,
    Prediction,
    Sigmoid,
    Step,
    alpha,
    by_one_time,
    by_path,
    end_of_path,
    expected_end,
    from_first,
    prior_matching,
    sigma,
    simple,
    snr,
)
from velbo.diffusion.bound import even_times
from velbo.errors import ConfigError
from velbo.oracles import DiffusedGaussian, TwoPoints
from velbo.posteriors import RowDraw
from velbo.terms import PATHWISE

D = 4
SIGNS = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=D))).double()
"""Noise whose 16 values have the first two moments of a Normal: means of quadratics over it are exact."""


class InTurn:
    """Noise as it is given: one tensor a call."""

    def __init__(self, *noise: Tensor) -> None:
        self.left = list(noise)

    def noise(self, q: Distribution, n_samples: int) -> Tensor:
        size = torch.Size((n_samples, *q.batch_shape, *q.event_shape))
        return self.left.pop(0).expand(size)

    def sample(self, q: Distribution, n_samples: int) -> Tensor:
        raise NotImplementedError

    def log_prob(self, q: Distribution, z: Tensor) -> Tensor:
        raise NotImplementedError

    def onwards(self) -> InTurn:
        return self


@pytest.fixture
def schedule():
    return LinearSchedule(-6, 5).double()


@pytest.fixture
def oracle(schedule):
    return DiffusedGaussian.random(D, schedule)


@pytest.fixture
def x(oracle):
    return oracle.data().sample((6,))


def at_every_time(denoiser: nn.Module, schedule, x: Tensor, steps: int, times) -> Tensor:
    """Mean of estimates of L(x) (B,) over all signs of the noise and ``steps`` even times, of which the first is u."""
    first = torch.special.ndtri(torch.tensor(0.5 / steps).double())
    each = [
        torch.stack(
            [by_one_time(denoiser, schedule, row.expand(steps, D), InTurn(first, signs), times) for signs in SIGNS]
        )
        for row in x
    ]
    return torch.stack(each).mean((1, 2))


# one step


def test_a_step_is_bayes_rule():
    """q(z_s|z_t, x) = q(z_t|z_s) q(z_s|x) / q(z_t|x) at any z_s, z_t and x, to 1e-12."""
    normal, step = torch.distributions.Normal, Step(torch.tensor(-1.2).double(), torch.tensor(0.7).double())
    x, z_s, z_t = torch.randn(3, 50).double()
    marginal = [normal(alpha(g) * x, sigma(g)) for g in (step.early, step.late)]
    forwards = normal(step.forwards(z_s, torch.zeros(())), step.forward_scale).log_prob(z_t)
    bayes = forwards + marginal[0].log_prob(z_s) - marginal[1].log_prob(z_t)
    backwards = normal(step.mean(z_t, x), step.scale).log_prob(z_s)
    torch.testing.assert_close(backwards, bayes, rtol=0, atol=1e-11)
    torch.testing.assert_close(step.snr_lost, snr(step.early) - snr(step.late))


def test_the_kl_of_a_step_is_the_snr_lost_times_the_squared_error(oracle, x):
    """Equation (15) to 1e-12 of it, over 10 steps of 6 rows; and with a spread the KL and ratio of two Normals."""
    gammas, denoiser = oracle.gamma.grid(10), oracle.denoiser()
    for early, late in itertools.pairwise(gammas):
        step = Step(early, late)
        z = alpha(late) * x + sigma(late) * torch.randn_like(x)
        x_hat = denoiser(z, late)
        q = Independent(Normal(step.mean(z, x), step.scale), 1)
        for spread in (torch.tensor(0.0).double(), denoiser.variances.mean() / 2):
            p = Independent(Normal(step.mean(z, x_hat), step.model_scale(spread)), 1)
            kl = kl_divergence(q, p)
            if spread == 0:
                torch.testing.assert_close(
                    kl, 0.5 * step.snr_lost * (x - x_hat).square().sum(-1), rtol=1e-11, atol=1e-12
                )
            torch.testing.assert_close(step.kl(x - x_hat, spread), kl, rtol=1e-9, atol=1e-10)
            noise = torch.randn_like(x)
            z_s = q.mean + q.stddev * noise
            ratio = p.log_prob(z_s) - q.log_prob(z_s)
            torch.testing.assert_close(step.log_ratio(x - x_hat, spread, noise), ratio, rtol=1e-9, atol=1e-9)


# the three terms


@pytest.mark.parametrize("gamma", [-5.0, 0.3, 4.0])
def test_the_error_of_the_optimum_is_the_oracles(oracle, x, gamma):
    gamma = torch.tensor(gamma).double()
    z = alpha(gamma) * x + sigma(gamma) * SIGNS[:, None]
    error = (x - oracle.denoiser()(z, gamma)).square().sum(-1).mean(0)
    torch.testing.assert_close(error, oracle.squared_error(x, snr(gamma)), rtol=1e-12, atol=0)


@pytest.mark.parametrize("steps", [1, 3, 40])
def test_the_mean_over_all_times_and_signs_is_the_bound_of_t_steps(oracle, x, schedule, steps):
    """Estimates by one time, averaged over every time and every sign, are L_T exactly; with the two ends the bound."""
    matching = at_every_time(oracle.denoiser(), schedule, x, steps, DiscreteTime(steps))
    torch.testing.assert_close(matching, oracle.matching(x, steps), rtol=1e-11, atol=0)
    bound = expected_end(schedule, x) - prior_matching(schedule, x) - matching
    torch.testing.assert_close(bound, oracle.bound(x, steps), rtol=1e-11, atol=1e-11)
    assert (bound < oracle.chain(steps).log_prob(x)).all()


@pytest.mark.parametrize("kind", [LinearSchedule, CosineSchedule, MonotoneSchedule])
def test_in_continuous_time_the_bound_knows_only_the_ends_of_a_schedule(oracle, x, kind):
    """Equation (19): midpoints of 4,000 times integrate L_inf to 1e-5 of the closed form, for each schedule."""
    torch.manual_seed(1)
    schedule = kind(-6, 5).double()
    for p in schedule.parameters():
        nn.init.uniform_(p, 0.1, 2)
    with torch.no_grad():
        matching = at_every_time(oracle.denoiser(), schedule, x[:2], 4000, ContinuousTime())
    torch.testing.assert_close(matching, oracle.matching(x[:2]), rtol=1e-5, atol=0)


def test_the_two_ends_are_the_whole_gap(oracle):
    """E_x[log p(x) - bound] in continuous time, by closed forms on both sides; and it is small."""
    entropy = oracle.data().entropy()
    signs = SIGNS * oracle._axes[0].sqrt() @ oracle._axes[1].T + oracle.mean
    bound = oracle.bound(signs).mean()  # a quadratic of x: exact over the signs
    torch.testing.assert_close(-entropy - bound, oracle.expected_gap(), rtol=1e-12, atol=1e-12)
    assert 0 < oracle.expected_gap() < 0.1


def test_steps_cost_one_over_their_number_with_the_known_constant(oracle):
    """T (L_T - L_inf) is within 0.3 % of its limit at T = 2,000, and doubling T halves the cost."""
    excess = {t: float(oracle.expected_matching(t) - oracle.expected_matching()) for t in (1000, 2000)}
    assert 2000 * excess[2000] == pytest.approx(float(oracle.rate()), rel=3e-3)
    assert excess[1000] / excess[2000] == pytest.approx(2, rel=3e-3)


def test_two_points_are_one_bit_of_the_bound():
    """x = +-1: L_inf of the optimum is log 2 to 1e-6, with noise at 200 nodes of Gauss and Hermite and 2,000 times."""
    import numpy as np

    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(200))
    schedule, denoiser = LinearSchedule(-6, 14).double(), TwoPoints()
    half = torch.special.ndtri(torch.tensor(0.5 / 2000).double())
    matching = 0.0
    for node, weight in zip(nodes, weights / math.sqrt(2 * math.pi), strict=True):
        draw = InTurn(half, node)
        matching += weight * by_one_time(denoiser, schedule, torch.ones(2000, 1).double(), draw).mean()
    assert float(matching) == pytest.approx(math.log(2), abs=2e-6)


def test_cross_entropy_of_a_normal_is_the_oracles(oracle, schedule):
    """Equation (23): E_q[-bound(z)] over signs of q, which is exact for a quadratic."""
    mean, scale = torch.randn(3, D).double(), torch.rand(3, D).double() + 0.1
    z = mean + scale * SIGNS[:, None]
    torch.testing.assert_close(-oracle.bound(z).mean(0), oracle.cross_entropy(mean, scale), rtol=1e-11, atol=0)


# whole paths


def test_a_path_has_the_bound_for_its_mean_and_its_weight_the_law_of_the_chain(oracle, schedule):
    """Of 20 steps and 40,000 paths of one row: mean log-weight = bound of T steps, mean weight = p_T(x), either way
    round; within 4.5 standard errors (three figures: a false alarm in 50,000).
    """
    x = oracle.data().sample((1,)).expand(40_000, D)
    path = by_path(oracle.denoiser(), schedule, x, PATHWISE, 20)
    log_w = path.log_ratio + end_of_path(schedule, x, path.z)
    exact = oracle.chain(20).log_prob(x[:1])
    assert_mean(log_w, oracle.bound(x[:1], 20))
    assert_mean((log_w - exact).exp(), torch.ones(1).double())
    # z_0 as the datum: p_T(z_0) by paths that begin there
    z = oracle.first_latents(20).sample((1,)).expand(40_000, D)
    weight = (from_first(oracle.denoiser(), schedule, z, PATHWISE, 20) - oracle.first_latents(20).log_prob(z[:1])).exp()
    assert_mean(weight, torch.ones(1).double())
    assert weight.log().mean() < 0


def assert_mean(values: Tensor, exact: Tensor) -> None:
    error = float((values.mean() - exact).abs())
    assert error < 4.5 * float(values.std()) / math.sqrt(len(values))


def test_a_network_that_says_nothing_makes_a_chain_whose_every_path_weighs_the_same():
    """Its spread is that of N(0, I), so z_0 of the chain is N(0, I) for any number of steps, and each weight is its
    density, to 1e-10: no variance at all.
    """
    silent, schedule = Preconditioned(lambda z, gamma: 0 * z).double(), LinearSchedule(-6, 5).double()  # type: ignore[arg-type]
    z = torch.randn(50, D).double()
    exact = Independent(Normal(torch.zeros(D).double(), 1.0), 1).log_prob(z)
    for steps in (1, 3, 20):
        torch.testing.assert_close(from_first(silent, schedule, z, PATHWISE, steps), exact, rtol=0, atol=1e-10)


def test_the_spread_is_learned_to_be_the_squared_error():
    """Of a denoiser that says the mean of N(0, 0.1 I), after 300 steps within 15 % of the mean squared error at three
    levels of noise; the estimate itself is untouched by it.
    """
    schedule, x = LinearSchedule(-6, 5).double(), 0.1**0.5 * torch.randn(4000, D).double()
    optimum = DiffusedGaussian(torch.zeros(D).double(), 0.1 * torch.eye(D).double(), schedule).denoiser()

    class Learns(Preconditioned):
        def forward(self, z: Tensor, gamma: Tensor) -> Tensor:
            return optimum(z, gamma)

    denoiser = Learns(nn.Identity()).double()
    eps, u = torch.randn(4000, D).double(), torch.tensor(0.2).double()
    torch.testing.assert_close(
        by_one_time(denoiser, schedule, x, InTurn(u, eps)), by_one_time(optimum, schedule, x, InTurn(u, eps))
    )
    optimizer = torch.optim.Adam(denoiser.parameters(), 0.01)
    for _ in range(300):
        optimizer.zero_grad()
        by_one_time(denoiser, schedule, x[torch.randint(4000, (200,))], PATHWISE).mean().backward()
        optimizer.step()
    gamma = torch.tensor([-4.0, 0.5, 4.0]).double()
    torch.testing.assert_close(denoiser.spread(gamma), 0.1 / (1 + 0.1 * snr(gamma)), rtol=0.15, atol=0)


def test_both_ways_to_weigh_a_path_are_one(oracle, schedule, x):
    """Walked back from x or on from the z_0 of that path, the same z_1 .. z_0 have the same ratio, to 1e-9.

    Where q(z_0|x) is the same Normal, log q(z_0, .., z_1|x) = log q(z_0|x) + log q(later|z_0).
    """
    steps = 5
    eps, gammas = torch.randn(len(x), steps + 1, D).double(), schedule.grid(steps)
    path = by_path(oracle.denoiser(), schedule, x, InTurn(eps), steps)
    zs = [alpha(gammas[-1]) * x + sigma(gammas[-1]) * eps[:, 0]]
    for i in range(1, steps + 1):
        step = Step(gammas[-i - 1], gammas[-i])
        zs.append(step.mean(zs[-1], x) + step.scale * eps[:, i])
    torch.testing.assert_close(zs[-1], path.z)
    zs = zs[::-1]
    onwards = torch.stack(
        [
            (zs[i + 1] - step.forwards(zs[i], torch.zeros(()))) / step.forward_scale
            for i, step in enumerate(itertools.starmap(Step, itertools.pairwise(gammas)))
        ],
        -2,
    )
    log_q = torch.distributions.Normal(alpha(gammas[0]) * x, sigma(gammas[0])).log_prob(path.z).sum(-1)
    ratio = from_first(oracle.denoiser(), schedule, path.z, InTurn(onwards), steps) - log_q
    torch.testing.assert_close(path.log_ratio, ratio, rtol=0, atol=1e-9)


def test_what_is_not_known_costs_nothing(oracle, schedule, x):
    """A row of which nothing is known has ratio 0 exactly and a path of the model's own law; where a denoiser looks at
    each number by itself, one of which nothing is known changes no other.
    """
    path = by_path(oracle.denoiser(), schedule, x, PATHWISE, 7, torch.zeros(D, dtype=torch.bool))
    assert torch.equal(path.log_ratio, torch.zeros(6).double())
    z = by_path(oracle.denoiser(), schedule, x[:1].expand(50_000, D), PATHWISE, 7, torch.zeros(D, dtype=torch.bool)).z
    law = oracle.first_latents(7)
    # each of 20 moments within 5 standard errors: a false alarm in 80,000
    white = torch.linalg.solve_triangular(law.scale_tril, (z - law.loc).T, upper=False)
    assert (white.mean(1).abs() < 5 / math.sqrt(50_000)).all()
    off = (torch.cov(white) - torch.eye(D)).abs()
    assert (off < 5 * math.sqrt(2 / 50_000)).all()
    eps, known = torch.randn(6, 8, D).double(), torch.tensor([True, True, False, True])
    alone = Preconditioned(lambda z, gamma: torch.tanh(z) * gamma, 1.3).double()  # type: ignore[arg-type]
    whole = by_path(alone, schedule, x, InTurn(eps), 7)
    part = by_path(alone, schedule, x.masked_fill(~known, math.nan), InTurn(eps), 7, known)
    few = by_path(alone, schedule, x[:, known], InTurn(eps[..., known]), 7)
    torch.testing.assert_close(part.log_ratio, few.log_ratio)
    torch.testing.assert_close(part.z[:, known], whole.z[:, known])


def test_paths_belong_to_rows(oracle, schedule, x):
    """With noise by rows a path depends neither on the other rows nor on how many samples come at a time."""
    denoiser = oracle.denoiser()

    def weights(rows: Tensor, *counts: int) -> Tensor:
        draw = RowDraw(rows, 0)
        parts = [by_path(denoiser, schedule, rows.expand(k, -1, -1), draw.onwards(), 5).log_ratio for k in counts]
        return torch.cat(parts)

    whole = weights(x, 6)
    torch.testing.assert_close(weights(x, 1, 2, 3), whole, rtol=0, atol=1e-12)
    torch.testing.assert_close(weights(x[2:3], 6), whole[:, 2:3], rtol=0, atol=1e-12)


# times, weightings, schedules


def test_times_of_a_batch_lie_evenly():
    u = even_times(PATHWISE, torch.zeros(3, 7, 2).double())
    assert u.shape == (3, 7, 1)
    gaps = u.flatten().sort().values.diff()
    torch.testing.assert_close(gaps, torch.full((20,), 1 / 21).double())
    assert ((u >= 0) & (u < 1)).all()


@pytest.mark.parametrize("weighting", [simple, Sigmoid(), MinSNR()])
def test_a_weighting_changes_the_gradient_of_the_denoiser_alone(schedule, weighting):
    """The value is the bound's, and so is the gradient with respect to x, to 1e-12; the denoiser's gradient is that of
    the weighted error, row by row.
    """
    x, eps, u = torch.randn(5, D).double().requires_grad_(), torch.randn(5, D).double(), torch.tensor(-0.4).double()
    gain = nn.Parameter(torch.rand(5, 1).double())  # a denoiser with a number of its own for each row

    class Gain(nn.Module):
        def spread(self, gamma: Tensor) -> Tensor:
            return torch.zeros_like(gamma)

        def forward(self, z: Tensor, gamma: Tensor) -> Tensor:
            return gain * z

    plain, weighted = (
        by_one_time(Gain(), schedule, x, InTurn(u, eps), weighting=w)  # type: ignore[arg-type]
        for w in (None, weighting)
    )
    assert torch.equal(plain, weighted)
    (of_x, of_gain), (of_x_w, of_gain_w) = (torch.autograd.grad(loss.sum(), [x, gain]) for loss in (plain, weighted))
    torch.testing.assert_close(of_x_w, of_x, rtol=1e-12, atol=0)
    t = (torch.special.ndtr(u) + torch.arange(5).double() / 5) % 1
    torch.testing.assert_close(of_gain_w, of_gain * weighting(schedule(t)).unsqueeze(-1), rtol=1e-12, atol=0)
    assert ((weighting(schedule(t)) > 0) & (weighting(schedule(t)) <= 1)).all()


def test_weightings_are_what_they_say(schedule):
    """simple is the plain error of the noise under the cosine schedule: r gamma' is constant in t, over t in (0, 1)."""
    cosine = CosineSchedule(-30, 30).double()
    t = torch.linspace(0.1, 0.9, 9).double()
    gamma, slope = cosine.at(t)
    torch.testing.assert_close(simple(gamma) * slope, torch.full((9,), 2 * math.pi).double(), rtol=1e-5, atol=0)
    gamma = torch.tensor([-9.0, 9.0]).double()
    torch.testing.assert_close(MinSNR(5.0)(gamma), torch.tensor([5 * math.exp(-9.0), 1.0]).double())
    torch.testing.assert_close(Sigmoid(2.0)(gamma), torch.sigmoid(gamma + 2))


@pytest.mark.parametrize("kind", [LinearSchedule, CosineSchedule, MonotoneSchedule])
def test_a_schedule_increases_between_its_ends_with_the_slope_it_says(kind):
    schedule = kind(-7, 4).double()
    t = torch.linspace(0, 1, 101).double().requires_grad_()
    gamma, slope = schedule.at(t)
    torch.testing.assert_close(gamma[[0, -1]], torch.tensor([-7.0, 4.0]).double(), rtol=0, atol=1e-6)
    assert (gamma.diff() > 0).all()
    (by_autograd,) = torch.autograd.grad(gamma.sum(), t)
    torch.testing.assert_close(slope, by_autograd, rtol=1e-9, atol=0)


def test_a_learned_schedule_learns_to_scatter_less():
    """Gradients inside are those of the squared estimate: after 200 steps the variance is below 2/3 of what it was."""
    torch.manual_seed(0)
    schedule = MonotoneSchedule(-6, 5).double()
    oracle = DiffusedGaussian.random(D, LinearSchedule(-6, 5).double())
    denoiser, x = oracle.denoiser(), oracle.data().sample((2000,))

    def variance() -> float:
        torch.manual_seed(1)
        return float(by_one_time(denoiser, schedule, x, PATHWISE).var().detach())

    before = variance()
    optimizer = torch.optim.Adam(schedule.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        by_one_time(denoiser, schedule, x[torch.randint(len(x), (200,))], PATHWISE).mean().backward()
        optimizer.step()
    assert variance() < before * 2 / 3


def test_the_inside_of_a_schedule_has_the_gradient_of_the_square():
    """Row by row, at the same time and noise, to 1e-10; the ends have that of the estimate itself."""
    schedule, x, eps = MonotoneSchedule(-6, 5, learned_ends=True).double(), torch.randn(1, D).double(), SIGNS[3]
    denoiser, u = DiffusedGaussian.random(D, LinearSchedule(-6, 5).double()).denoiser(), torch.tensor([0.3]).double()
    inside = [schedule.line, schedule.inner, schedule.outer, schedule.shift]
    ends = [schedule.start, schedule.end]
    found = by_one_time(denoiser, schedule, x, InTurn(torch.special.ndtri(u), eps)).sum()
    of_inside, of_ends = (torch.autograd.grad(found, some, retain_graph=True) for some in (inside, ends))
    gamma, slope = schedule.at(u)
    plain = (0.5 * slope * snr(gamma) * (x - denoiser(alpha(gamma) * x + sigma(gamma) * eps, gamma)).square()).sum()
    torch.testing.assert_close(found, plain)
    torch.testing.assert_close(of_inside, torch.autograd.grad(plain.square(), inside, retain_graph=True))  # type: ignore[arg-type]
    torch.testing.assert_close(of_ends, torch.autograd.grad(plain, ends))  # type: ignore[arg-type]


def test_ends_are_learned_on_the_bound(oracle, x):
    """The gradient over 4,000 times and all signs is that of the oracle's closed form, to 1e-5 of it."""
    schedule = LinearSchedule(-6, 5, learned_ends=True).double()
    matching = at_every_time(oracle.denoiser(), schedule, x[:1], 4000, ContinuousTime())
    bound = expected_end(schedule, x[:1]) - prior_matching(schedule, x[:1]) - matching
    closed = DiffusedGaussian(oracle.mean, oracle.covariance, schedule).bound(x[:1])
    ours, exact = (torch.stack(torch.autograd.grad(b, [schedule.start, schedule.end])) for b in (bound, closed))
    torch.testing.assert_close(ours, exact, rtol=1e-5, atol=1e-6)


def test_a_schedule_that_does_not_increase_is_refused():
    with pytest.raises(ConfigError, match=r"from a lower gamma to a higher one, such as -8 to 5, not 3, 2"):
        LinearSchedule(3, 2)


# one prediction


def test_four_units_of_one_prediction():
    """Equation (18): there and back to 1e-12, and Tweedie's formula against the gradient of log q(z_t)."""
    oracle = DiffusedGaussian.random(D, LinearSchedule(-6, 5).double())
    z = torch.randn(20, D).double().requires_grad_()
    gamma = torch.linspace(-6, 5, 20).double().unsqueeze(-1)
    said = Prediction(oracle.denoiser()(z, gamma), z, gamma)
    for back in (
        Prediction.of_noise(said.noise, z, gamma),
        Prediction.of_score(said.score, z, gamma),
        Prediction.of_velocity(said.velocity, z, gamma),
    ):
        torch.testing.assert_close(back.x, said.x, rtol=0, atol=1e-12)
    torch.testing.assert_close(said.noise, -sigma(gamma) * said.score)
    for row, g in zip(range(20), gamma, strict=True):
        covariance = alpha(g) ** 2 * oracle.covariance + sigma(g) ** 2 * torch.eye(D).double()
        law = torch.distributions.MultivariateNormal(alpha(g) * oracle.mean, covariance)
        (score,) = torch.autograd.grad(law.log_prob(z[row]), z)
        torch.testing.assert_close(said.score[row], score[row], rtol=1e-9, atol=1e-10)


def test_a_network_that_says_nothing_is_the_optimum_of_a_normal():
    """Preconditioned, with s: x_hat = alpha s^2 z / (alpha^2 s^2 + sigma^2)."""
    z, gamma = torch.randn(5, 3).double(), torch.linspace(-6, 5, 5).double().unsqueeze(-1)
    for scale in (1.0, 0.3):
        silent = Preconditioned(lambda z, gamma: torch.zeros_like(z), scale)  # type: ignore[arg-type]
        optimum = scale**2 * alpha(gamma) / (alpha(gamma) ** 2 * scale**2 + sigma(gamma) ** 2)
        torch.testing.assert_close(silent(z, gamma), optimum * z)
    torch.testing.assert_close(Preconditioned(lambda z, gamma: 0 * z)(z, gamma), alpha(gamma) * z)  # type: ignore[arg-type]
