"""Groups of latents against one, each trained by `velbo fit` for the same number of floating-point operations.

    python benchmarks/hierarchies.py --data mnist.npz [--pflop 0.1 --samples 1000 --rows 10000 --only "flat" "ladder 4"]

One row a model: parameters, operations of an image forward, operations of training as torch counts them (forward and
backward, convolutions and matrix products), passes over the data and minutes they took; then on test images the ELBO,
the bound of so many importance samples, bits a dimension, KL of every group, and how fast was computed, as a share of
what the machine multiplies matrices with; and of 2,000 samples beside as many test images precision, recall, density,
coverage, and the AUC of a classifier that tries to tell them, with a sheet of them in the folder of the run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

import machine
import velbo

BATCH = 128
N_SAMPLES, N_SHOWN = 2000, 100
FLAT = "--recipe conv --hidden 16,32 --latent 40"
LADDER = "--recipe ladder --hidden 16,32 --latent 24"
MODELS = {
    "flat": f"{FLAT} --prior real-nvp",
    "flat, standard": f"{FLAT} --prior standard",
    "ladder 2": f"{LADDER} --prior real-nvp --groups 4",
    "ladder 4": f"{LADDER} --prior real-nvp --groups 4,4,4",
    "ladder 6": f"{LADDER} --prior real-nvp --groups 4,4,4,4,4",
    "ladder 2, diffusion": f"{LADDER} --prior diffusion --groups 4",
    "ladder 4, diffusion": f"{LADDER} --prior diffusion --groups 4,4,4",
    "ladder 6, diffusion": f"{LADDER} --prior diffusion --groups 4,4,4,4,4",
    "wide ladder 4": "--recipe ladder --hidden 32,64 --latent 24 --prior real-nvp --groups 4,4,4 --lr 0.003",
    "diffusion": "--recipe diffusion",
}


@dataclass(frozen=True)
class Cost:
    """Of one image."""

    parameters: int
    forward: float
    step: float


def cost(config: dict[str, Any]) -> Cost:
    """What torch counts in one step of a batch, by the plan of a run."""
    plan = velbo.Plan.from_json(config)
    model, x = plan.build(), torch.rand(BATCH, plan.schema.n_dims).round()
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        model.terms(x)
    with FlopCounterMode(display=False) as step:
        (-plan.make_objective()(model.terms(x)).surrogate.mean()).backward()
    n = sum(p.numel() for p in model.parameters())
    return Cost(n, forward.get_total_flops() / BATCH, step.get_total_flops() / BATCH)


def velbo_(*arguments: object) -> str:
    command = [sys.executable, "-m", "velbo", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def train(options: argparse.Namespace, words: list[str], folder: Path) -> tuple[Cost, int]:
    """(cost, epochs) of a run that is trained if it is not there."""
    begun = folder / "config.json"
    fixed = ["--likelihood", options.likelihood, "--validation", 0.02, *options.fit.split()]
    if not begun.exists():  # the plan alone, to count by
        probe = folder.with_name(f"{folder.name}-plan")
        velbo_("fit", f"{options.data}:train_images", "--rows", 300, "--run", probe, "--epochs", 1, *words, *fixed)
        found = cost(json.loads((probe / "config.json").read_text()))
        n_rows = options.train_rows or 60000
        epochs = max(1, round(options.pflop * 1e15 / (found.step * 0.98 * n_rows)))
        rows = ["--rows", n_rows] if options.train_rows else []
        velbo_("fit", f"{options.data}:train_images", *rows, "--run", folder, "--epochs", epochs, *words, *fixed)
    config = json.loads(begun.read_text())
    return cost(config), config["training"]["budget"]["epochs"]


def quality(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Of samples beside test images."""
    velbo_("sample", folder, "-n", N_SHOWN, "-o", folder / "samples.png")
    command = ["quality", folder, f"{options.data}:test_images", "--rows", N_SAMPLES, "--json"]
    found = json.loads(velbo_(*command))
    return {**found["neighbours"], "auc": found["classifier"]["auc"]}


def row(options: argparse.Namespace, name: str) -> dict[str, Any]:
    folder = options.runs / f"{name.replace(', ', '-').replace(' ', '-')}-{options.pflop:g}"
    folder.parent.mkdir(exist_ok=True, parents=True)
    each, epochs = train(options, MODELS[name].split(), folder)
    last = json.loads((folder / "clock.jsonl").read_text().splitlines()[-1])
    n_rows = json.loads((folder / "config.json").read_text())["data"]["n_rows"]
    pflop = each.step * epochs * 0.98 * n_rows / 1e15
    command = ["evaluate", folder, f"{options.data}:test_images", "--json", "--samples", options.samples]
    start = time.perf_counter()
    found = json.loads(velbo_(*command, "--rows", options.rows))
    seconds = time.perf_counter() - start
    work = each.forward * options.samples * found["rows"]
    return {
        **found,
        "quality": quality(options, folder),
        "parameters": each.parameters,
        "forward": each.forward,
        "pflop": pflop,
        "epochs": epochs,
        "minutes": last["seconds"] / 60,
        "share_of_rate": pflop * 1e15 / last["seconds"] / options.rate,
        "evaluation_share_of_rate": work / seconds / options.rate,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="an .npz with train_images and test_images")
    parser.add_argument("--pflop", type=float, default=0.1, help="work of a training")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=10000, help="test images, a seeded random subset")
    parser.add_argument("--train-rows", type=int, default=0, help="training images; all if not given")
    parser.add_argument("--likelihood", default="bernoulli")
    parser.add_argument("--fit", default="", help="further options of velbo fit, for all")
    parser.add_argument("--only", nargs="*", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--runs", type=Path, default=Path("hierarchies"), help="folder of the runs, which are kept")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "hierarchies.json")
    options = parser.parse_args()
    options.rate = machine.matrix_rate()
    results: dict[str, Any] = {}
    print(f"matrix products of this machine: {options.rate / 1e9:.0f} GFLOP/s in float32")
    head = "model parameters MFLOP PFLOP passes minutes rate ELBO log-p +- bits/dim KL-of-groups".split()
    head += "precision recall density coverage AUC".split()
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for name in options.only:
        r = results[name] = row(options, name)
        told = " | ".join(f"{value:.2f}" for value in r["quality"].values())
        groups = " ".join(f"{kl:.1f}" for kl in r["kl_per_group"])
        print(
            f"| {name} | {r['parameters']:,} | {r['forward'] / 1e6:.1f} | {r['pflop']:.3f} | {r['epochs']} | "
            f"{r['minutes']:.1f} | {r['share_of_rate']:.0%} | {r['elbo']:.2f} | {r['log_likelihood']:.2f} | "
            f"{r['log_likelihood_se']:.2f} | {r['bits_per_dim']:.3f} | {groups} | {told} |",
            flush=True,
        )
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"machine": machine.describe(), "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
