"""Rows that come in parts are told by their numbers in the whole, whoever reads them."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
import torch

import velbo
from contracts.commands import call
from velbo.cli.verbs.evaluate import _here
from velbo.cluster.blocks import sent, sent_rows
from velbo.cluster.executors import executor
from velbo.cluster.parts import Parts
from velbo.cluster.works import MapRows
from velbo.config import Budget, Recipe, TrainingConfig
from velbo.errors import DataError, SchemaError
from velbo.formats import write_table
from velbo.rows import Schema, rows_of
from velbo.rows.encodings import standardised
from velbo.rows.results import places_of_some
from velbo.rows.row_numbers import row_name, rows_at, rows_from

SHORT = TrainingConfig(Budget(epochs=1))
SEED = 0
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Of positive numbers and of names."""
    rows = pa.table({"size": RNG.gamma(2, 2, 60), "age": RNG.integers(0, 9, 60).astype(float)})
    path = tmp_path_factory.mktemp("row-numbers") / "run"
    velbo.fit(rows, Recipe("mlp", 2, (4,)), training=SHORT, columns={"size": "positive", "age": "real"}, run=path)
    return path


def table(n: int, bad: int) -> pa.Table:
    """One size, in row ``bad``, is below 0."""
    size = np.full(n, 1.5)
    size[bad] = -4
    return pa.table({"size": size, "age": np.arange(n) % 7.0})


def test_parts_of_parts_are_counted_through_the_whole():
    assert row_name(3) == "row 3"
    with rows_from(100):
        assert row_name(np.int64(3)) == "row 103"
        with rows_from(20):
            assert row_name(3) == "row 123"
        with rows_at(np.array([7, 9])):
            assert row_name(1) == "row 109"
        elsewhere = list[str]()
        other = threading.Thread(target=lambda: elsewhere.append(row_name(3)))
        other.start()
        other.join()
        assert elsewhere == ["row 3"]
    assert row_name(3) == "row 3"


@pytest.mark.parametrize(
    "verb", ["encode", "score --samples 2", "score --explain --samples 2", "impute --samples 2", "reconstruct"]
)
def test_verbs_name_a_row_by_its_number_in_the_file(run, tmp_path, monkeypatch, verb):
    monkeypatch.setattr("velbo.formats.base.ROWS_PER_BATCH", 40)
    write_table(table(100, 87), tmp_path / "bad.csv")
    name, *options = verb.split()
    code, _, said = call(name, run, tmp_path / "bad.csv", *options, "-o", tmp_path / "out.csv")
    assert code == 2
    assert "row 87, column 'size' holds -4" in said
    assert not (tmp_path / "out.csv").exists()


def test_a_bad_cell_far_down_a_large_file_is_named(run, tmp_path):
    """With batches as they are: 65,536 rows."""
    write_table(table(70_010, 70_000), tmp_path / "bad.csv")
    code, _, said = call("encode", run, tmp_path / "bad.csv", "-o", tmp_path / "z.npy")
    assert code == 2
    assert "row 70000, column 'size' holds -4" in said


def test_evaluate_and_python_count_through_the_file(run, tmp_path, monkeypatch):
    monkeypatch.setattr("velbo.formats.base.ROWS_PER_BATCH", 40)
    write_table(table(100, 87), tmp_path / "bad.parquet")
    code, _, said = call("evaluate", run, tmp_path / "bad.parquet", "--samples", 2)
    assert code == 2
    assert "row 87, column 'size'" in said
    model = velbo.TrainedModel.load(run)
    for use in (model.encode, model.log_likelihood, model.evaluate):
        with pytest.raises(SchemaError, match="row 87, column 'size'"):
            use(velbo.open_source(tmp_path / "bad.parquet"))


@pytest.mark.parametrize("verb", ["evaluate", "fit", "doctor", "quality", "rate-distortion", "refit-prior"])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_rows_that_were_chosen_are_told_by_their_numbers_in_the_file(run, tmp_path, verb, kind):
    """Of a Parquet file they are taken batch by batch."""
    data = tmp_path / f"bad.{kind}"
    write_table(table(300, 250), data)
    assert 250 in places_of_some(300, 200, SEED)
    options = ("--rows", 200, "--seed", SEED)
    own = {
        "fit": (data, "--run", tmp_path / "new", "--column", "size=positive", "--epochs", 1),
        "refit-prior": (run, data, "--to", tmp_path / "new"),
        "rate-distortion": (run, data, "-o", tmp_path / "curve.csv"),
    }
    code, _, said = call(verb, *own.get(verb, (run, data)), *options)
    assert code == 2
    assert "row 250" in said


def test_infinities_and_broken_constraints_of_chosen_rows_are_told_by_their_numbers_in_the_file(tmp_path):
    size = np.full(300, 1.5)
    size[250] = np.inf
    pq.write_table(pa.table({"size": size}), tmp_path / "bad.parquet")
    code, _, said = call("fit", tmp_path / "bad.parquet", "--rows", 200, "--seed", SEED, "--run", tmp_path / "run")
    assert code == 2
    assert "row 250 holds infinity" in said
    size[250] = 9.5
    pq.write_table(pa.table({"size": size - RNG.random(300), "top": 4 + RNG.random(300)}), tmp_path / "bad.parquet")
    options = ("--rows", 200, "--seed", SEED, "--constraint", "size <= top", "--run", tmp_path / "run")
    code, _, said = call("fit", tmp_path / "bad.parquet", *options)
    assert code == 2
    assert "row 250 breaks 'size <= top'" in said


@pytest.mark.filterwarnings("always")
def test_evaluate_says_once_what_is_odd_about_a_batch(tmp_path, monkeypatch):
    """Of a batch after the first too: here of the second of three."""
    monkeypatch.setattr("velbo.formats.base.ROWS_PER_BATCH", 40)
    rows = pa.table({"size": RNG.gamma(2, 2, 100), "same": np.ones(100)})
    velbo.fit(rows, Recipe("mlp", 2, (4,)), training=SHORT, run=tmp_path / "run", report=False)
    same = np.ones(100)
    same[50] = 2
    pq.write_table(rows.set_column(1, "same", [pa.array(same)]), tmp_path / "odd.parquet")
    code, _, said = call("evaluate", tmp_path / "run", tmp_path / "odd.parquet", "--samples", 2)
    assert code == 0
    assert said.count("was 1 in every row of the training data") == 1


def test_what_evaluate_divides_by_is_measured_where_rows_have_their_numbers(run):
    """Scores may be found by other processes, which do not know of them."""
    trained = velbo.TrainedModel.load(run)

    def by_others(rows: pa.Table) -> pa.Table:
        raise AssertionError("a bad row is told before any work is dealt out")

    with pytest.raises(SchemaError, match="row 87, column 'size'"):
        _here(trained, iter([table(100, 87)]), by_others)
    with pytest.raises(SchemaError, match="row 287, column 'size'"), rows_at(np.arange(100) + 200):
        _here(trained, iter([table(100, 87)]), by_others)


def test_parts_of_a_folder_are_counted_through_all(tmp_path):
    def bad(rows: pa.Table) -> pa.Table:
        if rows["x"][0].as_py() == 20:
            raise DataError(f"{row_name(3)} is bad")
        return rows

    blocks = sent([pa.table({"x": np.arange(start, start + 10)}) for start in range(0, 40, 10)])
    with pytest.raises(DataError, match=r"^row 23 is bad"):
        Parts(tmp_path, {}).carry_out(MapRows(sent_rows, bad), blocks, executor("none", 1), lambda _: None)


def test_rows_read_while_training_are_counted_through_all_groups(tmp_path):
    """And those of a sparse matrix by their numbers there, whatever batch they come in."""
    schema = velbo.infer(table(100, 0).slice(1), {"size": "positive", "age": "real"})
    pq.write_table(table(100, 87), tmp_path / "bad.parquet", row_group_size=40)
    with pytest.raises(SchemaError, match="row 87, column 'size'"):
        list(rows_of(velbo.open_source(tmp_path / "bad.parquet"), schema).blocks())

    counts = np.ones((9, 3), np.float32)
    known = Schema((replace(velbo.infer(counts + 1, {"x": "count"}).fields[0], likelihood="poisson"),), "array")
    counts[7, 1] = -1
    store = rows_of(sp.csr_matrix(counts), known).encoded(standardised(known.fields[0]))
    assert len(store.subset(torch.tensor([3, 5]))) == 2
    with pytest.raises(SchemaError, match=r"row 7, .* holds -1"):
        store.batch(torch.tensor([2, 7]))
