"""What test_bulk_by_ray.py checks, one line each: in a process of its own, as Ray leaves processes and threads behind.

python by_ray_script.py RUN DATA FOLDER
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

import velbo
from velbo import Budget, Machine, Recipe, TrainingConfig, arrow_function
from velbo.cli import main
from velbo.cluster.blocks import Block, sent
from velbo.cluster.connection import connected
from velbo.cluster.executors import RayActors
from velbo.cluster.parts import WritePart
from velbo.cluster.sweep_by_ray import ByRay
from velbo.errors import DataError, LostProcessError
from velbo.formats import open_source
from velbo.sweep import Command, Started
from velbo.training import Run

ROWS = pa.table({"n": range(60)})


class Task:
    """Counts its calls in files; a block may kill the worker that does it, once or always, or be bad."""

    def __init__(self, folder: Path, block: int, does: str) -> None:
        self.folder, self.block, self.does = folder, block, does
        folder.mkdir()

    def __call__(self, block: Block) -> pa.Table:
        calls = len(list(self.folder.glob(f"{block.number}-*")))
        (self.folder / f"{block.number}-{os.getpid()}-{calls}").touch()
        if block.number == self.block and (self.does == "always" or (self.does == "once" and not calls)):
            os.kill(os.getpid(), signal.SIGKILL)
        if block.number == self.block and self.does == "bad":
            raise DataError("a bad cell")
        return block.table  # pyright: ignore[reportAttributeAccessIssue]

    def calls(self) -> list[int]:
        """Of each block."""
        return [len(list(self.folder.glob(f"{i}-*"))) for i in range(6)]


def run(ray, task: Task, folder: Path) -> object:
    """What comes of a task: rows, or the error."""
    folder.mkdir()
    try:
        return sum(RayActors(ray, 2).run(WritePart(task, folder), sent(ROWS.slice(10 * i, 10) for i in range(6))))
    except (DataError, LostProcessError) as error:
        return f"{type(error).__name__}: {error}"


def check_losses(ray, folder: Path) -> dict[str, object]:
    found = dict[str, object]()
    for does in ("once", "always", "bad"):
        task, parts = Task(folder / f"{does}-calls", 2, does), folder / f"{does}-parts"
        found[does] = run(ray, task, parts), task.calls()
        if does == "once":
            found["rows"] = sorted(open_source(parts).read()["n"].to_pylist())
    return found


def check_trial(ray, trial: Path) -> tuple[bool, int | None]:
    """(whether a trial whose worker is killed goes on, the exit code of one that is asked to stop)."""
    training = TrainingConfig(Budget(epochs=100_000), machine=Machine(threads=1))
    plan = velbo.plan(open_source("digits").read(), Recipe("mlp", 2, (8,)), training=training, source="digits")
    Run(trial).create(plan.to_json())
    started = ByRay(ray, 2).start(trial, Command(("resume", str(trial), "--no-report")))
    wait_for_epochs(started, trial, 1)
    [worker] = workers_of_ray(b"ray::_run")
    os.kill(worker, signal.SIGKILL)
    n = len(Run(trial).metrics())
    wait_for_epochs(started, trial, n + 50)
    started.stop()
    while (code := started.poll()) is None:
        time.sleep(0.1)
    return workers_of_ray(b"ray::_run") != [worker], code


def wait_for_epochs(started: Started, trial: Path, n: int) -> None:
    """Until a trial has so many lines of metrics, or has ended."""
    file = trial / "metrics.jsonl"
    while started.poll() is None and (not file.exists() or file.read_bytes().count(b"\n") < n):
        time.sleep(0.1)


def workers_of_ray(name: bytes) -> list[int]:
    """Processes of that name which Ray's raylet has started for this process, by /proc of Linux."""
    found, parents = list[int](), dict[int, int]()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if (entry / "cmdline").read_bytes().startswith(name):
                found.append(int(entry.name))
    return [each for each in found if parents.get(parents[each]) == os.getpid()]


def check_ray_data(ray, run_folder: str, data: str) -> dict[str, float]:
    """Scores by identifier, by the call of docs/machines.md."""
    importlib.import_module("ray.data")  # whose absence pyright cannot know
    score = arrow_function(run_folder, "score", samples=5)
    scored = ray.data.read_parquet(data).map_batches(score, batch_format="pyarrow")
    return {row["id"]: row["log_likelihood"] for row in scored.take_all()}


if __name__ == "__main__":
    run_folder, data, place = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    found: dict[str, object] = {}
    with connected("local", 2) as ray:
        by_ray = ["--cluster", "local", "--workers", "2"]
        score = ["score", run_folder, "--samples", "5"]
        found["code"] = main([*score, data, "-o", str(place / "parts"), *by_ray])
        found["text"] = main([*score, str(place / "bad.csv"), "-o", str(place / "bad"), *by_ray])
        sweep = "--over latent=2,3 --recipe mlp --hidden 8 --epochs 2 --rows 100 --cluster local --jobs 2".split()
        found["sweep"] = main(["sweep", "digits", "--run", str(place / "sweep"), *sweep])
        found["losses"] = check_losses(ray, place)
        found["data"] = check_ray_data(ray, run_folder, data)
        found["trial"] = check_trial(ray, place / "trial")
    print(json.dumps(found))
