"""Half of a table's cells deleted at random, and filled: mean squared error of the missing cells.

    python benchmarks/imputation.py [--data FOLDER --masks 5 --epochs 200 --only breast_cancer]

The protocol of MIWAE (Mattei and Frellsen, 2019, https://arxiv.org/abs/1812.02633): columns are standardised, every
cell is deleted with probability 1/2, all rows are trained on with their holes, and errors are measured on the deleted
cells in standardised units. breast_cancer comes with scikit-learn; banknote.csv and wine_red.csv are UCI tables without
header in FOLDER/tables, whose last column (the class, the quality) is left out as breast_cancer's is. velbo trains with
and fills by importance samples. The others see the same masks: column means, KNNImputer, and IterativeImputer with its
ridge regression and, in the manner of missForest, with trees.

The mask of a seed is the same for every method. The output keeps the results of methods that are not run.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

import records
from velbo import Budget, ObjectiveConfig, Recipe, TrainingConfig, Validation, fit
from velbo.config import Machine, Optimisation

PUBLISHED = {"breast_cancer": (0.280, 0.291), "banknote": (0.446, 0.676), "wine_red": (0.643, 0.697)}
"""MIWAE and missForest, by the paper's table."""


def table(name: str, data: Path | None) -> Any:
    """(N, D), standardised."""
    if name == "breast_cancer":
        x = load_breast_cancer().data
    else:
        assert data is not None
        x = pd.read_csv(data / "tables" / f"{name}.csv", header=None, sep=None, engine="python").to_numpy()[:, :-1]
    return (x - x.mean(0)) / x.std(0)


def velbo(x: Any, seed: int, epochs: int) -> Any:
    frame = pd.DataFrame(x, columns=[f"x{d}" for d in range(x.shape[1])])
    training = TrainingConfig(
        Budget(epochs=epochs), Optimisation(batch_size=64), validation=Validation(0.0), machine=Machine(seed=seed)
    )
    recipe, objective = Recipe("resmlp", latent=10, hidden=(128,)), ObjectiveConfig("iwae", samples=20)
    fitted = fit(frame, recipe, objective=objective, training=training, kind="real")
    return fitted.impute(frame, samples=1000).to_numpy()


METHODS: dict[str, Callable[[Any, int, int], Any]] = {
    "velbo": velbo,
    "mean": lambda x, seed, _: SimpleImputer().fit_transform(x),
    "KNNImputer": lambda x, seed, _: KNNImputer().fit_transform(x),
    "IterativeImputer, ridge": lambda x, seed, _: IterativeImputer(max_iter=20, random_state=seed).fit_transform(x),
    "IterativeImputer, trees": lambda x, seed, _: IterativeImputer(
        ExtraTreesRegressor(50, random_state=seed, n_jobs=1), max_iter=5, random_state=seed
    ).fit_transform(x),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with tables/banknote.csv and tables/wine_red.csv")
    parser.add_argument("--masks", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--only", nargs="*", choices=list(PUBLISHED), default=list(PUBLISHED))
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "imputation.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # peers that have not converged
    for name in options.only:
        if name != "breast_cancer" and options.data is None:
            continue
        x = table(name, options.data)
        print(f"{name} {x.shape}, published MIWAE {PUBLISHED[name][0]}, missForest {PUBLISHED[name][1]}", flush=True)
        for method in options.methods:
            errors, start = [], time.perf_counter()
            for seed in range(options.masks):
                missing = np.random.default_rng(seed).random(x.shape) < 0.5
                filled = METHODS[method](np.where(missing, np.nan, x), seed, options.epochs)
                errors.append(float(((filled - x)[missing] ** 2).mean()))
            seconds = (time.perf_counter() - start) / options.masks
            print(f"  {method:26s} {np.mean(errors):.4f} +- {np.std(errors):.4f}   {seconds:6.1f} s", flush=True)
            records.add(options.output, name, method, {"errors": errors, "seconds": seconds})


if __name__ == "__main__":
    main()
