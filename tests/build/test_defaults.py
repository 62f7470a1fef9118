"""What is left open: recipes and likelihoods by the data, and why; names that do not go together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from velbo import ObjectiveConfig, Recipe, TrainingConfig, load, plan
from velbo.build.defaults import Asked, as_before, closed, complete, settled
from velbo.build.models import encoding
from velbo.config import Budget, Validation, Weighting
from velbo.errors import ConfigError
from velbo.rows import Schema, infer

DIGITS = load("digits")[:200]
ONE_EPOCH = TrainingConfig(Budget(epochs=1))
FRAME = pd.DataFrame({"a": np.arange(60) / 7, "n": np.arange(60) % 9, "job": list("xyz") * 20})


def infer_settled(rows: np.ndarray) -> Schema:
    return settled(infer(rows), Recipe())


def likelihoods(*arguments, **options) -> dict[str, str]:
    return {f.name: f.likelihood for f in plan(*arguments, **options).schema.fields}


def test_auto_takes_what_was_measured_and_says_why():
    """Large binary images get a flow prior, tables a mixture, few rows with holes narrow layers; all that was named
    stays; other data get neither.
    """
    large = np.random.default_rng(0).integers(0, 2, (12, 16, 16)).astype(np.uint8)
    what = plan(large, Recipe(), training=ONE_EPOCH)
    assert (what.recipe.prior, what.recipe.n_latents) == ("real-nvp", 40)
    assert what.schema.fields[0].likelihood == "bernoulli"
    assert what.choices["recipe"].startswith(
        "resmlp with prior real-nvp: large binary images gain more by a flow prior"
    )
    named = plan(large, Recipe(latent=3, prior="standard", hidden=(8,)), training=ONE_EPOCH).recipe
    assert (named.n_latents, named.prior, named.hidden) == (3, "standard", (8,))
    small = plan(DIGITS, Recipe(), training=ONE_EPOCH)
    assert (small.recipe.recipe, small.recipe.prior, small.recipe.n_latents) == ("resmlp", "standard", 16)
    assert "recipe" in small.choices
    table = plan(FRAME, Recipe(), training=ONE_EPOCH)
    assert (table.recipe.recipe, table.recipe.prior, table.recipe.n_latents) == ("resmlp", "mixture", 16)
    assert table.recipe.hidden == (256, 256)
    holes = FRAME.assign(a=FRAME["a"].where(FRAME.index % 3 > 0))
    assert plan(holes, Recipe(), training=ONE_EPOCH).recipe.hidden == (128, 128)
    of_more = plan(pd.concat([holes] * 84, ignore_index=True), Recipe(), training=ONE_EPOCH)
    assert of_more.recipe.hidden == (256, 256)
    assert "clusters" in table.choices["recipe"]
    by_name = plan(large, Recipe("mlp"), training=ONE_EPOCH)
    assert (by_name.recipe.prior, by_name.recipe.n_latents) == ("standard", 16)
    assert "recipe" not in by_name.choices
    with pytest.raises(ConfigError, match="still open"):
        Recipe().n_latents  # noqa: B018


def test_auto_takes_a_bound_of_samples_where_cells_are_missing():
    """Of tables, with weights to be had; who names an objective has it, in a run that is continued too."""
    holes = FRAME.assign(a=FRAME["a"].where(FRAME.index % 3 > 0))
    found = plan(holes, training=ONE_EPOCH)
    assert (found.objective.objective, found.objective.samples) == ("iwae", 5)
    assert "missing" in found.choices["objective"]
    for rows, objective, recipe in (
        (FRAME, "auto", Recipe()),
        (holes, "elbo", Recipe()),
        (holes, ObjectiveConfig(free_bits=0.1), Recipe()),
        (holes, "auto", Recipe("resmlp", prior="diffusion")),
        (holes, "auto", Recipe(condition=("a",))),
        (np.where(DIGITS == 16, np.nan, DIGITS.astype(float)), "auto", Recipe("resmlp")),
    ):
        other = plan(rows, recipe, objective=objective, training=ONE_EPOCH)
        assert other.objective.objective == "elbo"
        assert "objective" not in other.choices
    with pytest.raises(ConfigError, match="auto has no options"):
        plan(holes, objective="auto:samples=3", training=ONE_EPOCH)
    again = complete(FRAME, as_before(found, Asked())).plan
    assert again.objective.objective == "iwae"


def test_tables_have_patience_where_rows_are_held_out_to_lose_it():
    """Images have none, nor has a run that follows a target, on which the bound falls; who names one has it, 0 too."""

    assert plan(FRAME, training=TrainingConfig(Budget(epochs=700))).training.validation.patience == 140

    def patience(rows, asked: TrainingConfig = ONE_EPOCH, **options) -> int | None:
        found = plan(rows, training=asked, **options)
        assert ("patience" in found.choices) == (found.training.validation.patience == 20)
        return found.training.validation.patience

    assert patience(FRAME) == 20
    assert patience(FRAME[:9]) == 0
    assert patience(FRAME, TrainingConfig(Budget(minutes=1))) == 0
    assert patience(DIGITS) == 0
    assert patience(FRAME, replace(ONE_EPOCH, validation=Validation(0.0))) == 0
    assert patience(FRAME, replace(ONE_EPOCH, weighting=Weighting(target_rate=3.0))) == 0
    assert patience(FRAME, anomalies=True) == 0
    for asked in (0, 7):
        assert patience(FRAME, replace(ONE_EPOCH, validation=Validation(0.1, asked))) == asked
        assert patience(DIGITS, replace(ONE_EPOCH, validation=Validation(0.1, asked))) == asked


@pytest.mark.parametrize(
    ("shape", "hidden"),
    [((64, 64, 3), (32, 64, 64, 64)), ((32, 48, 3), (32, 64, 64)), ((8, 384), (32,)), ((64, 64), (32, 64, 64, 64))],
)
def test_auto_takes_convolutions_for_images_of_many_numbers(shape, hidden):
    """Halved until the shorter side has 4 to 7 pixels; what an MLP alone has keeps the MLP."""
    rows = np.random.default_rng(0).integers(0, 256, (12, *shape), dtype=np.uint8)
    found = closed(Recipe(), infer_settled(rows), 12)[0]
    assert (found.recipe, found.hidden, found.prior, found.n_latents) == ("conv", hidden, "standard", 16)
    for asked in (Recipe(hidden=(8,)), Recipe(dropout=0.1), Recipe(missing="self-masked")):
        assert closed(asked, infer_settled(rows), 12)[0].recipe == "resmlp"


@pytest.mark.parametrize("shape", [(8, 8), (28, 28), (28, 20), (28, 28, 3), (4, 1024)])
def test_auto_takes_an_mlp_for_images_of_fewer_numbers_and_strips(shape):
    rows = np.random.default_rng(0).integers(0, 256, (12, *shape), dtype=np.uint8)
    found = closed(Recipe(), infer_settled(rows), 12)[0]
    assert (found.recipe, found.hidden) == ("resmlp", (256, 256))


def test_one_word_is_one_model_for_arrays_and_columns():
    """`normal` learns one sigma a dimension, `normal-predicted` one from the latents, wherever they stand."""
    from velbo.likelihoods import Normal, NormalPredicted

    x = np.random.default_rng(0).normal(size=(60, 3))
    frame = pd.DataFrame(x, columns=list("abc"))
    for name, head in (("normal", Normal), ("normal-predicted", NormalPredicted)):
        for rows in (x, frame):
            model = plan(rows, Recipe("mlp", 2, (4,), name), training=ONE_EPOCH).build()
            assert [type(m) for m in model.decoder.modules() if isinstance(m, Normal)] == [head]


def test_likelihoods_by_kind_by_name_for_all_and_by_field():
    assert likelihoods(DIGITS, "mlp") == {"x": "discretized-logistic"}
    assert likelihoods(DIGITS, Recipe("mlp", likelihood="bernoulli")) == {"x": "bernoulli"}
    assert likelihoods(FRAME) == {"a": "student-t", "n": "ordered-logistic", "job": "categorical"}
    asked = {"a": ":laplace", "n": "count:poisson"}
    assert likelihoods(FRAME, columns=asked) == {"a": "laplace", "n": "poisson", "job": "categorical"}
    assert likelihoods(FRAME, Recipe(condition=("job",)))["job"] == ""


def test_a_likelihood_for_all_decides_the_kinds_that_were_guessed():
    numbers = FRAME[["a", "n"]]
    what = plan(numbers, Recipe("mlp", likelihood="normal"))
    assert [(f.kind, f.likelihood) for f in what.schema.fields] == [("real", "normal")] * 2
    with pytest.raises(ConfigError, match=r"'n': likelihood 'normal' is for fields of kind real"):
        plan(numbers, Recipe("mlp", likelihood="normal"), columns={"n": "count"})
    with pytest.raises(ValueError, match="'job' cannot be of kind 'real'"):
        plan(FRAME, Recipe("mlp", likelihood="normal"))
    given = plan(FRAME, Recipe("mlp", likelihood="normal", condition=("job",)))
    assert given.schema.fields[2].likelihood == ""


def test_what_a_likelihood_cannot_take_is_refused():
    bits = (DIGITS > 8).astype(np.uint8)
    with pytest.raises(ConfigError, match="this one is of kind 'binary'"):
        plan(bits, Recipe("mlp", likelihood="normal"))
    with pytest.raises(ConfigError, match="use likelihood 'normal'"):
        plan(np.random.default_rng(0).normal(size=(30, 3)), Recipe("mlp", likelihood="bernoulli"))


def test_grey_images_are_binarised_for_bernoulli():
    what = plan(DIGITS, Recipe("mlp", likelihood="bernoulli"))
    assert encoding(what.schema, what.recipe).is_random


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (Recipe("rsmlp"), "Did you mean 'resmlp'"),
        (Recipe(likelihood="bernouli"), "Did you mean 'bernoulli'"),
        (Recipe(prior="vapm"), "Did you mean 'vamp'"),
        (Recipe(missing="at-rndom"), "Did you mean 'at-random'"),
        (Recipe(prior="spline", components=3), "has no components"),
        (Recipe(condition=("jbo",)), "Did you mean 'job'"),
        (Recipe(condition=("a", "n", "job")), "every field is given"),
        (Recipe(condition=("job",), refine=2), "without a condition"),
        (Recipe(prior="vamp"), "such as those of 'n'"),
        (Recipe(library_size=True), "no column is a count"),
    ],
)
def test_names_that_are_none_or_do_not_go_together(recipe, said):
    with pytest.raises(ConfigError, match=said):
        plan(FRAME, recipe)
