"""Rate and reconstruction are brought to what was asked for; the bound that is reported stays the bound."""

from __future__ import annotations

import math

import pytest
import torch

from velbo import Budget, LinearGaussian, Optimisation, Recipe, TrainingConfig, Validation, Weighting, carry_out, plan
from velbo.errors import ConfigError
from velbo.training import constraint
from velbo.training.state import State, Sums

ROWS = LinearGaussian.random(6, 3, seed=0).sample(1000).numpy()


def train(weighting: Weighting, **more):
    training = TrainingConfig(
        Budget(epochs=60), Optimisation(batch_size=100, lr=1e-2, ema=0.9), weighting, Validation(0.1), **more
    )
    return carry_out(plan(ROWS, Recipe("mlp", 3, (16,), "normal-fixed"), training=training), ROWS).history


@pytest.mark.parametrize("target", [0.3, 3.0])
def test_a_target_rate_is_reached(target):
    """Within 5 %, from a beta of 1 whose own rate is between the two; the weight ends above or below 1."""
    history = train(Weighting(target_rate=target))
    last = history.metrics[-1]
    assert last["train_rate"] == pytest.approx(target, rel=0.05)
    assert (last["beta"] > 1) == (target == 0.3)
    assert last["train_bound"] == pytest.approx(last["train_reconstruction"] - last["train_rate"])


def test_a_target_reconstruction_is_reached():
    free = train(Weighting())
    target = free.metrics[-1]["train_reconstruction"] - 0.3
    history = train(Weighting(target_reconstruction=target))
    assert history.metrics[-1]["train_reconstruction"] == pytest.approx(target, abs=0.05)
    assert history.metrics[-1]["train_rate"] < free.metrics[-1]["train_rate"]
    assert history.metrics[-1]["beta"] > 1


def test_the_multiplier_integrates_the_relative_violation():
    """By hand: a constant violation moves the logarithm by pace times it every step, and is held within [-1, 1]."""
    weighting, state = Weighting(beta=2.0, target_rate=4.0), State()
    assert constraint.beta(weighting, state, 0.5) == 2.0
    for _ in range(10):
        constraint.follow(weighting, state, reconstruction=-9.0, rate=5.0, pace=0.5)
    assert constraint.beta(weighting, state, 0.5) == pytest.approx(2 * math.exp(10 * constraint.PACE * 0.5 * 0.25))
    assert constraint.violation(weighting, -9.0, 400.0) == 1.0
    other = Weighting(target_reconstruction=-10.0)
    assert constraint.violation(other, -8.0, 10.0) == pytest.approx(0.2)
    assert constraint.violation(other, -12.0, 10.0) == pytest.approx(-0.2)
    assert constraint.violation(Weighting(target_reconstruction=0.0), 0.5, 0.0) == 1.0
    assert State.from_json(state.to_json(), "state.json") == state


def test_without_a_target_the_schedule_rules():
    weighting = Weighting(beta=3.0, beta_warmup=0.5)
    assert constraint.beta(weighting, State(log_multiplier=7.0), 0.25) == pytest.approx(1.5)


def test_targets_exclude_each_other():
    with pytest.raises(ConfigError, match="one target"):
        Weighting(target_rate=1.0, target_reconstruction=-3.0)
    with pytest.raises(ConfigError, match="target_rate must be more than 0"):
        Weighting(target_rate=0.0)
    with pytest.raises(ConfigError, match="beta above 0"):
        Weighting(beta=0.0, target_rate=1.0)


def test_rows_of_a_step_are_averaged_over_processes():
    """A team that has seen twice as much has twice the sums and the same means."""
    from velbo.objectives import make_objective
    from velbo.rows import Store
    from velbo.training import Trainer
    from velbo.training.team import Alone

    class Twice(Alone):
        def total(self, values):
            return [2 * v for v in values]

    model = LinearGaussian.random(6, 3, seed=0).vae()
    trainer = Trainer(
        model, Store.from_tensor(torch.from_numpy(ROWS)), make_objective("elbo"), TrainingConfig(), team=Twice()
    )
    assert trainer._means(Sums(rows=2, bound=-4.0, reconstruction=12.0, rate=16.0)) == (6.0, 8.0)
