"""AnnData's files: X in blocks, columns of obs by name, the same model as of the AnnData itself."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import velbo
from contracts.commands import call
from velbo.errors import ConfigError, DataError
from velbo.rows.results import places_of_some
from velbo.rows.sparse import SparseRows

anndata = pytest.importorskip("anndata")
h5py = pytest.importorskip("h5py")
pytestmark = pytest.mark.filterwarnings("ignore:The '(future.infer_string|mode.chained_assignment)' option")
N, D = 40, 6
RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(2, (N, D)).astype(np.float32)
TOWNS = np.array(["Jena", "Delft"])[RNG.integers(0, 2, N)]


@pytest.fixture
def path(tmp_path):
    """Text as objects: anndata 0.12 does not write the text of pandas 3."""
    with pd.option_context("future.infer_string", False):
        obs = pd.DataFrame({"town": pd.Categorical(TOWNS), "age": np.arange(N)}, index=[f"c{i}" for i in range(N)])
        var = pd.DataFrame(index=[f"g{i}" for i in range(D)])
        anndata.AnnData(sp.csr_matrix(COUNTS), obs, var).write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_x_is_read_in_blocks_and_others_where_asked_for(path, monkeypatch):
    monkeypatch.setattr("velbo.rows.sparse.MOST_ROWS", 15)
    source = velbo.open_source(path)
    assert (source.names, source.n_rows, source.kinds) == (["x"], N, {"x": "count"})
    assert [group.n_rows for group in source.row_groups()] == [15, 15, 10]
    assert (source.read()["x"].combine_chunks().to_numpy_ndarray() == COUNTS).all()
    assert source.notes()[0].option.endswith("cells.h5ad:x+town")
    more = velbo.open_source(f"{path}:x+town+age")
    assert more.read()["town"].to_pylist() == TOWNS.tolist()
    assert velbo.open_source(f"{path}:age").read()["age"].to_pylist() == list(range(N))
    with pytest.raises((ConfigError, DataError), match="'twn'"):
        velbo.open_source(f"{path}:x+twn")


def test_verbs_read_it_and_give_what_python_gives(path, tmp_path):
    options = "--recipe mlp --hidden 8 --latent 2 --epochs 1 --threads 1 --condition town --library-size".split()
    assert call("fit", f"{path}:x+town", "--run", tmp_path / "run", *options)[0] == 0
    assert call("encode", tmp_path / "run", f"{path}:x+town", "-o", tmp_path / "z.npy")[0] == 0
    model = velbo.TrainedModel.load(tmp_path / "run")
    assert model.plan.data.stream
    assert model.schema.field("x").kind == "count"
    there = model.encode(anndata.read_h5ad(path))
    assert np.allclose(np.load(tmp_path / "z.npy"), there, rtol=0, atol=1e-6)
    assert np.allclose(model.encode(velbo.open_source(f"{path}:x+town")), there, rtol=0, atol=1e-6)


def test_verbs_that_measure_read_it_in_blocks(path, tmp_path, monkeypatch):
    """All rows or some of them: no array that is made of the matrix has more rows than a block, and what is found is
    what Python finds in rows that are all dense.
    """
    options = "--recipe mlp --hidden 8 --latent 2 --epochs 1 --threads 1".split()
    assert call("fit", path, "--run", tmp_path / "run", *options)[0] == 0
    monkeypatch.setattr("velbo.rows.sparse.MOST_ROWS", 15)
    monkeypatch.setattr("velbo.formats.base.ROWS_PER_BATCH", 15)
    made, whole = list[int](), SparseRows._dense

    def dense(self, rows):
        found = whole(self, rows)
        made.append(len(found))
        return found

    monkeypatch.setattr(SparseRows, "_dense", dense)
    monkeypatch.setattr("velbo.formats.source.Source.read", None)
    _, told, _ = call("evaluate", tmp_path / "run", path, "--samples", 3, "--json")
    _, of_some, _ = call("evaluate", tmp_path / "run", path, "--samples", 3, "--json", "--rows", 20, "--seed", 1)
    for verb in ("quality", "doctor"):
        assert call(verb, tmp_path / "run", path, "--rows", 20)[0] == 0
    assert max(made) == 15
    monkeypatch.undo()
    model = velbo.TrainedModel.load(tmp_path / "run")
    assert json.loads(told)["log_likelihood"] == pytest.approx(model.evaluate(COUNTS, 3).log_likelihood, rel=1e-6)
    rows = COUNTS[places_of_some(N, 20, 1)]
    found = model.evaluate(rows, 3, seed=1)
    assert json.loads(of_some)["log_likelihood"] == pytest.approx(found.log_likelihood, rel=1e-6)
    assert json.loads(of_some)["bits_per_dim"] == pytest.approx(found.bits_per_dim, rel=1e-6)


def test_what_is_no_such_file_is_refused(tmp_path):
    (tmp_path / "no.h5ad").write_bytes(b"nothing")
    with h5py.File(tmp_path / "empty.h5ad", "w"):
        pass
    for name in ("no.h5ad", "empty.h5ad"):
        with pytest.raises(DataError, match=name):
            velbo.open_source(tmp_path / name)


def test_a_part_of_a_file_is_to_be_in_memory(path):
    """anndata gives a view of an open file whose rows are those of the whole file."""
    whole = anndata.read_h5ad(path)
    model = velbo.fit(whole, velbo.Recipe("mlp", 2, (8,)), training=velbo.TrainingConfig(velbo.Budget(epochs=1)))
    with pytest.raises(DataError, match="to_memory"):
        model.encode(anndata.read_h5ad(path, backed="r")[5:10])
    assert np.allclose(model.encode(whole[5:10]), model.encode(whole)[5:10], rtol=0, atol=1e-6)


def test_a_file_without_a_matrix_is_refused(tmp_path):
    with pd.option_context("future.infer_string", False):
        anndata.AnnData(obs=pd.DataFrame(index=["a", "b"])).write_h5ad(tmp_path / "bare.h5ad")
    with pytest.raises(DataError, match="bare"):
        velbo.open_source(tmp_path / "bare.h5ad")
