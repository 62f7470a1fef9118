"""Two trunks of one row beside each other: x (..., D) -> (..., F + G)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Beside(nn.Module):
    """x -> (trunk(x), more(x)).

    Args:
        trunk: (..., D) -> (..., F).
        more: (..., D) -> (..., G).
    """

    def __init__(self, trunk: nn.Module, more: nn.Module) -> None:
        super().__init__()
        self.trunk, self.more = trunk, more

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.trunk(x), self.more(x)), -1)
