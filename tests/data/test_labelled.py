"""Arrays whose rows come with a label that is given: an image and what it shows."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from velbo.recipes import build, encoding, resolve

import velbo
from contracts.commands import call
from velbo import Budget, Data, FittedVAE, Optimisation, Recipe, TrainingConfig, Validation
from velbo.data import Store
from velbo.errors import ConfigError, DataError, SchemaError

GIVEN = Recipe("mlp", 2, (16,), "bernoulli", condition=("label",))
LEARNING = Optimisation(batch_size=20, lr=0.01, ema=0.0)


def labels_of(data: Data) -> np.ndarray:
    assert data.labels is not None
    return data.labels


def images(n: int = 60, seed: int = 0, size: int = 8) -> Data:
    """8-bit pictures, bright in the row that the label names; labels are words."""
    rng = np.random.default_rng(seed)
    row = rng.integers(0, 3, n)
    x = rng.integers(0, 60, (n, size, size), dtype=np.uint8)
    x[np.arange(n), row] += 190
    return Data(x, labels=np.array(["top", "second", "third"])[row])


def fitted(data: Data, recipe: Recipe = GIVEN, epochs: int = 2) -> FittedVAE:
    training = TrainingConfig(Budget(epochs=epochs), LEARNING, validation=Validation(0.0))
    return velbo.fit(data, velbo.plan(data, recipe, training=training))[0]


def test_a_row_is_its_pixels_and_the_code_of_its_label():
    data = images()
    schema = velbo.plan(data, GIVEN).schema
    assert schema.shape == (8, 8)
    assert schema.label is not None
    assert (schema.label.kind, schema.label.categories) == ("categorical", ("second", "third", "top"))
    store = Store.from_rows(velbo.data.values(data, schema), schema, encoding(resolve(GIVEN, schema), schema))
    assert store.kept.dtype == torch.uint8
    codes = [schema.label.categories.index(v) for v in labels_of(data)]
    assert store.kept[:, -1].tolist() == codes
    assert np.array_equal(store.kept[:, :-1].numpy(), data.rows.reshape(60, 64))


@pytest.mark.parametrize("recipe", ["mlp", "conv"])
def test_the_label_is_given_and_has_no_likelihood(recipe):
    """log p(x|z, c) is that of the pixels under the decoder of z and the label's features; q(z|x, c) sees the label."""
    data = images()
    schema = velbo.plan(data, GIVEN).schema
    model = build(replace(GIVEN, recipe=recipe), schema)
    x = torch.rand(5, 65)
    x[:, -1] = torch.tensor([0.0, 1, 2, 0, 1])
    torch.manual_seed(0)
    terms = model.terms(x, 3)
    c = torch.nn.functional.one_hot(x[:, -1].long(), 3).float()
    p = model.decoder(torch.cat((terms.z, c.expand(3, -1, -1)), -1))
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
        assert isinstance(new, Data)
        assert new.rows.shape == (50, 8, 8)
        assert set(new.labels) == {label}
        brightness = new.rows.mean((0, 2))
        assert brightness.argmax() == row
        assert brightness[row] > 0.7
        assert np.delete(brightness, row).max() < 0.3
    even = model.sample(30, balance="label")
    assert {label: int((even.labels == label).sum()) for label in even.labels} == dict.fromkeys(set(even.labels), 10)


def test_labels_that_are_known_need_not_be_coded_in_z():
    """Which of three rows is bright costs log 3 nats, or more, where nothing says so; given, it is free."""
    data, test = images(300), images(200, seed=1)
    plain = Recipe("mlp", 2, (16,), "bernoulli")
    gain = fitted(data, epochs=20).log_likelihood(test) - fitted(data, plain, 20).log_likelihood(test.rows)
    assert gain.mean() > np.log(3) - 0.1


def test_every_verb_takes_and_gives_rows_with_labels(tmp_path):
    data = images()
    np.savez(tmp_path / "set.npz", x=data.rows, y=data.labels)
    source, run = f"{tmp_path / 'set.npz'}:x+y", tmp_path / "run"

    def does(*arguments: object) -> str:
        code, out, err = call(*arguments)
        assert code == 0, err
        return out

    does("fit", source, "--run", run, "--condition", "label", "--recipe", "conv", "--hidden", "4", "--epochs", 1)
    record = json.loads(does("evaluate", run, source, "--samples", 3, "--rows", 20, "--json"))
    assert record["rows"] == 20
    for verb in ("encode", "reconstruct", "score"):
        does(verb, run, source, "-o", tmp_path / f"{verb}.npy")
    assert np.load(tmp_path / "encode.npy").shape[0] == 60
    assert np.load(tmp_path / "reconstruct.npy").shape == (60, 8, 8)
    assert np.load(tmp_path / "reconstruct-label.npy").tolist() == labels_of(data).tolist()
    does("sample", run, "-n", 6, "--given", "label=third", "-o", tmp_path / "new.npy")
    assert np.load(tmp_path / "new.npy").shape == (6, 8, 8)
    assert np.load(tmp_path / "new-label.npy").tolist() == ["third"] * 6
    does("sample", run, "-n", 6, "--balance", "label", "-o", tmp_path / "even.csv")
    even = (tmp_path / "even-label.csv").read_text().split()
    assert sorted(even) == ["label", "second", "second", "third", "third", "top", "top"]
    does("what-if", run, source, "--set", "label=top", "-o", tmp_path / "if.npy")
    assert set(np.load(tmp_path / "if-label.npy")) == {"top"}
    assert "classifier" in does("quality", run, source, "--rows", 40)
    assert "classifier" in does("quality", run, source, "--rows", 40, "--features", "latent")
    assert "bound" in does("doctor", run, source, "--rows", 40, "--samples", 32)
    loaded = FittedVAE.load(run)
    np.testing.assert_allclose(np.load(tmp_path / "score.npy"), loaded.log_likelihood(data, 100), rtol=1e-6)


def test_labels_that_are_numbers_are_standardised_and_come_back():
    rng = np.random.default_rng(0)
    angle = rng.uniform(10, 350, 80)
    data = Data(rng.normal(size=(80, 3)) + angle[:, None] / 100, labels=angle)
    model = fitted(data, replace(GIVEN, likelihood="normal"))
    assert model.schema.label is not None
    assert model.schema.label.kind == "real"
    new = model.sample(4, given={"label": 100.0})
    np.testing.assert_allclose(new.labels, 100.0, rtol=1e-5)
    np.testing.assert_allclose(model.reconstruct(data).labels, angle, rtol=1e-6)


def test_holes_are_filled_and_labels_stay():
    data = images(30)
    rows = data.rows.astype(np.float32)
    rows[::3, 0, 0] = np.nan
    holes = Data(rows, labels=data.labels)
    full = fitted(holes).impute(holes, samples=20)
    assert np.array_equal(full.labels, data.labels)
    assert np.isfinite(full.rows).all()
    assert np.array_equal(full.rows[~np.isnan(rows)], rows[~np.isnan(rows)])


def test_without_a_condition_labels_are_left_alone():
    data = images()
    assert velbo.plan(data, Recipe("mlp", 2)).schema.label is None
    assert fitted(data, Recipe("mlp", 2, (8,))).encode(data).shape == (60, 2)


def test_what_does_not_fit_is_refused_in_words():
    data = images()
    with pytest.raises(ConfigError, match=r"velbo.Data\(rows, labels=...\)"):
        velbo.plan(data.rows, GIVEN)
    with pytest.raises(DataError, match="one for each of the 60 rows"):
        velbo.plan(Data(data.rows, labels=labels_of(data)[:5]), GIVEN)
    with pytest.raises(SchemaError, match="nothing can be learned"):
        velbo.plan(Data(data.rows, labels=np.full(60, "same")), GIVEN)
    with pytest.raises(ConfigError, match="condition 'label'"):
        velbo.plan(data, Recipe(condition=("digit",)))
    with pytest.raises(ConfigError, match="vamp"):
        velbo.plan(data, Recipe("mlp", 2, condition=("label",), prior="vamp"))
    with pytest.raises(DataError, match="these rows have none"):
        fitted(data).encode(data.rows)
    code, _, err = call("fit", "digits", "--run", "r", "--condition", "lable")
    assert code == 2
    assert "condition" in err
