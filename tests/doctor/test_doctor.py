"""The doctor: a healthy model has no faults, and every planted one is found by the question that is there for it."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from contracts.commands import call
from velbo import (
    Budget,
    LinearGaussian,
    ObjectiveConfig,
    Optimisation,
    Recipe,
    TrainedModel,
    TrainingConfig,
    Validation,
    carry_out,
    plan,
)
from velbo.doctor import QUESTIONS, Examination, Finding, diagnose, examine, write
from velbo.errors import ConfigError, DataError
from velbo.evaluation import anneal
from velbo.likelihoods import Cell
from velbo.likelihoods.normal import NormalCell
from velbo.nets import inverse_softplus
from velbo.report.examination import examination
from velbo.report.pictures import save
from velbo.training.refit import place_of_prior

ORACLE = LinearGaussian.random(6, 2, seed=0)
TRAIN, TEST = (ORACLE.sample(n, seed=s).numpy() for n, s in ((1500, 1), (250, 2)))
TRAINING = TrainingConfig(Budget(epochs=40), Optimisation(batch_size=100, lr=5e-3), validation=Validation(0.1))


def trained(train=TRAIN, recipe: Recipe = Recipe("mlp", 2, (16,), prior="learned"), training=TRAINING):
    return carry_out(plan(train, recipe, training=training), train)


@pytest.fixture(scope="module")
def healthy():
    return trained()


@pytest.fixture(scope="module")
def examined(healthy) -> Examination:
    return examine(healthy, TEST, TRAIN[:250], healthy.history.metrics)


def answers(e: Examination) -> dict[str, Finding]:
    return {f.question: f for f in diagnose(e)}


def findings(fitted: TrainedModel, test=TEST, train=TRAIN[:250], samples=64) -> dict[str, Finding]:
    return answers(examine(fitted, test, train, samples=samples))


def planted(healthy, change, samples=64) -> dict[str, Finding]:
    """Findings of a copy of the healthy model after a change to its weights."""
    copied = copy.deepcopy(healthy)
    with torch.no_grad():
        change(copied.model)
    return findings(copied, samples=samples)


def is_fault(found: Finding, *words: str) -> None:
    """Also said aloud, for whoever runs the tests with -s."""
    print(f"\n{found.question}: {found.figure}; try {found.advice}")
    assert found.verdict == "fault", found
    assert found.advice
    for word in words:
        assert word in found.figure, found.figure


def test_a_healthy_model_has_no_faults(examined):
    found = answers(examined)
    assert len(found) == len(QUESTIONS) - 1  # of one group of latents nothing is asked
    assert {f.verdict for f in found.values()} <= {"fine", "look"}, found
    for question in ("convergence", "over-fitting", "latents", "likelihood", "scales"):
        assert found[question].verdict == "fine", found[question]


def test_a_collapsed_posterior(healthy):
    def collapse(model):
        model.encoder[-1].linear.weight.zero_()
        model.encoder[-1].linear.bias[:2] = 0.0
        model.encoder[-1].linear.bias[2:] = inverse_softplus(1.0)

    is_fault(planted(healthy, collapse)["latents"], "0 of 2 latents", "collapsed")


def test_a_silent_group_of_latents():
    """q of the second group is set to p; the others go on."""
    free = ObjectiveConfig(free_bits=0.5, free_bits_per_group=True)
    recipe = Recipe("ladder", 2, (16,), "normal", groups=(2, 2))
    fitted = carry_out(plan(TRAIN, recipe, objective=free, training=TRAINING), TRAIN)
    assert findings(fitted)["groups"].verdict == "fine"

    def silence(model):
        torch.nn.init.zeros_(model.generator.groups[0].q[-1].weight)
        torch.nn.init.zeros_(model.generator.groups[0].q[-1].bias)

    found = planted(fitted, silence)["groups"]
    is_fault(found, "0.00", "group 2 says nothing")
    assert "--free-bits-per-group" in found.advice


def test_a_saturated_scale_of_the_data(healthy):
    def saturate(model):
        model.decoder[-1].heads["normal"].scale.raw[:3] = -20.0

    is_fault(planted(healthy, saturate)["scales"], "50% of the predicted standard deviations of x", "saturated")


def with_posterior_scale(model, raw: float) -> None:
    model.encoder[-1].linear.weight[2:] = 0.0
    model.encoder[-1].linear.bias[2:] = raw


def test_a_saturated_posterior(healthy):
    is_fault(planted(healthy, lambda model: with_posterior_scale(model, -20.0))["scales"], "100% of those of z")


def test_a_bound_that_is_not_to_be_trusted(healthy):
    """A posterior of a tenth of the true one's width: its weights' tail has a shape of 0.99."""
    found = planted(healthy, lambda model: with_posterior_scale(model, inverse_softplus(0.03)), samples=512)
    is_fault(found["bound"], "k-hat above 0.7", "may lie well above")


def test_a_prior_that_was_never_trained(healthy):
    def move(model):
        model.prior.loc += 4.0

    is_fault(planted(healthy, move)["prior"], "AUC of 1.00", "holes")


def test_the_advice_to_a_diffusion_names_nothing_that_it_refuses(healthy, examined):
    """Its prior is known by estimates, and no other one can be put into it."""
    short = TrainingConfig(Budget(epochs=1), validation=Validation(0.1))
    diffusion = trained(TRAIN[:200], Recipe("diffusion", None, (16,)), short)
    e = examine(diffusion, TEST[:20], samples=2, two_samples=False)
    assert (e.refittable, e.annealable) == (False, False)
    for share in (0.5, 1.0):
        sick = replace(e, auc_latents=1.0, auc_samples=1.0, test=replace(e.test, unreliable=share))
        for name in ("prior", "bound"):
            assert "refit-prior" not in answers(sick)[name].advice
            assert "anneal" not in answers(sick)[name].advice
    with pytest.raises(ConfigError, match="neither"):
        place_of_prior(diffusion.model)
    with pytest.raises(ConfigError, match="estimates"):
        anneal(diffusion.model, diffusion.store(TEST[:2]).fixed(0))
    assert (examined.refittable, examined.annealable) == (True, True)


def test_a_likelihood_whose_scale_is_wrong():
    """Standardised columns that two latents explain but for a tenth, and a scale that is fixed at one."""
    clear = replace(ORACLE, sigma=0.1 * ORACLE.sigma)
    train, test = (clear.sample(n, seed=s).numpy() for n, s in ((1500, 1), (250, 2)))
    fitted = trained(train, Recipe("mlp", 2, (16,), "normal-fixed"))
    is_fault(findings(fitted, test, train[:250])["likelihood"], "times the predicted variance", "does not fit")


def test_a_likelihood_whose_tails_are_too_light():
    """A Normal for noise of Student's t with 1.5 degrees of freedom: its variance says nothing, its shape does."""
    rng = np.random.default_rng(0)
    heavy = [x + np.clip(rng.standard_t(1.5, x.shape), -200, 200) for x in (TRAIN, TEST)]
    fitted = trained(heavy[0])
    is_fault(findings(fitted, heavy[1], heavy[0][:250])["likelihood"], "from uniform")


def test_a_model_that_knows_its_rows_by_heart():
    few = TRAIN[:40]
    training = TrainingConfig(Budget(epochs=300), Optimisation(batch_size=40, lr=1e-2), validation=Validation(0))
    fitted = trained(few, Recipe("mlp", 6, (64, 64), "normal"), training)
    is_fault(findings(fitted, TEST, few)["over-fitting"], "by heart")


def run_of(*bounds: float) -> list[dict[str, float]]:
    return [{"epoch": i, "train_bound": b + 1, "validation_bound": b} for i, b in enumerate(bounds)]


def test_convergence_is_read_off_the_run(examined):
    rising, flat = run_of(*range(-100, -80)), run_of(*(-100 + 50 * (1 - math.exp(-i)) for i in range(20)))
    found, fine, unknown = (answers(replace(examined, metrics=m))["convergence"] for m in (rising, flat, ()))
    assert found.verdict == "look"
    assert "still rising" in found.figure
    assert (fine.verdict, unknown.verdict) == ("fine", "unknown")


def test_without_training_rows_the_run_is_asked(examined):
    alone = replace(examined, train=None, metrics=run_of(-9.0))
    found = answers(alone)["over-fitting"]
    assert found.verdict == "look"
    assert "1.00 nats above" in found.figure
    assert answers(replace(alone, metrics=()))["over-fitting"].verdict == "unknown"


def test_an_examination_is_a_function_of_its_rows(healthy, examined):
    assert diagnose(examine(healthy, TEST, TRAIN[:250], healthy.history.metrics)) == diagnose(examined)
    with pytest.raises(DataError, match="at least 20 rows"):
        examine(healthy, TEST[:19])


def test_a_cell_without_distribution_function_is_left_out_and_named(healthy, examined, monkeypatch, tmp_path):
    """The rest of the page is as it would be."""
    monkeypatch.setattr(NormalCell, "cdf", Cell.cdf)
    e = examine(healthy, TEST, TRAIN[:250], healthy.history.metrics)
    found, whole = answers(e), answers(examined)
    assert found["likelihood"].verdict == "unknown"
    assert "the distance from uniform is left out, as NormalCell has no cdf(value)" in found["likelihood"].figure
    assert all(found[question] == whole[question] for question in found if question != "likelihood")
    assert "NormalCell has no cdf(value)" in " ".join(write(diagnose(e)).split())
    save(examination(e, diagnose(e)), tmp_path / "page.png")


def test_the_page_and_the_picture(examined, tmp_path):
    page = write(diagnose(examined))
    assert all(len(line) <= 100 for line in page.splitlines())
    assert page.count("\n") < 40
    save(examination(examined, diagnose(examined)), tmp_path / "page.png")
    image = np.asarray(Image.open(tmp_path / "page.png").convert("L"))
    panels = [part for half in np.array_split(image, 2) for part in np.array_split(half, 3, axis=1)]
    assert all((panel < 200).mean() > 0.002 for panel in panels)  # nothing is blank


def test_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("train.npy", TRAIN)
    np.save("test.npy", TEST)
    fitted = "fit train.npy --run r --recipe mlp --hidden 8 --latent 2 --epochs 10".split()
    assert call(*fitted)[0] == 0
    code, out, err = call("doctor", "r", "test.npy", "--rows", "40", "--samples", "32", "--json", "-o", "page.png")
    assert code == 0, err
    assert json.loads(out)[0]["question"] == "convergence"
    assert (tmp_path / "page.png").exists()
    code, out, err = call("doctor", "r", "train.npy", "--rows", "60")
    assert code == 0
    assert "trained on" in err
    (tmp_path / "train.npy").unlink()
    code, out, err = call("doctor", "r", "test.npy", "--rows", "60")
    assert code == 0
    assert "--train" in err
    code, out, err = call("gaps", "r", "test.npy", "--rows", "20", "--samples", "20", "--steps", "5", "--json")
    assert code == 0, err
    assert json.loads(out)["rows"] == 20
    code, out, err = call("anneal", "r", "test.npy", "--rows", "5", "--temperatures", "5", "--chains", "2")
    assert code == 0, err
    assert "upper bound" in out
    code, out, err = call(*"rate-distortion r test.npy -o rd.csv --rows 5 --temperatures 5 --chains 2".split())
    assert code == 0, err
    assert "of the encoder" in out
    assert (tmp_path / "rd.csv").read_text().startswith("b,rate,distortion\n")
    code, out, err = call(*"quality r test.npy --rows 60 --features latent --json".split())
    assert code == 0, err
    assert 0.3 < json.loads(out)["classifier"]["auc"] < 1
    code, out, err = call(*"quality r test.npy --rows 60".split())
    assert "share of rows with a sample near them" in out
    code, _, err = call(*"quality r test.npy --features other".split())
    assert code == 2
    assert "raw" in err
    for command, words in (
        ("rate-distortion r test.npy -o rd.doc", "name a .parquet, "),
        ("gaps r test.npy --samples 0", "for --samples. It must be at least 1"),
        ("gaps r test.npy --steps 0", "for --steps. It must be at least 1"),
        ("doctor r test.npy --samples 100", "power of two"),
        ("doctor r test.npy --rows 5", "at least 20 rows"),
        ("anneal r test.npy --temperatures 0", "for --temperatures. It must be at least 1"),
        ("refit-prior r test.npy --to new --prior real", "real-nvp"),
    ):
        code, _, err = call(*command.split())
        assert code == 2, err
        assert "Traceback" not in err
        assert words in err.splitlines()[-1]
