"""Sparse rows: a block at a time is dense, and a model of them is that of the dense rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

import velbo
from contracts.dense_rows import rows_made_dense
from velbo.config import Budget, Machine, Optimisation, Recipe, TrainingConfig
from velbo.errors import ConfigError, DataError
from velbo.rows import Stored
from velbo.rows.sparse import OnDisk, SparseRows, in_blocks, is_sparse

N, D = 60, 12
RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(RNG.gamma(0.5, 2, (1, D)), (N, D)).astype(np.float32)
TOWNS = np.array(["Jena", "Delft"])[RNG.integers(0, 2, N)]
SHORT = TrainingConfig(Budget(epochs=1), machine=Machine(threads=1))
RECIPE = Recipe(recipe="mlp", hidden=(8,), latent=2, library_size=True)


class Frame(dict):
    """What of a data frame is asked for."""

    @property
    def columns(self) -> list[str]:
        return list(self)


class Annotated:
    """What of an AnnData is asked for."""

    def __init__(self, x, **obs) -> None:
        self.X, self.obs, self.var_names = x, Frame(obs), [f"g{i}" for i in range(D)]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("velbo.rows.sparse.MOST_ROWS", 17)


@pytest.mark.parametrize("form", ["csr_matrix", "csr_array", "csc_matrix", "coo_array", "lil_matrix"])
def test_blocks_are_the_rows_in_order(form, small_blocks):
    rows = SparseRows(getattr(sp, form)(COUNTS))
    assert isinstance(rows, Stored)
    assert [group.n_rows for group in rows.row_groups()] == [17, 17, 17, 9]
    blocks = [np.stack(table["x"].combine_chunks().to_numpy_ndarray()) for table in rows.batches()]
    assert (np.concatenate(blocks) == COUNTS).all()
    assert rows.fingerprint() == SparseRows(sp.csr_matrix(COUNTS)).fingerprint()
    assert rows.fingerprint() != SparseRows(sp.csr_matrix(COUNTS[::-1])).fingerprint()


def test_a_block_takes_2_mb_at_most():
    assert SparseRows(sp.csr_matrix((10**6, 2000), dtype=np.float32)).n_per_block * 2000 * 4 <= 2 * 2**20
    assert SparseRows(sp.csr_matrix((9, 10**7), dtype=np.float32)).n_per_block == 1


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (lambda x: x, {"x": "count"}),
        (lambda x: x.astype(np.int64), {"x": "count"}),
        (lambda x: np.where(x > 2, np.nan, x), {"x": "count"}),
        (lambda x: x / 2, {}),
        (lambda x: -x, {}),
        (lambda x: x > 0, {}),
    ],
)
def test_whole_numbers_from_0_are_counts(change, kinds):
    for x in (sp.csr_matrix(change(COUNTS)), Annotated(change(COUNTS))):
        assert SparseRows(x).kinds == kinds
    assert velbo.infer(sp.csr_matrix(COUNTS)).fields[0].reason == "whole numbers from 0, of a sparse matrix"
    assert velbo.infer(sp.csr_matrix(COUNTS), {"x": "real"}).fields[0].kind == "real"


def test_columns_of_obs_come_along_where_they_are_asked_for():
    x = Annotated(sp.csr_matrix(COUNTS), town=TOWNS, note=[object()] * N)
    assert list(SparseRows(x).columns) == []
    schema = velbo.infer(x, {"town": "categorical"})
    assert [(f.name, f.kind) for f in schema.fields] == [("x", "count"), ("town", "categorical")]
    with pytest.raises(ConfigError, match=r"column of obs.*'twn'.*Did you mean 'town'"):
        velbo.infer(x, {"twn": "categorical"})
    with pytest.raises(ConfigError, match="'town'"):
        velbo.infer(sp.csr_matrix(COUNTS), {"town": "categorical"})


def test_what_is_sparse():
    assert not is_sparse(COUNTS)
    assert in_blocks(COUNTS) is COUNTS
    for x in (sp.csr_matrix((0, 3)), Annotated(None), Annotated(np.zeros(3))):
        with pytest.raises(DataError, match="X of shape"):
            SparseRows(x)
    with pytest.raises(DataError, match="no numbers"):
        SparseRows(Annotated(np.full((2, 2), "a"))).block(0, 1)


def test_a_model_of_sparse_rows_is_that_of_dense_ones(monkeypatch):
    """To the last bit, an AnnData or a plain array; scores of several blocks are those of one."""
    sparse = sp.csr_matrix(COUNTS)
    model = velbo.fit(sparse, RECIPE, training=SHORT)
    other = velbo.fit(Annotated(COUNTS), RECIPE, training=SHORT)
    plain = velbo.fit(COUNTS, RECIPE, training=SHORT, columns={"x": "count"})
    assert not model.plan.data.stream
    every = zip(*(m.model.parameters() for m in (model, other, plain)), strict=True)
    assert all((a == b).all() and (a == c).all() for a, b, c in every)
    monkeypatch.setattr("velbo.rows.sparse.MOST_ROWS", 17)
    assert np.allclose(model.encode(sparse), other.encode(COUNTS), rtol=0, atol=1e-6)
    assert np.allclose(model.log_likelihood(sparse, 3), model.log_likelihood(COUNTS, 3), rtol=1e-6)
    here, there = model.evaluate(sparse, 3), model.evaluate(COUNTS, 3)
    assert here.log_likelihood == pytest.approx(there.log_likelihood, rel=1e-6)
    assert here.bits_per_dim == pytest.approx(there.bits_per_dim, rel=1e-6)
    assert here.rows == N
    assert model.sample(4).shape == (4, D)
    assert len(model.row_scores(sparse, 3).log_likelihood) == N


def test_no_more_than_a_block_is_dense_at_once(small_blocks, monkeypatch):
    """Whatever is made dense of the matrix has the 17 rows of a block or the 16 of a batch, in fit, scores, embeddings;
    but for the rows held out, and those that parts start from.
    """
    made = rows_made_dense(monkeypatch)
    monkeypatch.setattr("velbo.training.start.ROWS", 5)
    monkeypatch.setattr("velbo.training.validation.MAX_ROWS", 7)
    x = sp.csr_matrix(COUNTS)
    training = TrainingConfig(Budget(epochs=1), Optimisation(batch_size=16), machine=Machine(threads=1))
    model = velbo.fit(x, RECIPE, training=training)
    assert made.count(16) == 3  # 54 rows to train on: the batches, and no window of rows
    model.encode(x)
    model.evaluate(x, 2)
    assert max(made) == 17


def test_a_batch_field_is_given(small_blocks):
    x = Annotated(sp.csr_matrix(COUNTS), town=TOWNS)
    model = velbo.fit(x, replace(RECIPE, condition=("town",)), training=SHORT)
    assert model.given == ("town", "library size")
    assert model.log_likelihood(x, 2).shape == (N,)
    new = model.sample(5, given={"town": "Delft"})
    assert new["x"].shape == (5, D)
    assert set(new["town"]) == {"Delft"}


def test_rows_of_a_file_are_read_by_their_places():
    x = sp.csr_matrix(COUNTS)

    class Group(dict):
        def __init__(self, form: str, **arrays) -> None:
            super().__init__(arrays)
            self.attrs = {"encoding-type": form, "shape": (N, D)}

    matrix = OnDisk(Group("csr_matrix", data=x.data, indices=x.indices, indptr=x.indptr))
    assert (matrix[5:9].toarray() == COUNTS[5:9]).all()
    assert (SparseRows(Annotated(matrix)).block(50, 60) == COUNTS[50:]).all()

    with pytest.raises(DataError, match=r"csc_matrix.*tocsr"):
        OnDisk(Group("csc_matrix"))
