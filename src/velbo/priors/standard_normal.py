"""p(z) = N(z; 0, I): equation (5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal


class StandardNormal(nn.Module):
    """() -> N(0, I) over ``n_latents`` numbers; nothing is learned."""

    loc: Tensor
    scale: Tensor

    def __init__(self, n_latents: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(n_latents), persistent=False)
        self.register_buffer("scale", torch.ones(n_latents), persistent=False)

    def forward(self) -> Independent:
        return Independent(Normal(self.loc, self.scale, validate_args=False), 1, validate_args=False)
