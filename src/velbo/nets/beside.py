"""A trunk for some of the cells, and what is known beside them: x (..., D) -> (..., F + G)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Beside(nn.Module):
    """(..., D) -> (..., F + G).

    Args:
        trunk: cells (..., n) -> (..., F).
        cells: where the trunk's cells stand in x.
        more: (..., D) -> (..., G).
    """

    def __init__(self, trunk: nn.Module, cells: slice, more: nn.Module) -> None:
        super().__init__()
        self.trunk, self.cells, self.more = trunk, cells, more

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.trunk(x[..., self.cells]), self.more(x)), -1)
