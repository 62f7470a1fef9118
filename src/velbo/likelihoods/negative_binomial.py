"""Counts of mean m and inverse dispersion r, so of variance m + m^2 / r; the Poisson of mean m as r grows.

    log p(k) = log Gamma(k + r) - log Gamma(r) - log k! + r log(r / (r + m)) + k log(m / (r + m))
             = k A - r S - 1/2 log(2 pi k) - 1/2 log(1 + k / r) + delta(k + r) - delta(r) - delta(k),    k > 0
    log p(0) = -r log(1 + m / r)

with S = log((r + m) / (r + k)) and A = log(m (r + k) / (k (r + m))), both from their arguments' distance to 1 where
that is small; delta as in stirling.py. Unlike the first form the second is right in float32 for large k, m and r.

Zero inflation: with probability g the count is 0, whatever the rest.

    log p(0) = log( g + (1 - g) p_nb(0) ),    log p(k) = log(1 - g) + log p_nb(k),    mean (1 - g) m

Source: Deep generative modeling for single-cell transcriptomics, Lopez, Regier, Cole, Jordan and Yosef, 2018,
https://doi.org/10.1038/s41592-018-0229-2 (both, with r called theta).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import logsigmoid

from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats
from .cell import Cell
from .counts import CountLikelihood
from .laws import Counts
from .quadrature import Nodes, Rule, by_blocks
from .ranges import limited, whole_limited
from .special import beta_below
from .stirling import HALF_LOG_2_PI, delta, log_ratio

LIMIT = 12.0
"""Of log r: r is at most 160,000."""
INITIAL_LOGIT = -2.0
"""Of g."""


class NegativeBinomialCell(Cell):
    """log m and log r, (..., D)."""

    support = constraints.nonnegative_integer  # pyright: ignore

    def __init__(self, log_rate: Tensor, log_r: Tensor) -> None:
        self.log_rate, self.log_r = log_rate, log_r
        super().__init__(log_rate, log_r)

    @property
    def rate(self) -> Tensor:
        """m."""
        return self.log_rate.exp()

    def log_prob(self, value: Tensor) -> Tensor:
        m, r, k = self.rate, self.log_r.exp(), value.clamp_min(1)
        log_k, log_s = k.log(), (r + m).log() - (r + k).log()
        s = log_ratio((m - k) / (r + k), log_s)
        a = log_ratio(r / (r + m) * ((m - k) / k), self.log_rate - log_k - log_s)
        height = -HALF_LOG_2_PI - 0.5 * log_k - 0.5 * torch.log1p(k / r) + delta(k + r) - delta(r) - delta(k)
        log_zero = -r * torch.log1p((self.log_rate - self.log_r).exp())
        return torch.where(value < 1, log_zero, k * a - r * s + height)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        r = self.log_r.exp().expand(self.shape_of(sample_shape))
        scale = torch.exp(self.log_rate - self.log_r)
        return torch.poisson(scale * torch.distributions.Gamma(r, torch.ones_like(r), validate_args=False).sample())

    @property
    def mean(self) -> Tensor:
        return self.rate.expand(self.batch_shape)

    @property
    def mode(self) -> Tensor:
        return (self.rate * -torch.expm1(-self.log_r).clamp_max(0)).floor()

    @property
    def variance(self) -> Tensor:
        return self.rate + torch.exp(2 * self.log_rate - self.log_r)

    def below_and_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        r, m = self.log_r.double().exp(), self.log_rate.double().exp()
        below = beta_below(r, x, r / (r + m))
        return torch.where(x > 0, below, 0.0), self.log_prob(x).exp().double()

    def coordinate(self, x: Tensor) -> Tensor:
        return torch.log1p(x)

    def rule(self, nodes: Nodes) -> Rule:
        return by_blocks(self.log_prob, self.rate, self.log_r.exp(), nodes)


class ZeroInflatedCell(Cell):
    """log m, log r and logit of g, (..., D)."""

    support = constraints.nonnegative_integer  # pyright: ignore

    def __init__(self, log_rate: Tensor, log_r: Tensor, logit: Tensor) -> None:
        self.counts, self.logit = NegativeBinomialCell(log_rate, log_r), logit
        super().__init__(log_rate, log_r, logit)

    def log_prob(self, value: Tensor) -> Tensor:
        log_g, log_rest = logsigmoid(self.logit), logsigmoid(-self.logit)
        log_p = log_rest + self.counts.log_prob(value)
        return torch.where(value < 1, torch.logaddexp(log_g, log_p), log_p)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        k = self.counts.sample(sample_shape)
        return k.masked_fill(torch.rand_like(k) < torch.sigmoid(self.logit), 0)

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(-self.logit) * self.counts.mean

    @property
    def mode(self) -> Tensor:
        k = self.counts.mode
        zero = torch.zeros_like(k)
        return torch.where(self.log_prob(k) > self.log_prob(zero), k, zero)

    @property
    def variance(self) -> Tensor:
        inner = self.counts.variance + torch.sigmoid(self.logit) * self.counts.mean.square()
        return torch.sigmoid(-self.logit) * inner

    def below_and_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        zero, (below, _) = torch.sigmoid(self.logit), self.counts.below_and_at(x)
        return torch.where(x > 0, zero + (1 - zero) * below, 0.0), self.log_prob(x).exp().double()

    def coordinate(self, x: Tensor) -> Tensor:
        return torch.log1p(x)

    def rule(self, nodes: Nodes) -> Rule:
        points, log_w = self.counts.rule(nodes)
        log_w = logsigmoid(-self.logit) + log_w
        log_zero = logsigmoid(self.logit).expand(log_w.shape[1:])
        return torch.cat((torch.zeros_like(points[:1]), points)), torch.cat((log_zero[None], log_w))


class NegativeBinomial(CountLikelihood):
    """Overdispersed counts; mean and inverse dispersion of every cell are predicted."""

    def __init__(self, n_in: int, n_out: int, rates: Sequence[float] | None = None, positions: int = 1) -> None:
        super().__init__(n_in, n_out, rates, positions, (0.0,))

    def counts(self, rate: Floats, *others: Floats) -> Counts:
        return _counts(rate, others[0])

    def cell(self, log_rate: Tensor, *others: Tensor) -> NegativeBinomialCell:
        return NegativeBinomialCell(log_rate, limited(others[0], LIMIT))


class ZeroInflatedNegativeBinomial(CountLikelihood):
    """Overdispersed counts with zeros beyond; mean, inverse dispersion and share of these zeros are predicted."""

    def __init__(self, n_in: int, n_out: int, rates: Sequence[float] | None = None, positions: int = 1) -> None:
        super().__init__(n_in, n_out, rates, positions, (0.0, INITIAL_LOGIT))

    def counts(self, rate: Floats, *others: Floats) -> Counts:
        return _counts(rate, others[0], others[1])

    def cell(self, log_rate: Tensor, *others: Tensor) -> ZeroInflatedCell:
        return ZeroInflatedCell(log_rate, limited(others[0], LIMIT), others[1])


def _counts(rate: Floats, log_r: Floats, zeros: Floats | None = None) -> Counts:
    """p(k + 1) / p(k) = (k + r) / (k + 1) m / (m + r)."""
    r = fixed.exp(whole_limited(log_r, LIMIT))
    slope = rate / (rate + r)
    return Counts(slope, r * slope, zeros)
