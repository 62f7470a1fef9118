"""Does a weight on the total correlation pull the factors apart? A small set of images with known factors, five seeds.

    python benchmarks/disentangling.py [--seeds 5 --epochs 150 --objective beta-tc:tc_weight=8]

Images of 16 x 16 pixels hold one soft square, disc or cross, in four sizes, at 7 x 7 places: 588 in all, each factor
independent of the others. Scores are on all of them, of posterior means; rate and ELBO show what the weight costs.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import machine
from velbo import Budget, ObjectiveConfig, Optimisation, Recipe, TrainingConfig, Validation, Weighting, carry_out, plan
from velbo.config import Machine
from velbo.evaluation.latents.disentanglement import disentanglement

SIDE, PLACES, SIZES, SHAPES = 16, 7, 4, 3


def images() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(images (588, 16, 16) in [0, 1], factors (588, 4): shape, size, row, column)."""
    grid = np.arange(SIDE)
    pictures, factors = list[Any](), list[tuple[int, ...]]()
    for shape, size, row, column in itertools.product(*(range(n) for n in (SHAPES, SIZES, PLACES, PLACES))):
        radius = 1.5 + 0.6 * size
        dy, dx = (np.abs(grid - 4 - 8 / (PLACES - 1) * place) for place in (row, column))
        y, x = np.meshgrid(dy, dx, indexing="ij")
        distance = (np.maximum(y, x), np.hypot(y, x), np.minimum(y, x) + 0.4 * np.maximum(y, x))[shape]
        pictures.append(1 / (1 + np.exp(4 * (distance - radius))))
        factors.append((shape, size, row, column))
    return np.stack(pictures).astype(np.float32), np.array(factors)


def scores(objective: str, seed: int, epochs: int) -> dict[str, float]:
    x, factors = images()
    training = TrainingConfig(
        Budget(epochs=epochs),
        Optimisation(batch_size=98, lr=2e-3),
        Weighting(beta_warmup=0.2),
        Validation(0),
        Machine(seed=seed),
    )
    recipe = Recipe("mlp", latent=6, hidden=(256, 128), likelihood="bernoulli")
    fitted = carry_out(plan(x, recipe, ObjectiveConfig(objective), training), x)
    found = disentanglement(fitted.encode(x), factors, seed=seed).to_json()
    result = fitted.evaluate(x, samples=10)
    return {**{k: v for k, v in found.items() if isinstance(v, float)}, "elbo": result.elbo, "rate": result.rate}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--objective", default="beta-tc:tc_weight=8")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "disentangling.json")
    options = parser.parse_args()
    results: dict[str, list[dict[str, float]]] = {}
    for name in ("elbo", options.objective):
        results[name] = [scores(name, seed, options.epochs) for seed in range(options.seeds)]
        table = {k: np.array([r[k] for r in results[name]]) for k in results[name][0]}
        error = np.sqrt(options.seeds)
        print(
            name, " ".join(f"{k} {v.mean():.3f} +- {v.std(ddof=1) / error:.3f}" for k, v in table.items()), flush=True
        )
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"machine": machine.describe(), "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
