"""Layers that autocast leaves alone: for parameters of distributions, whose rounding would be an error of the bound.

bfloat16 keeps 8 bits. A mean of 2 is then off by up to 0.004, which is nothing to a trunk's hidden unit and everything
to a Normal with sigma = 0.01.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FullPrecisionLinear(nn.Linear):
    """A linear layer in the precision of its weights, whatever the autocast around it."""

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.to(self.weight.dtype))
