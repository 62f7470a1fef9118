"""Exponential moving average of the weights: mean <- d mean + (1 - d) weight after every step.

d rises as (1 + t) / (10 + t) to its final value, so that the initial weights are forgotten in short runs. The average
is moved once in `STRIDE` steps, by the same amount, and before it is read: a pass over the weights at every step costs
more than it gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

STRIDE = 8
COUNTS = "."


class EMA:
    """The averaged weights of ``model``.

    Args:
        model: whose parameters are followed; buffers are used as they are.
        decay: d a step; 0 follows the weights exactly.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.names = [name for name, _ in model.named_parameters()]
        self.parameters: list[Tensor] = [p for _, p in model.named_parameters()]
        self.mean = [p.detach().clone() for p in self.parameters]
        self.n_steps = self.pending = 0

    def update(self) -> None:
        """To be called after every step."""
        self.n_steps += 1
        self.pending += 1
        if self.pending == STRIDE:
            self.catch_up()

    @torch.no_grad()
    def catch_up(self) -> None:
        """Move the average by all steps since it was last moved."""
        if self.pending:
            decay = min(self.decay, (1 + self.n_steps) / (10 + self.n_steps)) ** self.pending
            torch._foreach_lerp_(self.mean, self.parameters, 1 - decay)  # pyright: ignore
            self.pending = 0

    @contextmanager
    @torch.no_grad()
    def swapped_in(self) -> Iterator[None]:
        """The model has the averaged weights inside the block, its own again after it."""
        self.catch_up()
        own = [p.detach().clone() for p in self.parameters]
        torch._foreach_copy_(self.parameters, self.mean)  # pyright: ignore
        try:
            yield
        finally:
            torch._foreach_copy_(self.parameters, own)  # pyright: ignore

    def state(self) -> dict[str, Tensor]:
        counts = torch.tensor([self.n_steps, self.pending])
        return {**dict(zip(self.names, self.mean, strict=True)), COUNTS: counts}

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        for name, mean in zip(self.names, self.mean, strict=True):
            mean.copy_(state[name])
        self.n_steps, self.pending = state[COUNTS].tolist()
