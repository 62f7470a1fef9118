"""Real cells with exponential tails, whose best location is a median: log p(x) = -|x - mu| / sigma - log(2 sigma).

Its rule goes in equal steps of w with x = mu + sigma w^3, of density 3/2 w^2 exp(-|w|^3): what is left of the corner at
mu is a jump of the fifth derivative, so that the error of the trapezoidal rule falls as the sixth power of the step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import softplus

from ..nets import inverse_softplus
from ..rows.encodings import dequantised
from ..runtime import fixed_point as fixed
from .base import Factorised, Likelihood
from .cell import MIN_SCALE, Cell
from .laws import Layer, Located
from .quadrature import DEPTH, Nodes, Rule, steps


class LaplaceCell(Cell):
    """Location mu and scale sigma, (..., D)."""

    support = constraints.real  # pyright: ignore
    least_scale = MIN_SCALE

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = loc, scale
        super().__init__(loc, scale)

    def log_prob(self, value: Tensor) -> Tensor:
        return -(value - self.loc).abs() / self.scale - (2 * self.scale).log()

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        up, down = (torch.empty_like(self.loc.expand(self.shape_of(sample_shape))).exponential_() for _ in range(2))
        return self.loc + self.scale * (up - down)

    @property
    def mean(self) -> Tensor:
        return self.loc.expand(self.batch_shape)

    @property
    def mode(self) -> Tensor:
        return self.mean

    @property
    def variance(self) -> Tensor:
        return (2 * self.scale.square()).expand(self.batch_shape)

    def cdf(self, value: Tensor) -> Tensor:
        z = (value - self.loc) / self.scale
        beyond = 0.5 * torch.exp(-z.abs())
        return torch.where(z < 0, beyond, 1 - beyond)

    def rule(self, nodes: Nodes) -> Rule:
        reach = torch.full_like(self.scale, DEPTH ** (1 / 3))
        w, log_dw = steps(-reach, reach, nodes)
        return self.loc + self.scale * w**3, (2 * w.abs().log() - w.abs() ** 3 + log_dw).log_softmax(0)


class Laplace(Likelihood):
    """Real data: location and scale of every cell are predicted."""

    kinds = ("real", "datetime")
    encodes = {"byte": dequantised}  # noqa: RUF012

    def __init__(self, n_in: int, n_out: int, positions: int = 1) -> None:
        super().__init__(n_in, n_out, 2, positions)
        self.begin(None, inverse_softplus(2**-0.5 - MIN_SCALE))

    def forward(self, features: Tensor) -> Factorised:
        loc, scale = self.parameters_of_cells(features)
        return Factorised(LaplaceCell(loc, MIN_SCALE + softplus(scale)))

    def law(self, layer: Layer) -> Located:
        loc, scale = self.whole_parameters(layer)
        return Located(loc, MIN_SCALE + fixed.softplus(scale), fixed.LAPLACE)
