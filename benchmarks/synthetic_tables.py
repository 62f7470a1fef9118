"""Synthetic rows of ten tables: velbo's defaults beside other generators with theirs, same rows, same measures.

    python benchmarks/synthetic_tables.py --data FOLDER [--peers PYTHON --seeds 3 --only adult --methods velbo ...]
    python benchmarks/synthetic_tables.py --data FOLDER --show

A table is split by the seed: 7 rows in 10, 5,000 at most, are trained on, as many others at most are held out. Every
generator makes as many rows as it was trained on, in a process of its own (generators.py): TabularARGN, TVAE and CTGAN
in the interpreter PYTHON, velbo in this one. `real` is the training rows themselves: what a generator can hope for.

    score, gap    F1 (names) or R^2 (numbers) on held-out rows of gradient boosting and a linear model that are trained
                  on synthetic rows, mean; how far that is below training on the real rows
    auc           of gradient boosting for a target of two classes, trained on synthetic rows
    c2st          AUC of gradient boosting that tells synthetic from held-out rows; 0.5 is best
    columns       mean distance of the laws of columns: total variation, or Kolmogorov and Smirnov's for numbers
    pairs         mean absolute difference of the associations of pairs of columns
    closer        share of synthetic rows that are nearer to a training than to a held-out row; 0.5 is best
    ratio         median distance to the nearest training row, over that to the nearest held-out row; 1 is best
    copies        share of synthetic rows that are equal to a training row
    l_syn, l_test of asia and alarm, whose law is known: see synthesis.py
    log_p         nats a held-out row, of rows whose names were all seen in training, and with whole numbers where all
                  of training are
    contradicted  adult: share of rows whose education has another number than its own

Measures are those of velbo.evaluation.synthetic, against rows that no generator saw. Seconds are of one processor:
training and sampling; megabytes are the peak of the process. What the file of results has is not made again.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import bayesian_networks
import records
from generators import GENERATORS, generate
from velbo import Schema, infer
from velbo.evaluation.synthetic import column_quality, pair_quality, synthetic_report
from velbo.evaluation.synthetic.features import features

MOST, SHARE, COMPARED = 5_000, 0.7, 2_000
WIDER = {"count": "real", "integer": "real", "positive": "real", "bounded": "real"}
Frame = pd.DataFrame


def census(data: Path) -> Frame:
    return pd.read_csv(data / "tables" / "adult.csv", skipinitialspace=True)


def network(name: str, data: Path) -> Frame:
    truth = bayesian_networks.read(data / "tables" / f"{name}.bif.gz")
    return truth.frame(truth.sample(2 * MOST, 0))


def uci(name: str, data: Path) -> Frame:
    frame = pd.read_csv(data / "tables" / f"{name}.csv", header=None, sep=None, engine="python")
    return frame.set_axis([*(f"x{d}" for d in range(frame.shape[1] - 1)), "target"], axis=1)


def scikit(load: Callable[..., Any], data: Path) -> Frame:
    frame = load(as_frame=True).frame
    return frame.astype({c: int for c in frame if (frame[c] % 1 == 0).all()})


def anomalies(name: str, data: Path) -> Frame:
    file = np.load(data / "anomaly" / f"{name}.npz")
    frame = Frame(file["X"], columns=[f"x{d}" for d in range(file["X"].shape[1])])
    return frame.assign(target=file["y"].astype(int))


TABLES: dict[str, tuple[Callable[[Path], Frame], str]] = {
    "wine": (partial(scikit, load_wine), "target"),
    "banknote": (partial(uci, "banknote"), "target"),
    "diabetes": (partial(scikit, partial(load_diabetes, scaled=False)), "target"),
    "wine_red": (partial(uci, "wine_red"), "target"),
    "breast_cancer": (partial(scikit, load_breast_cancer), "target"),
    "Pima": (partial(anomalies, "Pima"), "target"),
    "asia": (partial(network, "asia"), "dysp"),
    "adult": (census, "income"),
    "alarm": (partial(network, "alarm"), "BP"),
    "digits": (partial(scikit, load_digits), "target"),
}
"""Name -> how it is read, and the column that is learned."""
MEASURES = ("score", "gap", "auc", "c2st", "columns", "pairs", "closer", "ratio", "copies", "l_syn", "l_test", "log_p")
SHOWN = (*MEASURES, "contradicted", "training", "sampling", "megabytes")


def split(frame: Frame, seed: int) -> tuple[Frame, Frame]:
    """(training rows, held-out rows)."""
    rows = frame.iloc[np.random.default_rng(seed).permutation(len(frame))].reset_index(drop=True)
    n = min(int(SHARE * len(rows)), MOST)
    return rows[:n], rows[n : 2 * n].reset_index(drop=True)


def known(train: Frame, test: Frame) -> Frame:
    """Rows of test whose names were all seen in training, and whose numbers are whole where all of training are."""
    seen = [test[c].isin(set(train[c])).to_numpy() for c in train if train[c].dtype.kind not in "biuf"]
    numbers = [c for c in train if train[c].dtype.kind == "f" and not np.any(train[c].to_numpy() % 1)]
    whole = [test[c].to_numpy() % 1 == 0 for c in numbers]
    return test.iloc[np.flatnonzero(np.all([np.ones(len(test), bool), *seen, *whole], axis=0))].reset_index(drop=True)


def made(method: str, train: Frame, test: Frame, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """What a generator gives."""
    if method == "real":
        return {"rows": train}
    python = Path(sys.executable) if method.startswith("velbo") else options.peers
    return generate(python, method, train, test, seed)


def any_numbers(frame: Frame) -> Schema:
    """The table's schema with kinds whose values have no limits, as a generator may go beyond those of the table."""
    kinds = {f.name: WIDER.get(f.kind, "") for f in infer(frame).modelled}
    return infer(frame, {name: kind for name, kind in kinds.items() if kind})


def judged(rows: Frame, train: Frame, test: Frame, frame: Frame, target: str, seed: int) -> dict[str, float]:
    """Measures of rows that every table has."""
    schema = any_numbers(frame)
    codes = [schema.numbers(t) for t in (train, rows, test)]
    report = synthetic_report(codes[0], codes[1], schema.modelled, codes[2], target, seed, rows=COMPARED)
    learned, private = report.efficacy, report.privacy
    assert learned is not None
    assert private is not None
    middle = [distances[2] for distances in (private.distance_training, private.distance_holdout)]
    found = {
        "score": learned.mean_synthetic,
        "gap": learned.mean_real - learned.mean_synthetic,
        "c2st": report.classifier.auc,
        "columns": float(np.mean([c.distance for c in column_quality(codes[2], codes[1], schema.modelled, seed)])),
        "pairs": pair_quality(codes[2], codes[1], schema.modelled, seed=seed).mean,
        "closer": private.closer,
        "ratio": middle[0] / middle[1] if middle[1] else float("nan"),
        "copies": report.copies / len(rows),
    }
    if len(np.unique(frame[target].to_numpy())) == 2:
        place = [c.name for c in schema.modelled].index(target)
        inputs = [c for c in schema.modelled if c.name != target]
        x, y = (features(np.delete(c, place, 1), inputs, np.delete(codes[1], place, 1)) for c in codes[1:])
        if len(np.unique(codes[1][:, place])) == 2:
            model = HistGradientBoostingClassifier(random_state=seed).fit(x, codes[1][:, place])
            found["auc"] = float(roc_auc_score(codes[2][:, place], model.predict_proba(y)[:, 1]))
        else:
            found["auc"] = 0.5
    return found


def by_network(name: str, rows: Frame, test: Frame, data: Path) -> dict[str, float]:
    """L_syn and L_test, nats a row."""
    truth = bayesian_networks.read(data / "tables" / f"{name}.bif.gz")
    synthetic = truth.codes(rows)
    both = (truth.log_likelihood(synthetic), truth.learned(synthetic).log_likelihood(truth.codes(test)))
    l_syn, l_test = (float(bayesian_networks.floored(each).mean()) for each in both)
    return {"l_syn": l_syn, "l_test": l_test}


def measured(name: str, method: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Everything of one generator on one split of one table."""
    read, target = TABLES[name]
    frame = read(options.data)
    train, test = split(frame, seed)
    found = made(method, train, known(train, test), seed, options)
    rows = found.pop("rows")
    log_p = found.pop("log_p", np.array([np.nan]))
    found |= judged(rows, train, test, frame, target, seed)
    if np.isfinite(log_p).all():
        found["log_p"] = float(log_p.mean())
    if name in ("asia", "alarm"):
        found |= by_network(name, rows, test, options.data)
    if name == "adult":
        pairs = ["education", "education-num"]
        right = set(frame[pairs].itertuples(index=False, name=None))
        found["contradicted"] = float(np.mean([pair not in right for pair in rows[pairs].itertuples(index=False)]))
    return found


def show(results: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Every table, then means over the tables that all methods have."""
    methods = [m for m in ("real", *GENERATORS) if any(m in found for found in results.values())]
    for name, found in results.items():
        names = [m for m in SHOWN if any(m in f for f in found.values())]
        print(f"\n| {name} | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
        for method in methods:
            if method in found:
                cells = [_cell(found[method].get(m)) for m in names]
                print(f"| {method} ({len(found[method]['score'])}) | " + " | ".join(cells) + " |")
    both = [found for found in results.values() if all(m in found for m in methods)]
    names = [m for m in SHOWN if m not in ("real", "auc", "l_syn", "l_test", "log_p", "contradicted")]
    print(f"\n| mean of {len(both)} tables | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for method in methods:
        each = [[np.mean(found[method][m]) for found in both if m in found[method]] for m in names]
        print(f"| {method} | " + " | ".join(_cell(v or None) for v in each) + " |")


def _cell(values: Any) -> str:
    return "" if values is None else f"{np.nanmean(values):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--peers", type=Path, help="an interpreter that has mostlyai-engine and ctgan")
    parser.add_argument("--only", nargs="*", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--methods", nargs="*", choices=["real", *GENERATORS])
    parser.add_argument("--show", action="store_true", help="print what is known, run nothing")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "synthetic_tables.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    own = [m for m in GENERATORS if m.startswith("velbo")]
    methods = options.methods or ["real", *(GENERATORS if options.peers else own)]
    if options.peers is None and set(methods) - {"real", *own}:
        parser.error("TabularARGN, TVAE and CTGAN need --peers PYTHON")
    for seed, name, method in itertools.product(range(0 if options.show else options.seeds), options.only, methods):
        found = records.read(options.output).get(name, {}).get(method, {"seeds": []})
        if seed not in found["seeds"]:
            one = measured(name, method, seed, options)
            each = {m: [*found.get(m, []), one[m]] for m in SHOWN if m in one}
            records.add(options.output, name, method, {"seeds": [*found["seeds"], seed], **each})
            print(name, method, seed, {m: round(v, 3) for m, v in one.items()}, flush=True)
    show(records.read(options.output))


if __name__ == "__main__":
    main()
