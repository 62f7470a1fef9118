"""Generators of tables, each in a process of its own: velbo, and TabularARGN, TVAE and CTGAN with their defaults.

This file is also what an interpreter runs that has the generator (`table_peers.ask`): training rows in; synthetic rows,
log p of test rows where the generator has one, processor seconds of training, sampling and scoring, and the peak of
memory out. Threads are those of the environment (OMP_NUM_THREADS).

    log p of TabularARGN      its `log_prob` is that of tokens. A number that falls in a bin is drawn uniformly from
                              its grid values, so a cell in a bin of w grid values costs log w more. Values beyond its
                              protected range, and values that it has not seen, share one token: their log p is too
                              high by what the token's values share.

Only rows of categories and whole numbers get a log p from it: a density and a mass cannot be compared.

Sources: TabularARGN: a flexible and efficient auto-regressive framework for generating high-fidelity synthetic data,
Tiwald et al., 2025, https://arxiv.org/abs/2501.12012; Modeling tabular data using conditional GAN, Xu et al., 2019,
https://arxiv.org/abs/1907.00503.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from table_peers import Arrays, ask, columns, frame_of, serve

SAMPLES = 100
"""Importance samples of velbo's log p."""
Sampler = Callable[[int], Any]
Scorer = Callable[[Any], Any] | None


def generate(python: Path, name: str, train: Any, test: Any, seed: int) -> dict[str, Any]:
    """What one generator made of a table.

    Args:
        python: an interpreter that has it.
        name: of GENERATORS.
        train: pandas frame without holes to train on; as many rows are made.
        test: rows whose log p is asked for, with no category that train does not have.
        seed: of everything random.

    Returns:
        rows: pandas frame; log_p: (len(test),) nats, NaN where there is none; seconds of the processor: training,
        sampling, scoring; megabytes.
    """
    arrays = {f"{part}/{key}": v for part, f in (("train", train), ("test", test)) for key, v in columns(f).items()}
    found = ask(python, "generator", arrays, Path(__file__), name=name, seed=seed)
    rows = frame_of({key[5:]: v for key, v in found.items() if key.startswith("rows/")})
    names = ("training", "sampling", "scoring")
    seconds = dict(zip(names, found["seconds"].tolist(), strict=True))
    return {"rows": rows[list(train)], "log_p": found["log_p"], **seconds, "megabytes": float(found["megabytes"])}


def velbo(train: Any, seed: int, recipe: str) -> tuple[Sampler, Scorer]:
    from velbo import Recipe, TrainingConfig, fit
    from velbo.config import Machine

    fitted = fit(train, Recipe(recipe), training=TrainingConfig(machine=Machine(seed=seed)))
    return lambda n: fitted.sample(n, seed), lambda rows: fitted.log_likelihood(rows, SAMPLES)


def argn(train: Any, seed: int) -> tuple[Sampler, Scorer]:
    from mostlyai.engine import TabularARGN
    from mostlyai.engine._workspace import Workspace

    model = TabularARGN(random_state=seed, device="cpu")
    model.fit(train)
    encoded = Workspace(model.workspace_path_).tgt_stats.read()["columns"]
    whole = all(train[name].dtype.kind != "f" for name in train)

    def score(rows: Any) -> Any:
        return np.asarray(model.log_prob(rows), np.float64) - log_widths(encoded, rows)

    # the default writes _RARE_ where a category is rare: this draws one of those that are not
    return lambda n: model.sample(n, rare_category_replacement_method="sample"), score if whole else None


def log_widths(encoded: Mapping[str, Any], rows: Any) -> Any:
    """log of the whole numbers in the bins that the cells of each row fall in, summed, (N,).

    Args:
        encoded: what the engine says of each column; numbers in bins have ``bins``, ends of bins from the least to the
            largest value, which are tokens of their own.
        rows: pandas frame.
    """
    total = np.zeros(len(rows))
    for name, about in encoded.items():
        if "bins" in about:
            bins, cells = np.asarray(about["bins"], float), rows[name].to_numpy(float)
            place = np.clip(np.searchsorted(bins, cells, side="right"), 1, len(bins) - 1)
            width = np.where((cells <= bins[0]) | (cells >= bins[-1]), 1.0, bins[place] - bins[place - 1])
            total += np.log(np.maximum(width, 1.0))
    return total


def ctgan(train: Any, seed: int, which: str) -> tuple[Sampler, Scorer]:
    import ctgan as package
    import torch

    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    model = getattr(package, which)(enable_gpu=False)
    model.fit(train, [name for name in train if train[name].dtype.kind not in "biuf"])
    return model.sample, None


GENERATORS: dict[str, Callable[..., tuple[Sampler, Scorer]]] = {
    "velbo": partial(velbo, recipe="auto"),
    "velbo, autoregressive": partial(velbo, recipe="autoregressive"),
    "TabularARGN": argn,
    "TVAE": partial(ctgan, which="TVAE"),
    "CTGAN": partial(ctgan, which="CTGAN"),
}


def generator(arrays: Arrays, name: str, seed: int) -> Arrays:
    """The task: see `generate`."""
    train, test = (
        frame_of({key[len(part) :]: v for key, v in arrays.items() if key.startswith(part)})
        for part in ("train/", "test/")
    )
    times = [_seconds()]
    sample, score = GENERATORS[name](train, seed)
    times.append(_seconds())
    rows = sample(len(train)).reset_index(drop=True)
    times.append(_seconds())
    log_p = np.full(len(test), np.nan) if score is None else np.asarray(score(test))
    times.append(_seconds())
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    made = {f"rows/{key}": v for key, v in columns(rows).items()}
    return {**made, "log_p": log_p, "seconds": np.diff(times), "megabytes": np.array(peak)}


def _seconds() -> float:
    """Of the processor, of this process and of those that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    serve({"generator": generator}, sys.argv)
