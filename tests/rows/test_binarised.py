"""Grey images that a model sees black and white: what it makes is in the levels of the data."""

from __future__ import annotations

import json

import numpy as np
import pytest

import velbo
from contracts.commands import call
from velbo import Budget, Recipe, TrainingConfig

TOP = 200


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    x = np.zeros((150, 8, 8), np.uint8)
    x[:75, :4], x[75:, 4:] = TOP, TOP
    x[rng.random(x.shape) < 0.02] = 255
    return x


@pytest.fixture(scope="module")
def model(images):
    return velbo.fit(
        images, Recipe("mlp", 2, (16,), likelihood="bernoulli"), training=TrainingConfig(Budget(epochs=150))
    )


def test_samples_are_black_and_white_in_levels_of_the_data(model):
    assert set(np.unique(model.sample(20, 0))) == {0, 255}


def test_reconstructions_are_the_levels_that_are_expected(images, model):
    """A pixel of level 200 is white with probability 200/255: its mean is that level."""
    made = np.asarray(model.reconstruct(images), float)
    assert abs(made[images == TOP].mean() - TOP) < 10
    assert made[images == 0].mean() < 15


def test_what_it_made_goes_in_again(model):
    """Rows of the extreme levels are not binarised to others."""
    made = model.sample(10, 0)
    np.testing.assert_array_equal(model.store(made).fixed(0).numpy() * 255, made.reshape(10, -1))


def test_quality_compares_what_the_model_sees(images, model, tmp_path):
    """Samples of a model that has learned two kinds of images are near both; beside the grey levels none would be."""
    model.save(tmp_path / "run")
    np.save(tmp_path / "x.npy", images)
    code, out, err = call("quality", tmp_path / "run", tmp_path / "x.npy", "--json")
    assert code == 0, err
    found = json.loads(out)["neighbours"]
    assert found["recall"] > 0.25
    assert found["coverage"] > 0.25
