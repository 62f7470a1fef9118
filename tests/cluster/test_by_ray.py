"""A training by two workers of Ray: the bits of two processes without it, a killed worker, and a user's error."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from velbo import Budget, Machine, Optimisation, Recipe, TrainingConfig, carry_out, open_source, plan
from velbo.errors import TrainingError
from velbo.training import Run

if sys.platform != "linux":
    pytest.skip("finds workers by /proc", allow_module_level=True)
ray = pytest.importorskip("ray", reason="needs the extra cluster")
from velbo.cluster.by_ray import fit_by_ray  # noqa: E402


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "x.npy"
    np.save(path, load_digits().images.astype(np.uint8)[:300])
    return path


@pytest.fixture(scope="module", autouse=True)
def started():
    os.environ["RAY_TRAIN_V2_ENABLED"], os.environ["RAY_AUTH_MODE"] = "1", "disabled"
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    yield
    ray.shutdown()


def own_workers() -> list[int]:
    """Workers of the Ray that this process has started, by /proc."""
    parents, names = dict[int, int](), dict[int, str]()
    for folder in Path("/proc").iterdir():
        with suppress(OSError, IndexError, ValueError):
            process = int(folder.name)
            parents[process] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            names[process] = (folder / "cmdline").read_text()

    def is_own(process: int) -> bool:
        while process > 1 and process != os.getpid():
            process = parents.get(process, 0)
        return process == os.getpid()

    return [process for process, name in names.items() if "RayTrainWorker" in name and is_own(process)]


def plan_for(source, **optimisation):
    training = TrainingConfig(
        Budget(epochs=30), Optimisation(batch_size=64, **optimisation), machine=Machine(threads=1)
    )
    return plan(open_source(source).read(), Recipe("mlp", 2, (8,)), training=training, source=str(source))


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_killed_worker_is_replaced_and_the_bits_are_those_of_two_processes(source, tmp_path):
    """It is killed after the first epoch; all of it is done once more, or from a checkpoint."""
    what = plan_for(source)
    killed = list[int]()

    def kill_one(line: str) -> None:
        for worker in [] if killed else own_workers():
            os.kill(worker, signal.SIGKILL)
            killed.append(worker)
            return

    run = Run(tmp_path / "ray")
    run.create(what.to_json())
    fit_by_ray(what, run, "local", 2, report=False, say=kill_one)
    assert killed
    other = Run(tmp_path / "two")
    other.create(what.to_json())
    machine = replace(what.training.machine, devices=2)
    carry_out(replace(what, training=replace(what.training, machine=machine)), open_source(source), other, report=False)
    for name in ("metrics.jsonl", "model.safetensors"):
        assert run.file(name).read_bytes() == other.file(name).read_bytes()


@pytest.mark.filterwarnings("ignore")
def test_an_error_of_velbo_ends_it_and_is_told_as_it_is(source, tmp_path):
    what = plan_for(source, lr=1e30, clip=1e30)
    run = Run(tmp_path / "run")
    run.create(what.to_json())
    with pytest.raises(TrainingError, match=r"not finite|validation bound is"):
        fit_by_ray(what, run, "local", 2, report=False)
