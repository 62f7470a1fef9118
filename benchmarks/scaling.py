"""How time and memory grow with rows, columns, latents, importance samples and names in a column: exponents fitted to
the larger half.

    python benchmarks/scaling.py [--repeats 3] [--only levels rows]

Data are made: correlated Normal columns, with levels beside a column of so many names. Seconds are of the processor,
all threads together, and those of training begin with the plan, so that a machine with other work does. Every point is
a process of its own, so that its peak memory is its own: what planning, training and evaluation need at most beyond
what was there before them, the data included. The encoded copy of the data, as large as they are in float32, is counted
in; "memory beyond data" leaves it out. An exponent near 1 is linear, near 0 constant, and anything above 1.2 is a
finding.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

import machine

DEFAULTS = {"rows": 20_000, "columns": 30, "latents": 8, "samples": 10, "levels": 0}
AXES = {
    "rows": [20_000, 40_000, 80_000, 160_000, 320_000, 640_000],
    "columns": [32, 128, 512, 1024, 2048, 4096],
    "latents": [4, 16, 64, 256, 1024, 2048],
    "samples": [10, 40, 160, 640, 2560],
    "levels": [2_000, 8_000, 32_000, 128_000],
}
EVALUATED_ROWS = 500
NAMES = {"name": "categorical"}
"""They are fewer than five rows each, which has to be said."""
EPOCHS = 2


def measure(rows: int, columns: int, latents: int, samples: int, levels: int) -> dict[str, float]:
    """Seconds of training and of evaluation, and MB beyond the data and the imports."""
    from velbo import Budget, Optimisation, Recipe, TrainingConfig, carry_out, plan
    from velbo.config import Machine

    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 4)).astype(np.float32) @ rng.standard_normal((4, columns)).astype(np.float32)
    x += rng.standard_normal(x.shape, dtype=np.float32)
    data = with_names(x, levels, rng) if levels else x
    training = TrainingConfig(
        Budget(epochs=EPOCHS), Optimisation(batch_size=1024), machine=Machine(precision="float32")
    )
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far was the making of the data
    start = time.process_time()
    model = carry_out(
        plan(data, Recipe("mlp", latents, (128, 128)), training=training, columns=NAMES if levels else {}), data
    )
    trained = time.process_time()
    model.evaluate(data[:EVALUATED_ROWS], samples)
    evaluation = time.process_time() - trained
    extra = memory("VmHWM") - before - x.nbytes / 2**20
    return {"train_s": trained - start, "evaluate_s": evaluation, "extra_mb": extra, "data_mb": x.nbytes / 2**20}


def with_names(x: np.ndarray, levels: int, rng: np.random.Generator) -> pd.DataFrame:
    """Beside a column of names, all of which its type declares."""
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])
    codes = rng.permutation(np.arange(len(x)) % levels)
    return frame.assign(name=pd.Categorical.from_codes(codes, [f"n{i}" for i in range(levels)]))


def memory(name: str) -> float:
    """MB, as Linux tells it of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"no {name} in /proc/self/status: this measures on Linux only")


def in_a_process(point: dict[str, int]) -> dict[str, float]:
    command = [sys.executable, __file__, "--point", json.dumps(point)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return json.loads(done.stdout.splitlines()[-1])


def exponent(x: list[int], y: list[float]) -> float:
    """Slope of log y against log x over the larger half."""
    half = len(x) // 2
    return float(np.polyfit(np.log(x[half:]), np.log(np.maximum(y[half:], 1e-9)), 1)[0])


def picture(results: dict[str, Any], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(3.5 * len(results), 4), layout="constrained", squeeze=False)
    shown = {"train_s": "training, s", "evaluate_s": "evaluation, s", "extra_mb": "memory beyond data, MB"}
    for axis, (name, points) in zip(axes[0], results.items(), strict=True):
        for key, label in shown.items():
            slope = points["exponents"][key]
            axis.loglog(points["x"], points[key], "o-", ms=4, label=f"{label}: {slope:.2f}")
        axis.set(xlabel=name)
        axis.xaxis.set_minor_formatter("")
        axis.legend(loc="upper left", bbox_to_anchor=(0, -0.2), frameon=False, title="exponent")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(AXES), default=list(AXES))
    parser.add_argument("--point", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "scaling.json")
    options = parser.parse_args()
    if options.point:
        print(json.dumps(measure(**json.loads(options.point))))
        return
    about, results = machine.describe(), dict[str, Any]()
    print(f"{about}\n{'':10s} exponents: training s, evaluation s, memory beyond data MB")
    for name in options.only:
        values = AXES[name]
        points = [[in_a_process({**DEFAULTS, name: v}) for _ in range(options.repeats)] for v in values]
        columns = {key: [median(p[key] for p in point) for point in points] for key in points[0][0]}
        slopes = {key: exponent(values, columns[key]) for key in ("train_s", "evaluate_s", "extra_mb")}
        results[name] = {"x": values, **columns, "exponents": slopes}
        print(f"{name:10s} " + "  ".join(f"{slope:5.2f}" for slope in slopes.values()), flush=True)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"machine": about, "results": results}, indent=2) + "\n")
    picture(results, options.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
