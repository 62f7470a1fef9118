"""Parquet files larger than a window of memory: rows a second and the peak of resident memory, by number of rows.

    python benchmarks/streaming.py --folder DIR [--rows 1000000 20000000] [--check 1000000]

Data are made once, into DIR, by factor_table.py. The model is 30-128-8-128-30 over standardised numbers, codes and
counts. Every size is one epoch in a process of its own. Peaks are
of resident memory, as the system counts it; "before" is when all is imported and nothing read. Seconds are of training
alone; "to start" is what reading the held-out rows and building took. With --check so many rows are also trained on in
memory, in the same order, and weights compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import nn

import machine
from factor_table import LEVELS, WIDTH, make
from velbo import VAE, Budget, TrainingConfig
from velbo.likelihoods import Normal
from velbo.nets import MLP
from velbo.objectives import ELBO
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.rows import Store
from velbo.rows.encodings import Standardise
from velbo.rows.stream import Stream
from velbo.training import Trainer


class Files:
    """The row groups of a folder as codes (rows, D) float64."""

    def __init__(self, folder: Path) -> None:
        self.places, self.groups = list[tuple[Path, int]](), list[int]()
        for path in sorted(folder.glob("*.parquet")):
            about = pq.read_metadata(path)
            self.places += [(path, i) for i in range(about.num_row_groups)]
            self.groups += [about.row_group(i).num_rows for i in range(about.num_row_groups)]

    def __call__(self, number: int) -> Any:
        path, place = self.places[number]
        with pq.ParquetFile(path) as file:
            table = file.read_row_group(place, use_threads=False)
        codes = np.empty((len(table), WIDTH))
        for i, column in enumerate(table.columns):
            codes[:, i] = pc.index_in(column, pa.array(LEVELS)) if pa.types.is_string(column.type) else column
        return codes


def megabytes() -> float:
    """Peak resident memory of this process so far."""
    unit = 2**20 if platform.system() == "Darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def layers() -> VAE:
    torch.manual_seed(0)
    return VAE(
        nn.Sequential(MLP(WIDTH, 128), DiagonalNormal(128, 8)),
        nn.Sequential(MLP(8, 128), Normal(128, WIDTH)),
        StandardNormal(8),
    )


def work(folder: Path, in_memory: bool, epochs: int) -> dict[str, Any]:
    """Train and tell; the order is the stream's either way."""
    before, begun, read = megabytes(), time.perf_counter(), Files(folder)
    first = read(0)
    encoding = Standardise(tuple(first.mean(0).tolist()), tuple(first.std(0).tolist()))
    stream, model, config = Stream(read.groups, read, WIDTH, encoding), layers(), TrainingConfig(Budget(epochs=epochs))
    trainer = Trainer(model, stream, ELBO(), config)
    if in_memory:
        parts = [encoding.store(read(i), torch.float32) for i in range(len(read.groups))]
        trainer = Trainer(model, Store(torch.cat(parts), encoding), ELBO(), config, order=trainer.order)
    to_start = time.perf_counter() - begun
    history = trainer.run()
    weights = hashlib.sha256(b"".join(t.numpy().tobytes() for t in model.state_dict().values())).hexdigest()
    return {
        "rows": len(stream),
        "in_memory": in_memory,
        "rows_a_second": len(trainer.order) * epochs / history.seconds,
        "seconds_to_start": to_start,
        "seconds": history.seconds,
        "megabytes_before": before,
        "megabytes_peak": megabytes(),
        "elbo": history.best,
        "steps": history.steps,
        "weights": weights,
    }


def measured(folder: Path, epochs: int, *options: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--folder", str(folder), "--epochs", str(epochs), "--work", *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 20_000_000])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--check", type=int, default=None, metavar="ROWS")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "streaming.json")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--in-memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(options.folder, options.in_memory, options.epochs)))
        return
    about, results = machine.describe(), list[dict[str, Any]]()
    print(f"{about}\n{'rows':>12s} {'':10s} {'rows/s':>9s} {'s to start':>11s} {'MiB before':>11s} {'MiB peak':>9s}")
    runs = [(rows, False) for rows in options.rows]
    runs += [(options.check, in_memory) for in_memory in (False, True) if options.check]
    for rows, in_memory in runs:
        folder = options.folder / f"{rows}"
        make(folder, rows)
        found = measured(folder, options.epochs, *(["--in-memory"] if in_memory else []))
        results.append(found)
        print(
            f"{rows:12,d} {'in memory' if in_memory else 'streamed':10s} {found['rows_a_second']:9,.0f} "
            f"{found['seconds_to_start']:11.1f} {found['megabytes_before']:11.0f} {found['megabytes_peak']:9.0f}",
            flush=True,
        )
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"machine": about, "results": results}, indent=2) + "\n")
    if options.check:
        same = len({found["weights"] for found in results[-2:]}) == 1
        print("weights of both are bit-equal" if same else "DIFFERENT weights, streamed and in memory")
        sys.exit(not same)


if __name__ == "__main__":
    main()
