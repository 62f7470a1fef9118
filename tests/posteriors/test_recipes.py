"""Every posterior by its name: trained, saved, measured, resumed, from Python and from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from contracts.commands import call, options
from velbo import Budget, Recipe, TrainedModel, TrainingConfig, carry_out, load, plan
from velbo.build.parts import POSTERIORS
from velbo.config import Machine, ObjectiveConfig
from velbo.errors import ConfigError
from velbo.posteriors import SemiAmortised
from velbo.training import Trainer, loop

DIGITS = load("digits")[:400]


def trained(recipe: Recipe, epochs: int = 6):
    return carry_out(plan(DIGITS, recipe, training=TrainingConfig(Budget(epochs=epochs))), DIGITS)


@pytest.mark.parametrize(
    ("name", "refine"), [*((name, 0) for name in POSTERIORS), ("diagonal", 2), ("mixture", 1), ("iaf", 1)]
)
def test_every_posterior_trains_is_saved_and_scored(name, refine, tmp_path):
    """Six epochs raise the bound, and a saved model is the same model."""
    fitted = trained(Recipe("mlp", 3, (16,), posterior=name, refine=refine))
    history = fitted.history
    assert isinstance(fitted.model.encoder, SemiAmortised) == bool(refine)
    assert history.metrics[-1]["validation_bound"] > history.metrics[0]["validation_bound"] + 5
    fitted.save(tmp_path)
    again = TrainedModel.load(tmp_path)
    np.testing.assert_array_equal(again.log_likelihood(DIGITS[:20], 5), fitted.log_likelihood(DIGITS[:20], 5))
    z = fitted.encode(DIGITS[:20])
    np.testing.assert_array_equal(again.encode(DIGITS[:20]), z)
    assert z.shape == (20, 3)
    assert np.isfinite(z).all()
    result = fitted.evaluate(DIGITS[:50], 20)
    assert result.elbo <= result.log_likelihood


@pytest.mark.parametrize("prior", ["vamp", "real-nvp", "mixture"])
def test_refinement_goes_with_priors_that_learn(prior, tmp_path):
    """A VampPrior mixes the unrefined posteriors, and all weights are saved once."""
    fitted = trained(Recipe("mlp", 2, (8,), prior=prior, refine=2), epochs=1)
    names = list(fitted.model.state_dict())
    plain = plan(DIGITS, Recipe("mlp", 2, (8,), prior=prior)).build().state_dict()
    assert len(names) == len(plain) + 1
    fitted.save(tmp_path)
    again = TrainedModel.load(tmp_path)
    np.testing.assert_array_equal(again.log_likelihood(DIGITS[:10], 5), fitted.log_likelihood(DIGITS[:10], 5))
    double = fitted.to(torch.float64)
    np.testing.assert_allclose(double.encode(DIGITS[:10]), fitted.encode(DIGITS[:10]), atol=1e-3)


@pytest.mark.parametrize("name", [n for n in POSTERIORS if n != "diagonal"])
def test_a_vamp_prior_mixes_diagonal_posteriors_and_says_so(name):
    with pytest.raises(ConfigError, match="mixes diagonal Normal posteriors"):
        trained(Recipe("mlp", 2, (8,), prior="vamp", posterior=name), epochs=1)


@pytest.mark.parametrize("name", ["full", "mixture", "iaf", "spline"])
def test_a_single_latent_is_fine(name):
    fitted = trained(Recipe("mlp", 1, (8,), posterior=name), epochs=1)
    assert np.isfinite(fitted.log_likelihood(DIGITS[:5], 5)).all()


def test_cells_may_be_missing():
    holes = DIGITS[:100].astype(float)
    holes[::2, 3, 3] = np.nan
    for recipe in (Recipe("mlp", 2, (8,), posterior="iaf"), Recipe("mlp", 2, (8,), refine=2)):
        fitted = carry_out(plan(holes, recipe, training=TrainingConfig(Budget(epochs=1))), holes)
        assert np.isfinite(fitted.log_likelihood(holes, 5)).all()


@pytest.mark.parametrize("objective", ["stl", "dreg", "score-function"])
@pytest.mark.parametrize("name", ["mixture", "iaf", "spline"])
def test_posteriors_go_with_every_objective(name, objective):
    recipe = Recipe("mlp", 2, (8,), posterior=name)
    what = plan(DIGITS[:100], recipe, objective=ObjectiveConfig(objective), training=TrainingConfig(Budget(epochs=1)))
    history = carry_out(what, DIGITS[:100]).history
    assert history.skipped == 0
    assert np.isfinite(history.metrics[-1]["validation_bound"])


def test_names_and_numbers_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="Did you mean 'mixture'"):
        plan(DIGITS, Recipe(posterior="mixtrue"))
    with pytest.raises(ConfigError, match="refine must be at least 0, not -1"):
        Recipe(refine=-1)
    with pytest.raises(ConfigError, match="prior 'standard' has no components"):
        plan(DIGITS, Recipe(prior="standard", posterior="mixture", components=3))


@pytest.mark.filterwarnings("ignore::velbo.errors.CollapseWarning")
@pytest.mark.parametrize("extra", [("--posterior", "iaf"), ("--posterior", "mixture"), ("--refine", 1)])
def test_from_the_command_line(extra, tmp_path, monkeypatch):
    """Fit, die after three steps and resume: the weights of a run left alone, bit by bit. Then evaluate and encode."""
    chosen = options(*extra, "--rows", 300, "--epochs", 2, "--batch-size", 100)
    code, _, err = call("fit", "digits", "--run", tmp_path / "whole", *chosen)
    assert code == 0, err
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    steps, original = [], Trainer.step

    def three_steps_then_die(self, index):
        if len(steps) == 3:
            raise KeyboardInterrupt
        steps.append(original(self, index))

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "step", three_steps_then_die)
        assert call("fit", "digits", "--run", tmp_path / "cut", *chosen)[0] == 130
    code, _, err = call("resume", tmp_path / "cut")
    assert code == 0, err
    weights = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("whole", "cut")]
    assert weights[0] == weights[1]
    code, out, err = call("evaluate", tmp_path / "cut", "digits", "--samples", 5, "--rows", 50, "--json")
    assert code == 0, err
    assert json.loads(out)["elbo"] <= json.loads(out)["log_likelihood"]
    assert call("encode", tmp_path / "cut", "digits", "-o", tmp_path / "z.npy")[0] == 0
    assert np.load(tmp_path / "z.npy").shape == (1797, 2)


def test_free_bits_say_what_they_need(tmp_path):
    code, _, err = call("fit", "digits", "--run", tmp_path / "run", *options("--posterior", "iaf", "--free-bits", 0.1))
    assert code == 2
    assert "free bits need a closed-form KL" in err
    assert len(err.splitlines()[-1]) > 20


@pytest.mark.parametrize("name", ["mixture", "iaf"])
def test_bf16_trains(name):
    machine = Machine(precision="bf16")
    what = plan(
        DIGITS, Recipe("mlp", 2, (8,), posterior=name, refine=1), training=TrainingConfig(Budget(1), machine=machine)
    )
    history = carry_out(what, DIGITS).history
    assert history.skipped == 0
