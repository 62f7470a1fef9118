"""Frey Faces, 8 bits: bits per dimension of 200 test images, 1,565 to train on and 200 to choose the best weights by.

    python benchmarks/frey_faces.py --data freyfaces.npz [--minutes 10 --seed 0 --recipe "--recipe resmlp ..."]

Published, with the same likelihood and split sizes: VAE 4.63, with a VampPrior 4.57 (VAE with a VampPrior, Tomczak and
Welling, 2018, https://arxiv.org/abs/1705.07120).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import machine

N_TRAINING, N_VALIDATION, N_TEST = 1565, 200, 200
RECIPE = "--recipe resmlp --hidden 256,256 --latent 40 --dropout 0.2 --weight-decay 0.1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="an .npz with images")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipe", default=RECIPE)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "frey_faces.json")
    options = parser.parse_args()
    images = np.load(options.data)["images"]
    order = np.random.default_rng(options.seed).permutation(len(images))
    with tempfile.TemporaryDirectory() as name:
        folder, velbo = Path(name), [sys.executable, "-m", "velbo"]
        np.save(folder / "train.npy", images[order[: N_TRAINING + N_VALIDATION]])
        np.save(folder / "test.npy", images[order[-N_TEST:]])
        share = N_VALIDATION / (N_TRAINING + N_VALIDATION)
        fixed = f"--kind byte --levels 256 --likelihood discretized-logistic --validation {share} --seed {options.seed}"
        fit = [
            *velbo,
            "fit",
            str(folder / "train.npy"),
            "--run",
            str(folder / "run"),
            "--minutes",
            str(options.minutes),
        ]
        subprocess.run([*fit, *options.recipe.split(), *fixed.split()], check=True)
        evaluate = [*velbo, "evaluate", str(folder / "run"), str(folder / "test.npy"), "--json"]
        evaluate += ["--samples", str(options.samples)]
        found = json.loads(subprocess.run(evaluate, check=True, capture_output=True, text=True).stdout)
    print(f"bits per dimension {found['bits_per_dim']:.3f}, of the ELBO {-found['elbo'] / (560 * np.log(2)):.3f}")
    print(f"log p >= {found['log_likelihood']:.1f} +- {found['log_likelihood_se']:.1f} nats, rate {found['rate']:.1f}")
    record = {"machine": machine.describe(), "recipe": options.recipe, "minutes": options.minutes, "results": found}
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
