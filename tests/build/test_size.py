"""How much memory a plan asks for, against models that are built; and what is refused before memory is asked for."""

from __future__ import annotations

import json
import resource
import shutil
import sys

import numpy as np
import pytest

from contracts.commands import call, options
from velbo.build import size
from velbo.build.defaults import closed, settled
from velbo.build.models import seeded
from velbo.config import Recipe
from velbo.errors import ConfigError, SchemaError
from velbo.rows import Field, Schema, infer

ROWS = np.random.default_rng(0).normal(size=(30, 5))
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8)).astype(np.uint8)
RECIPES = {
    "mlp": (ROWS, Recipe("mlp", 7, (8, 9))),
    "resmlp": (ROWS, Recipe("resmlp", 7, (8, 8, 9))),
    "conv": (IMAGES, Recipe("conv", 7, (8, 9))),
    "full": (ROWS, Recipe("mlp", 40, (8,), posterior="full")),
    "iaf": (ROWS, Recipe("mlp", 40, (8,), posterior="iaf")),
    "flow": (ROWS, Recipe("mlp", 40, (8,), prior="maf")),
    "mixture": (ROWS, Recipe("mlp", 7, (8,), prior="mixture", components=50)),
    "autoregressive": (ROWS, Recipe("mlp", 40, (8,), prior="autoregressive")),
}


def planned(rows: np.ndarray, recipe: Recipe) -> tuple[Schema, Recipe]:
    schema = settled(infer(rows), recipe)
    return schema, closed(recipe, schema, 100)[0]


@pytest.mark.parametrize("name", RECIPES)
def test_the_least_number_of_weights_is_a_lower_bound(name):
    """Of all that a model file holds; where the widths of trunks make the model, a tenth of it at least."""
    rows, recipe = RECIPES[name]
    schema, whole = planned(rows, recipe)
    held = sum(t.numel() for t in seeded(schema, whole, 0).state_dict().values())
    least = size.least_parameters(schema, whole)
    assert least <= held
    assert least > 0.1 * held or name in ("conv", "iaf", "flow", "autoregressive")


def test_the_least_number_by_hand():
    """D = 5, widths 100 and 300, Z = 2: encoder 5 x 100 + 100 x 300 + 300 x 2, decoder likewise without the 5."""
    schema, recipe = planned(ROWS, Recipe("mlp", 2, (100, 300)))
    assert size.least_parameters(schema, recipe) == 2 * (100 * 300 + 300 * 2) + 5 * 100


def test_what_does_not_fit_is_refused_before_it_is_allocated(monkeypatch):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    schema, recipe = planned(ROWS, Recipe("mlp", 65_536, (65_536,) * 3))
    with pytest.raises(ConfigError, match=r"takes 103\.\d GB at least, and .* are free; make --hidden or --latent"):
        seeded(schema, recipe, 0)
    monkeypatch.setattr(size, "free_memory", lambda: 1e6)
    schema, recipe = planned(ROWS, Recipe("mlp", 2, (8,)))
    size.require_room(schema, recipe, step=1000)
    with pytest.raises(ConfigError, match=r"a training step of 1,000,000 rows times samples takes 0\.1 GB"):
        size.require_room(schema, recipe, step=1_000_000)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * (1 if sys.platform == "darwin" else 1024) < 2**30


def test_rows_of_too_many_cells():
    with pytest.raises(SchemaError, match="a row has 400,000,000 cells, and 4,194,304 are the most"):
        Schema((Field("x", "real", (20_000, 20_000)),))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("recipe", "hidden"), [60_000] * 4, "does not fit"),
        (("recipe", "latent"), 60_000, "does not fit"),
        (("recipe", "latent"), 2_000_000_000, "latent must be at most 65,536"),
        (("recipe", "hidden"), [5], "does not fit"),
        (("recipe", "recipe"), "../../etc/passwd", "unknown recipe"),
        (("recipe", "recipe"), "os:system", "runs no code that a file names"),
        (("recipe", "prior"), "auto", "leaves something open"),
        (("recipe", "hidden"), [], "leaves something open"),
        (("objective", "objective"), "elbow", "unknown objective"),
        (("training", "machine", "devices"), 100_000, "devices must be at most 1,024"),
        (("schema", "fields", 0, "scale"), [1.0], "scale holds 1 numbers, and the field has 5 cells"),
    ],
)
def test_a_small_config_of_a_large_model_asks_for_no_memory(place, value, said, tmp_path):
    """Scored, it is one line in milliseconds, and the process does not grow."""
    np.save(tmp_path / "x.npy", ROWS)
    run = tmp_path / "run"
    assert call("fit", tmp_path / "x.npy", *options("--run", run))[0] == 0
    config = json.loads((run / "config.json").read_text())
    inner = config
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (run / "config.json").write_text(json.dumps(config))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code, _, err = call("score", run, tmp_path / "x.npy", "-o", tmp_path / "s.npy")
    assert code == 2
    assert said in err.splitlines()[-1]
    assert len(err.splitlines()) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20  # kB
    shutil.rmtree(run)
