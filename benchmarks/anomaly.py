"""Unsupervised anomaly detection: the area under the ROC curve of scores of rows that were trained on, without labels.

    python benchmarks/anomaly.py --data FOLDER [--seeds 5 --peers PYTHON --methods velbo --only cardio]

FOLDER/anomaly holds tables as .npz with X (N, D) and y (1 for an anomaly), such as ADBench's; all are taken if --only
names none. velbo's score is that of its AnomalyDetector with its defaults: -log p(x).
PyOD's VAE, PCA and IForest run with their defaults in the interpreter PYTHON, if one is given (table_peers.py). Areas
are in percent, mean and standard deviation over seeds; published are PyOD's VAE and PCA. The output keeps the results
of methods that are not run.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

import records
from table_peers import DETECTORS, ask
from velbo import AnomalyDetector

PUBLISHED = {
    "cardio": (95.0, 94.9),
    "breastw": (92.8, 94.6),
    "thyroid": (95.6, 95.5),
    "Pima": (67.0, 65.1),
    "satellite": (75.6, 60.1),
}
"""PyOD's VAE and PCA, where we know them."""


def velbo(x: Any, seed: int) -> Any:
    """-log p of every row, nats."""
    return -AnomalyDetector(random_state=seed).fit(x).score_samples(x)


def scores(method: str, x: Any, options: argparse.Namespace) -> Iterator[tuple[Any, float]]:
    """(scores (N,), seconds) for each seed."""
    if method in DETECTORS:
        found = ask(options.peers, "detector", {"x": x}, name=method, seeds=options.seeds)
        yield from zip(found["scores"], found["seconds"], strict=True)
        return
    for seed in range(options.seeds):
        start = time.perf_counter()
        yield velbo(x, seed), time.perf_counter() - start


def show(results: dict[str, dict[str, dict[str, Any]]]) -> None:
    """A table of all sets and methods that there are results of, and the means over sets."""
    methods = [m for m in ("velbo", *DETECTORS) if any(m in found for found in results.values())]
    print(f"{'':10s} " + " ".join(f"{m:>13s}" for m in methods) + "   published VAE, PCA")
    for name, found in results.items():
        areas = {m: found[m]["auroc"] for m in methods if m in found}
        cells = (f"{np.mean(areas[m]):6.2f} +- {np.std(areas[m]):4.2f}" if m in areas else f"{'':13s}" for m in methods)
        print(f"{name:10s} " + " ".join(f"{c:>13s}" for c in cells) + f"   {_published(name)}")
    means = (np.mean([np.mean(found[m]["auroc"]) for found in results.values() if m in found]) for m in methods)
    print(f"{'mean':10s} " + " ".join(f"{m:13.2f}" for m in means))


def _published(name: str) -> str:
    return "{:.1f}, {:.1f}".format(*PUBLISHED[name]) if name in PUBLISHED else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peers", type=Path, help="an interpreter that has pyod")
    parser.add_argument("--methods", nargs="*", choices=("velbo", *DETECTORS))
    parser.add_argument("--only", nargs="*", help="names of tables")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "anomaly.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    methods = options.methods or ("velbo", *(DETECTORS if options.peers else ()))
    if options.peers is None and set(methods) & set(DETECTORS):
        parser.error("PyOD's detectors need --peers PYTHON")
    folder = options.data / "anomaly"
    for name in options.only or sorted(path.stem for path in folder.glob("*.npz")):
        data = np.load(folder / f"{name}.npz")
        for method in methods:
            found = list(scores(method, data["X"], options))
            areas = [100 * float(roc_auc_score(data["y"], s)) for s, _ in found]
            seconds = float(np.mean([t for _, t in found]))
            print(f"{name} {method}: {np.mean(areas):.2f} +- {np.std(areas):.2f}, {seconds:.1f} s a seed", flush=True)
            records.add(options.output, name, method, {"auroc": areas, "seconds": seconds})
    show(records.read(options.output))


if __name__ == "__main__":
    main()
