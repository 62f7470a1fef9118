"""Recipe autoregressive: which order, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import velbo
from velbo import Budget, Recipe, TrainingConfig
from velbo.build.by_order import by_dependency, mutual_information
from velbo.compress.codec import codec_of
from velbo.errors import ConfigError
from velbo.rows import Field

RNG = np.random.default_rng(0)
N = 4000
A = RNG.integers(0, 4, N)
FRAME = pd.DataFrame(
    {
        "noise": RNG.normal(size=N),
        "a": np.array(list("wxyz"))[A],
        "far": np.where(RNG.random(N) < 0.3, RNG.integers(0, 4, N), A) + 0.1 * RNG.normal(size=N),
        "near": np.array(list("abcd"))[A],
    }
)


def test_information_of_a_copy_is_its_entropy_and_of_noise_nothing():
    """I(a, a) = log 4 to 0.01; of independent columns below 0.01, the bias of chance being taken off."""
    v = np.stack((A, A, RNG.integers(0, 3, N)), -1).astype(float)
    fields = [Field(name, "integer") for name in "abc"]
    found = mutual_information(v, fields)
    assert abs(found[0, 1] - np.log(4)) < 0.01
    assert found[0, 2] < 0.01
    np.testing.assert_allclose(found, found.T, atol=1e-12)


def test_the_next_field_is_the_one_that_is_told_most_of():
    information = np.array([[9, 1, 0.2, 0], [1, 9, 0.5, 0.3], [0.2, 0.5, 9, 0.8], [0, 0.3, 0.8, 9.0]])
    assert by_dependency(information) == [1, 0, 2, 3]


def test_the_order_is_in_the_plan_and_says_why():
    plan = velbo.plan(FRAME, "autoregressive")
    assert plan.recipe.order[:2] in (("a", "near"), ("near", "a"))
    assert plan.recipe.order[2:] == ("far", "noise")
    assert "order" in plan.choices
    again = velbo.plan(FRAME, Recipe("autoregressive", order=("noise", "far", "a", "near")))
    assert again.recipe.order == ("noise", "far", "a", "near")
    assert "order" not in again.choices
    assert velbo.plan(FRAME, Recipe("autoregressive", condition=("near",))).recipe.order == ("a", "far", "noise")


def test_a_missing_cell_is_a_value_of_its_own_for_the_order():
    """A column that is missing where another is 0 tells of it."""
    v = np.stack((A, np.where(A == 0, np.nan, RNG.normal(size=N))), -1)
    found = mutual_information(v, [Field("a", "integer"), Field("b", "real")])
    assert abs(found[0, 1] - (np.log(4) - 0.75 * np.log(3))) < 0.02


def test_blocks_of_numbers_keep_the_order_of_the_schema():
    x = {"block": RNG.normal(size=(50, 3)), "one": RNG.normal(size=50), "two": RNG.normal(size=50)}
    assert velbo.plan(x, "autoregressive").recipe.order == ("block", "one", "two")


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe("autoregressive", order=("a", "near")), "'noise'"),
        (Recipe("autoregressive", order=("a", "a", "far", "near", "noise")), "once"),
        (Recipe("autoregressive", order=("a", "b", "far", "near", "noise")), "'b'"),
        (Recipe("resmlp", order=("a", "near")), "take 'autoregressive'"),
        (Recipe("autoregressive", missing="self-masked"), "resmlp"),
        (Recipe("autoregressive", library_size=True), "resmlp"),
    ],
)
def test_what_there_is_not_is_refused(recipe: Recipe, words: str):
    with pytest.raises(ConfigError, match=words):
        velbo.plan(FRAME, recipe)


def test_images_are_refused_by_name():
    with pytest.raises(ConfigError, match="'x' is an image; take recipe conv or ladder"):
        velbo.plan(RNG.integers(0, 256, (20, 8, 8), dtype=np.uint8), "autoregressive")


def test_cells_that_depend_on_each_other_are_not_coded():
    model = velbo.fit(FRAME[:50], Recipe("autoregressive", 2, (8,)), training=TrainingConfig(Budget(epochs=1)))
    with pytest.raises(ConfigError, match="cells depend on each other"):
        codec_of(model)


def test_it_learns_what_independent_cells_cannot():
    """Two columns of the same names: after some epochs synthetic rows agree in all but 5 % of them, with 2 latents."""
    training = TrainingConfig(Budget(epochs=15))
    made = velbo.fit(FRAME[["a", "near"]], Recipe("autoregressive", 2, (32,)), training=training).sample(2000, seed=1)
    pairs = dict(zip("wxyz", "abcd", strict=True))
    assert (made["a"].map(pairs) == made["near"]).mean() > 0.95
