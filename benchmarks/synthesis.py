"""Synthetic tables: how well do models learn from them, and how likely are they, where that is known exactly?

    python benchmarks/synthesis.py --data FOLDER [--peers PYTHON --tvae-epochs 300 --epochs 100 --only asia ...]

As in Modeling tabular data using conditional GAN, Xu et al., 2019, https://arxiv.org/abs/1907.00503, by the settings
of its code (https://github.com/sdv-dev/SDGym, sdgym/evaluate.py of version 0.1).

adult   23,000 rows to train on, the others to test on; as many synthetic rows as training rows. F1 of the class >50K of
        `income`, mean over a decision tree, AdaBoost, logistic regression and an MLP that are trained on the synthetic
        rows; `real` trains them on the real ones.
asia,   Bayesian networks, from which 10,000 training and 10,000 test rows are drawn; 10,000 synthetic rows.
alarm       L_syn    mean of log(p(x) + 1e-8) over synthetic rows, p the network's own
            L_test   the same over test rows, of the network with the same structure and the relative frequencies of
                     the synthetic rows, without smoothing; uniform given states of parents that no row has
        1e-8 is the paper's: a row that cannot be costs 18.4 nats. `real` scores the training rows themselves: the
        ideal. A model whose rows are all too likely beats it in L_syn and loses in L_test; read the two together.

TVAE runs in the interpreter PYTHON (table_peers.py), on the same training rows, with its defaults but for the epochs
asked for. Seconds are of training and of sampling. The output keeps the results of methods that are not run.
"""

from __future__ import annotations

import argparse
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import bayesian_networks
import records
from table_peers import ask, columns
from velbo import Budget, Recipe, TrainingConfig, fit, infer
from velbo.build.parts import PRIORS
from velbo.config import Machine
from velbo.evaluation.synthetic import SDGYM, efficacy

NETWORKS = ("asia", "alarm")
ADULT_TRAINING, NETWORK_ROWS = 23_000, 10_000
PUBLISHED = {
    "asia": "Published: ideal -2.24; TVAE L_syn -2.29, L_test -2.27",
    "alarm": "Published: ideal -10.23; TVAE L_syn -11.44, L_test -10.76",
}
Synthetic = tuple[pd.DataFrame, float, float]


def velbo(prior: str, frame: pd.DataFrame, seed: int, options: argparse.Namespace, recipe: str = "auto") -> Synthetic:
    """(as many rows as in frame, seconds of training, seconds of sampling)."""
    start = time.perf_counter()
    training = TrainingConfig(Budget(epochs=options.epochs), machine=Machine(seed=seed))
    made_of = Recipe(recipe, options.latent, prior=prior)
    fitted = fit(frame, made_of, objective=options.objective, training=training)
    middle = time.perf_counter()
    rows = fitted.sample(len(frame), seed)
    return rows, middle - start, time.perf_counter() - middle


def tvae(frame: pd.DataFrame, seed: int, options: argparse.Namespace) -> Synthetic:
    answer = ask(options.peers, "tvae", columns(frame), n=len(frame), epochs=options.tvae_epochs, seed=seed)
    fit_seconds, sample_seconds = answer.pop("seconds")
    return pd.DataFrame(answer), float(fit_seconds), float(sample_seconds)


def real(frame: pd.DataFrame, seed: int, options: argparse.Namespace) -> Synthetic:
    return frame, 0.0, 0.0


METHODS = {
    **{f"velbo, {prior}": partial(velbo, prior) for prior in PRIORS},
    "velbo, recipe autoregressive": partial(velbo, "standard", recipe="autoregressive"),
    "TVAE": tvae,
    "real": real,
}


def adult(method: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """F1 by synthetic rows."""
    frame = pd.read_csv(options.data / "tables" / "adult.csv", skipinitialspace=True)
    order = np.random.default_rng(seed).permutation(len(frame))
    train, test = (frame.iloc[o].reset_index(drop=True) for o in np.split(order, [options.rows or ADULT_TRAINING]))
    test = test.tail(len(frame) - ADULT_TRAINING)
    schema = infer(frame)
    rows, fit_seconds, sample_seconds = METHODS[method](train, seed, options)
    codes = [schema.numbers(t) for t in (train, rows, test)]
    found = efficacy(*codes, schema.modelled, "income", SDGYM, seed)
    f1 = {f"f1, {name}": value for name, value in found.synthetic.items()}
    return {"f1": found.mean_synthetic, **f1, "seconds": fit_seconds, "sampling": sample_seconds}


def network(name: str, method: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """L_syn and L_test, nats a row."""
    truth = bayesian_networks.read(options.data / "tables" / f"{name}.bif.gz")
    train, test = (truth.sample(NETWORK_ROWS, (seed, part)) for part in (0, 1))
    rows, fit_seconds, sample_seconds = METHODS[method](truth.frame(train), seed, options)
    synthetic = truth.codes(rows)
    log_p = truth.log_likelihood(synthetic)
    log_q = truth.learned(synthetic).log_likelihood(test)
    l_syn, l_test = (float(bayesian_networks.floored(each).mean()) for each in (log_p, log_q))
    impossible = float(np.isinf(log_p).mean())
    return {
        "l_syn": l_syn,
        "l_test": l_test,
        "impossible": impossible,
        "seconds": fit_seconds,
        "sampling": sample_seconds,
    }


def line(found: dict[str, Any]) -> str:
    """Means over seeds, and standard deviations where there are several."""
    each = {name: np.array(v) for name, v in found.items() if isinstance(v, list) and "," not in name}
    return ", ".join(
        f"{name} {v.mean():.3f}" + (f" +- {v.std():.3f}" if len(v) > 1 else "") for name, v in each.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=100, help="of velbo")
    parser.add_argument("--latent", type=int, default=8)
    parser.add_argument("--objective", default="elbo", help="of velbo")
    parser.add_argument("--tvae-epochs", type=int, default=300)
    parser.add_argument("--rows", type=int, help="training rows of adult, where 23,000 would take too long")
    parser.add_argument("--peers", type=Path, help="an interpreter that has ctgan")
    parser.add_argument("--only", nargs="*", choices=("adult", *NETWORKS), default=("adult", *NETWORKS))
    parser.add_argument("--methods", nargs="*", choices=list(METHODS))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "synthesis.json")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    methods = options.methods or ["velbo, mixture", *(["TVAE"] if options.peers else []), "real"]
    if options.peers is None and "TVAE" in methods:
        parser.error("TVAE needs --peers PYTHON")
    for table in options.only:
        for method in methods:
            each = [
                adult(method, seed, options) if table == "adult" else network(table, method, seed, options)
                for seed in range(options.seeds)
            ]
            found: dict[str, Any] = {name: [e[name] for e in each] for name in each[0]}
            epochs = {"TVAE": options.tvae_epochs, "real": None}.get(method, options.epochs)
            records.add(options.output, table, method, {**found, "epochs": epochs, "rows": options.rows})
    for table, methods_found in records.read(options.output).items():
        print(f"{table}. {PUBLISHED.get(table, '')}")
        for method, found in methods_found.items():
            print(f"  {method:15s} {line(found)}", flush=True)


if __name__ == "__main__":
    main()
