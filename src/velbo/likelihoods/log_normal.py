"""Positive cells whose logarithm is Normal: log p(x) = log N(log x; mu, sigma^2) - log x."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import softplus

from ..nets import inverse_softplus
from ..runtime import fixed_point as fixed
from .base import Factorised, Likelihood
from .cell import MIN_SCALE, Cell
from .laws import Layer, Located
from .quadrature import Nodes, Rule
from .ranges import saturated_exp
from .stirling import HALF_LOG_2_PI


class LogNormalCell(Cell):
    """Mean mu and standard deviation sigma of log x, (..., D). Moments that the dtype cannot hold are its largest."""

    support = constraints.positive  # pyright: ignore
    inside = 1.0
    least_scale = MIN_SCALE

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = loc, scale
        super().__init__(loc, scale)

    def log_prob(self, value: Tensor) -> Tensor:
        log_x = value.log()
        z = (log_x - self.loc) / self.scale
        return -0.5 * z.square() - self.scale.log() - HALF_LOG_2_PI - log_x

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return saturated_exp(self.loc + self.scale * self.standard_normal(sample_shape))

    @property
    def mean(self) -> Tensor:
        return saturated_exp(self.loc + self.scale.square() / 2)

    @property
    def mode(self) -> Tensor:
        return saturated_exp(self.loc - self.scale.square())

    @property
    def variance(self) -> Tensor:
        square = self.scale.square()
        return saturated_exp(torch.log(-torch.expm1(-square)) + 2 * self.loc + 2 * square)

    def cdf(self, value: Tensor) -> Tensor:
        return torch.special.ndtr((value.log() - self.loc) / self.scale)

    def coordinate(self, x: Tensor) -> Tensor:
        """log x."""
        return x.clamp_min(torch.finfo(x.dtype).tiny).log()

    def rule(self, nodes: Nodes) -> Rule:
        t, log_w = self.normal_rule(nodes)
        return saturated_exp(self.loc + self.scale * t), log_w


class LogNormal(Likelihood):
    """Positive data."""

    kinds = ("positive",)

    def __init__(self, n_in: int, n_out: int, positions: int = 1) -> None:
        super().__init__(n_in, n_out, 2, positions)
        self.begin(None, inverse_softplus(1 - MIN_SCALE))

    def forward(self, features: Tensor) -> Factorised:
        loc, scale = self.parameters_of_cells(features)
        return Factorised(LogNormalCell(loc, MIN_SCALE + softplus(scale)))

    def law(self, layer: Layer) -> Located:
        loc, scale = self.whole_parameters(layer)
        return Located(loc, MIN_SCALE + fixed.softplus(scale), fixed.NORMAL, _log)


def _log(x: fixed.Floats) -> fixed.Floats:
    return fixed.log(np.maximum(x, 0.0))
