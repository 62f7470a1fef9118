"""Training speed on one layout, 784-512-20-512-784, against peers; equal work is checked by equal loss.

    python benchmarks/throughput.py --data mnist.npz [--epochs 10 --seeds 3]

All train on the same statically binarised images with a Bernoulli likelihood and the closed-form KL, for as many
epochs, and are scored by one formula on the same binarised test images. Seconds and loss are of the same runs, as
velbo's batches depend on their length. Each seed is a round in which all train once; a ratio is the median over rounds
of this round's ratio to pythae. Four rows are velbo's:

    default        what `velbo fit` does when nothing is asked for: batch size, learning rate and precision are chosen
    float32        the same with --precision float32
    float32, 128   the peers' batch size, learning rate and precision
    bf16, 128      these with --precision bf16
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import numpy as np
import torch

import machine
import peers
from velbo import Budget, Optimisation, Recipe, TrainingConfig, Validation, carry_out, plan
from velbo.config import Machine

LAYOUT = Recipe("mlp", peers.LATENT, (peers.HIDDEN,), "bernoulli")
MATRICES = 784 * 512 + 512 * 40 + 20 * 512 + 512 * 784
FLOPS_PER_ROW = 6 * MATRICES - 2 * 784 * 512
"""Forward, weight gradients, and input gradients of all layers but the first."""


def binarised(images: Any, seed: int) -> Any:
    """Static binarisation (N, 28, 28) uint8."""
    u = np.random.default_rng(seed).random(images.shape, np.float32)
    return (u < images / 255).astype(np.uint8)


def train_velbo(x: Any, epochs: int, seed: int, optimisation: Optimisation, precision: str) -> peers.Trained:
    config = TrainingConfig(
        Budget(epochs=epochs),
        optimisation,
        validation=Validation(validation=0),
        machine=Machine(precision=precision, seed=seed),
    )
    what = plan(x, LAYOUT, training=config)
    start = time.perf_counter()
    fitted = carry_out(what, x)
    seconds = time.perf_counter() - start

    def encode(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        q = fitted.model.encode(rows)
        return q.mean, 2 * q.stddev.log()

    return seconds, encode, lambda z: fitted.model.decode(z).mean


@torch.no_grad()
def test_bound(encode: Any, decode: Any, x: torch.Tensor) -> float:
    """-ELBO, nats an image, by one formula for all; 20 samples."""
    torch.manual_seed(0)
    mu, log_var = encode(x)
    kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(-1)
    log_p = [_log_p(decode(mu + (0.5 * log_var).exp() * torch.randn_like(mu)), x) for _ in range(20)]
    return float((kl - torch.stack(log_p).mean(0)).mean())


def _log_p(p: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return -torch.nn.functional.binary_cross_entropy(p.clamp(1e-7, 1 - 1e-7), x, reduction="none").sum(-1)


def picture(rows: dict[str, dict[str, Any]], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 0.5 * len(rows) + 1), layout="constrained")
    names = list(rows)[::-1]
    rates = [rows[n]["samples_per_s"] / 1e3 for n in names]
    losses = [f"{rows[n]['loss']:.1f} nats" if rows[n]["loss"] is not None else "no bound" for n in names]
    bars = axes.barh(names, rates, color=["tab:blue" if n.startswith("velbo") else "0.7" for n in names])
    axes.bar_label(
        bars, [f"{rows[n]['ratio']:.2f}x   {loss}" for n, loss in zip(names, losses, strict=True)], padding=4
    )
    axes.set(xlabel="thousand images a second (label: ratio to pythae, test -ELBO)", xlim=(0, 1.45 * max(rates)))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="an .npz with train_images and test_images")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=list(peers.PEERS), help="names, of " + ", ".join(peers.PEERS))
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "throughput.json")
    options = parser.parse_args()
    archive = np.load(options.data)
    train, test = binarised(archive["train_images"], 0), binarised(archive["test_images"], 1)
    x_test = torch.from_numpy(test.reshape(-1, 784)).float()
    same = Optimisation(batch_size=peers.BATCH, lr=peers.LR)
    sides: dict[str, Any] = {
        "velbo, default": lambda x, n, seed: train_velbo(x, n, seed, Optimisation(), "auto"),
        "velbo, float32": lambda x, n, seed: train_velbo(x, n, seed, Optimisation(), "float32"),
        "velbo, bf16, 128": lambda x, n, seed: train_velbo(x, n, seed, same, "bf16"),
        "velbo, float32, 128": lambda x, n, seed: train_velbo(x, n, seed, same, "float32"),
        **{name: peers.PEERS[name] for name in options.peers},
    }
    rates: dict[str, list[float]] = {name: [] for name in sides}
    losses: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side(train[:10_000], 1, 0)
    for seed in range(options.seeds):
        for name, side in sides.items():
            seconds, encode, decode = side(train, options.epochs, seed)
            rates[name].append(len(train) * options.epochs / seconds)
            if encode is not None:
                losses[name].append(test_bound(encode, decode, x_test))
    about, rows = machine.describe(), dict[str, dict[str, Any]]()
    print(about)
    print(f"{'':24s} {'images/s':>9s} {'x pythae':>9s} {'of float32':>10s} {'of bf16':>8s} {'test -ELBO (sd)':>16s}")
    for name in sides:
        ratio = median(r / p for r, p in zip(rates[name], rates[next(iter(peers.PEERS))], strict=True))
        work = median(rates[name]) * FLOPS_PER_ROW / 1e9
        shares = [work / about[f"matmul_{p}_gflops"] for p in ("float32", "bf16")]
        loss = mean(losses[name]) if losses[name] else None
        spread = stdev(losses[name]) if len(losses[name]) > 1 else None
        shown = "no bound" if loss is None else f"{loss:.2f}" + (f" ({spread:.2f})" if spread is not None else "")
        rows[name] = {"samples_per_s": median(rates[name]), "ratio": ratio, "loss": loss, "loss_sd": spread}
        print(f"{name:24s} {median(rates[name]):9.0f} {ratio:9.2f} {shares[0]:10.2f} {shares[1]:8.2f} {shown:>16s}")
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"machine": about, "rounds": rates, "summary": rows}, indent=2) + "\n")
    picture(rows, options.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
