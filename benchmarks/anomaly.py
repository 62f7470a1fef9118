"""Unsupervised anomaly detection: the area under the ROC curve of scores of rows that were trained on, without labels.

    python benchmarks/anomaly.py --data FOLDER [--seeds 5 --epochs 100 --peers PYTHON]

FOLDER holds ADBench's tables as .npz with X (N, D) and y (1 for an anomaly): cardio, breastw, thyroid, Pima, satellite.
velbo's score is -log p(x) by importance sampling, of a model of every column's own kind. PyOD's VAE, PCA and IForest run
with their defaults in the interpreter PYTHON, if one is given.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

import machine
from velbo import Budget, Recipe, TrainingConfig, Validation, fit, infer_table, plan
from velbo.config import Machine

SETS = ("cardio", "breastw", "thyroid", "Pima", "satellite")
PEERS = """
import json, sys, warnings
import numpy as np
from sklearn.metrics import roc_auc_score
warnings.simplefilter("ignore")
name, path, seed = sys.argv[1:]
data = np.load(path)
x, y = data["X"], data["y"]
np.random.seed(int(seed))
if name == "VAE":
    from pyod.models.vae import VAE
    model = VAE(random_state=int(seed), verbose=0)
elif name == "PCA":
    from pyod.models.pca import PCA
    model = PCA()
else:
    from pyod.models.iforest import IForest
    model = IForest(random_state=int(seed))
model.fit(x)
print("RESULT", json.dumps(float(roc_auc_score(y, model.decision_scores_))))
"""


def velbo(x: Any, seed: int, epochs: int) -> Any:
    """-log p of every row."""
    frame = pd.DataFrame(x, columns=[f"x{d}" for d in range(x.shape[1])])
    training = TrainingConfig(Budget(epochs=epochs), validation=Validation(0.0), machine=Machine(seed=seed))
    recipe = Recipe("resmlp", latent=8, hidden=(64,))
    fitted, _ = fit(frame, plan(frame, recipe, training=training, schema=infer_table(frame)))
    return -fitted.log_likelihood(frame, samples=100)


def peer(python: Path, name: str, path: Path, seed: int) -> float | None:
    run = subprocess.run(
        [str(python), "-c", PEERS, name, str(path), str(seed)], capture_output=True, text=True, check=False
    )
    found = [line for line in run.stdout.splitlines() if line.startswith("RESULT")]
    return json.loads(found[-1].removeprefix("RESULT")) if found else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--peers", type=Path, help="an interpreter that has pyod")
    parser.add_argument("--only", nargs="*", choices=SETS, default=SETS)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "anomaly.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    methods = ["velbo", *(["VAE", "PCA", "IForest"] if options.peers else [])]
    results: dict[str, dict[str, list[float]]] = {m: {} for m in methods}
    print(f"{'AUROC':10s} " + " ".join(f"{m:>14s}" for m in methods), flush=True)
    for name in options.only:
        path = options.data / f"{name}.npz"
        data = np.load(path)
        for method in methods:
            scores: list[float] = []
            start = time.perf_counter()
            for seed in range(options.seeds):
                if method == "velbo":
                    scores.append(float(roc_auc_score(data["y"], velbo(data["X"], seed, options.epochs))))
                elif (found := peer(options.peers, method, path, seed)) is not None:
                    scores.append(found)
            results[method][name] = scores
            print(f"  {name} {method}: {(time.perf_counter() - start) / options.seeds:.1f} s a seed", flush=True)
        cells = (f"{100 * np.mean(results[m][name]):6.1f} +- {100 * np.std(results[m][name]):4.1f}" for m in methods)
        print(f"{name:10s} " + " ".join(f"{c:>14s}" for c in cells), flush=True)
    means = {m: float(np.mean([np.mean(v) for v in results[m].values()])) for m in methods}
    print(f"{'mean':10s} " + " ".join(f"{100 * means[m]:14.1f}" for m in methods))
    options.output.parent.mkdir(exist_ok=True)
    record = {"machine": machine.describe(), "results": results, "means": means}
    options.output.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
