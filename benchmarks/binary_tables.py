"""Binary tables: test log-likelihood in nats, and how tight the bound is.

    python benchmarks/binary_tables.py --data FOLDER [--epochs 100 --samples 4096 --only nltcs]

FOLDER/binary holds nltcs and plants as .train.data, .valid.data and .test.data: 0 and 1, separated by commas. Training
and validation rows are put together, and weights are chosen by as many of them as the validation file has (2,000 at
most). The bound L_K rises to log p(x) with the number of samples K, so a curve that is flat at its end, many effective
samples and k-hat below 0.7 say that it is tight. Sum-product networks reach about -6.0 and -12.6.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import records
from velbo import Budget, ObjectiveConfig, Recipe, TrainingConfig, Validation, bound_curve, carry_out, plan, score_rows
from velbo.config import Machine, Optimisation

PUBLISHED = {"nltcs": -6.0, "plants": -12.6}
DOUBTFUL = 0.7


def table(folder: Path, name: str, part: str) -> Any:
    """(N, D) of 0 and 1."""
    return np.loadtxt(folder / "binary" / f"{name}.{part}.data", delimiter=",", dtype=np.uint8)


def scores(name: str, options: argparse.Namespace) -> dict[str, Any]:
    train, valid, test = (table(options.data, name, part) for part in ("train", "valid", "test"))
    rows = np.concatenate((train, valid))
    training = TrainingConfig(
        Budget(epochs=options.epochs),
        Optimisation(weight_decay=options.weight_decay),
        validation=Validation(len(valid) / len(rows)),
        machine=Machine(seed=options.seed),
    )
    recipe = Recipe(options.recipe, options.latent, tuple(options.hidden), "bernoulli", options.dropout, options.prior)
    objective = ObjectiveConfig(options.objective)
    start = time.perf_counter()
    fitted = carry_out(plan(rows, recipe, objective, training), rows)
    seconds, data = time.perf_counter() - start, fitted.store(test)
    curve = bound_curve(fitted.model, data, options.samples, options.seed)
    found = score_rows(fitted.model, data, options.samples, seed=options.seed)
    return {
        "samples": curve.samples,
        "bounds": curve.means.tolist(),
        "standard_error": float(curve.standard_errors[-1]),
        "rate": float(found.rate.mean()),
        "median_effective_samples": float(found.effective_samples.median()),
        "doubtful_rows": float((found.pareto_shape > DOUBTFUL).double().mean()),
        "seconds": seconds,
        "epochs": options.epochs,
        "recipe": recipe.to_json(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--recipe", default="resmlp", help="or autoregressive")
    parser.add_argument("--latent", type=int, default=16)
    parser.add_argument("--hidden", type=int, nargs="*", default=[256, 256])
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--prior", default="real-nvp")
    parser.add_argument("--objective", default="dreg")
    parser.add_argument("--samples", type=int, default=4096, help="the largest K, a power of two")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=list(PUBLISHED), default=list(PUBLISHED))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "binary_tables.json")
    options = parser.parse_args()
    for name in options.only:
        found = scores(name, options)
        records.add(options.output, name, "velbo", found)
        bound, error = found["bounds"][-1], found["standard_error"]
        print(f"{name}: log p >= {bound:.3f} +- {error:.3f} nats a row, rate {found['rate']:.2f}")
        print("  " + ", ".join(f"L_{k} {b:.3f}" for k, b in zip(found["samples"], found["bounds"], strict=True)))
        print(
            f"  median effective samples {found['median_effective_samples']:.0f} of {options.samples}, k-hat > "
            f"{DOUBTFUL} for {found['doubtful_rows']:.1%} of rows; {found['seconds']:.0f} s; sum-product networks "
            f"{PUBLISHED[name]}",
            flush=True,
        )


if __name__ == "__main__":
    main()
