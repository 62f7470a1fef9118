"""How good is a model after 1, 2, 5, 10 and 30 epochs, beside pythae and a plain loop?

    python benchmarks/short_runs.py --data FOLDER [--epochs 1 2 5 10 30 --seeds 3 --only mnist adult digits]

One layout, D-512-20-512-D, with a Bernoulli likelihood and the closed-form KL, on rows of zeros and ones:

    mnist    mnist.npz of the folder, statically binarised, its own test images
    adult    adult.csv of the folder: a name is a 1 among zeros, a number one of five parts; a third held out
    digits   scikit-learn's, binarised, a third held out

velbo chooses batch, rate, schedule and averaging by itself, as for any user; the others have batches of 128 and Adam at
0.001, with which pythae's examples begin. All are scored by one formula on the test rows: -ELBO in nats, 20 samples.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import machine
import peers
from throughput import binarised, test_bound, train_velbo
from velbo import Optimisation

PARTS = 5
Split = tuple[Any, Any]


def mnist(folder: Path) -> Split:
    archive = np.load(folder / "mnist.npz")
    return binarised(archive["train_images"], 0), binarised(archive["test_images"], 1)


def adult(folder: Path) -> Split:
    frame = pd.read_csv(folder / "adult.csv", skipinitialspace=True)
    parts = {
        name: pd.qcut(column, PARTS, duplicates="drop").cat.codes if column.dtype.kind in "if" else column
        for name, column in frame.items()
    }
    cells = pd.get_dummies(pd.DataFrame(parts).astype(str)).to_numpy(np.uint8)
    return tuple(train_test_split(cells, test_size=1 / 3, random_state=0))  # type: ignore[return-value]


def digits(_: Path) -> Split:
    images = (load_digits().images / 16 * 255).astype(np.uint8)
    return tuple(train_test_split(binarised(images, 0), test_size=1 / 3, random_state=0))  # type: ignore[return-value]


DATA: dict[str, Callable[[Path], Split]] = {"mnist": mnist, "adult": adult, "digits": digits}
SIDES: dict[str, Callable[[Any, int, int], peers.Trained]] = {
    "velbo": lambda x, n, seed: train_velbo(x, n, seed, Optimisation(), "auto"),
    "pythae": peers.pythae,
    "plain loop": peers.plain_loop,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with mnist.npz and adult.csv")
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 2, 5, 10, 30])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(DATA), default=list(DATA))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "short_runs.json")
    options = parser.parse_args()
    results: list[dict[str, Any]] = []
    print("-ELBO of test rows, nats (sd over seeds; median of seconds)")
    for name in options.only:
        train, test = DATA[name](options.data)
        x_test = torch.from_numpy(test.reshape(len(test), -1)).float()
        for epochs in options.epochs:
            runs: dict[str, list[tuple[float, float]]] = {side: [] for side in SIDES}
            for seed in range(options.seeds):
                for side, fit in SIDES.items():
                    seconds, encode, decode = fit(train, epochs, seed)
                    runs[side].append((test_bound(encode, decode, x_test), seconds))
            shown = [f"{name}, {len(train)} rows, {epochs:2d} epochs"]
            for side, found in runs.items():
                losses, seconds = zip(*found, strict=True)
                results.append({"data": name, "epochs": epochs, "side": side, "losses": losses, "seconds": seconds})
                spread = stdev(losses) if len(losses) > 1 else 0.0
                shown.append(f"{side} {mean(losses):.2f} ({spread:.2f}; {median(seconds):.1f} s)")
            print("   ".join(shown), flush=True)
            options.output.write_text(json.dumps({"machine": machine.describe(), "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
