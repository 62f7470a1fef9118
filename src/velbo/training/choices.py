"""What a configuration leaves open, decided once, before a run starts, and written down with the reason.

    batch_size   the power of two next to n_rows / 128, from 128 to 4096: small steps cost the same overhead as large
                 ones, and more than a hundred steps an epoch are left; 128 for convolutions on a CPU, whose steps are
                 work and no overhead. Smaller, down to 32, where the run would have less than 2,000 steps in all: a
                 short run lacks steps before it lacks rows. How many steps a run by the clock has nobody knows;
                 convolutions on a CPU then have down to 32 too, as small steps cost them nothing. Of private training
                 next to n_rows / 10
    lr           0.002 sqrt(batch_size / 128), twice that for convolutions
    threads      those that torch would take, dealt out among processes; one, where more are slower (threads.py)
    precision    bf16 where the hardware multiplies it faster: layers and all where they are wide, else in large batches
                 on the CPU the factors of matrix products

The square-root rule keeps the noise that Adam's steps add to the weights in one epoch.

Source: On the SDEs and scaling rules for adaptive gradient algorithms, Malladi et al., 2022,
https://arxiv.org/abs/2205.10287.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from functools import cache

import torch
from torch import nn

from ..config import TrainingConfig
from ..runtime.threads import best_number, speedup
from .covered import allowed, closed

STEPS_PER_EPOCH = 128
SMALLEST_BATCH, LARGEST_BATCH = 128, 4096
STEPS_OF_A_RUN, SMALLEST_BATCH_OF_A_SHORT_RUN = 2000, 32
PRIVATE_STEPS_PER_EPOCH = 10
LR_AT_SMALLEST_BATCH = 2e-3
MORE_FOR_CONVOLUTIONS = 2.0
MIN_SPEEDUP = 1.5
MIN_WIDTH = 192
MIN_BATCH = 2048


def batch_size(n_rows: int, model: nn.Module, device: torch.device, epochs: int | None = None) -> tuple[int, str]:
    """(rows a step where none are asked for, reason); ``epochs`` if that many end the run."""
    if device.type == "cpu" and has_convolutions(model):
        batch, reason = SMALLEST_BATCH, "larger steps of convolutions save no time on a CPU"
        if epochs is None:
            batch = _power_of_two(n_rows / STEPS_PER_EPOCH, SMALLEST_BATCH_OF_A_SHORT_RUN, SMALLEST_BATCH)
            reason += f", for {n_rows} rows" if batch < SMALLEST_BATCH else ""
    else:
        batch, reason = _power_of_two(n_rows / STEPS_PER_EPOCH, SMALLEST_BATCH, LARGEST_BATCH), f"for {n_rows} rows"
    if epochs is None:
        return batch, reason
    short = _power_of_two(n_rows * epochs / STEPS_OF_A_RUN, SMALLEST_BATCH_OF_A_SHORT_RUN, batch)
    return (batch, reason) if short == batch else (short, f"for {n_rows} rows and a run of {epochs} epochs")


def private_batch_size(n_rows: int) -> tuple[int, str]:
    """(expected rows a step of private training, reason)."""
    batch = _power_of_two(n_rows / PRIVATE_STEPS_PER_EPOCH, SMALLEST_BATCH, LARGEST_BATCH)
    return batch, f"for {n_rows} rows: a step gets its noise once, whatever its rows are"


def _power_of_two(number: float, least: int, most: int) -> int:
    """The next one by ratio, within limits."""
    return min(most, max(least, 2 ** round(math.log2(max(1.0, number)))))


def has_convolutions(model: nn.Module) -> bool:
    return any(isinstance(m, nn.Conv2d) for m in model.modules())


def learning_rate(batch: int, model: nn.Module) -> float:
    """Peak rate where none is asked for. Convolutions, whose weights are used at every place, bear a higher one."""
    least = LR_AT_SMALLEST_BATCH * (MORE_FOR_CONVOLUTIONS if has_convolutions(model) else 1)
    return least * math.sqrt(max(batch, SMALLEST_BATCH) / SMALLEST_BATCH)


@cache
def bf16_speedup(device_type: str, n_rows: int = 256, width: int = 512) -> float:
    """How many times faster bfloat16 matrices are multiplied here, measured in about 10 ms; on a GPU several in a row,
    as those that are too small to keep it busy gain nothing.
    """
    seconds, n_products = {}, 20 if device_type == "cuda" else 1
    for dtype in (torch.float32, torch.bfloat16):
        a, b = (torch.ones(n, width, dtype=dtype, device=device_type) for n in (n_rows, width))
        times = []
        for _ in range(6):
            start = time.perf_counter()
            for _ in range(n_products):
                torch.mm(a, b)
            if device_type == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        seconds[dtype] = min(times)
    return seconds[torch.float32] / seconds[torch.bfloat16]


def typical_width(model: nn.Module) -> float:
    """Of the matrices that a model multiplies by: sides' geometric mean, weighted by the number of weights. Embeddings
    are none: a few of their rows are looked up.
    """
    looked_up = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    weights = [p for p in model.parameters() if p.dim() > 1 and id(p) not in looked_up]
    total = sum(p.numel() for p in weights)
    return sum(p.numel() * math.sqrt(p.numel()) for p in weights) / total if total else 0.0


def precision(model: nn.Module, batch: int, device: torch.device, compiled: bool = False) -> tuple[str, str]:
    """(precision, reason)."""
    width = typical_width(model)
    is_wide, is_large = width >= MIN_WIDTH, batch >= MIN_BATCH and device.type == "cpu" and not compiled
    if not is_wide and not is_large:
        return "float32", f"layers are narrow, {width:.0f} wide; casts would cost more than bf16 saves"
    shape = (batch, _power_of_two(width, 1, 2**13)) if device.type == "cuda" else ()
    speedup = bf16_speedup(device.type, *shape)
    if speedup < MIN_SPEEDUP:
        return "float32", f"bf16 is multiplied {speedup:.1f} times as fast as float32 here, too little to pay"
    measured = f"bf16 is multiplied {speedup:.1f} times as fast as float32 here"
    if is_wide:
        return "bf16", f"{measured}, layers are {width:.0f} wide"
    return "bf16-products", f"{measured}, layers are narrow, {width:.0f} wide, and batches large"


def decide(
    config: TrainingConfig, n_rows: int, model: nn.Module, device: torch.device
) -> tuple[TrainingConfig, dict[str, str]]:
    """The configuration with nothing left open, and a reason for each thing that was.

    Args:
        config: batch_size and lr may be None, precision "auto".
        n_rows: of the data.
        model: whose layers are looked at; it may live on the meta device.
        device: to train on.
    """
    config, reasons = allowed(config) if config.privacy.is_asked else (config, dict[str, str]())
    o, machine = config.optimisation, config.machine
    batch = o.batch_size
    if batch is None:
        if config.privacy.is_asked:
            batch, why = private_batch_size(n_rows)
        else:
            batch, why = batch_size(n_rows, model, device, config.budget.n_epochs)
        reasons["batch_size"] = f"{batch}, {why}"
    lr = o.lr
    if lr is None:
        lr = learning_rate(batch, model)
        reasons["lr"] = f"{lr:.3g}, for batches of {batch}"
    if machine.threads is None:
        most = max(1, torch.get_num_threads() // machine.devices)
        machine = replace(machine, threads=best_number(most))
        slower = f", as {most} are {speedup(most):.2f} times as fast here" if machine.threads != most else ""
        reasons["threads"] = f"{machine.threads}{slower}"
    if machine.precision == "auto":
        chosen, why = precision(model, batch, device, machine.compile)
        machine = replace(machine, precision=chosen)
        reasons["precision"] = f"{chosen}: {why}"
    config = replace(config, optimisation=replace(o, batch_size=batch, lr=lr), machine=machine)
    if not config.privacy.is_asked:
        return config, reasons
    config, why = closed(config, n_rows)
    return config, reasons | why
