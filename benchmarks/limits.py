"""What a user waits for, and what the machine could do at best: seconds, counted operations, share of the matrix rate.

    python benchmarks/limits.py --data FOLDER [--only adult mnist --verbs fit score --rows 2000]

Tasks: adult.csv and mnist.npz (MLP and convolutions) of the folder, two hundred categorical columns and a million rows
of thirty numbers that are made here. Every verb of every task is a process of its own, on as many threads as the plan
takes. Operations are matrix products and convolutions as torch counts them, of a small part and scaled up by its rows;
the share is operations a second beside the float32 products of 1024 x 1024 matrices, so that bf16 may go beyond one.
Peak memory is that of the process, of which some 350 MB are Python, torch and scikit-learn.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

import machine
import velbo
from velbo.doctor import examine

COUNTED_ROWS = 128
VERBS = ("fit", "score", "encode", "impute", "sample", "doctor")


@dataclass(frozen=True)
class Task:
    """Rows, the model, and how long it is trained.

    Attributes:
        rows: from the folder of data.
        recipe: of the model.
        epochs: passes over the rows.
    """

    rows: Callable[[Path], Any]
    recipe: velbo.Recipe
    epochs: int


def categories(_: Path) -> pd.DataFrame:
    """Of 20,000 rows in 200 columns of 50 levels, which follow one hidden number."""
    rng = np.random.default_rng(0)
    hidden = rng.integers(50, size=(20_000, 1))
    levels = (hidden + rng.geometric(0.3, (20_000, 200))) % 50
    return pd.DataFrame({f"c{j}": pd.Categorical.from_codes(levels[:, j], [f"v{k}" for k in range(50)])
                         for j in range(200)})  # fmt: skip


def numbers(_: Path) -> np.ndarray:
    """A million rows of 30 numbers that 4 explain."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1_000_000, 4), np.float32) @ rng.standard_normal((4, 30), np.float32)
    return x + rng.standard_normal(x.shape, np.float32)


def images(folder: Path) -> np.ndarray:
    return np.load(folder / "mnist.npz")["train_images"]


BLACK_AND_WHITE = {"likelihood": "bernoulli"}
TASKS = {
    "adult": Task(lambda folder: pd.read_csv(folder / "adult.csv"), velbo.Recipe(), 5),
    "categories": Task(categories, velbo.Recipe(), 2),
    "numbers": Task(numbers, velbo.Recipe(), 1),
    "mnist": Task(images, velbo.Recipe("mlp", 50, (500, 500), **BLACK_AND_WHITE), 2),
    "mnist-conv": Task(images, velbo.Recipe("conv", 40, (16, 32), **BLACK_AND_WHITE), 1),
}


def with_holes(rows: Any) -> Any:
    """With a fifth of the cells missing; images that are to be filled are numbers with NaN."""
    missing = np.random.default_rng(1).random((len(rows), int(np.prod(rows.shape[1:])))) < 0.2
    if isinstance(rows, pd.DataFrame):
        return rows.mask(missing)
    return np.where(missing.reshape(rows.shape), np.nan, rows.astype(np.float32))


ACTIONS: dict[str, Callable[[velbo.TrainedModel, Any], object]] = {
    "score": lambda model, rows: model.log_likelihood(rows, samples=100),
    "encode": lambda model, rows: model.encode(rows),
    "impute": lambda model, rows: model.impute(with_holes(rows), samples=100),
    "sample": lambda model, rows: model.sample(len(rows)),
    "doctor": lambda model, rows: examine(model, rows, samples=64),
}


def operations(action: Callable[[], object]) -> float:
    """Of matrix products and convolutions."""
    with FlopCounterMode(display=False) as counter:
        action()
    return float(counter.get_total_flops())


def fit(task: Task, rows: Any, folder: Path) -> dict[str, float]:
    """Train into a folder."""
    training = velbo.TrainingConfig(velbo.Budget(epochs=task.epochs))
    start = time.perf_counter()
    model = velbo.fit(rows, task.recipe, training=training, run=folder, report=False)
    seconds = time.perf_counter() - start
    part = model.store(rows[:COUNTED_ROWS]).fixed(0)
    plan, objective = model.plan, model.plan.make_objective()
    step = operations(lambda: (-objective(model.model.terms(part)).surrogate.mean()).backward())
    n = plan.data.n_rows * (1 - min(0.1, 2000 / plan.data.n_rows)) * task.epochs
    return {"seconds": seconds, "operations": step / COUNTED_ROWS * n, "rows": n}


def act(verb: str, rows: Any, n: int, folder: Path) -> dict[str, float]:
    """One verb of a model that is there."""
    model = velbo.TrainedModel.load(folder)
    part = rows[:n]
    model.encode(part[:2])  # what is loaded at the first call is no part of any verb
    start = time.perf_counter()
    ACTIONS[verb](model, part)
    seconds = time.perf_counter() - start
    few = rows[:COUNTED_ROWS]
    return {
        "seconds": seconds,
        "operations": operations(lambda: ACTIONS[verb](model, few)) / COUNTED_ROWS * len(part),
        "rows": len(part),
    }


def one(options: argparse.Namespace) -> None:
    """A verb of a task, in this process."""
    task = TASKS[options.task]
    rows = task.rows(options.data)
    found = fit(task, rows, options.folder) if options.verb == "fit" else act(
        options.verb, rows, options.rows, options.folder
    )  # fmt: skip
    found["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with adult.csv and mnist.npz")
    parser.add_argument("--rows", type=int, default=2000, help="of all verbs but fit, which takes all")
    parser.add_argument("--only", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--verbs", nargs="*", choices=VERBS, default=list(VERBS))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "limits.json")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--verb", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        one(options)
        return
    results: dict[str, Any] = {"machine": machine.describe(), "matrix_rate": (rate := machine.matrix_rate())}
    print(f"{rate / 1e9:.0f} GFLOP/s float32 on {torch.get_num_threads()} threads")
    print("| task | verb | rows | seconds | GFLOP | share of the rate | peak MB |\n|---|---|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        for task in options.only:
            for verb in ("fit", *(v for v in options.verbs if v != "fit")):
                given = ["--task", task, "--verb", verb, "--folder", f"{folder}/{task}"]
                command = [sys.executable, __file__, "--data", options.data, "--rows", options.rows, *given]
                done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True)
                found = json.loads(done.stdout.splitlines()[-1])
                found["share"] = found["operations"] / found["seconds"] / rate
                results[f"{task} {verb}"] = found
                print(f"| {task} | {verb} | {found['rows']:,.0f} | {found['seconds']:.1f} | "
                      f"{found['operations'] / 1e9:,.0f} | {found['share']:.0%} | {found['megabytes']:,.0f} |",
                      flush=True)  # fmt: skip
    options.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
