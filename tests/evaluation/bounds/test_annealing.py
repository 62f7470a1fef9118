"""Annealed importance sampling where log p(x) is known exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from velbo.errors import ConfigError
from velbo.evaluation import Annealing, anneal, anneal_backwards, bracket, simulate
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.rows import Store

ORACLE = LinearGaussian.random(6, 3, seed=0)
MODEL = ORACLE.vae()


def simulated(n: int) -> tuple[Tensor, Tensor]:
    """(x, z) ~ p(x|z) p(z)."""
    return simulate(MODEL, n, seed=3)


def test_the_schedule_goes_from_prior_to_posterior():
    b = Annealing(temperatures=10).schedule
    assert (float(b[0]), float(b[-1])) == (0, 1)
    assert (b.diff() > 0).all()
    torch.testing.assert_close(b + b.flip(0), torch.ones(11, dtype=torch.float64))
    with pytest.raises(ConfigError, match="at least 1"):
        Annealing(chains=0)


def test_weights_are_unbiased():
    """E[w] = p(x) for few temperatures, where a single weight is far off.

    3 rows, 4,000 chains, 5 standard errors: false alarm 2e-6 over seeds.
    """
    x, _ = simulated(3)
    run = anneal(MODEL, x, Annealing(temperatures=30, chains=4000, leapfrog=3))
    ratio = (run.log_w - ORACLE.log_px(x)).exp()
    error = ratio.std(0) / math.sqrt(4000)
    assert ((ratio.mean(0) - 1).abs() < 5 * error).all()
    assert (ratio.log().std(0) > 0.05).all()


def test_backward_weights_are_unbiased_over_exact_posterior_samples():
    """Many draws of z* ~ p(z|x) for one x; 5 standard errors: false alarm 6e-7 over seeds. Temperatures enough that a
    few weights do not make up the mean, which with 10 of them has a tail that no standard error knows of.
    """
    x, _ = simulated(1)
    many = x.expand(4000, -1)
    z = ORACLE.posterior(many).sample()
    run = anneal_backwards(MODEL, many, z, Annealing(temperatures=120, chains=1, leapfrog=3))
    ratio = (ORACLE.log_px(x) - run.log_w[0]).exp()
    assert abs(float(ratio.mean()) - 1) < 5 * float(ratio.std()) / math.sqrt(4000)
    assert 0.05 < float(ratio.std()) < 3


def test_both_sides_bracket_the_exact_value_and_close_in():
    """Means over 200 rows within 4 standard errors of the right side (false alarm 4e-4 over seeds for six of them); the
    width falls about as 1 / temperatures.
    """
    x, z = simulated(200)
    exact, widths = ORACLE.log_px(x), []
    for temperatures in (10, 40, 160):
        settings = Annealing(temperatures, chains=4, leapfrog=4)
        below = anneal(MODEL, x, settings).bound - exact
        above = anneal_backwards(MODEL, x, z, settings).bound - exact
        assert float(below.mean()) < 4 * float(below.std()) / math.sqrt(200)
        assert float(above.mean()) > -4 * float(above.std()) / math.sqrt(200)
        widths.append(float((above - below).mean()))
    rate = -math.log(widths[2] / widths[0]) / math.log(16)
    assert 0.6 < rate < 1.5, widths
    assert widths[2] < 0.4


def test_step_sizes_are_tuned():
    x, _ = simulated(10)
    assert anneal(MODEL, x, Annealing(temperatures=100, chains=8)).acceptance == pytest.approx(0.65, abs=0.1)


def test_a_run_is_a_function_of_its_seed():
    x, _ = simulated(2)
    runs = [anneal(MODEL, x, Annealing(20, 2, 2, seed=s)).bound for s in (0, 0, 1)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_the_path_is_the_rate_distortion_curve():
    """Against the tempered posteriors N(m_b, S_b) of the oracle, S_b = (I + b W'W / s^2)^-1: rate and distortion of a
    slow run lie within 5 standard errors over 60 rows of the exact curve at every temperature (false alarm 1e-4 over
    seeds), and no rate is below it by more: it is bounded from below.
    """
    x, _ = simulated(60)
    settings = Annealing(200, chains=8, leapfrog=5)
    run = anneal(MODEL, x, settings)
    assert run.rates.shape == run.distortions.shape == (201, 60)
    weight, variance = ORACLE.weight, ORACLE.sigma**2
    for t in (0, 50, 100, 150, 200):
        b = settings.schedule[t]
        inverse = torch.eye(3, dtype=torch.float64) + b * weight.T @ weight / variance
        covariance = torch.linalg.inv(inverse)
        mean = b / variance * (x - ORACLE.bias) @ weight @ covariance
        rate = 0.5 * (mean.square().sum(-1) + covariance.trace() - 3 + torch.logdet(inverse))
        residual = (x - ORACLE.bias - mean @ weight.T).square().sum(-1)
        spread = ((weight.T @ weight) * covariance).sum()
        distortion = 3 * torch.log(2 * math.pi * variance) + (residual + spread) / (2 * variance)
        for found, exact in ((run.rates[t], rate), (run.distortions[t], distortion)):
            error = (found - exact).mean(), (found - exact).std() / math.sqrt(60)
            assert abs(float(error[0])) < 5 * float(error[1]) + 0.3, (t, error)
        assert float((run.rates[t] - rate).mean()) > -5 * float((run.rates[t] - rate).std()) / math.sqrt(60) - 1e-9


def test_the_bracket_holds_the_truth_and_says_so():
    """For 40 rows of the model's own, within 4 standard errors; the data's own bounds are below their exact value."""
    x, _ = simulated(40)
    found = bracket(MODEL, Store.from_tensor(x), Annealing(60, 4, 4), samples=200)
    own, _ = simulate(MODEL, 40)
    exact, data = float(ORACLE.log_px(own).mean()), float(ORACLE.log_px(x).mean())
    margin = 4 * 0.5 / math.sqrt(40)  # one row's estimates have a standard deviation of 0.5 at most here
    assert found.own_annealed - margin < exact < found.own_above + margin
    assert found.width == pytest.approx(found.own_above - found.own_annealed)
    assert 0 < found.width < 2
    for bound in (found.annealed, found.importance):
        assert data - 1 < bound < data + margin
    record = found.to_json()
    assert record["rows"] == 40
    assert record["annealed_se"] > 0
