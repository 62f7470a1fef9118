"""How others do what velbo does with tables: PyOD's detectors, CTGAN's TVAE, scvi-tools' SCVI, all with their defaults.

They need other versions of other packages, so this file is also what their own interpreter runs: `ask` hands it arrays
and options in a folder, and takes arrays back. Threads are those of the environment (OMP_NUM_THREADS). To make one:

    python -m venv peers && peers/bin/pip install torch && peers/bin/pip install pyod ctgan scvi-tools
"""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, Any]
DETECTORS = {
    "PyOD ECOD": ("ecod", "ECOD"),
    "PyOD COPOD": ("copod", "COPOD"),
    "PyOD LOF": ("lof", "LOF"),
    "PyOD KNN": ("knn", "KNN"),
    "PyOD PCA": ("pca", "PCA"),
    "PyOD IForest": ("iforest", "IForest"),
    "PyOD VAE": ("vae", "VAE"),
}
"""Name -> module and class of PyOD."""
RANDOM = ("PyOD PCA", "PyOD IForest", "PyOD VAE")
"""Those that take a seed; others give the same scores each time."""


def ask(python: Path, task: str, arrays: Mapping[str, Any], script: Path = Path(__file__), /, **options: Any) -> Arrays:
    """What a task answers.

    Args:
        python: an interpreter that has the peer.
        task: a name of the script's tasks.
        arrays: of numbers or text.
        script: a file that calls `serve`.
        options: further arguments, plain values.

    Raises:
        RuntimeError: with the last lines of what the peer printed, if it failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "question.npz", **arrays)
        (folder / "options.json").write_text(json.dumps(options))
        run = subprocess.run([str(python), str(script), task, name], capture_output=True, text=True, check=False)
        if run.returncode:
            raise RuntimeError(f"{task} failed in {python}:\n" + "\n".join(run.stderr.splitlines()[-5:]))
        return _arrays(folder / "answer.npz")


def columns(frame: Any) -> Arrays:
    """A pandas frame without holes as arrays of numbers or text by name; the inverse is `pandas.DataFrame`."""
    text = {name: frame[name].dtype.kind not in "biuf" for name in frame}
    return {name: frame[name].to_numpy(str if text[name] else None) for name in frame}


def frame_of(arrays: Mapping[str, Any]) -> Any:
    """The inverse of `columns`, text as objects."""
    import pandas as pd

    return pd.DataFrame({k: v.astype(object) if v.dtype.kind == "U" else v for k, v in arrays.items()})


def _arrays(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def detector(arrays: Arrays, name: str, seeds: int) -> Arrays:
    """PyOD: x (N, D) -> scores (seeds, N), or (1, N) of what takes no seed, of the rows that were trained on, larger is
    more anomalous; seconds of each.
    """
    module, maker = DETECTORS[name]
    make = getattr(importlib.import_module(f"pyod.models.{module}"), maker)
    scores, seconds = [], []
    for seed in range(seeds if name in RANDOM else 1):
        np.random.seed(seed)  # noqa: NPY002
        start = time.perf_counter()
        model = make(random_state=seed) if name in RANDOM else make()
        model.fit(arrays["x"].astype(np.float64))
        seconds.append(time.perf_counter() - start)
        scores.append(np.nan_to_num(model.decision_scores_, posinf=1e300))  # LOF's among equal rows are infinite
    return {"scores": np.array(scores), "seconds": np.array(seconds)}


def tvae(arrays: Arrays, n: int, epochs: int, seed: int) -> Arrays:
    """CTGAN's TVAE: columns of a table -> n rows of the same columns, and seconds (2,) of fit and sample.

    Text is its discrete columns, numbers the others.
    """
    import torch
    from ctgan import TVAE

    frame = frame_of(arrays)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    start = time.perf_counter()
    model = TVAE(epochs=epochs, enable_gpu=False)
    model.fit(frame, [name for name, column in arrays.items() if column.dtype.kind == "U"])
    middle = time.perf_counter()
    rows = model.sample(n)
    end = time.perf_counter()
    return {**columns(rows), "seconds": np.array([middle - start, end - middle])}


def scvi(arrays: Arrays, samples: int, seed: int, likelihood: str) -> Arrays:
    """SCVI: train (N, D), test (M, D) counts -> log p(x | library size) of the test rows (M,), nats, by importance
    sampling (its `get_marginal_ll`); seconds of training.
    """
    import anndata
    import scvi as tools

    tools.settings.seed = seed
    train, test = (anndata.AnnData(arrays[name].astype(np.float32)) for name in ("train", "test"))
    tools.model.SCVI.setup_anndata(train)
    model = tools.model.SCVI(train, gene_likelihood=likelihood)
    start = time.perf_counter()
    model.train(accelerator="cpu", devices=1, enable_progress_bar=False, logger=False)
    seconds = time.perf_counter() - start
    at_once = math.gcd(samples, 50)  # its sum is only right for whole passes
    found = model.get_marginal_ll(test, n_mc_samples=samples, return_mean=False, n_mc_samples_per_pass=at_once)
    return {"log_likelihood": np.asarray(found), "seconds": np.array(seconds)}


def scvi_sparse(
    arrays: Arrays, shape: Sequence[int], epochs: int, latent: int, hidden: int, score_rows: int, samples: int
) -> Arrays:
    """SCVI on a sparse matrix (data, indices, indptr of its rows): log p(x | library size) of the first score_rows,
    nats; seconds of the processor and MB above the matrix, of training, embeddings and scores.
    """
    import resource

    import anndata
    import scipy.sparse as sp
    import scvi as tools
    import torch

    def megabytes() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def ready(x: Any) -> Any:
        cells = anndata.AnnData(x)
        tools.model.SCVI.setup_anndata(cells)
        return cells

    def train(model: Any) -> None:
        model.train(max_epochs=epochs, accelerator="cpu", devices=1, enable_progress_bar=False, logger=False)

    torch.set_num_threads(1)
    x = sp.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape)
    train(tools.model.SCVI(ready(x[:200])))  # imports all
    before, marks, peaks = megabytes(), [time.process_time()], []

    def mark() -> None:
        marks.append(time.process_time())
        peaks.append(megabytes() - before)

    cells = ready(x)
    model = tools.model.SCVI(cells, n_latent=latent, n_hidden=hidden, gene_likelihood="nb")
    train(model)
    mark()
    model.get_latent_representation(cells)
    mark()
    found = model.get_marginal_ll(
        cells[:score_rows].copy(), n_mc_samples=samples, return_mean=False, n_mc_samples_per_pass=samples
    )
    mark()
    return {"log_likelihood": np.asarray(found), "seconds": np.diff(marks), "megabytes": np.array(peaks)}


TASKS: dict[str, Callable[..., Arrays]] = {f.__name__: f for f in (detector, tvae, scvi, scvi_sparse)}


def serve(tasks: Mapping[str, Callable[..., Arrays]], arguments: Sequence[str]) -> None:
    """Do what `ask` asks of a script: its arguments are the script, a task and a folder."""
    folder = Path(arguments[2])
    warnings.simplefilter("ignore")
    options = json.loads((folder / "options.json").read_text())
    np.savez(folder / "answer.npz", **tasks[arguments[1]](_arrays(folder / "question.npz"), **options))


if __name__ == "__main__":
    serve(TASKS, sys.argv)
