"""What was a cliff once, in this tree and in another: the wait and the memory of tasks that a user may fall off.

    python benchmarks/cliffs.py --data FOLDER --other ../another-checkout [--only wide ages --repeats 3]

    wide      200 columns of 50 levels beside one of 1,000: a step, a score, new rows
    ages      adult, all ages deleted: filled by 100 samples; the same of a column of names
    columns   60 rows of 4,000 columns, to the end of one epoch; the schema of a million rows in memory
    step      an MLP of 784-512-20-512-784 in float32, batches of 256; convolutions of 16, 32
    score     1,000 rows of adult and 200 images by convolutions, 100 samples; 20 images by an MLP, 5,000 samples
    doctor    1,000 rows of adult

Every task is a process of its own on one thread, trees take turns, medians. Milliseconds are the processor's, but for
those of a step, which are of the run's own clock; MB are the peak of resident memory above what was there before (of a
step: before the fit).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from parity import HERE, alternating, run
from scaling import memory

Found = dict[str, float]


@contextmanager
def measured(found: Found, name: str, units: float = 1.0) -> Iterator[None]:
    """CPU seconds a unit and peak MB of the block."""
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far was of other blocks
    start = time.process_time()
    yield
    found[f"{name}, ms"] = 1000 * (time.process_time() - start) / units
    found[f"{name}, MB"] = memory("VmHWM") - before


def fitted(rows: Any, recipe: Any, epochs: int, batch: int | None = None, found: Found | None = None) -> Any:
    """A model of the rows, its steps timed."""
    import velbo
    from velbo.config import Machine

    training = velbo.TrainingConfig(
        velbo.Budget(epochs=epochs),
        velbo.Optimisation(batch_size=batch),
        validation=velbo.Validation(validation=0),
        machine=Machine(precision="float32", threads=1),
    )
    what = velbo.plan(rows, recipe, training=training)
    of_fit: Found = {}
    with measured(of_fit, "fit"):
        model = velbo.carry_out(what, rows)
    if found is not None:
        history = model.history
        found |= {"step, ms": 1000 * history.seconds / history.steps, "step, MB": of_fit["fit, MB"]}
    return model


def wide(_: Path) -> Found:
    import velbo

    rng = np.random.default_rng(0)
    codes = rng.integers(50, size=(4_000, 200))
    names = rng.permutation(np.arange(4_000) % 1_000)
    columns = {f"c{j}": pd.Categorical.from_codes(codes[:, j], [f"v{k}" for k in range(50)]) for j in range(200)}
    rows = pd.DataFrame({**columns, "name": pd.Categorical.from_codes(names, [f"n{k}" for k in range(1_000)])})
    found: Found = {}
    model = fitted(rows, velbo.Recipe("mlp", 8, (128,)), 1, 128, found)
    with measured(found, "score, a row by 10 samples", 100):
        model.log_likelihood(rows[:100], samples=10)
    with measured(found, "a new row", 4_000):
        model.sample(4_000)
    return found


def ages(folder: Path) -> Found:
    import velbo

    rows = pd.read_csv(folder / "adult.csv", skipinitialspace=True)[:5_000]
    model, found = fitted(rows, velbo.Recipe("mlp", 8, (128,)), 2, 128), Found()
    for column in ("age", "workclass"):
        part = rows[:300].assign(**{column: None}).astype({column: rows[column].dtype if column != "age" else float})
        model.encode(part[:2])
        with measured(found, f"{column} filled, a row", 300):
            model.impute(part, samples=100)
    return found


def columns(_: Path) -> Found:
    import velbo

    rng, found = np.random.default_rng(0), Found()
    x = rng.standard_normal((60, 4)) @ rng.standard_normal((4, 4_000)) + rng.standard_normal((60, 4_000))
    with measured(found, "fit of 60 x 4,000"):
        fitted(pd.DataFrame(x, columns=[f"x{j}" for j in range(4_000)]), velbo.Recipe("mlp", 4, (32,)), 1)
    long = pd.DataFrame({"number": rng.standard_normal(10**6), "whole": rng.integers(90, size=10**6),
                         "name": rng.choice(["red", "green", "blue"], 10**6)})  # fmt: skip
    with measured(found, "schema of 1,000,000 rows"):
        velbo.infer(long)
    return found


def images(folder: Path, n: int) -> Any:
    with np.load(folder / "mnist.npz") as archive:
        x = archive["train_images"][:n]
    return (np.random.default_rng(0).random(x.shape, np.float32) < x / 255).astype(np.uint8)


def step(folder: Path) -> Found:
    import velbo

    x, found = images(folder, 10_240), Found()
    for name, recipe in (("mlp", velbo.Recipe("mlp", 20, (512,))), ("conv", velbo.Recipe("conv", 40, (16, 32)))):
        of_recipe: Found = {}
        fitted(x, recipe, 2, 256, of_recipe)
        found |= {f"{name}, {key}": value for key, value in of_recipe.items()}
    return found


def score(folder: Path) -> Found:
    import velbo

    found, table = Found(), pd.read_csv(folder / "adult.csv", skipinitialspace=True)[:5_000]
    model = fitted(table, velbo.Recipe(), 2, 128)
    x = images(folder, 2_000)
    mlp, conv = (fitted(x, recipe, 1, 128) for recipe in (velbo.Recipe("mlp", 50, (500, 500)),
                                                          velbo.Recipe("conv", 40, (16, 32))))  # fmt: skip
    for name, of, rows, samples in (
        ("adult", model, table[:1_000], 100),
        ("convolutions", conv, x[:200], 100),
        ("MLP, 5,000 samples", mlp, x[:20], 5_000),
    ):
        of.encode(rows[:2])
        with measured(found, f"{name}, a row", len(rows)):
            of.log_likelihood(rows, samples=samples)
    return found


def doctor(folder: Path) -> Found:
    import velbo
    from velbo.doctor import examine

    rows, found = pd.read_csv(folder / "adult.csv", skipinitialspace=True)[:5_000], Found()
    model = fitted(rows, velbo.Recipe(), 2, 128)
    with measured(found, "doctor of 1,000 rows"):
        examine(model, rows[:1_000])
    return found


TASKS: dict[str, Callable[[Path], Found]] = {
    "wide": wide,
    "ages": ages,
    "columns": columns,
    "step": step,
    "score": score,
    "doctor": doctor,
}


def in_tree(tree: Path, task: str, data: Path) -> Found:
    said = run(tree, HERE / "cliffs.py", "--data", data, "--task", task)[2]
    return {f"{task}: {name}": value for name, value in json.loads(said.splitlines()[-1]).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with adult.csv and mnist.npz")
    parser.add_argument("--other", type=Path, help="a checkout with a src folder")
    parser.add_argument("--only", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        import torch

        import velbo

        torch.set_num_threads(1)
        assert velbo.carry_out  # loads what a fit needs, which is no part of a task
        print(json.dumps(TASKS[options.task](options.data)))
        return
    if options.other is None:
        sys.exit("give --other a checkout to compare with")
    print(f"{'median of ' + str(options.repeats):50s} {'this tree':>12s} {'the other':>12s} {'ratio':>8s}")
    trees = [HERE.parent, options.other.resolve()]
    for task in options.only:
        alternating(partial(in_tree, task=task, data=options.data), trees, options.repeats)


if __name__ == "__main__":
    main()
