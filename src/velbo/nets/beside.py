"""A trunk, and what is known beside what it sees: x (..., D + M) -> features of the first D numbers, and of all."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Beside(nn.Module):
    """(..., D + M) -> (..., F + G).

    Args:
        trunk: (..., D) -> (..., F).
        n_dims: D.
        more: (..., D + M) -> (..., G).
    """

    def __init__(self, trunk: nn.Module, n_dims: int, more: nn.Module) -> None:
        super().__init__()
        self.trunk, self.n_dims, self.more = trunk, n_dims, more

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.trunk(x[..., : self.n_dims]), self.more(x)), -1)
