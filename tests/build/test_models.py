"""Recipes: every trunk with every likelihood, rebuilt from a plan alone; several fields a row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import velbo
from velbo import Recipe, TrainedModel, TrainingConfig, fit, load, plan
from velbo.build.models import RECIPES, build
from velbo.config import Budget
from velbo.errors import ConfigError
from velbo.likelihoods import LIKELIHOODS

DIGITS = load("digits")[:200]
ONE_EPOCH = TrainingConfig(Budget(epochs=1))
FOR_BYTES = [name for name, likelihood in LIKELIHOODS.items() if "byte" in likelihood.kinds]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("likelihood", [*FOR_BYTES, "auto"])
def test_every_recipe_with_every_likelihood_of_images(recipe, likelihood, tmp_path):
    """Trains, saves, loads from JSON alone, and gives the same finite numbers."""
    hidden = (4, 6) if recipe == "conv" else (8,)
    latent = None if recipe == "diffusion" else 2  # of which it has as many as numbers
    rows = DIGITS.reshape(len(DIGITS), -1) if recipe == "autoregressive" else DIGITS  # which is for tables
    made_of = Recipe(recipe, latent, hidden, likelihood)
    model = fit(rows, made_of, training=ONE_EPOCH, kind="byte", levels=17)
    scores = model.log_likelihood(rows[:5], 3)
    assert np.isfinite(scores).all()
    assert model.reconstruct(rows[:5]).shape == rows[:5].shape
    model.save(tmp_path)
    again = TrainedModel.load(tmp_path)
    assert again.plan == model.plan
    np.testing.assert_array_equal(again.log_likelihood(rows[:5], 3), scores)
    np.testing.assert_array_equal(again.sample(2, seed=5), model.sample(2, seed=5))


def test_continuous_bernoulli_on_the_unit_interval():
    x = DIGITS / 16
    model = fit(x, Recipe("mlp", 2, (8,), "continuous-bernoulli"), training=ONE_EPOCH)
    assert np.isfinite(model.log_likelihood(x, 3)).all()


def test_colour_images_of_odd_sizes():
    x = np.random.default_rng(0).integers(0, 256, (12, 9, 13, 3)).astype(np.uint8)
    model = fit(x, Recipe("conv", 2, (4, 6)), training=ONE_EPOCH)
    assert model.sample(2).shape == (2, 9, 13, 3)
    assert model.interpolate(x[:2], x[2:4], 3).shape == (3, 2, 9, 13, 3)


def test_convolutions_want_one_image_with_its_channels_last():
    with pytest.raises(ConfigError, match="needs one image a row"):
        plan(np.random.default_rng(0).normal(size=(9, 3)), Recipe("conv"))
    with pytest.raises(ConfigError, match="not 2 images a row"):
        plan({"a": DIGITS, "b": DIGITS}, Recipe("conv"))
    first = np.random.default_rng(0).integers(0, 256, (12, 3, 16, 16)).astype(np.uint8)
    with pytest.raises(ConfigError, match=r"np.moveaxis\(x, 1, -1\)"):
        plan(first, Recipe("conv", hidden=(4,)))


def test_encoders_see_the_mask_only_where_cells_were_missing():
    x = np.random.default_rng(0).normal(size=(50, 3))
    with_missing = x.copy()
    with_missing[0, 0] = np.nan

    def inputs(rows: np.ndarray) -> int:
        what = plan(rows, Recipe("mlp"))
        return build(what.schema, what.recipe).encoder[1][0].in_features

    assert (inputs(x), inputs(with_missing)) == (3, 6)


def test_a_missing_cell_is_no_information():
    """A row without an observed cell has log p = 0, up to the noise of the bound."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)) @ rng.normal(size=(3, 3))
    x[::3, 1] = np.nan
    model = fit(x, Recipe("mlp", 2, (8,)), training=ONE_EPOCH)
    assert np.isfinite(model.log_likelihood(x, 5)).all()
    assert np.isfinite(model.reconstruct(x)).all()
    empty = np.full((1, 3), np.nan)
    assert model.log_likelihood(empty, 2000)[0] == pytest.approx(0, abs=0.1)  # log E_q[p(z)/q(z)] = log 1


def several(n: int = 80) -> dict[str, np.ndarray]:
    """An image, its label, a covariate with missing cells, and counts."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, n)
    image = rng.integers(0, 60, (n, 8, 8), dtype=np.uint8)
    image[np.arange(n), label] += 190
    age = rng.normal(40 + label, 2.0)
    age[::7] = np.nan
    return {"image": image, "label": np.array(list("abc"))[label], "age": age, "genes": rng.poisson(3.0, (n, 5))}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("condition", [(), ("label",), ("label", "age"), ("image",), ("genes", "age")])
def test_several_fields_are_modelled_together_or_given(recipe, condition, tmp_path):
    """Whatever is given: the log-likelihood is that of all other fields, and rows come back with all of them."""
    if recipe == "conv" and "image" in condition:
        pytest.skip("convolutions are for an image that is modelled")
    if recipe == "autoregressive" and "image" not in condition:
        pytest.skip("it is for tables")
    rows, hidden = several(), (4,) if recipe == "conv" else (8,)
    if recipe == "diffusion" and "age" not in condition:
        rows["age"] = np.nan_to_num(rows["age"], nan=40.0)  # it is trained on whole rows
    columns, latent = {"genes": "count"}, None if recipe == "diffusion" else 2
    model = fit(rows, Recipe(recipe, latent, hidden, condition=condition), columns=columns, training=ONE_EPOCH)
    x = torch.as_tensor(model.store(rows).fixed(0)[:5])
    terms = model.model.terms(x, 2)
    assert terms.log_px_z.isfinite().all()
    given = model.schema.dims(condition)
    changed = x.clone()
    changed[:, given] = x.roll(1, 0)[:, given]
    view, z = model.model.given(x), terms.z
    assert torch.equal(view.decode(z).log_prob(changed), view.decode(z).log_prob(x))
    new = model.sample(4)
    assert {name: array.shape for name, array in new.items()} == {
        name: (4, *array.shape[1:]) for name, array in rows.items()
    }
    full = model.impute(rows, samples=5)
    assert np.isfinite(full["age"]).all() != ("age" in condition)
    for name in ("image", "label", "genes"):
        np.testing.assert_array_equal(full[name], rows[name])
    model.save(tmp_path)
    np.testing.assert_array_equal(TrainedModel.load(tmp_path).log_likelihood(rows, 3), model.log_likelihood(rows, 3))


def test_the_unit_of_what_is_given_does_not_matter():
    """log p(x | c) is the same for c in metres and millimetres."""
    rng = np.random.default_rng(0)
    rows = {"x": rng.normal(size=(60, 3)), "c": rng.normal(3.0, 1.0, 60)}
    recipe = Recipe("mlp", 2, (8,), condition=("c",))
    in_metres = fit(rows, recipe, training=ONE_EPOCH).log_likelihood(rows, 5)
    small = rows | {"c": 1000 * rows["c"]}
    in_millimetres = fit(small, recipe, training=ONE_EPOCH).log_likelihood(small, 5)
    np.testing.assert_allclose(in_metres, in_millimetres, rtol=1e-4)


def test_counts_with_a_batch_and_a_library_size():
    rng = np.random.default_rng(0)
    rows = {"genes": rng.poisson(3.0, (60, 6)), "batch": rng.choice(["one", "two"], 60)}
    recipe = Recipe("mlp", 2, (8,), condition=("batch",), library_size=True)
    model = fit(rows, recipe, columns={"genes": "count"}, training=ONE_EPOCH)
    new = model.sample(5, given={"batch": "one"})
    assert new["genes"].shape == (5, 6)
    assert set(new["batch"]) == {"one"}
    assert np.isfinite(model.log_likelihood(rows, samples=3)).all()


def test_an_array_in_a_column_of_a_table_is_a_field_like_any_other():
    import pyarrow as pa

    rng = np.random.default_rng(0)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=180)), 3)
    table = pa.table({"spectrum": lists, "kind": pa.array(rng.choice(["u", "v"], 60))})
    model = fit(table, Recipe("mlp", 2, (8,)), training=ONE_EPOCH)
    assert model.schema.describe().startswith("'spectrum': 3 real")
    assert model.sample(4).column_names == ["spectrum", "kind"]
    assert model.reconstruct(table).schema.names == table.schema.names


def test_same_seed_same_initial_weights():
    what = plan(DIGITS, Recipe("mlp"), training=ONE_EPOCH)
    a, b = what.build().state_dict(), what.build().state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    other = replace(what, training=replace(what.training, machine=replace(what.training.machine, seed=1)))
    assert not all(torch.equal(a[k], other.build().state_dict()[k]) for k in a)


def test_a_model_of_scikit_learns_table_is_the_readmes():
    assert velbo.load("wine").column_names[0] == "alcohol"
