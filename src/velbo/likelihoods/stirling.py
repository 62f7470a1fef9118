"""log Gamma without cancellation: Stirling's formula and what it leaves.

    log Gamma(a) = (a - 1/2) log a - a + 1/2 log 2 pi + delta(a)
    delta(a)     = 1/(12 a) - 1/(360 a^3) + 1/(1260 a^5) - ...

The log-densities of gamma, beta, Student-t, Poisson and negative binomial are differences of log Gammas that are
millions each and differ by a few nats; float32 leaves nothing of such a difference. Their large terms cancel on paper,
and what stays is small: deviances, logarithms and delta.

Source: Fast and accurate computation of binomial probabilities, Loader, 2000 (eq. 3 to 6); the series is that of
Abramowitz and Stegun, Handbook of mathematical functions, 1964, 6.1.41.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)
LARGE = 10.0
SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
"""From a = LARGE on, the first term that is left out is below 1e-15."""
FLOAT32_TERMS = 3
"""With the first term that is left out below 1e-10."""


def delta(a: Tensor) -> Tensor:
    """log Gamma(a) less Stirling's formula, for a > 0."""
    # both branches are given arguments where they are finite, so that their gradients are too
    small, inverse = a.clamp_max(LARGE), 1 / a.clamp_min(LARGE)
    square, terms = inverse.square(), SERIES if a.dtype == torch.float64 else SERIES[:FLOAT32_TERMS]
    series: Tensor | float = terms[-1]
    for coefficient in reversed(terms[:-1]):
        series = series * square + coefficient
    direct = torch.lgamma(small) - (small - 0.5) * small.log() + small - HALF_LOG_2_PI
    return torch.where(a < LARGE, direct, series * inverse)


def excess(t: Tensor) -> Tensor:
    """exp(t) - 1 - t, at least 0."""
    return torch.expm1(t) - t


def log_ratio(relative: Tensor, far: Tensor) -> Tensor:
    """log(a / b) from (a - b) / b, which is exact where a and b are near, and log a - log b, which is where they are
    not.
    """
    return torch.where(relative > -0.5, torch.log1p(relative.clamp_min(-0.5)), far)
