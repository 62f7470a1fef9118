"""A made sparse matrix of counts: seconds and peak memory of training, scores and embeddings, block by block.

    python benchmarks/sparse_counts.py --rows 50000 --columns 2000 [--peers PYTHON]

Gamma-Poisson counts of eight groups, 5 % of them above 0. Peak memory is that of the process, in MB above what it takes
after everything is imported and the matrix is made; as a dense array of single precision the matrix itself takes
rows x columns x 4 bytes. SCVI has as many passes, latents and units, and runs in the interpreter PYTHON
(table_peers.py); both score log p(x | l), nats a row, of the first rows by as many samples.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch

import velbo
from table_peers import ask
from velbo.config import Budget, Machine, Recipe, TrainingConfig

GROUPS, ROWS_AT_ONCE = 8, 1000
LATENT, HIDDEN, SAMPLES = 10, 128, 10


def made(n_rows: int, n_columns: int, seed: int = 0) -> sp.csr_matrix:
    """The matrix, made a thousand rows at a time."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.3, 0.18, (GROUPS, n_columns))
    parts = []
    for start in range(0, n_rows, ROWS_AT_ONCE):
        group = rng.integers(0, GROUPS, min(ROWS_AT_ONCE, n_rows - start))
        size = rng.lognormal(0, 0.3, (len(group), 1))
        parts.append(sp.csr_matrix(rng.poisson(rates[group] * size).astype(np.float32)))
    return sp.csr_matrix(sp.vstack(parts))


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--columns", type=int, default=2_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--score-rows", type=int, default=5_000)
    parser.add_argument("--peers", type=Path, help="an interpreter that has scvi-tools")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    velbo.fit(made(200, 20), Recipe(latent=2, hidden=(8,)), training=TrainingConfig(Budget(epochs=1)))  # imports all
    x = made(asked.rows, asked.columns)
    print(json.dumps({"shape": x.shape, "above_0": x.nnz / np.prod(x.shape), "sparse_mb": x.data.nbytes * 2 / 2**20}))
    before = megabytes()
    training = TrainingConfig(Budget(epochs=asked.epochs), machine=Machine(threads=1))
    recipe = Recipe(latent=LATENT, hidden=(HIDDEN,), library_size=True)
    work = {
        "fit": lambda: velbo.fit(x, recipe, training=training),
        "encode": lambda: model.encode(x),
        "score": lambda: model.log_likelihood(x[: asked.score_rows], SAMPLES),
    }
    model: velbo.TrainedModel
    for name, run in work.items():
        start = time.process_time()
        found = run()
        if name == "fit":
            model = found
        figure = {"mean": float(np.mean(found))} if name == "score" else {}
        seconds = round(time.process_time() - start, 1)
        print(json.dumps({"what": name, "cpu_seconds": seconds, "mb_above": round(megabytes() - before), **figure}))
    if asked.peers:
        arrays = {"data": x.data, "indices": x.indices, "indptr": x.indptr}
        settings = {"epochs": asked.epochs, "latent": LATENT, "hidden": HIDDEN}
        scored = {"score_rows": asked.score_rows, "samples": SAMPLES}
        found = ask(asked.peers, "scvi_sparse", arrays, shape=list(x.shape), **settings, **scored)
        for name, seconds, peak in zip(work, found["seconds"], found["megabytes"], strict=True):
            figure = {"mean": float(found["log_likelihood"].mean())} if name == "score" else {}
            about = {"cpu_seconds": round(float(seconds), 1), "mb_above": round(float(peak))}
            print(json.dumps({"what": f"SCVI, {name}", **about, **figure}))


if __name__ == "__main__":
    main()
