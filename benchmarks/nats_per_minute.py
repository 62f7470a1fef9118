"""Test log-likelihood against minutes of training, for several recipes, each trained for each budget by `velbo fit`.

    python benchmarks/nats_per_minute.py --data mnist.npz [--minutes 1 3 10 --recipes mlp resmlp conv]

Dynamic binarisation; the log-likelihood is the 200-sample bound on 1,000 random test images. A budget is a run of its
own, for the learning rate follows it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import machine

RECIPES = {
    "mlp": "--recipe mlp --hidden 200,200 --latent 50",
    "resmlp": "--recipe resmlp --hidden 512,512 --latent 40 --weight-decay 0.05",
    "conv": "--recipe conv --hidden 32,64 --latent 40",
}


def run(data: str, recipe: str, minutes: float, folder: Path) -> dict[str, Any]:
    velbo = [sys.executable, "-m", "velbo"]
    options = f"--likelihood bernoulli --validation 0.02 --minutes {minutes}".split()
    command = [*velbo, "fit", f"{data}:train_images", "--run", str(folder), *RECIPES[recipe].split(), *options]
    subprocess.run(command, check=True)
    command = [*velbo, "evaluate", str(folder), f"{data}:test_images", *"--rows 1000 --samples 200 --json".split()]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def picture(results: dict[str, dict[str, Any]], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    ticks = sorted({float(m) for points in results.values() for m in points})
    for recipe, points in results.items():
        minutes = [float(m) for m in points]
        values = [p["log_likelihood"] for p in points.values()]
        axes.errorbar(minutes, values, [p["log_likelihood_se"] for p in points.values()], marker="o", label=recipe)
    axes.set(xscale="log", xlabel="minutes of training", ylabel="test log-likelihood, nats")
    axes.set_xticks(ticks, [f"{m:g}" for m in ticks])
    axes.minorticks_off()
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="an .npz with train_images and test_images")
    parser.add_argument("--minutes", type=float, nargs="*", default=[1, 3, 10])
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "nats_per_minute.json")
    options = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    for recipe in options.recipes:
        results[recipe] = {}
        for minutes in options.minutes:
            with tempfile.TemporaryDirectory() as folder:
                result = run(options.data, recipe, minutes, Path(folder) / "run")
            results[recipe][str(minutes)] = result
            error = result["log_likelihood_se"]
            print(f"{recipe:8s} {minutes:5g} min  {result['log_likelihood']:8.2f} +- {error:.2f} nats", flush=True)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"machine": machine.describe(), "results": results}, indent=2) + "\n")
    picture(results, options.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
