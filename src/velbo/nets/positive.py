"""Learned numbers that stay above a minimum: minimum + softplus(raw)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus


def inverse_softplus(y: float) -> float:
    """The number whose softplus is y > 0."""
    return y + math.log(-math.expm1(-y))


class Positive(nn.Module):
    """() -> numbers above ``minimum``, learned, of given shape; ``initial`` at first."""

    def __init__(self, *shape: int, initial: float = 1.0, minimum: float = 1e-4) -> None:
        super().__init__()
        self.minimum = minimum
        self.raw = nn.Parameter(torch.full(shape, inverse_softplus(initial - minimum)))

    def forward(self) -> Tensor:
        return self.minimum + softplus(self.raw)
