"""Networks of denoisers: trunks that are told gamma, the level of the noise.

gamma goes in as sin and cos of it at periods of 2 to 64, and moves every block's input.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..nets.mlp import ResidualBlock
from ..runtime.precision import FullPrecisionLinear

N_PERIODS = 6


class LevelFeatures(nn.Module):
    """gamma (..., 1) -> (..., F), F = 2 N_PERIODS.

    Attributes:
        n_features: F.
    """

    frequencies: Tensor
    n_features = 2 * N_PERIODS

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi / 32 * 2.0 ** torch.arange(N_PERIODS), persistent=False)

    def forward(self, gamma: Tensor) -> Tensor:
        angle = gamma * self.frequencies
        return torch.cat((angle.sin(), angle.cos()), -1)


class LevelMLP(nn.Module):
    """A residual MLP that is told gamma: (..., n_in) and gamma (..., 1) -> (..., n_out), 0 at first.

    Args:
        n_in: numbers per row.
        n_out: numbers that it says.
        hidden: width of each block, all equal; at least one.
    """

    def __init__(self, n_in: int, n_out: int, *hidden: int) -> None:
        super().__init__()
        if not hidden or len(set(hidden)) > 1:
            raise ValueError(f"blocks have one width, and there is at least one, not {hidden}")
        width = hidden[0]
        self.level = nn.Sequential(LevelFeatures(), nn.Linear(LevelFeatures.n_features, width), nn.SiLU())
        self.enter = FullPrecisionLinear(n_in, width)
        self.shifts = nn.ModuleList(nn.Linear(width, width) for _ in hidden)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in hidden)
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), last := FullPrecisionLinear(width, n_out))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor, gamma: Tensor) -> Tensor:
        level, h = self.level(gamma), self.enter(x)
        for shift, block in zip(self.shifts, self.blocks, strict=True):
            h = block(h + shift(level))
        return self.leave(h)
