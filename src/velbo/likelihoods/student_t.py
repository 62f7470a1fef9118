"""Real cells with heavy tails: z = (x - mu) / sigma,

    log p(x) = log Gamma((nu + 1) / 2) - log Gamma(nu / 2) - 1/2 log(nu pi) - log sigma
               - (nu + 1) / 2 log(1 + z^2 / nu)

with nu > 2, so that mean mu and variance sigma^2 nu / (nu - 2) exist. With a = nu / 2 and delta of stirling.py the
first three terms are a log(1 + 1 / (2 a)) - 1/2 - 1/2 log 2 pi + delta(a + 1/2) - delta(a): no cancellation as nu grows
and the density becomes the Normal's.
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
from .laws import Layer, Student
from .quadrature import DEPTH, Nodes, Rule, sinh_steps
from .special import student_below
from .stirling import HALF_LOG_2_PI, delta

MIN_DF = 2.1
INITIAL_DF = 10.0


class StudentTCell(Cell):
    """Degrees of freedom nu, location mu and scale sigma, (..., D)."""

    support = constraints.real  # pyright: ignore
    least_scale = MIN_SCALE

    def __init__(self, df: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.df, self.loc, self.scale = df, loc, scale
        super().__init__(df, loc, scale)

    def log_prob(self, value: Tensor) -> Tensor:
        a, z = self.df / 2, (value - self.loc) / self.scale
        height = a * torch.log1p(0.5 / a) - 0.5 - HALF_LOG_2_PI + delta(a + 0.5) - delta(a) - self.scale.log()
        return height - (a + 0.5) * torch.log1p(z.square() / self.df)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        half = (self.df / 2).expand(self.shape_of(sample_shape))
        precision = torch.distributions.Gamma(half, half, validate_args=False).sample()
        return self.loc + self.scale * self.standard_normal(sample_shape) * precision.rsqrt()

    @property
    def mean(self) -> Tensor:
        return self.loc.expand(self.batch_shape)

    @property
    def mode(self) -> Tensor:
        return self.mean

    @property
    def variance(self) -> Tensor:
        return self.scale.square() * self.df / (self.df - 2)

    def cdf(self, value: Tensor) -> Tensor:
        return student_below(self.df, (value - self.loc) / self.scale)

    def coordinate(self, x: Tensor) -> Tensor:
        return torch.asinh(x)

    def rule(self, nodes: Nodes) -> Rule:
        """x = mu + sigma sinh u, to where p(x) dx/du is exp(-DEPTH) of its greatest: tails are heavy."""
        df = self.df
        reach = (df * torch.expm1(2 * DEPTH / df)).sqrt()
        z, log_dz = sinh_steps(reach, reach, nodes)
        return self.loc + self.scale * z, (log_dz - (df + 1) / 2 * torch.log1p(z.square() / df)).log_softmax(0)


class StudentT(Likelihood):
    """Real data with outliers: location, scale and degrees of freedom of every cell are predicted."""

    kinds = ("real", "datetime")
    encodes = {"byte": dequantised}  # noqa: RUF012

    def __init__(self, n_in: int, n_out: int, positions: int = 1) -> None:
        super().__init__(n_in, n_out, 3, positions)
        self.begin(None, inverse_softplus(1 - MIN_SCALE), inverse_softplus(INITIAL_DF - MIN_DF))

    def forward(self, features: Tensor) -> Factorised:
        loc, scale, df = self.parameters_of_cells(features)
        return Factorised(StudentTCell(MIN_DF + softplus(df), loc, MIN_SCALE + softplus(scale)))

    def law(self, layer: Layer) -> Student:
        loc, scale, df = self.whole_parameters(layer)
        return Student(MIN_DF + fixed.softplus(df), loc, MIN_SCALE + fixed.softplus(scale))
