"""What a fit of a stream costs, as a formula of rows, columns, passes and processes, fitted here and tried on two fits
that it has not seen.

    python benchmarks/plan_for_scale.py [--rows 70000 140000 --columns 10 40 --held-out 200000 60]

Every point is `velbo fit t.parquet --stream`, an MLP of 128,128 with 8 latents, batches of 1,024, one thread; by one
process, and by two of torchrun. What is counted is CPU seconds of the first process (of two, of the busier one) without
start-up, so that a busy machine does as well; of the network nothing but its work for the processor is in it.

    seconds = t0 + t1 D + N (p0 + p1 D) + E N [ (c0 + c1 D) / R + (R > 1) (g0 + g1 D) ]

    N rows, D columns, E passes, R processes
    t0, t1  what rows have no part in: 10,000 values of a column are counted, 1,000 rows are scored at the end
    p0, p1  to plan: the rows are read once for what they are
    c0, c1  to read, encode and train: the share of one process
    g0, g1  to average gradients (of parameters, which grow with D) and to hand the rows on
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

NAMES = "t0", "t1", "p0", "p1", "c0", "c1", "g0", "g1"
OPTIONS = (
    "--stream --recipe mlp --hidden 128,128 --latent 8 --batch-size 1024 --likelihood normal --precision float32 "
    "--threads 1 --device cpu --no-report"
).split()
Point = tuple[int, int, int, int]
"""(rows, columns, passes, processes)."""


def make(folder: Path, rows: int, columns: int) -> Path:
    """A table of correlated Normal columns, in row groups of 10,000."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / f"{rows} {columns}.parquet"
    if not path.exists():
        rng = np.random.default_rng(0)
        factors = rng.standard_normal((4, columns))
        schema = pa.schema([(f"x{i}", pa.float32()) for i in range(columns)])
        with pq.ParquetWriter(path, schema) as writer:
            for start in range(0, rows, 10_000):
                n = min(10_000, rows - start)
                x = rng.standard_normal((n, 4)) @ factors + rng.standard_normal((n, columns))
                writer.write_table(pa.table([x[:, i].astype(np.float32) for i in range(columns)], schema=schema))
    return path


def measure(folder: Path, points: list[Point]) -> None:
    """In each of the processes: print CPU seconds of every point, the busier process's."""
    import torch.distributed as dist

    from velbo.cli import main as velbo

    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1:
        dist.init_process_group("gloo")
    for number, (rows, columns, passes, _) in enumerate([points[0], *points]):  # the first once more: it loads modules
        path = folder / f"{rows} {columns}.parquet"
        before = time.process_time()
        run = folder / f"run {size} {number}"
        if velbo(["fit", str(path), "--run", str(run), "--epochs", str(passes), *OPTIONS]):
            raise SystemExit("the fit has failed")
        mine = [time.process_time() - before]
        every: list[Any] = [None] * size
        if size > 1:
            dist.all_gather_object(every, mine)
        else:
            every = [mine]
        if number and int(os.environ.get("RANK", "0")) == 0:
            print(json.dumps(max(every)[0]), flush=True)


def measured(folder: Path, points: list[Point], processes: int) -> list[float]:
    script = [__file__, "--measure", json.dumps([str(folder), points])]
    torchrun = f"-m torch.distributed.run --nproc-per-node {processes} --".split() if processes > 1 else []
    found = list[float]()
    with subprocess.Popen(
        [sys.executable, *torchrun, *script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line[:1].isdigit():
                found.append(float(line))
                print(f"{points[len(found) - 1]}: {found[-1]:.2f}", flush=True)
    if process.returncode:
        raise SystemExit("a fit has failed")
    return found


def terms(point: Point) -> list[float]:
    """What each coefficient is multiplied by."""
    n, d, e, r = point
    several = float(r > 1)
    return [1, d, n, n * d, e * n / r, e * n * d / r, e * n * several, e * n * d * several]


def fitted(points: list[Point], seconds: list[float]) -> np.ndarray:
    """None below zero; each point counts by its relative error."""
    from scipy.optimize import nnls

    weights = 1 / np.array(seconds)
    design = np.array([terms(p) for p in points])
    scale = design.max(axis=0)
    found, _ = nnls(design / scale * weights[:, None], np.ones(len(points)))
    return found / scale


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[70_000, 140_000])
    parser.add_argument("--columns", type=int, nargs="+", default=[10, 40])
    parser.add_argument("--passes", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--held-out", type=int, nargs=2, default=[200_000, 60], help="rows and columns, 2 passes")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        folder, points = json.loads(options.measure)
        measure(Path(folder), points)
        return
    with tempfile.TemporaryDirectory() as name:
        folder, every = Path(name), dict[Point, float]()
        held_out = [(options.held_out[0], options.held_out[1], 2, r) for r in (1, 2)]
        for r in (1, 2):
            rows = options.rows if r == 1 else options.rows[-1:]
            points = [(n, d, e, r) for n, d, e in itertools.product(rows, options.columns, options.passes)]
            points.append(held_out[r - 1])
            for n, d, *_ in points:
                make(folder, n, d)
            every |= zip(points, measured(folder, points, r), strict=True)
    known = [p for p in every if p not in held_out]
    found = fitted(known, [every[p] for p in known])
    print("  ".join(f"{name} {value:.3g}" for name, value in zip(NAMES, found, strict=True)))
    print(f"{'rows':>8} {'columns':>8} {'passes':>6} {'processes':>9} {'measured':>9} {'formula':>9}")
    for point, seconds in every.items():
        formula = float(np.dot(terms(point), found))
        mark = "  held out" if point in held_out else ""
        print(
            "{:8} {:8} {:6} {:9}".format(*point), f"{seconds:9.2f} {formula:9.2f} {formula / seconds - 1:+6.0%}{mark}"
        )


if __name__ == "__main__":
    main()
