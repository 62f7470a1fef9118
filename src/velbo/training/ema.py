"""Exponential moving average of the weights: mean <- d mean + (1 - d) weight after every step.

d rises as (1 + t) / (10 + t) to its final value, so that the initial weights are forgotten in short runs. The average
is moved once in `STRIDE` steps, by the same amount: a pass over the weights at every step costs more than it gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

STRIDE = 8


class EMA:
    """The averaged weights of ``model``.

    Args:
        model: whose parameters are followed; buffers are used as they are.
        decay: d a step; 0 follows the weights exactly.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.names = [name for name, _ in model.named_parameters()]
        self.parameters = [p for _, p in model.named_parameters()]
        self.mean = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """To be called after step number ``step`` (from 1)."""
        if self.decay == 0:
            torch._foreach_copy_(self.mean, self.parameters)
        elif step % STRIDE == 0:
            decay = min(self.decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(self.mean, self.parameters, 1 - decay**STRIDE)

    @contextmanager
    @torch.no_grad()
    def swapped_in(self) -> Iterator[None]:
        """The model has the averaged weights inside the block, its own again after it."""
        own = [p.detach().clone() for p in self.parameters]
        torch._foreach_copy_(self.parameters, self.mean)
        try:
            yield
        finally:
            torch._foreach_copy_(self.parameters, own)

    def state(self) -> dict[str, Tensor]:
        return dict(zip(self.names, self.mean, strict=True))

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        for name, mean in zip(self.names, self.mean, strict=True):
            mean.copy_(state[name])
