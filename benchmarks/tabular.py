"""A table of a million rows, 30-128-8-128-30: seconds an epoch, and the bound that is reached.

    python benchmarks/tabular.py [--rows 1000000 --epochs 5]

Data are made: 30 columns, a non-linear function of 6 factors plus noise. The plain loop trains the same modules, built
by the same recipe, with TensorDataset, DataLoader and Adam; validation losses are -ELBO in nats a row, by velbo's
evaluation of 20,000 other rows. PyOD's VAE has no bound to compare (by default it minimises squared error alone); its
seconds are the difference between fits of two epochs and of one.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import machine
from velbo import Budget, Recipe, TrainingConfig, Validation, fit, plan
from velbo.config import Optimisation

LAYOUT = Recipe("mlp", 8, (128,), "normal")


def table(rows: int, seed: int) -> Any:
    """(rows, 30) float32."""
    maps = np.random.default_rng(0)
    inner, outer = maps.standard_normal((6, 64)), maps.standard_normal((64, 30)) / 8
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((rows, 6))
    return (np.tanh(factors @ inner) @ outer + 0.3 * rng.standard_normal((rows, 30))).astype(np.float32)


def velbo(x: Any, test: Any, epochs: int, optimisation: Optimisation) -> tuple[float, float]:
    """(seconds an epoch, -ELBO)."""
    training = TrainingConfig(Budget(epochs=epochs), optimisation, validation=Validation(validation=0))
    what = plan(x, LAYOUT, training=training)
    fitted, history = fit(x, what)
    return history.seconds / epochs, -fitted.evaluate(test, 5).elbo


def plain(x: Any, test: Any, epochs: int, batch: int) -> tuple[float, float]:
    fitted = plan(x, LAYOUT).build()
    model, rows = fitted.model.train(), fitted.store(x).fixed(0)
    dataset = torch.utils.data.TensorDataset(rows)
    loader = torch.utils.data.DataLoader(dataset, batch_size=batch, shuffle=True)
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
    return seconds / epochs, -fitted.evaluate(test, 5).elbo


def pyod(x: Any, batch: int) -> float:
    from pyod.models.vae import VAE

    seconds = []
    for epochs in (1, 2):
        model = VAE(
            encoder_neuron_list=[128], decoder_neuron_list=[128], latent_dim=8, batch_size=batch, epoch_num=epochs
        )
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            model.fit(x)
        seconds.append(time.perf_counter() - start)
    return seconds[1] - seconds[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "tabular.json")
    options = parser.parse_args()
    x, test, about = table(options.rows, 1), table(20_000, 2), machine.describe()
    print(f"{about}\n{'':26s} {'s an epoch':>10s} {'-ELBO, nats':>12s}")
    results: dict[str, tuple[float, float | None]] = {}
    for name, side in {
        "velbo, default": lambda: velbo(x, test, options.epochs, Optimisation()),
        "velbo, batch 1024": lambda: velbo(x, test, options.epochs, Optimisation(batch_size=1024)),
        "plain loop, batch 1024": lambda: plain(x, test, options.epochs, 1024),
        "PyOD, batch 1024": lambda: (pyod(x, 1024), None),
    }.items():
        results[name] = seconds, loss = side()
        print(f"{name:26s} {seconds:10.2f} {'-' if loss is None else f'{loss:.3f}':>12s}", flush=True)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"machine": about, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
