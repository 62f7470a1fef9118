"""A trained model as a function of batches of Arrow: what its methods say, row by row, wherever it is called."""

from __future__ import annotations

import pickle

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import velbo
from velbo import Budget, Recipe, TrainedModel, TrainingConfig, arrow_function
from velbo.errors import ConfigError

RNG = np.random.default_rng(0)
ROWS = pa.table(
    {
        "id": [f"row {i}" for i in range(60)],
        "height": RNG.normal(170, 9, 60),
        "job": RNG.choice(["nurse", "clerk"], 60).tolist(),
    }
)
HOLES = ROWS.set_column(
    1, "height", pa.array([None if i % 7 == 0 else v for i, v in enumerate(ROWS["height"].to_pylist())])
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "run"
    training = TrainingConfig(Budget(epochs=2))
    velbo.fit(HOLES, Recipe("mlp", 2, (8,)), training=training, run=folder, columns={"id": "drop"}, report=False)
    return folder


@pytest.mark.parametrize("kind", ["table", "batch"])
def test_it_says_what_the_model_says_and_identifiers_go_along(run, kind):
    """Of a whole table and of its parts; pickled on the way."""
    model = TrainedModel.load(run)
    score = pickle.loads(pickle.dumps(arrow_function(run, "score", samples=20, seed=3)))
    given = HOLES if kind == "table" else HOLES.combine_chunks().to_batches()[0]
    found = score(given)
    assert type(found) is type(given)
    assert found.schema.names == ["id", "log_likelihood"]
    assert np.array_equal(found["log_likelihood"], model.log_likelihood(HOLES, 20, 3))
    parts = list(score.over([given.slice(0, 25), given.slice(25)]))
    assert [v for part in parts for v in part["id"].to_pylist()] == HOLES["id"].to_pylist()
    joined = np.concatenate([part["log_likelihood"].to_numpy() for part in parts])
    np.testing.assert_allclose(joined, found["log_likelihood"].to_numpy(), rtol=1e-5)


def test_every_verb(run):
    model = TrainedModel.load(run)
    assert arrow_function(run, "encode")(HOLES).column_names == ["id", "z0", "z1"]
    np.testing.assert_array_equal(arrow_function(run, "encode")(HOLES)["z1"], model.encode(HOLES)[:, 1])
    filled = arrow_function(run, "impute", samples=20)(HOLES)
    assert filled.column_names == ["id", "height", "job"]
    assert filled.equals(model.impute(HOLES, 20))
    assert filled["height"].null_count == 0
    assert arrow_function(run, "reconstruct")(ROWS).equals(model.reconstruct(ROWS))
    assert "most_anomalous" in arrow_function(run, "explain", samples=20)(HOLES).column_names


@pytest.mark.parametrize("verb", ["score", "encode", "explain", "impute", "reconstruct"])
def test_no_rows_have_the_columns_of_some(run, verb):
    f = arrow_function(run, verb)
    some, none = f(HOLES.slice(0, 2)), f(HOLES.slice(0, 0))
    assert none.schema.equals(some.schema)
    assert len(none) == 0
    batch = pa.RecordBatch.from_pylist([], HOLES.schema)
    assert f(batch).schema.equals(some.schema)


def test_polars_in_batches(run):
    score = arrow_function(run, "score", samples=5)
    frame = pl.from_arrow(HOLES)
    found = pl.concat([pl.from_arrow(score(part.to_arrow())) for part in frame.iter_slices(20)])
    assert found.columns == ["id", "log_likelihood"]
    assert found["id"].to_list() == HOLES["id"].to_pylist()


def test_another_verb_is_refused():
    with pytest.raises(ConfigError, match=r"unknown verb 'scores'\. Did you mean 'score'"):
        arrow_function("run", "scores")
