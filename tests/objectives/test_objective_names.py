"""One word names an objective and its options, on the command line, in configs and in fit."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from contracts.objectives import ready
from velbo.config import Budget, ObjectiveConfig, Optimisation, Recipe, TrainingConfig, Validation
from velbo.errors import ConfigError
from velbo.files import as_json
from velbo.fitting import carry_out, plan
from velbo.objectives import (
    CIWAE,
    ELBO,
    IWAE,
    MIWAE,
    OBJECTIVES,
    PIWAE,
    TVO,
    BetaTC,
    FreeBits,
    InfoVAE,
    Renyi,
    Trimmed,
    make_objective,
    options_of,
    sampled_rate,
    told_rows,
)
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.posteriors import StickingTheLanding
from velbo.rows import Store
from velbo.training import Trainer

SPECS = {
    "iwae:samples=7": IWAE(7),
    "miwae:groups=4": MIWAE(8, 4),
    "piwae:samples=12:groups=3": PIWAE(12, 3),
    "ciwae:mix=0.3": CIWAE(mix=0.3),
    "renyi:alpha=2": Renyi(alpha=2.0),
    "tvo:points=3:first_point=1e-3": TVO(points=3, first_point=0.001),
    "beta-tc:tc_weight=4:mi_weight=0": BetaTC(tc_weight=4.0, mi_weight=0.0),
    "info-vae:alpha=1:weight=10": InfoVAE(alpha=1.0, weight=10.0),
    "trimmed:trim=0.25": Trimmed(trim=0.25),
}


@pytest.mark.parametrize("spec", SPECS)
def test_a_spec_sets_fields_by_their_types(spec):
    made = make_objective(spec)
    assert made == SPECS[spec]
    assert all(type(getattr(made, f.name)).__name__ == f.type for f in fields(made) if f.type in ("int", "float"))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_samples_are_given_beside_the_name_or_in_it_or_not_at_all(name):
    assert make_objective(name, 4).samples == 4
    assert make_objective(f"{name}:samples=4") == make_objective(name, 4)
    assert make_objective(name) == OBJECTIVES[name]()


def test_options_leave_the_rest_of_a_preset_alone():
    made = make_objective("stl:samples=3")
    assert isinstance(made, ELBO)
    assert made.rate is sampled_rate
    assert isinstance(made.draw, StickingTheLanding)


def test_make_objective_reads_a_config():
    made = make_objective(**as_json(ObjectiveConfig("elbo", 2, free_bits=0.1)))
    assert made == ELBO(2, free_bits=FreeBits(0.1))
    assert make_objective("elbo:samples=2", free_bits=0.1) == made


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("iwea", "Did you mean 'iwae'"),
        ("renyi:alpa=1", "unknown option of objective 'renyi' 'alpa'. Did you mean 'alpha'"),
        ("elbo:draw=stl", "unknown option of objective 'elbo' 'draw'. Known: samples"),
        ("beta-tc:n_rows=5", "unknown option"),
        ("renyi:alpha=x", r"option alpha of objective 'renyi' takes a number \(float\), not 'x'"),
        ("tvo:points=2.5", r"option points of objective 'tvo' takes a whole number \(int\), not '2.5'"),
        ("renyi:", "write name:option=value"),
        ("renyi:alpha", "write name:option=value"),
        ("renyi:alpha=", "write name:option=value"),
        ("renyi:alpha=1:alpha=2", "a second one"),
        ("iwae:samples=0", "at least 1"),
        ("tvo:samples=1", "at least 2"),
        ("tvo:points=0", "points must be at least 1"),
        ("tvo:first_point=1", "between 0 and 1"),
        ("miwae:groups=3", "use samples=9"),
        ("piwae:groups=0", "groups must be at least 1"),
        ("ciwae:mix=1.5", r"in \[0, 1\]"),
        ("ciwae:mix=nan", r"in \[0, 1\]"),
        ("renyi:alpha=-0.5", "no bound"),
        ("renyi:alpha=nan", "finite"),
        ("renyi:alpha=inf", "finite"),
        ("beta-tc:tc_weight=-1", "tc_weight must be finite and at least 0"),
        ("beta-tc:mi_weight=nan", "mi_weight"),
        ("info-vae:alpha=1.5", "at most 1"),
        ("info-vae:weight=0.5", "at least 1 - alpha"),
        ("info-vae:weight=nan", "at least 1 - alpha"),
    ],
)
def test_a_wrong_spec_says_what_to_write(spec, message):
    with pytest.raises(ConfigError, match=message):
        make_objective(spec)


def test_options_that_do_not_go_together():
    with pytest.raises(ConfigError, match="not on 'iwae'"):
        make_objective("iwae", 5, free_bits=0.1)
    with pytest.raises(ConfigError, match="contradict each other"):
        make_objective("iwae:samples=3", 5)
    assert make_objective("iwae:samples=3", 3) == IWAE(3)
    with pytest.raises(ConfigError, match="at least 1"):
        IWAE(0)


def test_the_help_names_every_objective_and_option():
    """The docstring is what the command line shows; the defaults of samples in it are those of the objectives."""
    text = " ".join((ObjectiveConfig.__doc__ or "").replace(",", " ").replace("(", " ").replace(":", " ").split())
    for name in OBJECTIVES:
        assert f" {name} " in text, name
        for option in options_of(OBJECTIVES[name]()):
            assert f" {option} " in text, option
    own = {name: OBJECTIVES[name]().samples for name in OBJECTIVES}
    of_elbo = {"elbo", "elbo-sampled", "stl", "beta-tc", "info-vae", "trimmed"}
    assert {name for name, n in own.items() if n == 1} == of_elbo
    rest = {"score-function": 2, "iwae": 5, "dreg": 5, "ciwae": 5, "renyi": 5, "miwae": 8, "piwae": 8, "tvo": 10}
    assert {name: n for name, n in own.items() if name not in of_elbo} == rest


def test_training_rows_are_told_to_those_who_ask():
    assert ready("beta-tc", n_rows=40) == BetaTC(n_rows=40)
    assert told_rows(IWAE(3), 40) == IWAE(3)
    with pytest.raises(ConfigError, match="n_rows must be at least 1"):
        told_rows(BetaTC(), 0)


def test_the_trainer_tells_training_rows_without_those_held_out():
    """40 rows of which a quarter is held out."""
    vae, x = LinearGaussian.random(3, 1).vae(), torch.randn(40, 3, dtype=torch.float64)
    trainer = Trainer(vae, Store.from_tensor(x), BetaTC(), TrainingConfig(validation=Validation(validation=0.25)))
    assert trainer.objective == BetaTC(n_rows=30)
    assert trainer.validation is not None
    assert trainer.validation.objective == trainer.objective


DIGITS = load_digits().images.astype(np.uint8)[:101]


@pytest.mark.parametrize("spec", [*OBJECTIVES, *SPECS])
def test_every_objective_trains(spec):
    """91 rows in batches of 45, so that the last batch has one row; 10 are held out. No step is skipped, the plan can
    be read back from its JSON, and what is reported has risen from the first epoch to the best.
    """
    training = TrainingConfig(Budget(epochs=4), Optimisation(batch_size=45, lr=5e-3, ema=0.0))
    what = plan(DIGITS, Recipe("mlp", 2, (16,)), objective=ObjectiveConfig(spec), training=training)
    assert replace(type(what).from_json(what.to_json()), choices={}) == replace(what, choices={})
    history = carry_out(what, DIGITS).history
    assert history.skipped == 0
    assert history.steps == 12
    assert history.best > history.metrics[0]["validation_bound"] + 1
