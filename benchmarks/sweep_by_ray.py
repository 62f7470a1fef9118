"""A sweep of eight trials by tasks of Ray beside the same on this machine: seconds, and the same bytes.

python benchmarks/sweep_by_ray.py [--data digits --epochs 20 --jobs 2]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OVER = "lr=1e-3,3e-3 latent=2,4 hidden=32;64"


def seconds_of(words: list[str]) -> float:
    """Of a command of velbo."""
    start = time.monotonic()
    environment = {**os.environ, "RAY_worker_niceness": "0"}
    subprocess.run([sys.executable, "-m", "velbo", *words], check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.monotonic() - start


def files(folder: Path) -> dict[str, bytes]:
    """What must be equal: the table, and each trial's weights, metrics and evaluation."""
    names = "model.safetensors", "metrics.jsonl", "evaluation.json"
    each = [trial / name for trial in sorted((folder / "trials").iterdir()) for name in names]
    return {str(file.relative_to(folder)): file.read_bytes() for file in [folder / "results.csv", *each]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here, by_ray = Path(folder) / "here", Path(folder) / "by-ray"
        sweep = ["sweep", options.data, "--over", *OVER.split(), "--recipe", "mlp", "--epochs", str(options.epochs)]
        sweep += ["--jobs", str(options.jobs), "--test", options.data, "--samples-of-test", "10", "--run"]
        print(f"this machine: {seconds_of([*sweep, str(here)]):.0f} s", flush=True)
        print(f"Ray: {seconds_of([*sweep, str(by_ray), '--cluster', 'local']):.0f} s", flush=True)
        wanted, found = files(here), files(by_ray)
        other = [name for name in wanted if wanted[name] != found.get(name)]
        print(f"{len(wanted)} files: {f'DIFFERENT: {other}' if other else 'the same bytes'}")
    sys.exit(bool(other))


if __name__ == "__main__":
    main()
