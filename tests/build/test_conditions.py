"""Images whose rows come with a label that is given: what it shows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from contracts.commands import call
from velbo import Budget, Optimisation, Recipe, TrainedModel, TrainingConfig, Validation, fit, plan
from velbo.errors import ConfigError, DataError, SchemaError
from velbo.rows.encodings import Binarise, Levels, Standardise
from velbo.rows.joined import Joined

GIVEN = Recipe("mlp", 2, (16,), "bernoulli", condition=("label",))
LEARNING = Optimisation(batch_size=20, lr=0.01, ema=0.0)
Rows = dict[str, np.ndarray[Any, Any]]


def images(n: int = 60, seed: int = 0, size: int = 8) -> Rows:
    """8-bit pictures, bright in the row that the label names; labels are words."""
    rng = np.random.default_rng(seed)
    row = rng.integers(0, 3, n)
    x = rng.integers(0, 60, (n, size, size), dtype=np.uint8)
    x[np.arange(n), row] += 190
    return {"image": x, "label": np.array(["top", "second", "third"])[row]}


def fitted(data: Any, recipe: Recipe = GIVEN, epochs: int = 2) -> TrainedModel:
    return fit(data, recipe, training=TrainingConfig(Budget(epochs=epochs), LEARNING, validation=Validation(0.0)))


def test_a_row_is_its_pixels_and_the_code_of_its_label():
    data = images()
    model = fitted(data)
    image, label = model.schema.fields
    assert (image.shape, label.shape) == ((8, 8), ())
    assert (label.kind, label.categories) == ("categorical", ("second", "third", "top"))
    store = model.store(data)
    assert store.kept.dtype == torch.uint8
    assert store.kept[:, -1].tolist() == [label.categories.index(v) for v in data["label"]]
    assert np.array_equal(store.kept[:, :-1].numpy(), data["image"].reshape(60, 64))


def test_the_encoding_is_that_of_the_pixels_alone_beside_the_label():
    rows = np.random.default_rng(0).integers(0, 200, (20, 7)).astype(np.uint8)
    codes = Standardise((0.0,), (1.0,), given=(True,))
    both, alone = Joined(((6, Binarise(255)), (1, codes))), Binarise(255)
    noise = torch.rand(20, 7)
    assert both.store(rows, torch.float32).dtype == torch.uint8
    x = both.present(both.store(rows, torch.float32), noise, torch.float32)
    pixels = alone.present(alone.store(rows[:, :-1], torch.float32), noise[:, :-1], torch.float32)
    assert torch.equal(x[:, :-1], pixels)
    assert x[:, -1].tolist() == rows[:, -1].tolist()
    assert both.units(7).of_cells.tolist() == [0.0] * 7
    assert both.units(7).has_likelihood.tolist() == [True] * 6 + [False]
    three = Joined(((2, Levels(4)), (4, Levels(4)), (1, codes)))
    values = np.random.default_rng(1).integers(0, 5, (9, 7)).astype(np.float64)
    kept = three.store(values, torch.float64)
    assert np.array_equal(three.restore(three.present(kept, None, torch.float64)).numpy(), values)


@pytest.mark.parametrize("recipe", ["mlp", "conv"])
def test_the_label_is_given_and_has_no_likelihood(recipe):
    """log p(x|z, c) is that of the pixels under the decoder of z and the label's features; q(z|x, c) sees the label."""
    data = images()
    model = plan(data, replace(GIVEN, recipe=recipe, hidden=(4,))).build()
    x = torch.rand(5, 65)
    x[:, -1] = torch.tensor([0.0, 1, 2, 0, 1])
    torch.manual_seed(0)
    terms = model.terms(x, 3)
    c = torch.nn.functional.one_hot(x[:, -1].long(), 3).float()
    p = model.model.decoder(torch.cat((terms.z, c.expand(3, -1, -1)), -1))
    ((_, of_pixels),) = p.parts
    torch.testing.assert_close(terms.log_px_z, of_pixels.log_prob(x[:, :-1]))
    assert p.event_shape == (65,)
    other = x.clone()
    other[:, -1] = (x[:, -1] + 1) % 3
    assert (model.encode(other).mean - model.encode(x).mean).abs().min() > 0


def test_what_is_given_is_what_comes():
    """After training, pictures of a label are bright where it says; balance gives each label as often."""
    model = fitted(images(300), epochs=20)
    for label, row in (("top", 0), ("second", 1), ("third", 2)):
        new = model.sample(50, seed=1, mean=True, given={"label": label})
        assert new["image"].shape == (50, 8, 8)
        assert set(new["label"]) == {label}
        brightness = new["image"].mean((0, 2)) / 255
        assert brightness.argmax() == row
        assert brightness[row] > 0.7
        assert np.delete(brightness, row).max() < 0.3
    even = model.sample(30, balance="label")
    assert sorted(np.unique(even["label"], return_counts=True)[1]) == [10, 10, 10]


def test_labels_that_are_known_need_not_be_coded_in_z():
    """Which of three rows is bright costs log 3 nats, or more, where nothing says so; given, it is free."""
    data, test = images(300), images(200, seed=1)
    plain = Recipe("mlp", 2, (16,), "bernoulli")
    gain = fitted(data, epochs=20).log_likelihood(test) - fitted(data["image"], plain, 20).log_likelihood(test["image"])
    assert gain.mean() > np.log(3) - 0.1


def test_every_verb_takes_and_gives_rows_with_labels(tmp_path):
    data = images()
    np.savez(tmp_path / "set.npz", **data)
    source, run = f"{tmp_path / 'set.npz'}:image+label", tmp_path / "run"

    def does(*arguments: object) -> str:
        code, out, err = call(*arguments)
        assert code == 0, err
        return out

    does("fit", source, "--run", run, "--condition", "label", "--recipe", "conv", "--hidden", "4", "--epochs", 1)
    record = json.loads(does("evaluate", run, source, "--samples", 3, "--rows", 20, "--json"))
    assert record["rows"] == 20
    for verb in ("encode", "score"):
        does(verb, run, source, "-o", tmp_path / f"{verb}.npy")
    assert np.load(tmp_path / "encode.npy").shape[0] == 60
    does("reconstruct", run, source, "-o", tmp_path / "again.npz")
    again = np.load(tmp_path / "again.npz")
    assert again["image"].shape == (60, 8, 8)
    assert again["label"].tolist() == data["label"].tolist()
    does("sample", run, "-n", 6, "--given", "label=third", "-o", tmp_path / "new.npz")
    new = np.load(tmp_path / "new.npz")
    assert new["image"].shape == (6, 8, 8)
    assert new["label"].tolist() == ["third"] * 6
    does("sample", run, "-n", 6, "--balance", "label", "-o", tmp_path / "even.parquet")
    does("what-if", run, source, "--set", "label=top", "-o", tmp_path / "if.npz")
    assert set(np.load(tmp_path / "if.npz")["label"]) == {"top"}
    code, _, err = call("sample", run, "--given", "label=thrid", "-o", tmp_path / "x.npz")
    assert code == 2
    assert "Did you mean 'third'" in err
    assert "classifier" in does("quality", run, source, "--rows", 40)
    assert "classifier" in does("quality", run, source, "--rows", 40, "--features", "latent")
    assert "bound" in does("doctor", run, source, "--rows", 40, "--samples", 32)
    loaded = TrainedModel.load(run)
    np.testing.assert_allclose(np.load(tmp_path / "score.npy"), loaded.log_likelihood(data, 100), rtol=1e-6)


def test_labels_that_are_numbers_are_standardised_and_come_back():
    rng = np.random.default_rng(0)
    angle = rng.uniform(10, 350, 80)
    data = {"x": rng.normal(size=(80, 3)) + angle[:, None] / 100, "label": angle}
    model = fitted(data, replace(GIVEN, likelihood="normal"))
    assert model.schema.field("label").kind == "real"
    new = model.sample(4, given={"label": 100.0})
    np.testing.assert_allclose(new["label"], 100.0, rtol=1e-5)
    np.testing.assert_array_equal(model.reconstruct(data)["label"], angle)


def test_missing_cells_are_filled_and_labels_stay():
    data = images(30)
    pixels = data["image"].astype(np.float32)
    pixels[::3, 0, 0] = np.nan
    rows = {"image": pixels, "label": data["label"]}
    full = fitted(rows).impute(rows, samples=20)
    assert np.array_equal(full["label"], data["label"])
    assert np.isfinite(full["image"]).all()
    assert np.array_equal(full["image"][~np.isnan(pixels)], pixels[~np.isnan(pixels)])


def test_what_does_not_fit_is_refused_in_words():
    data = images()
    with pytest.raises(ConfigError, match="unknown field to condition on 'label'"):
        plan(data["image"], GIVEN)
    with pytest.raises(DataError, match="different numbers of rows"):
        plan({**data, "label": data["label"][:5]}, GIVEN)
    with pytest.raises(ConfigError, match="unknown field to condition on 'label'"):  # it is constant
        plan({**data, "label": np.full(60, "same")}, GIVEN)
    with pytest.raises(ConfigError, match="vamp"):
        plan(data, Recipe("mlp", 2, condition=("label",), prior="vamp"))
    with pytest.raises(SchemaError, match="give a mapping of arrays"):
        fitted(data).encode(data["image"])
    with pytest.raises(SchemaError, match="there is no field 'label'"):
        fitted(data).encode({"image": data["image"]})
