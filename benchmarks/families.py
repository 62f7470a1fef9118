"""Priors, posteriors and objectives on dynamically binarised MNIST, each trained for the same minutes by `velbo fit`.

    python benchmarks/families.py --data mnist.npz [--minutes 10 --samples 1000 --rows 10000 --only standard vamp]

One row a model: test ELBO, the bound of so many importance samples, what lies between them, active units, passes over
the data. A model trained for longer: --only "conv, real-nvp" --minutes 60.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import machine

RESMLP = "--recipe resmlp --hidden 512,512 --latent 40 --weight-decay 0.05"
CONV = "--recipe conv --hidden 16,32 --latent 40"
MODELS = {
    "standard": RESMLP,
    "mixture": f"{RESMLP} --prior mixture",
    "vamp": f"{RESMLP} --prior vamp",
    "real-nvp": f"{RESMLP} --prior real-nvp",
    "posterior iaf": f"{RESMLP} --posterior iaf",
    "posterior iaf, real-nvp": f"{RESMLP} --posterior iaf --prior real-nvp",
    "iwae 5": f"{RESMLP} --objective iwae",
    "conv": CONV,
    "conv, real-nvp": f"{CONV} --prior real-nvp",
}


def train(data: str, options: str, minutes: float, folder: Path) -> None:
    fixed = f"--likelihood bernoulli --validation 0.02 --minutes {minutes}"
    command = [sys.executable, "-m", "velbo", "fit", f"{data}:train_images", "--run", str(folder)]
    subprocess.run([*command, *options.split(), *fixed.split()], check=True)


def measure(data: str, folder: Path, samples: int, rows: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "velbo", "evaluate", str(folder), f"{data}:test_images", "--json"]
    command += ["--samples", str(samples), "--rows", str(rows)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="an .npz with train_images and test_images")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=10000, help="test images, a seeded random subset")
    parser.add_argument("--only", nargs="*", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--runs", type=Path, default=Path("families"), help="folder of the runs, which are kept")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "families.json")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    head = f"{'model':26s} {'ELBO':>8s} {'log p >=':>9s} {'+-':>5s} {'between':>8s} active epochs {'s':>6s}"
    print(head, flush=True)
    for name in options.only:
        folder = options.runs / f"{name.replace(', ', '-').replace(' ', '-')}-{options.minutes:g}"
        if not (folder / "model.safetensors").exists():
            train(options.data, MODELS[name], options.minutes, folder)
        start = time.perf_counter()
        found = measure(options.data, folder, options.samples, options.rows)
        seconds = time.perf_counter() - start
        epochs = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["epoch"]
        results[name] = {**found, "epochs": epochs, "minutes": options.minutes, "seconds_of_evaluation": seconds}
        between = found["log_likelihood"] - found["elbo"]
        print(
            f"{name:26s} {found['elbo']:8.2f} {found['log_likelihood']:9.2f} {found['log_likelihood_se']:5.2f} "
            f"{between:8.2f} {found['active_units']:6d} {epochs:6d} {seconds:6.0f}",
            flush=True,
        )
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"machine": machine.describe(), "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
