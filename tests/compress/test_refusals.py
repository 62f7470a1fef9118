"""What has no form in whole numbers is refused before anything is written, in one line that names the next call."""

from __future__ import annotations

import numpy as np
import pytest

import velbo
from contracts.commands import call
from contracts.compressed import model_of, table
from velbo import Recipe
from velbo.build.parts import POSTERIORS, PRIORS
from velbo.compress import compress
from velbo.compress.model import posterior_of, prior_of
from velbo.errors import ConfigError, MissingMethodError
from velbo.rows import infer

COLUMNS = ["real", "integer", "gaps", "count"]
CODED = {"priors": {"standard", "learned", "mixture", "vamp"}, "posteriors": {"diagonal", "full", "mixture"}}
REFIT = "velbo refit-prior RUN DATA --to NEW --prior mixture"
TRAIN = "train with --posterior diagonal, full or mixture"
LADDER = {"recipe": "ladder", "groups": (2,)}
CASES = {
    **{f"prior {name}": ({"prior": name}, REFIT) for name in sorted(PRIORS.keys() - CODED["priors"])},
    **{f"posterior {name}": ({"posterior": name}, TRAIN) for name in sorted(POSTERIORS.keys() - CODED["posteriors"])},
    "a flow above groups": (LADDER | {"prior": "real-nvp"}, REFIT),
    "a diffusion above groups": (LADDER | {"prior": "diffusion"}, REFIT),
    "a flow as the posterior of groups": (LADDER | {"posterior": "iaf"}, TRAIN),
    "given fields": ({"condition": ("integer",)}, "train one without --condition"),
    "given fields of groups": (LADDER | {"condition": ("integer",)}, "train one without --condition"),
    "cells one after another": (
        {"recipe": "autoregressive", "order": tuple(COLUMNS)},
        "recipe 'autoregressive' has no form in whole numbers: .*; train one with recipe 'resmlp'",
    ),
    "refined latents": ({"refine": 2}, "train one without"),
    "why cells are missing": ({"missing": "self-masked"}, "train with --missing at-random"),
}


@pytest.fixture(scope="module")
def schema():
    return infer(table(200).select(COLUMNS))


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused(name, schema, tmp_path):
    recipe, said = CASES[name]
    with pytest.raises(ConfigError, match=said) as error:
        compress(model_of(schema, **recipe), table(20).select(COLUMNS), tmp_path / "x.vlb")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "x.vlb").exists()


def test_a_diffusion_is_refused(tmp_path):
    rows = np.random.default_rng(0).normal(size=(20, 3))
    training = velbo.TrainingConfig(velbo.Budget(epochs=1))
    trained = velbo.fit(rows, Recipe("diffusion", hidden=(4,)), training=training)
    with pytest.raises(ConfigError, match=r"a Diffusion has no form .*; compress with a model of recipe mlp, resmlp, "):
        compress(trained, rows, tmp_path / "x.vlb")


def test_a_library_size_is_refused(tmp_path):
    counts = np.random.default_rng(0).poisson(3.0, (20, 5))
    trained = model_of(infer(counts, kind="count"), library_size=True)
    with pytest.raises(ConfigError, match="train one without --condition and --library-size"):
        compress(trained, counts, tmp_path / "x.vlb")


def test_likelihoods_are_refused(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4), dtype=np.uint8)
    training = velbo.TrainingConfig(velbo.Budget(epochs=1))
    grey = velbo.fit(images, Recipe("mlp", 2, (4,), likelihood="bernoulli"), training=training)
    with pytest.raises(ConfigError, match=r"drawn afresh of each cell, .*; train with another likelihood, such as "):
        compress(grey, images, tmp_path / "x.vlb")
    for name, likelihood in {"positive": "gamma", "bounded": "beta"}.items():
        trained = model_of(infer(table(99).select([name]), {name: f"{name}:{likelihood}"}))
        with pytest.raises(MissingMethodError, match="train with another likelihood"):
            compress(trained, table(20).select([name]), tmp_path / "x.vlb")


def test_all_others_have_a_form():
    """So that a new prior or posterior is either in the list above or codes rows."""
    for refuse, of in ((prior_of, "priors"), (posterior_of, "posteriors")):
        assert len(refuse.registry) - 1 == len(CODED[of])


def test_the_command_says_it_in_a_line(schema, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model_of(schema, prior="real-nvp").save("run")
    velbo.formats.write_table(table(20).select(COLUMNS), tmp_path / "x.parquet")
    code, out, err = call("compress", "run", "x.parquet", "-o", "x.vlb")
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert REFIT in err
