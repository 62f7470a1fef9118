"""Positive cells: the gamma density of mean m and coefficient of variation s, that is, shape a = 1 / s^2,

    log p(x) = a log(a / m) - log Gamma(a) + (a - 1) log x - a x / m
             = -a (e^t - 1 - t) + 1/2 log(a / 2 pi) - delta(a) - log x,      t = log x - log m,

where delta is that of stirling.py. The first form loses everything to rounding where a is large, the second nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import softplus

from ..nets import inverse_softplus
from .base import Factorised, Likelihood
from .cell import MIN_SCALE, Cell
from .quadrature import Nodes, Rule, depth_reach, sinh_steps
from .ranges import limited, saturated_exp
from .special import gamma_below
from .stirling import HALF_LOG_2_PI, delta, excess

LIMIT = 20.0
"""Of log m; x is in units of its geometric mean."""
FARTHEST = 60.0
"""Of log(x / m): beyond it the density is below exp(-exp(45)) for every s up to 1,000."""


class GammaCell(Cell):
    """log m and shape a, (..., D)."""

    support = constraints.positive  # pyright: ignore
    inside = 1.0

    def __init__(self, log_mean: Tensor, shape: Tensor) -> None:
        self.log_mean, self.shape = log_mean, shape
        super().__init__(log_mean, shape)

    def log_prob(self, value: Tensor) -> Tensor:
        a, log_x = self.shape, value.log()
        t = (log_x - self.log_mean).clamp_max(FARTHEST)
        return -a * excess(t) + 0.5 * a.log() - HALF_LOG_2_PI - delta(a) - log_x

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        rate = self.shape * torch.exp(-self.log_mean)
        return torch.distributions.Gamma(self.shape, rate, validate_args=False).sample(torch.Size(sample_shape))

    @property
    def mean(self) -> Tensor:
        return self.log_mean.exp().expand(self.batch_shape)

    @property
    def mode(self) -> Tensor:
        """0 where the density has no maximum inside."""
        return self.mean * (1 - 1 / self.shape).clamp_min(0)

    @property
    def variance(self) -> Tensor:
        return self.mean.square() / self.shape

    def cdf(self, value: Tensor) -> Tensor:
        a = self.shape.double()
        return gamma_below(a, a * value.double() * torch.exp(-self.log_mean.double()))

    def coordinate(self, x: Tensor) -> Tensor:
        """log x."""
        return x.clamp_min(torch.finfo(x.dtype).tiny).log()

    def rule(self, nodes: Nodes) -> Rule:
        """log x = log m + t, t = sinh u / sqrt(1 + a); log p of t falls by a (e^t - 1 - t)."""
        a, far = self.shape, depth_reach(self.shape)
        size = (1 + a).rsqrt().detach()
        z, log_dz = sinh_steps(far / size, torch.log1p(far) / size, nodes)
        t = size * z
        return saturated_exp(self.log_mean + t), (log_dz - a * excess(t)).log_softmax(0)


class Gamma(Likelihood):
    """Positive data: mean and coefficient of variation of every cell are predicted."""

    kinds = ("positive",)

    def __init__(self, n_in: int, n_out: int, positions: int = 1) -> None:
        super().__init__(n_in, n_out, 2, positions)
        self.begin(None, inverse_softplus(1 - MIN_SCALE))

    def forward(self, features: Tensor) -> Factorised:
        log_mean, spread = self.parameters_of_cells(features)
        return Factorised(GammaCell(limited(log_mean, LIMIT), (MIN_SCALE + softplus(spread)) ** -2))
