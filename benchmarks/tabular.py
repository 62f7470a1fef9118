"""A table of a million rows, 30-128-8-128-30: seconds an epoch, and what is reached.

    python benchmarks/tabular.py [--rows 1000000 --epochs 5 --rounds 3]

Data are made: 30 columns, a non-linear function of 6 factors plus noise. The plain loop trains the same layers from
torch's own initial weights with TensorDataset, DataLoader and Adam at 1e-3, as a tutorial does. PyOD trains its VAE of
the same layout without dropout; by default it minimises squared error alone (its KL is clamped to a capacity of 0), so
it has no bound to compare, and squared error is shown for all. Both numbers are of 20,000 other rows: -ELBO in nats a
row by velbo's evaluation, and the mean squared error of reconstructions from posterior means. A round trains each once;
ratios are medians over rounds of the ratio to PyOD's seconds. Seconds are of training alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import machine
from peers import pyod_vae
from velbo import Budget, Recipe, TrainingConfig, Validation, carry_out, plan
from velbo.config import Optimisation
from velbo.trained_model import TrainedModel

LAYOUT, BATCH, PEER = Recipe("mlp", 8, (128,), "normal"), 1024, "PyOD, batch 1024"


def table(rows: int, seed: int) -> Any:
    """(rows, 30) float32."""
    maps = np.random.default_rng(0)
    inner, outer = maps.standard_normal((6, 64)), maps.standard_normal((64, 30)) / 8
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((rows, 6))
    return (np.tanh(factors @ inner) @ outer + 0.3 * rng.standard_normal((rows, 30))).astype(np.float32)


@dataclass
class Result:
    """Seconds an epoch, -ELBO in nats a row (where there is a bound), mean squared error."""

    seconds: float
    loss: float | None
    squared_error: float


def scored(fitted: TrainedModel, test: Any, seconds: float) -> Result:
    error = float(((fitted.reconstruct(test) - test) ** 2).mean())
    return Result(seconds, -fitted.evaluate(test, 5).elbo, error)


def velbo(x: Any, test: Any, epochs: int, optimisation: Optimisation) -> Result:
    training = TrainingConfig(Budget(epochs=epochs), optimisation, validation=Validation(validation=0))
    fitted = carry_out(plan(x, LAYOUT, training=training), x)
    history = fitted.history
    return scored(fitted, test, history.seconds / epochs)


def plain(x: Any, test: Any, epochs: int) -> Result:
    what = plan(x, LAYOUT)
    fitted = TrainedModel(what.build(), what)
    model, rows = fitted.model.train(), fitted.store(x).fixed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.reset_parameters()
    dataset = torch.utils.data.TensorDataset(rows)
    loader = torch.utils.data.DataLoader(dataset, batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    start = time.perf_counter()
    for _ in range(epochs):
        for (part,) in loader:
            q = model.encode(part)
            kl = torch.distributions.kl_divergence(q.base_dist, model.prior().base_dist).sum(-1)
            loss = (kl - model.decode(q.rsample()).log_prob(part)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    seconds = time.perf_counter() - start
    model.eval()
    return scored(fitted, test, seconds / epochs)


def pyod(x: Any, test: Any, epochs: int) -> Result:
    layout = {"encoder_neuron_list": [128], "decoder_neuron_list": [128], "latent_dim": 8}
    seconds, detector = pyod_vae(x, batch_size=BATCH, epoch_num=epochs, **layout)
    y = torch.from_numpy((test - detector.X_mean) / detector.X_std).float()
    with torch.no_grad():
        means = detector.model.decode(detector.model.encode(y)[0]).numpy() * detector.X_std + detector.X_mean
    return Result(seconds / epochs, None, float(((means - test) ** 2).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "tabular.json")
    options = parser.parse_args()
    x, test, about = table(options.rows, 1), table(20_000, 2), machine.describe()
    sides: dict[str, Callable[[], Result]] = {
        "velbo, default": lambda: velbo(x, test, options.epochs, Optimisation()),
        "velbo, batch 8192": lambda: velbo(x, test, options.epochs, Optimisation(batch_size=8192)),
        f"velbo, batch {BATCH}": lambda: velbo(x, test, options.epochs, Optimisation(batch_size=BATCH)),
        f"plain loop, batch {BATCH}": lambda: plain(x, test, options.epochs),
        PEER: lambda: pyod(x, test, options.epochs),
    }
    results: dict[str, list[Result]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, side in sides.items():
            results[name].append(side())
    print(f"{about}\n{'':26s} {'s an epoch':>10s} {'x PyOD':>7s} {'-ELBO, nats':>12s} {'squared error':>14s}")
    for name, found in results.items():
        ratio = median(p.seconds / r.seconds for p, r in zip(results[PEER], found, strict=True))
        loss = "-" if found[0].loss is None else f"{found[0].loss:.3f}"
        seconds = median(r.seconds for r in found)
        print(f"{name:26s} {seconds:10.2f} {ratio:7.2f} {loss:>12s} {found[0].squared_error:14.4f}")
    options.output.parent.mkdir(exist_ok=True)
    record = {name: [asdict(r) for r in found] for name, found in results.items()}
    options.output.write_text(json.dumps({"machine": about, "results": record}, indent=2) + "\n")


if __name__ == "__main__":
    main()
