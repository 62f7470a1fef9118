"""Which precision matrices are multiplied in, and the layers that are left out of it.

    float32        as the weights are
    bf16           a trunk's layers take and give bfloat16 (autocast): half the memory moved, fastest for wide layers
    bf16-products  layers take and give float32, and each product rounds its factors to bfloat16 inside: no casts, so
                   fastest for narrow layers in large batches

GPUs have a fourth, which torch takes for convolutions unless told otherwise: factors rounded to TF32, 10 bits. It is
taken with bf16-products alone, and the convolutions of a GPU are those that add in a fixed order, so that the same seed
gives the same bits there too.

Sums, weights, gradients of weights and everything behind a trunk are float32 in all three. bfloat16 keeps 8 bits: a
mean of 2 would be off by up to 0.004, which is nothing to a trunk's hidden unit and everything to a Normal with
sigma = 0.01. So layers that give parameters of distributions multiply in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """To be around the forward pass."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def products(precision: str) -> AbstractContextManager[None]:
    """To be around forward and backward pass."""
    return _factors_rounded_to("medium" if precision == "bf16-products" else "highest")


@contextmanager
def _factors_rounded_to(level: str) -> Iterator[None]:
    convolutions = torch.backends.cudnn
    in_order = convolutions.deterministic
    try:
        before = torch.get_float32_matmul_precision(), convolutions.allow_tf32
    except RuntimeError:  # torch takes no other setting from who has set kernels one by one, fp32_precision of each
        before = None
    try:
        convolutions.deterministic = True
        if before:
            torch.set_float32_matmul_precision(level)
            convolutions.allow_tf32 = level != "highest"
        yield
    finally:
        convolutions.deterministic = in_order
        if before:
            torch.set_float32_matmul_precision(before[0])
            convolutions.allow_tf32 = before[1]


def _is_full() -> bool:
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # as above
        return True


@contextmanager
def in_full(device_type: str) -> Iterator[None]:
    """Inside the block products are in the precision of the weights, whatever is around it."""
    with torch.autocast(device_type, enabled=False):
        # a compiled graph holds no such setting; Machine refuses the two together
        if torch.compiler.is_compiling() or _is_full():
            yield
        else:
            with _factors_rounded_to("highest"):
                yield


class FullPrecisionLinear(nn.Linear):
    """A linear layer in the precision of its weights, whatever is around it."""

    def forward(self, input: Tensor) -> Tensor:
        with in_full(input.device.type):
            return super().forward(input.to(self.weight.dtype))


class FullPrecisionConv2d(nn.Conv2d):
    """A convolution in the precision of its weights, whatever is around it."""

    def forward(self, input: Tensor) -> Tensor:
        with in_full(input.device.type):
            return super().forward(input.to(self.weight.dtype))
