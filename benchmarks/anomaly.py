"""Anomaly detection without labels: areas under the ROC curve and average precision, velbo beside its peers.

    python benchmarks/anomaly.py --data FOLDER [--seeds 5 --novelty --peers PYTHON --methods velbo ECOD --only cardio]
    python benchmarks/anomaly.py --data FOLDER --choose

FOLDER/anomaly holds tables as .npz with X (N, D) and y (1 for an anomaly), such as ADBench's; all are taken if --only
names none. Two settings:

    as it is     fit on all rows, without labels, and score the same rows                     results/anomaly.json
    --novelty    fit on a random half of the normal rows, with trim 0, and score all others    results/novelty.json

velbo's score is that of its AnomalyDetector with its defaults; "log p" is the same fit scored by log p(x), and others
of CANDIDATES differ as they say. Peers are those of detectors.py, and with --peers, an
interpreter that has it, PyOD's own (table_peers.py), called "PyOD ...". Figures are in percent, means over seeds: the
mean over tables, the mean rank among the methods, and the worst table, which is the one furthest below the best other
method there. "kNN 50, quantiles" is no peer: its k was chosen on these tables.

--choose says what settings are worth that were chosen on other tables: of CANDIDATES, the one with the best mean area
over four fifths of the tables is scored on the last fifth, 100 times with random fifths. Only these held-out figures
say what a new table can expect. Results of methods that are not run are kept.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

import records
from detectors import PEERS, TUNED, score
from table_peers import DETECTORS, ask
from velbo import AnomalyDetector
from velbo.build.anomalies import N_NEIGHBORS, TRIM

Results = dict[str, dict[str, dict[str, Any]]]
CANDIDATES: dict[str, dict[str, Any]] = {
    "velbo": {},
    "log p": {"n_neighbors": 0},
    "10 neighbours": {"n_neighbors": 10},
    "50 neighbours": {"n_neighbors": 50},
    "trim 0.2": {"trim": 0.2},
    "deviations": {"kind": "real:normal-fixed"},
    "deviations, trim 0.2": {"kind": "real:normal-fixed", "trim": 0.2},
}
"""Name -> what differs from the defaults; "deviations" standardises columns, with a scale of 1, as 0.1 did."""
SCORED = ("velbo", "log p", "10 neighbours", "50 neighbours")
"""Of one fit."""
TIMES, PART = 100, 0.2
Fits = dict[Any, tuple[AnomalyDetector, float]]


def velbo(
    fits: Fits, train: Any, rows: Any, seed: int, trim: float = TRIM, kind: str = "", n_neighbors: int = N_NEIGHBORS
) -> tuple[Any, float]:
    """(less the score of every row, nats; seconds of fit and score); what is scored by one fit shares it."""
    key, start = (seed, trim, kind), time.process_time()
    if key not in fits:
        columns = {str(i): kind for i in range(train.shape[1])} if kind else None
        detector = AnomalyDetector(random_state=seed, columns=columns, trim=trim).fit(train)
        fits[key] = detector, time.process_time() - start
    (detector, seconds), start = fits[key], time.process_time()
    if n_neighbors == N_NEIGHBORS:
        found = detector.decision_scores_ if train is rows else -detector.score_samples(rows)
    else:
        exact = detector.fitted_.to(torch.float64)
        plan, known = replace(exact.plan, n_neighbors=n_neighbors), exact.reference
        assert known is not None
        found = -replace(exact, plan=plan).with_reference({"z": known.z}).scores(rows)
    return found, seconds + time.process_time() - start


def scores(method: str, x: Any, y: Any, options: argparse.Namespace, fits: Fits) -> Iterator[tuple[Any, Any, float]]:
    """(labels, scores, seconds) for each seed."""
    if method in DETECTORS:
        found = ask(options.peers, "detector", {"x": x}, name=method, seeds=options.seeds)
        yield from ((y, s, t) for s, t in zip(found["scores"], found["seconds"], strict=True))
        return
    for seed in range(options.seeds):
        train, rows, labels = halves(x, y, seed) if options.novelty else (x, x, y)
        start = time.process_time()
        if method in PEERS | TUNED:
            yield labels, score(method, train, rows, seed), time.process_time() - start
        else:
            asked = CANDIDATES[method] | ({"trim": 0.0} if options.novelty else {})
            yield labels, *velbo(fits, train, rows, seed, **asked)


def halves(x: Any, y: Any, seed: int) -> tuple[Any, Any, Any]:
    """(half of the normal rows, all others, their labels)."""
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    train = normal[: len(normal) // 2]
    others = np.setdiff1d(np.arange(len(x)), train)
    return x[train], x[others], y[others]


def measured(method: str, x: Any, y: Any, options: argparse.Namespace, fits: Fits) -> dict[str, Any]:
    """What is kept of one method on one table."""
    found = list(scores(method, x, y, options, fits))
    return {
        "auroc": [100 * float(roc_auc_score(labels, s)) for labels, s, _ in found],
        "average_precision": [100 * float(average_precision_score(labels, s)) for labels, s, _ in found],
        "seconds": float(np.mean([t for *_, t in found])),
    }


def table(results: Results, what: str) -> tuple[list[str], list[str], np.ndarray]:
    """(tables, methods, means over seeds) of the methods that all tables have."""
    known = (*CANDIDATES, *PEERS, *DETECTORS, *TUNED)
    methods = [m for m in known if all(what in found.get(m, {}) for found in results.values())]
    return list(results), methods, np.array([[np.mean(f[m][what]) for m in methods] for f in results.values()])


def gaps(methods: list[str], values: np.ndarray) -> np.ndarray:
    """How far each method is above the best other peer, (tables, methods)."""
    peers = [m in PEERS or m in DETECTORS for m in methods]
    others = np.array([[p and i != j for i, p in enumerate(peers)] for j in range(len(methods))])
    return values - np.where(others, values[:, None], -np.inf).max(-1)


def show(results: Results) -> None:
    """Every table, then mean, rank, the worst table, and seconds."""
    for what in ("auroc", "average_precision"):
        names, methods, values = table(results, what)
        rank = (-values).argsort(1).argsort(1) + 1.0
        below = gaps(methods, values)
        worst = [f"{below[j, i]:.1f} {names[j]}" for i, j in enumerate(below.argmin(0))]
        print(f"\n| {what} | " + " | ".join(methods) + " |\n|---|" + "---|" * len(methods))
        for name, row in zip(names, values, strict=True):
            print(f"| {name} | " + " | ".join(f"{v:.1f}" for v in row) + " |")
        print("| **mean** | " + " | ".join(f"**{v:.1f}**" for v in values.mean(0)) + " |")
        print("| mean rank | " + " | ".join(f"{v:.1f}" for v in rank.mean(0)) + " |")
        print("| worst table, against the best peer | " + " | ".join(worst) + " |")
        seconds = [np.mean([f[m]["seconds"] for f in results.values()]) for m in methods]
        print("| seconds a table | " + " | ".join(f"{s:.1f}" for s in seconds) + " |")


def choose(results: Results) -> None:
    """What the candidate is worth that other tables choose."""
    _, methods, values = table(results, "auroc")
    values, methods = values[:, [m in CANDIDATES for m in methods]], [m for m in methods if m in CANDIDATES]
    rng, held_out, taken = np.random.default_rng(0), [], Counter[str]()
    for _ in range(TIMES):
        apart = np.zeros(len(values), bool)
        apart[rng.choice(len(values), round(PART * len(values)), replace=False)] = True
        best = int(values[~apart].mean(0).argmax())
        taken[methods[best]] += 1
        held_out.append(values[apart, best].mean())
    print(f"AUROC, chosen on other tables: {np.mean(held_out):.2f}; taken {dict(taken)} times")
    print("all tables: " + ", ".join(f"{m} {v:.2f}" for m, v in zip(methods, values.mean(0), strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peers", type=Path, help="an interpreter that has pyod")
    parser.add_argument("--methods", nargs="*", choices=(*CANDIDATES, *PEERS, *DETECTORS, *TUNED))
    parser.add_argument("--only", nargs="*", help="names of tables")
    parser.add_argument("--novelty", action="store_true")
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    name = "novelty" if options.novelty else "anomaly"
    output = options.output or Path(__file__).parent / "results" / f"{name}.json"
    installed = tuple(m for m in DETECTORS if m != "PyOD VAE")  # which needs torch there: by its name only
    defaults = CANDIDATES if options.choose else (*SCORED, *PEERS, *TUNED, *(installed if options.peers else ()))
    methods = tuple(defaults) if options.methods is None else options.methods
    if set(methods) & set(DETECTORS) and (options.peers is None or options.novelty):
        parser.error("PyOD's detectors need --peers PYTHON, and are not run with --novelty")
    folder = options.data / "anomaly"
    for name in options.only or sorted(path.stem for path in folder.glob("*.npz")):
        data = np.load(folder / f"{name}.npz")
        fits: Fits = {}
        for method in methods:
            found = measured(method, data["X"], data["y"], options, fits)
            print(f"{name} {method}: {np.mean(found['auroc']):.2f}, {found['seconds']:.1f} s a seed", flush=True)
            records.add(output, name, method, found)
    (choose if options.choose else show)(records.read(output))


if __name__ == "__main__":
    main()
