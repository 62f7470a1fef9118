"""Deleted cells of tables, filled: velbo's defaults beside ridge regression, nearest neighbours and forests.

    python benchmarks/imputation.py --data FOLDER [--masks 5 --only wine ... --methods velbo ...]
    python benchmarks/imputation.py --data FOLDER --not-at-random [--masks 3]
    python benchmarks/imputation.py --data FOLDER --mixed [--masks 3]
    python benchmarks/imputation.py --data FOLDER --bound banknote

Columns are standardised, all rows are trained on with their holes, and errors are those of the deleted cells in
standardised units. A mask is the same for every method.

as it is         mean squared error; every cell is deleted with probability 1/2: the protocol of MIWAE (Mattei and
                 Frellsen, 2019, https://arxiv.org/abs/1812.02633).                            results/imputation.json
--not-at-random  root mean squared error; in each of the first half of the columns (rounded down) every cell above the
                 column's mean is deleted: that of not-MIWAE (Ipsen, Mattei and Frellsen, 2021,
                 https://arxiv.org/abs/2006.12871, task01.py of its code). "self-masked, known" is told that large
                 values are missing, as theirs is: the slope of each mask begins at 1.    results/not_at_random.json
--mixed          adult, 2,000 rows, every cell deleted with probability 1/2: share of names that are wrong, and root
                 mean squared error of numbers                                                 results/mixed.json
--bound TABLE    what no method can be expected to beat on complete rows: each column is predicted from each set of
                 other columns by the best of four learners that were trained on complete rows, in ten folds; the mean
                 over columns and sets is the expected error at 1/2.

The last column of banknote and wine_red (class, quality), and the class of the others, is left out; banknote_class
and wine_red_class, which run only by their names, have it as one more number. "trees" is
scikit-learn's IterativeImputer with extremely randomised trees, in the manner of missForest; on mixed tables forests of
trees for names and for numbers take turns over the columns. velbo fills by the mean of 1,000 importance samples, its
default. "velbo, tuned" has 20 samples in its bound (MIWAE's), 10 latents, batches of 64 and 200 passes. Seconds are of
the processor. What the file of results has is not made again.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor

import records
from velbo import Budget, ObjectiveConfig, Recipe, TrainingConfig, Validation, fit
from velbo.config import Machine, Optimisation

PUBLISHED = {"breast_cancer": (0.280, 0.291), "banknote": (0.446, 0.676), "wine_red": (0.643, 0.697)}
"""MIWAE and missForest, by the paper's table."""
SCIKIT = {"wine": load_wine, "diabetes": load_diabetes, "breast_cancer": load_breast_cancer}
UCI = ("banknote", "wine_red")
TABLES = (*SCIKIT, *UCI, "vertebral", "Stamps", "Pima", "cardio", "thyroid")
CLASSED = ("banknote_class", "wine_red_class")
MOST = 2_000
Rows = Any
Imputer = Callable[[Rows, int], Rows]


def table(name: str, data: Path) -> Rows:
    """(N, D), standardised; 2,000 rows at most, constant columns left out."""
    if name in SCIKIT:
        x = SCIKIT[name]().data
    elif name in (*UCI, *CLASSED):
        file = data / "tables" / f"{name.removesuffix('_class')}.csv"
        x = pd.read_csv(file, header=None, sep=None, engine="python").to_numpy()[:, : None if name in CLASSED else -1]
    else:
        x = np.load(data / "anomaly" / f"{name}.npz")["X"]
    x = x[np.random.default_rng(0).permutation(len(x))[:MOST]] if len(x) > MOST else x
    x = x[:, x.std(0) > 0]
    return (x - x.mean(0)) / x.std(0)


def frame_of(x: Rows) -> pd.DataFrame:
    return pd.DataFrame(x, columns=[f"x{d}" for d in range(x.shape[1])])


def seeded(seed: int) -> TrainingConfig:
    return TrainingConfig(machine=Machine(seed=seed))


def velbo(x: Rows, seed: int, recipe: Recipe = Recipe()) -> Rows:
    """The defaults."""
    frame = frame_of(x)
    return fit(frame, recipe, training=seeded(seed)).impute(frame).to_numpy()


def tuned(x: Rows, seed: int) -> Rows:
    training = TrainingConfig(
        Budget(epochs=200), Optimisation(batch_size=64), validation=Validation(0.0), machine=Machine(seed=seed)
    )
    recipe, objective = Recipe("resmlp", latent=10, hidden=(128,)), ObjectiveConfig("iwae", samples=20)
    frame = frame_of(x)
    return fit(frame, recipe, objective=objective, training=training, kind="real").impute(frame).to_numpy()


def masked(x: Rows, seed: int) -> Rows:
    return velbo(x, seed, Recipe(missing="self-masked", mask_slope=1.0))


def by_trees(x: Rows, seed: int) -> Rows:
    trees = ExtraTreesRegressor(50, random_state=seed, n_jobs=1)
    return IterativeImputer(trees, max_iter=5, random_state=seed).fit_transform(x)


OTHERS: dict[str, Imputer] = {
    "mean": lambda x, seed: SimpleImputer().fit_transform(x),
    "KNNImputer": lambda x, seed: KNNImputer().fit_transform(x),
    "IterativeImputer, ridge": lambda x, seed: IterativeImputer(max_iter=20, random_state=seed).fit_transform(x),
    "IterativeImputer, trees": by_trees,
}
METHODS: dict[str, Imputer] = {"velbo": velbo, **OTHERS, "velbo, tuned": tuned}
NOT_AT_RANDOM: dict[str, Imputer] = {"velbo": velbo, "velbo, self-masked, known": masked, **OTHERS}


def half(x: Rows, seed: int) -> Rows:
    return np.random.default_rng(seed).random(x.shape) < 0.5


def large(x: Rows, seed: int) -> Rows:
    return (np.arange(x.shape[1]) < x.shape[1] // 2) & (x > x.mean(0))


def filled(options: argparse.Namespace, methods: dict[str, Imputer], mask: Imputer, output: Path) -> None:
    """Errors of every method on every table; masks that the output has are not filled again."""
    for name, method in itertools.product(options.only or TABLES, options.methods or methods):
        x, known = table(name, options.data), records.read(output).get(name, {}).get(method, {})
        errors, seconds = list(known.get("errors", ())), known.get("seconds", 0.0)
        for seed in range(len(errors), options.masks):
            missing, start = mask(x, seed), time.process_time()
            found = methods[method](np.where(missing, np.nan, x), seed)
            seconds += (time.process_time() - start - seconds) / (seed + 1)
            error = float(((found - x)[missing] ** 2).mean())
            errors.append(error**0.5 if mask is large else error)
            records.add(output, name, method, {"errors": errors, "seconds": seconds})
        line = f"{np.mean(errors):.4f} +- {np.std(errors):.4f}, {seconds:.1f} s"
        print(f"{name} {x.shape} {method:26s} {line}", flush=True)


# names and numbers


def mixed_velbo(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    return fit(frame, training=seeded(seed)).impute(frame)


def mixed_ordered(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    return fit(frame, Recipe("autoregressive"), training=seeded(seed)).impute(frame, samples=100)


def by_mode(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    return frame.fillna({c: frame[c].mean() if is_number(frame[c]) else frame[c].mode()[0] for c in frame})


def by_neighbours(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """5 nearest by standardised numbers and names as 0 and 1 / sqrt(2); a name by the largest of its means."""
    wide = [one_hot(frame[c]) for c in frame]
    found = np.split(KNNImputer().fit_transform(np.concatenate(wide, 1)), np.cumsum([w.shape[1] for w in wide])[:-1], 1)
    out = frame.copy()
    for name, part in zip(frame, found, strict=True):
        column = frame[name]
        if is_number(column):
            cells = part[:, 0] * column.std() + column.mean()
        else:
            cells = np.array(sorted(column.dropna().unique()))[part.argmax(1)]
        out[name] = column.fillna(pd.Series(cells))
    return out


def one_hot(column: pd.Series) -> Rows:
    if is_number(column):
        return ((column - column.mean()) / column.std()).to_numpy()[:, None]
    hot = (column.to_numpy()[:, None] == np.array(sorted(column.dropna().unique()))) / np.sqrt(2)
    return np.where(column.isna().to_numpy()[:, None], np.nan, hot)


def by_forests(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """missForest: begin with means and modes, then column after column, the fullest first, five times."""
    out, holes = by_mode(frame, seed), frame.isna()
    for _, column in itertools.product(range(5), holes.sum().sort_values().index):
        missing, inputs = holes[column].to_numpy(), out.drop(columns=column)
        codes = np.column_stack([inputs[c] if is_number(inputs[c]) else pd.factorize(inputs[c])[0] for c in inputs])
        trees = ExtraTreesRegressor if is_number(frame[column]) else ExtraTreesClassifier
        model = trees(50, random_state=seed, n_jobs=1).fit(codes[~missing], out[column][~missing])
        out.loc[missing, column] = model.predict(codes[missing])
    return out


def is_number(column: pd.Series) -> bool:
    return column.dtype.kind in "biuf"


MIXED: dict[str, Callable[[pd.DataFrame, int], pd.DataFrame]] = {
    "velbo": mixed_velbo,
    "mean and mode": by_mode,
    "nearest neighbours": by_neighbours,
    "forests": by_forests,
    "velbo, autoregressive": mixed_ordered,
}


def mixed(options: argparse.Namespace, output: Path) -> None:
    """Errors of every method on names and numbers."""
    frame = pd.read_csv(options.data / "tables" / "adult.csv", skipinitialspace=True)
    frame = frame.iloc[np.random.default_rng(0).permutation(len(frame))[:MOST]].reset_index(drop=True)
    numbers = [c for c in frame if is_number(frame[c])]
    for method in options.methods or MIXED:
        found, start = [], time.process_time()
        for seed in range(options.masks):
            missing = pd.DataFrame(half(frame.to_numpy(), seed), columns=frame.columns)
            found.append(faults(MIXED[method](frame.mask(missing), seed), frame, missing, numbers))
        seconds = (time.process_time() - start) / options.masks
        names = {c: float(np.mean([each[c] for each in found])) for c in found[0]}
        wrong = [float(np.mean([v for c, v in each.items() if c not in numbers])) for each in found]
        errors = [float(np.mean([each[c] ** 2 for c in numbers]) ** 0.5) for each in found]
        print(f"adult {method:22s} wrong {np.mean(wrong):.4f}, rmse {np.mean(errors):.4f}, {seconds:.1f} s", flush=True)
        records.add(output, "adult", method, {"wrong": wrong, "errors": errors, "columns": names, "seconds": seconds})


def faults(filled: pd.DataFrame, frame: pd.DataFrame, missing: pd.DataFrame, numbers: list[str]) -> dict[str, float]:
    """Of deleted cells of each column: share of names that are wrong, root mean squared error in deviations."""
    found = {}
    for c in frame:
        gone = missing[c].to_numpy()
        there, true = filled[c].to_numpy()[gone], frame[c].to_numpy()[gone]
        if c in numbers:
            found[c] = float(((there - true).astype(float) ** 2).mean() ** 0.5 / frame[c].std(ddof=0))
        else:
            found[c] = float((there != true).mean())
    return found


def bound(x: Rows) -> float:
    """Expected mean squared error, by learners of complete rows."""
    learners = (
        KNeighborsRegressor(10),
        KNeighborsRegressor(25),
        KNeighborsRegressor(5, weights="distance"),
        ExtraTreesRegressor(50, min_samples_leaf=5, random_state=0),
    )
    folds, errors = KFold(10, shuffle=True, random_state=0), []
    for d in range(x.shape[1]):
        others = [i for i in range(x.shape[1]) if i != d]
        for given in itertools.chain.from_iterable(
            itertools.combinations(others, r) for r in range(1, len(others) + 1)
        ):
            guesses = (cross_val_predict(model, x[:, given], x[:, d], cv=folds) for model in learners)
            errors.append(min(((guess - x[:, d]) ** 2).mean() for guess in guesses))
        errors.append(1.0)  # given nothing
    return float(np.mean(errors))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--masks", type=int, default=5)
    parser.add_argument("--not-at-random", action="store_true")
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("--bound", choices=(*TABLES, *CLASSED))
    parser.add_argument("--only", nargs="*", choices=(*TABLES, *CLASSED))
    parser.add_argument("--methods", nargs="*", choices=[*METHODS, *NOT_AT_RANDOM, *MIXED])
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # peers that have not converged
    results = Path(__file__).parent / "results"
    if options.bound:
        print(f"{options.bound}: {bound(table(options.bound, options.data)):.4f}")
    elif options.mixed:
        mixed(options, results / "mixed.json")
    elif options.not_at_random:
        filled(options, NOT_AT_RANDOM, large, results / "not_at_random.json")
    else:
        filled(options, METHODS, half, results / "imputation.json")


if __name__ == "__main__":
    main()
