"""log p(x) of a trained model by importance sampling and by annealing, and the bracket on data of the model's own.

    python benchmarks/annealing.py RUN DATA [--rows 100 --samples 5000 --temperatures 1000 --chains 16]

Rows are a seeded subset of the data. On real data annealing is a lower bound as importance sampling is, and the higher
of two lower bounds is the better one. On data that the model has drawn, the backward run is an upper bound: the true
value lies between the two, in expectation.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import torch

import machine
from velbo import Annealing, TrainedModel, anneal, anneal_backwards, load, score_rows
from velbo.evaluation import simulate
from velbo.rows import Store


def mean_and_error(values: torch.Tensor) -> tuple[float, float]:
    return float(values.mean()), float(values.std() / math.sqrt(len(values)))


def measured(name: str, values: torch.Tensor, start: float, results: dict[str, Any]) -> None:
    mean, error = mean_and_error(values)
    seconds = time.perf_counter() - start
    results[name] = {"mean": mean, "se": error, "seconds": seconds}
    print(f"{name:44s} {mean:9.3f} +- {error:.3f} nats {seconds:8.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--temperatures", type=int, default=1000)
    parser.add_argument("--chains", type=int, default=16)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "annealing.json")
    options = parser.parse_args()
    fitted, settings = TrainedModel.load(options.run), Annealing(options.temperatures, options.chains)
    model, rows = fitted.model, load(options.data).rows
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[: options.rows]
    data, results = fitted.store(rows[chosen.numpy()]), dict[str, Any]()

    start = time.perf_counter()
    measured(
        f"data: {options.samples} importance samples",
        score_rows(model, data, options.samples).log_likelihood,
        start,
        results,
    )
    start = time.perf_counter()
    measured("data: annealing", anneal(model, data.fixed(0), settings).bound, start, results)

    x, z = simulate(model, options.rows)
    start = time.perf_counter()
    own = Store.from_tensor(x)
    measured(
        f"own: {options.samples} importance samples",
        score_rows(model, own, options.samples).log_likelihood,
        start,
        results,
    )
    start = time.perf_counter()
    below = anneal(model, x, settings).bound
    measured("own: annealing, from below", below, start, results)
    start = time.perf_counter()
    above = anneal_backwards(model, x, z, settings).bound
    measured("own: annealing backwards, from above", above, start, results)
    print(f"{'own: width of the bracket':44s} {float((above - below).mean()):9.3f} nats")
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"machine": machine.describe(), "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
