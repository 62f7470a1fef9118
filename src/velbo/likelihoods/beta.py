"""Cells in (0, 1): the beta density of mean m and precision k; alpha = k m, beta = k (1 - m),

    log p(x) = (alpha - 1) log x + (beta - 1) log(1 - x) - log B(alpha, beta)
             = alpha log(x / m) + beta log((1 - x) / (1 - m)) - log x - log(1 - x)
               + 1/2 log(alpha beta / (2 pi k)) + delta(k) - delta(alpha) - delta(beta),

where delta is that of stirling.py. The first two terms of the second form cancel where x is near m and k is large;
there they are taken together, with t the logit of x less that of m, and p the smaller of m and 1 - m:

    alpha log(x / m) + beta log((1 - x) / (1 - m)) = k (p t - log(1 + p (e^t - 1))),    t for p = m, -t for p = 1 - m.

k = 1 / s^2 with a predicted s: the variance is m (1 - m) / (1 + k). A cell that the dtype rounds to 0 or 1 counts as
the nearest number inside.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import logsigmoid, softplus

from ..nets import inverse_softplus
from ..rows.encodings import dequantised, inside_unit
from .base import Factorised, Likelihood
from .cell import MIN_SCALE, Cell
from .quadrature import Nodes, Rule, depth_reach, sinh_steps
from .ranges import limited, within_unit
from .special import beta_below
from .stirling import HALF_LOG_2_PI, delta

LIMIT = 15.0
"""Of logit m."""
NEAR = 1.0
"""Of t."""
INITIAL_SPREAD = 2**-0.5
"""k = 2: uniform where m = 1/2."""


class BetaCell(Cell):
    """logit m and precision k, (..., D)."""

    support = constraints.unit_interval  # pyright: ignore
    inside = 0.5

    def __init__(self, logit: Tensor, precision: Tensor) -> None:
        self.logit, self.precision = logit, precision
        super().__init__(logit, precision)

    @property
    def alpha(self) -> Tensor:
        return self.precision * torch.sigmoid(self.logit)

    @property
    def beta(self) -> Tensor:
        return self.precision * torch.sigmoid(-self.logit)

    def log_prob(self, value: Tensor) -> Tensor:
        x, k = within_unit(value), self.precision
        log_x, log_rest = x.log(), torch.log1p(-x)
        log_m, log_n = logsigmoid(self.logit), logsigmoid(-self.logit)
        # the gradient of sigmoid(y) is wrong where it rounds to 1, that of exp(logsigmoid(y)) is not
        m, n, t, is_low = log_m.exp(), log_n.exp(), log_x - log_rest - self.logit, self.logit < 0
        far = m * (log_x - log_m) + n * (log_rest - log_n)
        p, t = torch.where(is_low, m, n), torch.where(is_low, t, -t).clamp(-NEAR, NEAR)
        deviance = k * torch.where(t.abs() < NEAR, p * t - torch.log1p(p * torch.expm1(t)), far)
        d_k, d_alpha, d_beta = delta(torch.stack(torch.broadcast_tensors(k, k * m, k * n)))
        height = 0.5 * (log_m + log_n + k.log()) - HALF_LOG_2_PI + d_k - d_alpha - d_beta
        return deviance + height - log_x - log_rest

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        beta = torch.distributions.Beta(self.alpha, self.beta, validate_args=False)
        return within_unit(beta.sample(torch.Size(sample_shape)))

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(self.logit).expand(self.batch_shape)

    @property
    def mode(self) -> Tensor:
        """Where the density has no maximum inside, the end, 0 or 1, at which it is greatest."""
        a, b = self.alpha, self.beta
        peaked = (a > 1) & (b > 1)
        inner = (a - 1) / torch.where(peaked, a + b - 2, 1.0)
        return torch.where(peaked, inner, (a > b).to(inner.dtype))

    @property
    def variance(self) -> Tensor:
        return torch.sigmoid(self.logit) * torch.sigmoid(-self.logit) / (1 + self.precision)

    def cdf(self, value: Tensor) -> Tensor:
        exact = self.rebuilt(self.logit.double(), self.precision.double())
        return beta_below(exact.alpha, exact.beta, value)

    def coordinate(self, x: Tensor) -> Tensor:
        """logit x."""
        x = within_unit(x)
        return x.log() - torch.log1p(-x)

    def rule(self, nodes: Nodes) -> Rule:
        """logit x = logit m + t; log p of t falls by at least h (e^-|t| - 1 + |t|), h = alpha beta / (alpha + beta)."""
        h = self.alpha * torch.sigmoid(-self.logit)
        size = (1 + h).rsqrt().detach()
        far = depth_reach(h) / size
        z, log_dz = sinh_steps(far, far, nodes)
        logit = self.logit + size * z
        above = self.alpha * (logsigmoid(logit) - logsigmoid(self.logit))
        below = self.beta * (logsigmoid(-logit) - logsigmoid(-self.logit))
        return within_unit(torch.sigmoid(logit)), (above + below + log_dz).log_softmax(0)


class Beta(Likelihood):
    """Data in (0, 1): mean and precision of every cell are predicted."""

    kinds = ("bounded",)
    encodes = {"byte": dequantised, "real": inside_unit}  # noqa: RUF012

    def __init__(self, n_in: int, n_out: int, positions: int = 1) -> None:
        super().__init__(n_in, n_out, 2, positions)
        self.begin(None, inverse_softplus(INITIAL_SPREAD - MIN_SCALE))

    def forward(self, features: Tensor) -> Factorised:
        logit, spread = self.parameters_of_cells(features)
        return Factorised(BetaCell(limited(logit, LIMIT), (MIN_SCALE + softplus(spread)) ** -2))
