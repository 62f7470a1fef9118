"""Validation bound against minutes of training, for one or more runs.

python benchmarks/curve.py RUN [RUN ...] -o curve.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from velbo.report.pictures import figure, save
from velbo.training import Run

COLOURS = ("#2f6fb0", "#d1662f", "#3a8f5c", "#7d5ba6")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    fig = figure(6.5, 3.8)
    axes = fig.subplots()
    for path, colour in zip(options.runs, COLOURS, strict=False):
        run = Run(path)
        config = run.config()
        seconds = {(r := json.loads(line))["step"]: r["seconds"] for line in run.clock_file.read_text().splitlines()}
        metrics = run.metrics()
        minutes = [seconds[m["step"]] / 60 for m in metrics]
        recipe = config["recipe"]
        label = f"{recipe['recipe']} {'-'.join(map(str, recipe['hidden']))}-{recipe['latent']}"
        axes.plot(minutes, [m["validation_bound"] for m in metrics], color=colour, lw=1.8, label=label)
        axes.plot(minutes, [m["train_bound"] for m in metrics], color=colour, lw=0.8, alpha=0.6)
        final = metrics[-1]["validation_bound"]
        axes.annotate(f"{final:.2f}", (minutes[-1], final), xytext=(3, -3), textcoords="offset points", color=colour)
    best = max(m["train_bound"] for path in options.runs for m in Run(path).metrics())
    axes.set_ylim(-110, best + 2)
    axes.set_xlabel("minutes of training")
    axes.set_ylabel("ELBO, nats an image")
    axes.set_title("Validation (thick) and training (thin) bound", loc="left", fontsize=10)
    axes.grid(axis="y", color="#d5d8de", lw=0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    save(fig, options.output)


if __name__ == "__main__":
    main()
