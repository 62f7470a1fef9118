"""Counts whose variance is their mean m: log p(k) = k log m - m - log k!, in the form

    log p(k) = -k (e^t - 1 - t) - 1/2 log(2 pi k) - delta(k),    t = log(m / k),  k > 0;      log p(0) = -m

(Loader, 2000, eq. 4; see stirling.py), in which nothing large cancels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import constraints

from ..runtime.fixed_point import Floats
from .cell import Cell
from .counts import CountLikelihood
from .laws import Counts
from .quadrature import Nodes, Rule, by_blocks
from .special import gamma_above
from .stirling import HALF_LOG_2_PI, delta, excess

NO_DISPERSION = 1e18
"""r of a negative binomial that is a Poisson in every dtype."""


class PoissonCell(Cell):
    """log m, (..., D)."""

    support = constraints.nonnegative_integer  # pyright: ignore

    def __init__(self, log_rate: Tensor) -> None:
        self.log_rate = log_rate
        super().__init__(log_rate)

    def log_prob(self, value: Tensor) -> Tensor:
        k = value.clamp_min(1)
        log_p = -k * excess(self.log_rate - k.log()) - 0.5 * k.log() - HALF_LOG_2_PI - delta(k)
        return torch.where(value < 1, -self.log_rate.exp(), log_p)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return torch.poisson(self.mean.expand(self.shape_of(sample_shape)))

    @property
    def mean(self) -> Tensor:
        return self.log_rate.exp()

    @property
    def mode(self) -> Tensor:
        return self.mean.floor()

    @property
    def variance(self) -> Tensor:
        return self.mean

    def below_and_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        below = gamma_above(x, self.log_rate.double().exp())
        return torch.where(x > 0, below, 0.0), self.log_prob(x).exp().double()

    def coordinate(self, x: Tensor) -> Tensor:
        return torch.log1p(x)

    def rule(self, nodes: Nodes) -> Rule:
        return by_blocks(self.log_prob, self.mean, torch.full_like(self.mean, NO_DISPERSION), nodes)


class Poisson(CountLikelihood):
    """Counts without overdispersion."""

    def cell(self, log_rate: Tensor, *others: Tensor) -> PoissonCell:
        return PoissonCell(log_rate)

    def counts(self, rate: Floats, *others: Floats) -> Counts:
        return Counts(np.zeros_like(rate), rate)
