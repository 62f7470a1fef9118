"""Training speed against pythae: same layout (784-512-20-512-784), batch, rows, bound and number of epochs.

    python benchmarks/throughput.py --data mnist.npz [--rounds 5 --epochs 2 --loss-epochs 10]

Both train on the same statically binarised images with a Bernoulli likelihood and the closed-form KL. Rounds
alternate; figures are medians. Then both train for `--loss-epochs` and are scored by one formula on the same
binarised test images.
Each side runs with its own defaults (velbo: warm-up and cosine, averaged weights; pythae: constant learning rate).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import machine
from velbo import Budget, Optimisation, Recipe, TrainingConfig, Validation, fit, plan
from velbo.config import Machine

LAYOUT = Recipe("mlp", 20, (512,), "bernoulli")
BATCH, LR = 128, 1e-3
FLOPS_PER_ROW = 6 * (784 * 512 + 512 * 40 + 20 * 512 + 512 * 784)


def binarised(images: Any, seed: int) -> Any:
    """Static binarisation (N, 28, 28) uint8."""
    u = np.random.default_rng(seed).random(images.shape, np.float32)
    return (u < images / 255).astype(np.uint8)


def train_velbo(x: Any, epochs: int, precision: str = "float32") -> tuple[float, Any]:
    """(seconds, model)."""
    config = TrainingConfig(
        Budget(epochs=epochs),
        Optimisation(batch_size=BATCH, lr=LR),
        validation=Validation(validation=0),
        machine=Machine(precision=precision),
    )
    what = plan(x, LAYOUT, training=config)
    start = time.perf_counter()
    fitted, _ = fit(x, what)
    return time.perf_counter() - start, fitted.model


def train_pythae(x: Any, epochs: int) -> tuple[float, Any]:
    """(seconds, model)."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.CRITICAL)
    model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce"))
    rows = torch.from_numpy(x).float().unsqueeze(1)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            learning_rate=LR,
            per_device_train_batch_size=BATCH,
            optimizer_cls="Adam",
            no_cuda=True,
        )
        data = BaseDataset(rows, torch.zeros(len(rows)))
        trainer = BaseTrainer(model, train_dataset=data, training_config=config)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    return seconds, model


@torch.no_grad()
def test_bound(mean: torch.Tensor, log_var: torch.Tensor, decode: Any, x: torch.Tensor) -> float:
    """-ELBO, nats an image, by one formula for both libraries; 20 samples."""
    kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)
    log_p = torch.stack(
        [
            -torch.nn.functional.binary_cross_entropy(
                decode(mean + (0.5 * log_var).exp() * torch.randn_like(mean)).clamp(1e-7, 1 - 1e-7), x, reduction="none"
            ).sum(-1)
            for _ in range(20)
        ]
    ).mean(0)
    return float((kl - log_p).mean())


def score_velbo(model: Any, x: torch.Tensor) -> float:
    with torch.no_grad():
        q = model.encode(x)
        return test_bound(q.mean, 2 * q.stddev.log(), lambda z: model.decode(z).mean, x)


def score_pythae(model: Any, x: torch.Tensor) -> float:
    model.eval()
    with torch.no_grad():
        out = model.encoder(x.view(-1, 1, 28, 28))
        decode = lambda z: model.decoder(z)["reconstruction"].flatten(1)  # noqa: E731
        return test_bound(out.embedding, out.log_covariance, decode, x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="an .npz with train_images and test_images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2, help="of each timed round")
    parser.add_argument("--loss-epochs", type=int, default=10)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "throughput.json")
    options = parser.parse_args()
    archive = np.load(options.data)
    train, test = binarised(archive["train_images"], 0), binarised(archive["test_images"], 1)
    x_test = torch.from_numpy(test.reshape(-1, 784)).float()
    sides = {
        "velbo": lambda epochs: train_velbo(train, epochs),
        "velbo bf16": lambda epochs: train_velbo(train, epochs, "bf16"),
        "pythae 0.1.2": lambda epochs: train_pythae(train, epochs),
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side(1)
    for _ in range(options.rounds):
        for name, side in sides.items():
            rates[name].append(len(train) * options.epochs / side(options.epochs)[0])
    about = machine.describe()
    results = {"machine": about, "rounds": rates, "summary": {}}
    peer = median(rates["pythae 0.1.2"])
    print(f"{about}\n{'':14s} {'samples/s':>10s} {'ratio':>6s} {'of matmul':>10s} {'-ELBO test':>11s}")
    for name, side in sides.items():
        rate = median(rates[name])
        _, model = side(options.loss_epochs)
        loss = (score_velbo if name.startswith("velbo") else score_pythae)(model, x_test)
        share = rate * FLOPS_PER_ROW / 1e9 / about["matmul_float32_gflops"]
        results["summary"][name] = {"samples_per_s": rate, "ratio": rate / peer, "matmul_share": share, "loss": loss}
        print(f"{name:14s} {rate:10.0f} {rate / peer:6.2f} {share:10.2f} {loss:11.2f}")
    options.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
