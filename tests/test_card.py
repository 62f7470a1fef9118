"""The card of a model: what is in it, that no name in the data is more than letters, and that no fit is lost by it."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import velbo
from contracts.commands import call, options
from velbo import TrainedModel, fit
from velbo.card import MARK, card, escaped
from velbo.config import Budget, Recipe, TrainingConfig
from velbo.errors import VelboWarning
from velbo.training import Run

TRAINING = TrainingConfig(Budget(epochs=1))
RECIPE = Recipe("mlp", latent=2, hidden=(4,))
HOSTILE = {
    "a|b": "| --- | <script>alert(1)</script>",
    "x\n# heading": "[link](http://evil.example)",
    "![i](http://evil.example/x.png)": "`code` *bold* @user",
    "---": "a\rb\x00c",
    "plain": "ok",
}


def hostile(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({name: rng.choice([value, "other"], n) for name, value in HOSTILE.items()})


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return fit(hostile(), RECIPE, training=TRAINING)


def unescaped(text: str) -> str:
    """What of the text is Markdown: without escaped letters and without blocks of code."""
    return re.sub(r"\\[!-/:-@\[-`{-~]", "", re.sub(r"```.*?```", "", text, flags=re.S))


def test_no_name_or_value_is_markdown(trained):
    """Every table row has its cells, and nothing of the data opens a tag, a link, an image, a heading or code."""
    text = card(trained.plan)
    table = [line for line in text.splitlines() if line.startswith("| ")]
    fields = [line for line in table if "categorical" in line or "binary" in line]
    assert len(fields) == len(HOSTILE)
    for line in fields:
        assert unescaped(line).count("|") == 6
    rest = unescaped(re.sub(r"<!--.*?-->", "", text))
    for forbidden in ("<", ">", "](", "![", "://", "@user", "\x00", "\r"):
        assert forbidden not in rest
    headings = [line.lstrip("# ").split()[0] for line in text.splitlines() if line.startswith("#")]
    assert headings == ["Variational", "Data", "Model", "Figures", "How", "Limits"]


@pytest.mark.parametrize("text", ["", "a.b", "x" * 500, "\n\t\x1b[31m", "é ü 漢", "\\|", "\ud800"])
def test_any_text_is_one_line_of_letters(text):
    shown = escaped(text)
    assert shown.isprintable()
    assert len(shown) < 400
    shown.encode()


def test_every_fit_and_every_save_writes_one(tmp_path, trained):
    fit(hostile(), RECIPE, training=TRAINING, run=tmp_path / "run")
    written = (tmp_path / "run" / "README.md").read_text()
    assert written.startswith("---\nlibrary_name: velbo\n")
    for section in ("## Data", "40 rows", "## Model", "## Figures", "validation", "## How to use it", "## Limits"):
        assert section in written
    best = Run(tmp_path / "run").metrics()[-1]["validation_bound"]
    assert f"{best:.6g}".replace("-", "-") in written
    trained.save(tmp_path / "saved", evaluation=trained.evaluate(hostile(), samples=3))
    text = (tmp_path / "saved" / "README.md").read_text()
    error = trained.evaluate(hostile(), samples=3).log_likelihood_se
    assert f"{error:.2g}" in text
    assert "3 importance samples" in text


def test_the_command_line_writes_one_and_tells_what_is_given(tmp_path):
    frame = pd.DataFrame({"a": np.arange(30.0), "b": list("xyz") * 10})
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert call("fit", tmp_path / "t.csv", *options("--run", tmp_path / "run", "--condition", "b"))[0] == 0
    text = (tmp_path / "run" / "README.md").read_text()
    assert "of the other fields given b" in text
    assert str(tmp_path) not in text
    assert "t.csv" in text


def test_a_card_of_another_hand_stays(tmp_path, trained):
    trained.save(tmp_path)
    own = (tmp_path / "README.md").read_text().replace(MARK, "<!-- mine ")
    (tmp_path / "README.md").write_text(own)
    trained.save(tmp_path)
    assert (tmp_path / "README.md").read_text() == own


def test_a_card_that_fails_costs_no_fit(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no card")

    monkeypatch.setattr("velbo.fitting.processes.card", fail)
    with pytest.warns(VelboWarning, match=r"README\.md was not written: no card"):
        fit(hostile(), RECIPE, training=TRAINING, run=tmp_path / "run")
    assert TrainedModel.load(tmp_path / "run").n_latents == 2
    assert (tmp_path / "run" / "typical.json").exists()


def test_wide_rows_and_images_have_short_cards():
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 250)), columns=[f"c{i}" for i in range(250)])
    text = card(velbo.plan(wide, RECIPE, training=TRAINING))
    assert "and 50 more fields" in text
    images = card(velbo.plan(np.zeros((20, 4, 4), np.uint8) + np.arange(20, dtype=np.uint8)[:, None, None], RECIPE))
    assert "- image\n" in images
    assert "# Variational autoencoder of images, 4 x 4 byte" in images
    assert "A model of images" in images
    assert "| x | 4 x 4 byte |" in images
    assert "- Recipe: mlp, latent 2, hidden 4, likelihood auto, prior standard, posterior diagonal.\n" in images
    assert "velbo compare" not in images
    assert "velbo sample RUN -o sheet.png" in images
    assert "measure it with `velbo compare`" in text
    assert "velbo sample RUN -o new.csv" in text
