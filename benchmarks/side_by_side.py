"""What several processes gain: `--devices 2` against 1, and a sweep of 8 models against one after the other.

    python benchmarks/side_by_side.py [--rows 40000]

Data are made (784 binary columns). Every figure is the wall time of the command as a user types it, start-up included,
but for `--devices`, where the seconds of training are taken from the run's own clock.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import machine

VELBO = [sys.executable, "-m", "velbo"]
MODEL = "--recipe mlp --hidden 512 --latent 20 --epochs 3".split()


def seconds_of(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run([*VELBO, *command], check=True, capture_output=True)
    return time.perf_counter() - start


def trained(run: Path) -> float:
    """Seconds of training, by the run's clock."""
    return json.loads((run / "clock.jsonl").read_text().splitlines()[-1])["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "side_by_side.json")
    options = parser.parse_args()
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), Path(name) / "x.npy"
        rng = np.random.default_rng(0)
        np.save(data, (rng.random((options.rows, 16)) @ rng.random((16, 784)) > 4).astype(np.uint8))
        for devices in (1, 2):
            run = folder / f"devices{devices}"
            seconds_of("fit", str(data), "--run", str(run), *MODEL, "--devices", str(devices))
            results[f"devices {devices}, rows/s"] = 3 * options.rows * 0.95 / trained(run)
        learning_rates = [round(1e-3 * 1.3**i, 6) for i in range(8)]
        start = time.perf_counter()
        for i, lr in enumerate(learning_rates):
            seconds_of("fit", str(data), "--run", str(folder / f"one{i}"), *MODEL, "--lr", str(lr))
        results["8 fits one after the other, s"] = time.perf_counter() - start
        over = "lr=" + ",".join(map(str, learning_rates))
        results["sweep of the same 8, s"] = seconds_of(
            "sweep", str(data), "--run", str(folder / "s"), *MODEL, "--over", over
        )
    for label, value in results.items():
        print(f"{label:32s} {value:10.1f}")
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"machine": machine.describe(), "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
