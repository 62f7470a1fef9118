"""Training speed of convolutions: velbo by default settings against a plain PyTorch loop on the very same model.

    python benchmarks/convolutions.py --data mnist.npz [--rounds 3 --rows 20000]

The peer trains the same modules, built by the same recipe, as a tutorial would: TensorDataset, DataLoader, Adam,
float32; NCHW or channels-last. Losses are test -ELBO after `--epochs` of each, by velbo's own evaluation.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import machine
from throughput import binarised
from velbo import Budget, Recipe, TrainingConfig, Validation, carry_out, plan
from velbo.config import Optimisation
from velbo.trained_model import TrainedModel

LAYOUT, BATCH, LR = Recipe("conv", 20, (32, 64), "bernoulli"), 128, 2e-3


def velbo(x: Any, epochs: int, optimisation: Optimisation) -> tuple[float, TrainedModel]:
    training = TrainingConfig(Budget(epochs=epochs), optimisation, validation=Validation(validation=0))
    what = plan(x, LAYOUT, training=training)
    start = time.perf_counter()
    fitted = carry_out(what, x)
    return time.perf_counter() - start, fitted


def plain(x: Any, epochs: int, layout: torch.memory_format) -> tuple[float, TrainedModel]:
    what = plan(x, LAYOUT)
    model = what.build().to(memory_format=layout).train()  # type: ignore[call-overload]
    rows = torch.from_numpy(x.reshape(len(x), -1)).float()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(rows), batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    start = time.perf_counter()
    for _ in range(epochs):
        for (batch,) in loader:
            q = model.encode(batch)
            z = q.rsample()
            kl = torch.distributions.kl_divergence(q.base_dist, model.prior().base_dist).sum(-1)
            loss = (kl - model.decode(z).log_prob(batch)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    seconds = time.perf_counter() - start
    model.eval()
    return seconds, TrainedModel(model, what)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="an .npz with train_images and test_images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "convolutions.json")
    options = parser.parse_args()
    archive = np.load(options.data)
    train = binarised(archive["train_images"], 0)[: options.rows]
    test = binarised(archive["test_images"], 1)[:2000]
    sides: dict[str, Any] = {
        "velbo, default": lambda n: velbo(train, n, Optimisation()),
        "velbo, batch 128": lambda n: velbo(train, n, Optimisation(batch_size=BATCH, lr=LR)),
        "plain, NCHW": lambda n: plain(train, n, torch.contiguous_format),
        "plain, channels-last": lambda n: plain(train, n, torch.channels_last),
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    losses: dict[str, float] = {}
    for _ in range(options.rounds):
        for name, side in sides.items():
            seconds, fitted = side(options.epochs)
            rates[name].append(len(train) * options.epochs / seconds)
            losses[name] = -fitted.evaluate(test, 5).elbo
    about, summary = machine.describe(), dict[str, Any]()
    print(f"{about}\n{'':22s} {'images/s':>9s} {'x NCHW':>7s} {'x channels-last':>15s} {'test -ELBO':>11s}")
    for name, values in rates.items():
        ratios = [median(a / b for a, b in zip(values, rates[p], strict=True)) for p in list(sides)[2:]]
        summary[name] = {"samples_per_s": median(values), "ratios": ratios, "loss": losses[name]}
        print(f"{name:22s} {median(values):9.0f} {ratios[0]:7.2f} {ratios[1]:15.2f} {losses[name]:11.2f}", flush=True)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"machine": about, "summary": summary}, indent=2) + "\n")


if __name__ == "__main__":
    main()
