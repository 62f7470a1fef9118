"""epsilon of noisy steps, against published figures, a divergence computed by quadrature, and exact laws."""

from __future__ import annotations

import math
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import logsumexp

from velbo.errors import ConfigError, MissingExtraError
from velbo.training.accountant import ORDERS, noise_for, spent

pytest.importorskip("opacus", reason="the extra privacy is not installed")


def renyi(noise: float, rate: float, alpha: float) -> float:
    """D_alpha of (1 - r) N(0, s^2) + r N(1, s^2) from N(0, s^2), by the trapezoidal rule, which is exact to rounding
    for smooth integrands that vanish at both ends.
    """
    x, step = np.linspace(-30 * noise, alpha + 30 * noise, 20_001, retstep=True)
    log_ratio = np.logaddexp(math.log1p(-rate), math.log(rate) + (2 * x - 1) / (2 * noise**2))
    total: Any = logsumexp(stats.norm.logpdf(x, scale=noise) + alpha * log_ratio)
    return float(total + math.log(step)) / (alpha - 1)


def gaussian_delta(epsilon: float, mu: float) -> Any:
    """delta of N(0, 1) and N(mu, 1): Balle and Wang, 2018, https://arxiv.org/abs/1805.06530 (theorem 8)."""
    upper = stats.norm.cdf(mu / 2 - epsilon / mu)
    return upper - math.exp(epsilon + stats.norm.logcdf(-mu / 2 - epsilon / mu))


@pytest.mark.parametrize(
    ("noise", "rate", "steps", "delta", "published"),
    [
        # Abadi et al., 2016 (section 5.1): q = 0.01, sigma = 4, T = 10,000
        (4.0, 0.01, 10_000, 1e-5, 1.26),
        # the tutorial of TensorFlow Privacy: 60,000 rows, batches of 250, 15 epochs
        (1.3, 250 / 60_000, 15 * 240, 1e-5, 1.18),
    ],
)
def test_published_figures(noise, rate, steps, delta, published):
    """Both used a looser step from divergences to epsilon (Mironov's), so they are above, by a quarter at most."""
    assert 0.75 * published < spent(noise, rate, steps, delta) <= published


@pytest.mark.parametrize(("noise", "rate", "steps"), [(1.0, 0.1, 100), (0.7, 0.01, 500), (5.0, 0.5, 1000)])
def test_epsilon_is_that_of_divergences_by_quadrature(noise, rate, steps):
    """By the formula of the module's head, at the few orders around the best one, to 1e-6."""
    delta = 1e-5

    def epsilon(alpha: float) -> float:
        divergence = steps * renyi(noise, rate, alpha)
        return divergence + math.log((alpha - 1) / alpha) - (math.log(delta) + math.log(alpha)) / (alpha - 1)

    rough = optimize.minimize_scalar(lambda a: epsilon(float(a)), bounds=(1.1, 60), method="bounded")
    near = sorted(ORDERS, key=lambda a: abs(a - rough.x))[:5]
    assert spent(noise, rate, steps, delta) == pytest.approx(min(map(epsilon, near)), rel=1e-6)


@pytest.mark.parametrize("noise", [0.5, 1.0, 4.0, 30.0])
@pytest.mark.parametrize("steps", [1, 100])
def test_of_all_rows_it_is_an_upper_bound_of_the_exact_epsilon(noise, steps):
    """With r = 1 all steps are one Gaussian mechanism, mu = sqrt(T) / sigma, whose delta is known in closed form."""
    mu, delta = math.sqrt(steps) / noise, 1e-5
    exact: Any = optimize.brentq(lambda e: gaussian_delta(e, mu) - delta, 1e-9, 1e4)
    assert exact <= spent(noise, 1.0, steps, delta) <= 1.2 * exact + 1e-3


@pytest.mark.parametrize(("noise", "rate"), [(1.0, 0.1), (0.6, 0.02), (2.0, 0.5)])
def test_one_sampled_step_is_an_upper_bound_in_both_directions(noise, rate):
    """delta(epsilon) of one step by quadrature, for a row that is added and for one that is removed."""
    delta = 1e-5
    epsilon = spent(noise, rate, 1, delta)
    x = np.linspace(-20 * noise, 1 + 20 * noise, 400_001)
    without = stats.norm.pdf(x, scale=noise)
    with_it = (1 - rate) * without + rate * stats.norm.pdf(x, 1, noise)
    for p, q in ((with_it, without), (without, with_it)):
        assert np.trapezoid(np.clip(p - math.exp(epsilon) * q, 0, None), x) <= delta


@pytest.mark.parametrize(("noise", "rate", "steps"), [(1.0, 0.02, 1000), (2.0, 0.1, 500)])
def test_convolution_finds_the_same_within_a_fifth(noise, rate, steps):
    """opacus' other accountant, which convolves privacy losses instead; its figure is lower, as this is a bound."""
    from opacus.accountants import PRVAccountant

    other = PRVAccountant()
    other.history = [(noise, rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = other.get_epsilon(1e-5)
    assert theirs <= spent(noise, rate, steps, 1e-5) <= 1.2 * theirs


@pytest.mark.parametrize("epsilon", [0.02, 1.0, 20.0])
def test_noise_is_the_least_that_epsilon_allows(epsilon):
    """It spends epsilon, and no more, to a thousandth."""
    noise = noise_for(epsilon, 0.05, 300, 1e-6)
    assert (1 - 1e-3) * epsilon - 1e-9 <= spent(noise, 0.05, 300, 1e-6) <= epsilon


def test_every_step_spends():
    """Nothing before the first one, and more with each."""
    epsilons = [spent(1.0, 0.1, steps, 1e-5) for steps in (0, 1, 2, 10, 100)]
    assert epsilons[0] == 0
    assert all(np.diff(epsilons) > 0)


def test_what_no_noise_can_do_is_refused():
    with pytest.raises(ConfigError, match="no noise makes 1000000000 steps"):
        noise_for(1e-6, 1.0, 10**9, 1e-12)


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "opacus.accountants.analysis.rdp", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'velbo\[privacy\]'"):
        spent(1.0, 0.1, 1, 1e-5)


def test_epsilon_is_not_negative():
    """Where the formula is: few steps, of a lot of noise, at the delta of a small table."""
    assert spent(1000.0, 1.0, 3, 0.1 / 60) == 0
