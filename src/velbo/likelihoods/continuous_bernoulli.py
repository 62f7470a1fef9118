"""Cells in [0, 1] with a density: p(x_d|z) = e^(a x_d) / Z(a), Z(a) = (e^a - 1) / a, a = logit_d.

The normaliser Z is what peers forget when they score grey images with the Bernoulli's formula. With t = |a| and d the
distance of x from the end that is favoured (1 if a > 0, else 0)

    log p(x) = -t d - log( (1 - e^-t) / t )                t not small: nothing overflows and nothing cancels
             = a (x - 1/2) - log( sinh(a/2) / (a/2) )      t small, by the series of its second term in (a/2)^2,
                                                           whose k-th coefficient is (-1)^(k+1) zeta(2k) / (k pi^2k)
    E[d]     = 1/t - e^-t / (1 - e^-t),    Var[x] = 1/t^2 - e^-t / (1 - e^-t)^2

so that it integrates to 1 in float32 as in float64, however large a is.

Source: The continuous Bernoulli: fixing a pervasive error in variational autoencoders,
Loaiza-Ganem and Cunningham, 2019, https://arxiv.org/abs/1907.06845 (eq. 8).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import logsigmoid

from ..rows.encodings import dequantised, unit
from .base import Factorised, Likelihood
from .cell import Cell
from .quadrature import DEPTH, Nodes, Rule, steps

SMALL = 1.0
"""Of t, where the series takes over."""
ZETA = torch.special.zeta(torch.arange(2, 22, 2, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)).tolist()
SERIES = tuple((-1) ** (k + 1) * zeta / (k * math.pi ** (2 * k)) for k, zeta in enumerate(ZETA, 1))
"""From t = SMALL down, the first term that is left out is below 1e-17."""
FLOAT32_TERMS = 4
"""With the first term that is left out below 1e-8."""


class ContinuousBernoulliCell(Cell):
    """Logits a, (..., D)."""

    support = constraints.unit_interval  # pyright: ignore
    has_rsample = True  # pyright: ignore

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        super().__init__(logits)

    def _steep(self) -> Tensor:
        """t where it is not small; elsewhere any, so that the branch that is dropped has a finite gradient."""
        return self.logits.abs().clamp_min(SMALL)

    def _series(self, order: int) -> Tensor:
        """Of log( sinh(a/2) / (a/2) ), or of its first or second derivative in a, where t is small."""
        half = self.logits.clamp(-SMALL, SMALL) / 2
        square, total = half.square(), torch.zeros_like(half)
        terms = SERIES if half.dtype == torch.float64 else SERIES[:FLOAT32_TERMS]
        for k, coefficient in reversed(tuple(enumerate(terms, 1))):
            factor = (1, k, k * (2 * k - 1) / 2)[order]
            total = total * square + coefficient * factor
        return total * (square, half, torch.ones_like(half))[order]

    def _chosen(self, small: Tensor, steep: Tensor) -> Tensor:
        return torch.where(self.logits.abs() < SMALL, small, steep)

    def _from_favoured(self, x: Tensor) -> Tensor:
        """The distance of x from the end that is favoured, or x of a distance."""
        return torch.where(self.logits > 0, 1 - x, x)

    def log_prob(self, value: Tensor) -> Tensor:
        t = self._steep()
        steep = -t * self._from_favoured(value) - torch.log(-torch.expm1(-t) / t)
        return self._chosen(self.logits * (value - 0.5) - self._series(0), steep)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        shape = self.shape_of(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.logits.dtype, device=self.logits.device))

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self.rsample(sample_shape)

    @property
    def mean(self) -> Tensor:
        t = self._steep()
        return self._chosen(0.5 + self._series(1), self._from_favoured(1 / t + torch.exp(-t) / torch.expm1(-t)))

    @property
    def mode(self) -> Tensor:
        """The end that is favoured."""
        return (self.logits > 0).to(self.logits.dtype)

    @property
    def variance(self) -> Tensor:
        t = self._steep()
        return self._chosen(self._series(2), t**-2 - torch.exp(-t) / torch.expm1(-t).square())

    def _any_slope(self) -> Tensor:
        """t, and a number instead of 0 that makes no difference."""
        return self.logits.abs().clamp_min(torch.finfo(self.logits.dtype).eps ** 2)

    def cdf(self, value: Tensor) -> Tensor:
        t = self._any_slope()
        far = torch.where(self.logits > 0, 1 - value, 0.0)
        return torch.exp(-t * far) * torch.expm1(-t * value) / torch.expm1(-t)

    def icdf(self, value: Tensor) -> Tensor:
        """The distance d from the end that is favoured has P(D < d) = (1 - e^-td) / (1 - e^-t)."""
        t = self._any_slope()
        least = torch.finfo(value.dtype).eps / 2 - 1
        distance = -torch.log1p((self._from_favoured(value) * torch.expm1(-t)).clamp_min(least)) / t
        return self._from_favoured(distance.clamp(0, 1))

    def rule(self, nodes: Nodes) -> Rule:
        """In equal steps of logit x, as far as log x or log(1 - x) falls by DEPTH."""
        reach = torch.full_like(self.logits, DEPTH)
        s, log_ds = steps(-reach, reach, nodes)
        x = torch.sigmoid(s)
        return x, (self.logits * x + logsigmoid(s) + logsigmoid(-s) + log_ds).log_softmax(0)


class ContinuousBernoulli(Likelihood):
    """Real data in [0, 1]."""

    kinds = ("bounded",)
    encodes = {"byte": dequantised, "real": unit}  # noqa: RUF012

    def __init__(self, n_in: int, n_out: int, positions: int = 1) -> None:
        super().__init__(n_in, n_out, 1, positions)

    def forward(self, features: Tensor) -> Factorised:
        (logits,) = self.parameters_of_cells(features)
        return Factorised(ContinuousBernoulliCell(logits))
