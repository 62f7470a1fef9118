"""Bulk verbs and sweeps by Ray give what one process gives; a worker that is killed costs nothing but time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import velbo
from contracts.commands import call
from velbo import Budget, Recipe, TrainedModel, TrainingConfig, open_source

pytest.importorskip("ray", reason="needs the extra cluster")

RNG = np.random.default_rng(0)
ROWS = pa.table({"id": [f"row {i}" for i in range(70)], "a": RNG.normal(size=70), "b": RNG.normal(size=70)})


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """(folder, what the script said, what its workers said)."""
    folder: Path = tmp_path_factory.mktemp("by-ray")
    training, run = TrainingConfig(Budget(epochs=2)), folder / "run"
    velbo.fit(ROWS, Recipe("mlp", 2, (8,)), training=training, run=run, columns={"id": "drop"}, report=False)
    pq.write_table(ROWS, folder / "rows.parquet", row_group_size=30)
    (folder / "bad.csv").write_text("id,a,b\nx,1,2\ny,1,inf\n")
    command = [sys.executable, str(Path(__file__).with_name("by_ray_script.py"))]
    words = [str(run), str(folder / "rows.parquet"), str(folder)]
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_scores_are_those_of_this_process(found):
    folder, said, _ = found
    assert said["code"] == 0
    here, rows = folder / "here", folder / "rows.parquet"
    assert call("score", folder / "run", rows, "--samples", 5, "-o", here, "--cluster", "none")[0] == 0
    assert open_source(folder / "parts").read().equals(open_source(here).read())
    assert (folder / "parts" / "_SUCCESS").exists()


def test_a_bad_cell_is_one_line(found):
    """No worker is started anew for it."""
    _, said, told = found
    assert said["text"] == 2
    assert [line for line in told.splitlines() if line.startswith("velbo: ") and "inf" in line]


def test_a_killed_worker_loses_no_row_and_none_is_there_twice(found):
    """Its block alone is done again, by another worker."""
    _, said, _ = found
    losses = said["losses"]
    assert losses["once"] == [60, [1, 1, 2, 1, 1, 1]]
    assert losses["rows"] == list(range(60))


def test_a_block_that_kills_every_worker_ends_the_work(found):
    _, said, _ = found
    told, calls = said["losses"]["always"]
    assert told.startswith("LostProcessError: 3 workers were lost, each with the rows from 20 on")
    assert calls[2] == 3


def test_an_error_of_velbo_is_not_tried_again(found):
    _, said, _ = found
    told, calls = said["losses"]["bad"]
    assert told == "DataError: of the rows from 20 on: a bad cell"
    assert calls[2] == 1


def test_ray_data_takes_the_arrow_function(found):
    folder, said, _ = found
    wanted = TrainedModel.load(folder / "run").log_likelihood(ROWS, 5)
    np.testing.assert_allclose([said["data"][name] for name in ROWS["id"].to_pylist()], wanted, rtol=1e-5)


def test_a_sweep_is_that_of_this_machine(found):
    folder, said, _ = found
    assert said["sweep"] == 0
    options = "--over latent=2,3 --recipe mlp --hidden 8 --epochs 2 --rows 100".split()
    assert call("sweep", "digits", "--run", folder / "sweep-here", *options)[0] == 0
    for name in ("results.csv", "trials/000/model.safetensors", "trials/001/metrics.jsonl"):
        assert (folder / "sweep" / name).read_bytes() == (folder / "sweep-here" / name).read_bytes()


def test_a_trial_whose_worker_is_killed_goes_on_and_one_that_is_stopped_saves(found):
    folder, said, _ = found
    assert said["trial"] == [True, 130]
    assert list((folder / "trial" / "checkpoint").glob("[0-9]*"))
