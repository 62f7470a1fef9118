"""velbo on a GPU, in under 8 minutes: does every recipe train, evaluate and resume there, and how fast.

    python benchmarks/gpu.py [--device cuda] [--seconds 400] [--rows 20480] [--out results/gpu.json]

1. Every recipe on digits, and those of tables on wine with missing cells: a run that is stopped after half of its
   epochs and resumed ends with the weights of one that was left alone (share of equal bits, and the largest
   difference: GPUs add in no fixed order), and what it says of rows on the device is what it says on the CPU
   (|difference| of log p(x) in nats, float32: at most TOLERANCE).
2. Every prior, posterior and objective trains on the table; seconds a step of small models, by one CUDA graph and
   kernel by kernel.
3. Images a second of one network, 784-512-20-512-784, in float32, bf16 and compiled, batches of 128 and 4,096, beside a
   plain loop of torch without any of velbo; and the share of the matrix rate that this is.

Without a GPU it says so and ends with exit code 0. `--device cpu` runs the same on the processor, which shows that the
script works and nothing of GPUs. What is left when the time is up is named as left out.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_wine
from torch import nn

import machine
from velbo import Budget, Optimisation, Recipe, TrainedModel, TrainingConfig, carry_out, load, plan
from velbo.build.models import RECIPES
from velbo.build.parts import POSTERIORS, PRIORS
from velbo.config import Machine, Validation
from velbo.errors import Interrupted
from velbo.objectives import ELBO, OBJECTIVES, Objective, make_objective
from velbo.rows.encoded import rows_of
from velbo.training import Run, Trainer
from velbo.training.gradients import Pass, Recorded

TOLERANCE = 1e-2
"""Nats, of log p(x) of digits by 20 samples of equal noise: float32 sums of 64 cells in another order, and TF32."""
EPOCHS, EPOCHS_TIMED = 4, 12
OF_TABLES = "autoregressive", "resmlp"
LAYOUT = Recipe("mlp", 20, (512, 512), "bernoulli")
MATRICES = 784 * 512 + 512 * 512 + 512 * 40 + 20 * 512 + 512 * 512 + 512 * 784
FLOPS_PER_ROW = 6 * MATRICES - 2 * 784 * 512


class StopAfter:
    """A logger that stops training."""

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs

    def log_metrics(self, metrics: dict[str, Any], step: int) -> None:
        if metrics["epoch"] == self.n_epochs:
            raise Interrupted("half of it")

    def log_progress(self, share: float, text: str) -> None:
        pass


def table() -> Any:
    """Wine, with missing cells and a column of names."""
    frame = load_wine(as_frame=True).frame
    frame["target"] = frame["target"].map(["barolo", "grignolino", "barbera"].__getitem__)
    frame.iloc[::4, 2] = np.nan
    return frame


def rows_for(name: str) -> Any:
    """What a recipe is tried on."""
    return table() if name in OF_TABLES else load("digits:image")[:300]


def of_recipe(name: str, device: str, folder: Path) -> dict[str, Any]:
    """What is to be true of a recipe; of one that fails, why."""
    try:
        return _of_recipe(name, device, folder)
    except Exception as error:  # the others are to be seen too
        return {"recipe": name, "ok": False, "failed": traceback.format_exc(limit=-4), "error": str(error)}


def _of_recipe(name: str, device: str, folder: Path) -> dict[str, Any]:
    rows = rows_for(name)
    training = TrainingConfig(Budget(epochs=EPOCHS), machine=Machine(device=device, precision="float32"))
    what = plan(rows, Recipe(name), training=training)
    start = time.perf_counter()
    alone = carry_out(what, rows)
    seconds = time.perf_counter() - start
    run = Run(folder / name)
    run.create(what.to_json())
    with suppress(Interrupted):
        carry_out(what, rows, run, [StopAfter(EPOCHS // 2)], report=False)
    resumed = carry_out(what, rows, run, report=False)
    pairs = list(zip(alone.model.state_dict().values(), resumed.model.state_dict().values(), strict=True))
    loaded = TrainedModel.load(folder / name)
    samples = 1 if name == "diffusion" else 20
    here, there = (loaded.log_likelihood(rows[:100], samples, device=d) for d in ("cpu", device))
    return {
        "recipe": name,
        "seconds": round(seconds, 1),
        "bound": round(alone.history.best, 3),
        "equal weights": float(np.mean([float((a == b).double().mean()) for a, b in pairs])),
        "largest difference": max(float((a - b).abs().max()) for a, b in pairs if a.is_floating_point()),
        "nats off the CPU": float(np.abs(here - there).max()),
        "ok": bool(np.abs(here - there).max() <= TOLERANCE),
    }


def trainer_of(rows: Any, recipe: Recipe, device: str, batch: int, objective: Objective) -> Trainer:
    """For four epochs."""
    config = TrainingConfig(Budget(epochs=4), Optimisation(batch_size=batch), machine=Machine(device=device))
    what = plan(rows, recipe, training=config)
    return Trainer(what.build(), rows_of(rows, what.schema).encoded(what.encoding), objective, what.training)


def is_recorded(trainer: Trainer) -> bool:
    return isinstance(trainer.gradients, Recorded) and trainer.gradients.can


def of_part(name: str, recipe: Recipe, device: str, objective: Objective) -> dict[str, Any]:
    """Whether a model with such a part trains on the table (vamp: without its names), and its steps are recorded."""
    try:
        rows = table().drop(columns="target") if recipe.prior == "vamp" else table()
        trainer = trainer_of(rows, recipe, device, 32, objective)
        bound = trainer.run().best
    except Exception as error:
        return {"part": name, "ok": False, "failed": traceback.format_exc(limit=-3), "error": str(error)}
    return {"part": name, "ok": math.isfinite(bound), "recorded": is_recorded(trainer)}


def parts(device: str) -> Iterator[dict[str, Any]]:
    """Every prior, posterior and objective."""
    for name in PRIORS:
        yield of_part(f"prior {name}", Recipe("resmlp", 4, (16,), prior=name), device, ELBO())
    for name in POSTERIORS:
        yield of_part(f"posterior {name}", Recipe("resmlp", 4, (16,), posterior=name), device, ELBO())
    for name in OBJECTIVES:
        yield of_part(f"objective {name}", Recipe("resmlp", 4, (16,)), device, make_objective(name))


def seconds_a_step(name: str, device: str, n: int = 60) -> dict[str, Any]:
    """Of a recipe's own model and batches of 64, recorded and kernel by kernel: median of three times ``n`` steps."""
    trainer = trainer_of(rows_for(name), Recipe(name), device, 64, ELBO())
    eager, index = Pass(trainer.bound, trainer.parameters), torch.arange(64, device=trainer.device)
    found, recorded = dict[str, Any](), trainer.gradients
    for way, gradients in (("recorded", recorded), ("kernel by kernel", eager)):
        trainer.gradients, turns = gradients, list[float]()
        for _ in range(4):  # the first warms up
            start = time.perf_counter()
            for _ in range(n):
                trainer.step(index)
            turns.append((time.perf_counter() - start) / n)
        found[way] = statistics.median(turns[1:])
    trainer.gradients = recorded
    return {"recipe": name, "recorded": is_recorded(trainer), "seconds a step": found}


def images(n: int) -> Any:
    """Rows as binary images of 28 x 28: speed is the same whatever they show."""
    return (np.random.default_rng(0).random((n, 28, 28), np.float32) < 0.2).astype(np.uint8)


def speed_of_velbo(x: Any, device: str, batch: int, precision: str, compiles: bool) -> float:
    """Rows a second, of the second run, after compilers and caches have seen the first."""
    config = TrainingConfig(
        Budget(epochs=2),
        Optimisation(batch_size=batch, lr=1e-3),
        validation=Validation(validation=0),
        machine=Machine(device=device, precision=precision, compile=compiles),
    )
    what = plan(x, LAYOUT, training=config)
    carry_out(what, x)
    longer = replace(what, training=replace(config, budget=Budget(epochs=EPOCHS_TIMED + 2)))
    short, long = carry_out(what, x).history.seconds, carry_out(longer, x).history.seconds
    return EPOCHS_TIMED * len(x) / max(long - short, 1e-9)


def speed_of_a_plain_loop(x: Any, device: str, batch: int) -> float:
    """The same network and loss, written down as briefly as torch lets one."""
    rows = torch.from_numpy(x.reshape(len(x), -1)).to(device)
    encoder = nn.Sequential(nn.Linear(784, 512), nn.SiLU(), nn.Linear(512, 512), nn.SiLU(), nn.Linear(512, 40)).to(
        device
    )
    decoder = nn.Sequential(nn.Linear(20, 512), nn.SiLU(), nn.Linear(512, 512), nn.SiLU(), nn.Linear(512, 784)).to(
        device
    )
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-3, fused=True)

    def epoch() -> float:
        start, loss = time.perf_counter(), torch.zeros(())
        for index in torch.randperm(len(rows), device=device).split(batch):
            image = rows[index].float()
            mu, log_var = encoder(image).chunk(2, -1)
            logits = decoder(mu + (0.5 * log_var).exp() * torch.randn_like(mu))
            reconstruction = nn.functional.binary_cross_entropy_with_logits(logits, image, reduction="sum")
            loss = (reconstruction + 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum()) / len(image)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        loss.detach().item()  # waits for the device
        return time.perf_counter() - start

    epoch()
    return len(rows) / min(epoch() for _ in range(3))


def matrix_rate(device: str, batch: int) -> float:
    """FLOP/s of the largest product of the network, in float32."""
    a, b = torch.randn(batch, 784, device=device), torch.randn(784, 512, device=device)
    (a @ b).sum().item()
    start = time.perf_counter()
    for _ in range(49):
        torch.mm(a, b)
    (a @ b).sum().item()
    return 50 * 2 * batch * 784 * 512 / (time.perf_counter() - start)


def speeds(device: str, n: int, deadline: float) -> list[dict[str, Any]]:
    """One record a way of training."""
    x, found = images(n), list[dict[str, Any]]()
    ways = [(b, p, c) for b in (128, 4096) for p, c in (("float32", False), ("bf16", False), ("float32", True))]
    for batch, precision, compiles in ways:
        name = f"batch {batch}, {precision}{', compiled' if compiles else ''}"
        if time.monotonic() > deadline:
            found.append({"way": name, "left out": "the time is up"})
            continue
        rate = speed_of_velbo(x, device, batch, precision, compiles)
        plain = speed_of_a_plain_loop(x, device, batch)
        share = rate * FLOPS_PER_ROW / matrix_rate(device, batch)
        found.append({"way": name, "rows/s": round(rate), "plain loop": round(plain), "of the matrix rate": share})
        print(json.dumps(found[-1]), flush=True)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=400)
    parser.add_argument("--rows", type=int, default=20_480)
    parser.add_argument("--recipes", nargs="*", default=sorted(RECIPES))
    parser.add_argument("--no-parts", dest="parts", action="store_false", help="neither parts nor seconds a step")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("skipped: there is no GPU here (torch.cuda.is_available() is False)")
        return 0
    if options.device == "cpu":
        print("note: this is the processor; it shows that the script works, and nothing of GPUs")
    start = time.monotonic()
    recipes = list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.recipes:
            if time.monotonic() - start > 0.6 * options.seconds:
                recipes.append({"recipe": name, "left out": "the time is up"})
                continue
            recipes.append(of_recipe(name, options.device, Path(folder)))
            print(json.dumps(recipes[-1]), flush=True)
    pieces, steps = list[dict[str, Any]](), list[dict[str, Any]]()
    for each in parts(options.device) if options.parts else ():
        pieces.append(each)
        print(json.dumps(each), flush=True)
    for name in options.recipes if options.parts else ():
        steps.append(seconds_a_step(name, options.device))
        print(json.dumps(steps[-1]), flush=True)
    found = {
        "machine": machine.describe(),
        "device": torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device,
        "recipes": recipes,
        "parts": pieces,
        "steps": steps,
        "speeds": speeds(options.device, options.rows, start + options.seconds) if options.rows else [],
        "seconds": round(time.monotonic() - start),
    }
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n")
    wrong = [each.get("recipe", each.get("part")) for each in (*recipes, *pieces) if not each.get("ok", True)]
    print(f"{found['seconds']} s; " + (f"wrong: {', '.join(wrong)}" if wrong else "all equal the CPU"))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
