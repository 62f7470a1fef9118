"""Real cells: log p(x_d|z) = -1/2 ((x_d - mu_d) / sigma_d)^2 - log sigma_d - 1/2 log 2 pi.

Where sigma comes from is a part of its own, a scale: features -> sigma.

    FixedScale(s)            sigma = s
    LearnedScale()           one sigma for all cells, learned
    LearnedScale(D)          one sigma a cell, learned
    PredictedScale(F, n)     sigma = sigma(z), from the features

A density is unbounded where data repeat a value, so learned scales stay above `MIN_SCALE`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..nets import FullPrecisionLinear, inverse_softplus
from .base import Factorised, Likelihood, at_least_float32

MIN_SCALE = 1e-3


class FixedScale(nn.Module):
    """sigma = ``scale``, not learned."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        if not scale > 0:
            raise ValueError(f"a scale must be positive, not {scale}")
        self.scale = float(scale)

    def forward(self, features: Tensor) -> Tensor:
        return at_least_float32(features.new_ones(())) * self.scale


class LearnedScale(nn.Module):
    """sigma is learned: one number for all cells, or one for each of ``n_cells``; (1,) or (D,)."""

    def __init__(self, n_cells: int = 1, initial: float = 1.0) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.full((n_cells,), inverse_softplus(initial - MIN_SCALE)))

    def forward(self, features: Tensor) -> Tensor:
        return MIN_SCALE + softplus(self.raw)


class PredictedScale(nn.Module):
    """sigma(z), predicted from the features: (..., D)."""

    def __init__(self, n_in: int, n_out: int, positions: int = 1) -> None:
        super().__init__()
        self.linear = FullPrecisionLinear(n_in, n_out)
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias, inverse_softplus(1.0 - MIN_SCALE))
        self.positions = positions

    def forward(self, features: Tensor) -> Tensor:
        raw = self.linear(features)
        return MIN_SCALE + softplus(raw.flatten(-2) if self.positions > 1 else raw)


class Normal(Likelihood):
    """Real data.

    Args:
        scale: a number (fixed), or a module features -> sigma that broadcasts to (..., D);
            None learns one sigma a cell.
    """

    def __init__(self, n_in: int, n_out: int, scale: float | nn.Module | None = None, positions: int = 1) -> None:
        super().__init__(n_in, n_out, 1, positions)
        if scale is None:
            scale = LearnedScale(self.n_cells)
        self.scale = scale if isinstance(scale, nn.Module) else FixedScale(scale)

    def forward(self, features: Tensor) -> Factorised:
        (mean,) = self.parameters_of_cells(features)
        sigma = self.scale(features).to(mean.dtype).expand_as(mean)
        return Factorised(torch.distributions.Normal(mean, sigma, validate_args=False))
