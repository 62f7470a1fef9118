"""Cells in (0, 1) whose logit is Normal: log p(x) = log N(logit x; mu, sigma^2) - log x - log(1 - x).

Its moments have no closed form. With s = sigmoid and t = sigma e they are

    E[x - s(mu)]^n  = E_e[ (s(mu + t) - s(mu))^n ],  s(mu + t) - s(mu) = s(mu + t) s(-mu) (1 - e^-t)     sigma <= 2
    E[x^n]          = E_l[ n s(l)^(n-1) Phi((mu - l) / sigma) ]                                          sigma > 2

with e ~ N(0, 1) and, by parts, l of the logistic law. Both are sums over equal steps h. The integrand of the first is
analytic up to |Im e| = pi / sigma, that of the second up to |Im l| = pi and as smooth as a Normal of scale sigma, so
the errors fall as exp(-2 pi^2 / (sigma h)) and as exp(-2 pi^2 / h): below 1e-13 for every sigma.
(The exponentially convergent trapezoidal rule, Trefethen and Weideman, 2014, https://doi.org/10.1137/130932132, eq. 3.)
The mode solves logit x = mu + sigma^2 (2 x - 1), on the side of 1/2 on which mu is; it is found by bisection.
A cell that the dtype rounds to 0 or 1 counts as the nearest number inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import softplus

from ..nets import inverse_softplus
from ..rows.encodings import dequantised, inside_unit
from ..runtime import fixed_point as fixed
from ..runtime.devices import may_look_at
from .base import Factorised, Likelihood
from .cell import MIN_SCALE, Cell
from .laws import Layer, Located
from .quadrature import Nodes, Rule
from .ranges import within_unit
from .stirling import HALF_LOG_2_PI

STEP, REACH = 0.25, 9.0
"""Of e."""
WIDE = 2.0
"""Of sigma, where the second sum takes over."""
WIDE_STEP, WIDE_REACH = 0.45, 45.0
"""Of l."""
HALVINGS = 60
INITIAL_SCALE = 1.5
"""With mu = 0 the variance is near that of a uniform density."""


Moment = Callable[[Tensor, Tensor], Tensor]
"""Of mu and sigma."""


def _steps_of_e() -> Iterator[tuple[float, float]]:
    """e, and the weight of N(0, 1) there."""
    n = round(REACH / STEP)
    for e in (i * STEP for i in range(-n, n + 1)):
        yield e, STEP * math.exp(-0.5 * e**2) / math.sqrt(2 * math.pi)


def _near_mean(loc: Tensor, scale: Tensor) -> Tensor:
    if torch.compiler.is_compiling():  # few large operations make a small graph
        e, weight = torch.tensor(list(_steps_of_e()), dtype=loc.dtype, device=loc.device).unbind(-1)
        return (weight * torch.sigmoid(loc.unsqueeze(-1) + e * scale.unsqueeze(-1))).sum(-1)
    total = torch.zeros_like(loc)
    for e, weight in _steps_of_e():
        total = total + weight * torch.sigmoid(loc + e * scale)
    return total


def _near_variance(loc: Tensor, scale: Tensor) -> Tensor:
    rest, first, second = torch.sigmoid(-loc), torch.zeros_like(loc), torch.zeros_like(loc)
    for e, weight in _steps_of_e():
        t = e * scale
        distance = torch.sigmoid(loc + t) * rest * -torch.expm1(-t)
        first, second = first + weight * distance, second + weight * distance.square()
    return second - first.square()


def _far_mean(loc: Tensor, scale: Tensor) -> Tensor:
    if not torch.compiler.is_compiling():
        return _far_moments(loc, scale)[0]
    n = round(WIDE_REACH / WIDE_STEP)
    points = WIDE_STEP * torch.arange(-n, n + 1, dtype=loc.dtype, device=loc.device)
    mass = WIDE_STEP * torch.sigmoid(points) * torch.sigmoid(-points) * 0.5
    return (mass * torch.erfc((points - loc.unsqueeze(-1)) / scale.unsqueeze(-1) * math.sqrt(0.5))).sum(-1)


def _far_moments(loc: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance by steps of l."""
    first, second, n = torch.zeros_like(loc), torch.zeros_like(loc), round(WIDE_REACH / WIDE_STEP)
    for point in (i * WIDE_STEP for i in range(-n, n + 1)):
        s = 1 / (1 + math.exp(-point))
        mass = WIDE_STEP * s * (1 - s) * 0.5 * torch.erfc((point - loc) / scale * math.sqrt(0.5))
        first, second = first + mass, second + 2 * s * mass
    return first, second - first.square()


class LogitNormalCell(Cell):
    """Mean mu and standard deviation sigma of logit x, (..., D)."""

    support = constraints.unit_interval  # pyright: ignore
    inside = 0.5
    least_scale = MIN_SCALE

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = loc, scale
        super().__init__(loc, scale)

    def log_prob(self, value: Tensor) -> Tensor:
        x = within_unit(value)
        log_x, log_rest = x.log(), torch.log1p(-x)
        z = (log_x - log_rest - self.loc) / self.scale
        return -0.5 * z.square() - self.scale.log() - HALF_LOG_2_PI - log_x - log_rest

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return within_unit(torch.sigmoid(self.loc + self.scale * self.standard_normal(sample_shape)))

    @property
    def mean(self) -> Tensor:
        mean = self._by(_near_mean, _far_mean)
        return torch.where(self.loc > 0, 1 - mean, mean)

    def _by(self, near: Moment, far: Moment) -> Tensor:
        """A moment of whichever of x and 1 - x has a median below 1/2, by the sum that suits sigma."""
        loc, scale = (t.expand(self.batch_shape) for t in (-self.loc.abs(), self.scale))
        found, is_wide = near(loc, scale.clamp_max(WIDE)), scale > WIDE
        if not may_look_at(loc):
            return torch.where(is_wide, far(loc, scale), found)
        return found.masked_scatter(is_wide, far(loc[is_wide], scale[is_wide])) if is_wide.any() else found

    @property
    def mode(self) -> Tensor:
        square = self.scale.square()
        low, high = self.loc.abs().expand(self.batch_shape), self.loc.abs() + square
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            beyond = middle > self.loc.abs() + square * torch.tanh(middle / 2)
            low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
        return torch.sigmoid(torch.where(self.loc < 0, -low, low))

    @property
    def variance(self) -> Tensor:
        return self._by(_near_variance, lambda loc, scale: _far_moments(loc, scale)[1])

    def cdf(self, value: Tensor) -> Tensor:
        return torch.special.ndtr((torch.logit(value) - self.loc) / self.scale)

    def coordinate(self, x: Tensor) -> Tensor:
        """logit x."""
        x = within_unit(x)
        return x.log() - torch.log1p(-x)

    def rule(self, nodes: Nodes) -> Rule:
        t, log_w = self.normal_rule(nodes)
        return within_unit(torch.sigmoid(self.loc + self.scale * t)), log_w


class LogitNormal(Likelihood):
    """Data in (0, 1)."""

    kinds = ("bounded",)
    encodes = {"byte": dequantised, "real": inside_unit}  # noqa: RUF012

    def __init__(self, n_in: int, n_out: int, positions: int = 1) -> None:
        super().__init__(n_in, n_out, 2, positions)
        self.begin(None, inverse_softplus(INITIAL_SCALE - MIN_SCALE))

    def forward(self, features: Tensor) -> Factorised:
        loc, scale = self.parameters_of_cells(features)
        return Factorised(LogitNormalCell(loc, MIN_SCALE + softplus(scale)))

    def law(self, layer: Layer) -> Located:
        loc, scale = self.whole_parameters(layer)
        return Located(loc, MIN_SCALE + fixed.softplus(scale), fixed.NORMAL, _logit)


def _logit(x: fixed.Floats) -> fixed.Floats:
    x = np.clip(x, 0.0, 1.0)
    return np.where(x < 1, fixed.log(x) - fixed.log(1 - x), np.inf)
