"""What an encoder sees of missing cells: zeros, and (when asked) the mask of observed cells behind them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FillMissing(nn.Module):
    """(..., D) with NaN for missing -> (..., D) with 0, or (..., 2 D): values, then 1 where observed.

    Args:
        mask: append the mask; wanted whenever training data have missing cells, so that q(z|x) can tell a 0
            from a hole.
    """

    def __init__(self, mask: bool = False) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, x: Tensor) -> Tensor:
        filled = torch.nan_to_num(x, nan=0.0)
        return torch.cat((filled, (~x.isnan()).to(x.dtype)), -1) if self.mask else filled
