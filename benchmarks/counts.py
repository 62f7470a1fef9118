"""Single-cell counts: log-likelihood of held-out cells.

    python benchmarks/counts.py --data FOLDER [--epochs 400 --samples 1000 --peers PYTHON]

FOLDER/counts/starmap.npz holds STARmap's counts of 158 genes in 3,704 cells; a fifth of the cells, by seed, are held
out. All numbers are nats a cell (158 counts), by importance sampling from each model's own encoder with the same number
of samples, of the whole distribution of the counts (no constant is left out).

    log p(x)        negative binomials whose means the decoder gives
    log p(x | l)    the same given the cell's total count l: means are l times shares that sum to 1

scVI takes l as given (its default), so it is to be compared with the second alone; knowing l is worth nats. SCVI runs
with its defaults in the interpreter PYTHON (table_peers.py), with a plain and a zero-inflated negative binomial. Both
sides hold out a tenth of their training rows; scVI ends at its last weights, after its 400 epochs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import records
from table_peers import ask
from velbo import Budget, Recipe, TrainingConfig, fit
from velbo.config import Machine

METHODS = {
    "log p(x): velbo": False,
    "log p(x | l): velbo": True,
    "log p(x | l): SCVI, nb": "nb",
    "log p(x | l): SCVI, zinb": "zinb",
}
"""How each is to be run: with library size or not; scVI's gene_likelihood."""


def velbo(train: pd.DataFrame, test: pd.DataFrame, library: bool, options: argparse.Namespace) -> tuple[Any, float]:
    """(log-likelihood of each test row, nats; seconds of training)."""
    kinds = dict.fromkeys(train.columns, "count:negative-binomial")
    training = TrainingConfig(Budget(epochs=options.epochs), machine=Machine(seed=options.seed))
    recipe = Recipe("resmlp", latent=10, hidden=(128,), dropout=options.dropout, library_size=library)
    start = time.perf_counter()
    fitted = fit(train, recipe, training=training, columns=kinds)
    return fitted.log_likelihood(test, options.samples), time.perf_counter() - start


def scvi(train: pd.DataFrame, test: pd.DataFrame, likelihood: str, options: argparse.Namespace) -> tuple[Any, float]:
    arrays = {"train": train.to_numpy(), "test": test.to_numpy()}
    found = ask(options.peers, "scvi", arrays, samples=options.samples, seed=options.seed, likelihood=likelihood)
    return found["log_likelihood"], float(found["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=400, help="of velbo")
    parser.add_argument("--dropout", type=float, default=0.1, help="of velbo")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", type=Path, help="an interpreter that has scvi-tools")
    parser.add_argument("--methods", nargs="*", choices=list(METHODS))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "counts.json")
    options = parser.parse_args()
    file = np.load(options.data / "counts" / "starmap.npz")
    frame = pd.DataFrame(file["counts"], columns=file["genes"])
    order = np.random.default_rng(options.seed).permutation(len(frame))
    test, train = (frame.iloc[o].reset_index(drop=True) for o in np.split(order, [len(frame) // 5]))
    methods = options.methods or [m for m, how in METHODS.items() if isinstance(how, bool) or options.peers]
    if options.peers is None and any(isinstance(METHODS[m], str) for m in methods):
        parser.error("SCVI needs --peers PYTHON")
    for method in methods:
        how = METHODS[method]
        run = velbo if isinstance(how, bool) else scvi
        log_p, seconds = run(train, test, how, options)  # pyright: ignore[reportArgumentType]
        error = float(log_p.std() / np.sqrt(len(log_p)))
        print(f"{method:26s} {log_p.mean():9.2f} +- {error:.2f} nats a cell, {seconds:.0f} s", flush=True)
        found = {"log_likelihood": float(log_p.mean()), "standard_error": error, "seconds": seconds}
        records.add(options.output, "starmap", method, {**found, "samples": options.samples, "rows": len(log_p)})


if __name__ == "__main__":
    main()
