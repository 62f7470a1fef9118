"""The thermodynamic variational objective: log p(x) as an integral along a path from q to the posterior.

    pi_b(z) ~ q(z|x)^(1 - b) p(x, z)^b,   f = log w = log p(x, z) - log q(z|x)

    log p(x) = int_0^1 E_{pi_b}[f] db
            >= sum_{j < P} (b_{j+1} - b_j) E_{pi_{b_j}}[f],   0 = b_0 < b_1 < .. < b_{P-1} < b_P = 1

The left sum is a bound because E_{pi_b}[f] rises with b (its derivative is the variance of f). With P = 1 it is the
ELBO, and it comes as close to log p(x) as one likes. Each expectation is estimated from the same K samples of q,

    E_{pi_b}[f] ~ sum_k w~_k f_k,   w~ = softmax over k of b f_k

which is biased, but not upwards out of the bound: sum_k w~_k f_k is the derivative of log 1/K sum_k w_k^b by b, rises
with b, is 1/K sum_k f_k at b = 0, and integrates to log 1/K sum_k w_k. So on any samples

    ELBO  <=  left sum  <=  IWAE of K samples,   whose mean is at most log p(x)

Points are spaced evenly on a log scale from b_1 to 1, for E_{pi_b}[f] changes most near b = 0. The gradient needs no
reparameterization: with z constant,

    d E_{pi_b}[f] = E_{pi_b}[ df ] + Cov_{pi_b}( f, d( log q + b f ) )

with the same weights (so K - 1 over K of the covariance at b = 0; there are 2 samples at least).

Source: The thermodynamic variational objective, Masrani, Le and Wood, 2019, https://arxiv.org/abs/1907.00031
(sections 3, 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError
from ..limits import Limits
from ..posteriors import Detached, Draw
from ..terms import Terms
from .base import Bound, bound_of_samples, check_samples

POINTS = Limits(1, 1000)
"""A path of 1,000 points takes 1,000 times the memory of the weights; the paper's has 2 to 50."""


@dataclass(frozen=True)
class TVO:
    """The left Riemann sum, differentiated through log q(z|x) and log p(x, z) alone.

    Args:
        samples: K, at least 2.
        points: P, terms of the sum.
        first_point: b_1, in (0, 1); of no account if P = 1.
        draw: any draw whose z is a constant.
    """

    samples: int = 10
    points: int = 5
    first_point: float = 0.02
    draw: Draw = Detached()

    def __post_init__(self) -> None:
        check_samples(self.samples, least=2)
        POINTS.check("points", self.points)
        if not 0 < self.first_point < 1:
            raise ConfigError(f"first_point must lie between 0 and 1, not {self.first_point}")

    def path(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """b_j and the widths b_{j+1} - b_j, each (P,)."""
        n = self.points
        rest = [self.first_point ** (j / (n - 1)) for j in range(n - 1, 0, -1)]
        ends = torch.stack([like.new_full((), end) for end in (0.0, *rest, 1.0)])
        return ends[:-1], ends.diff()

    def __call__(self, terms: Terms, beta: float | Tensor = 1.0) -> Bound:
        points, widths = self.path(terms.as_weights("TVO").log_w)
        b, width = points.view(-1, 1, 1), widths.view(-1, 1, 1)
        f = terms.log_w
        value = (width * torch.softmax(b * f, 1) * f).sum((0, 1))

        f = terms.tempered_log_w(beta)
        weights = torch.softmax(b * f.detach(), 1)
        centred = f.detach() - (weights * f.detach()).sum(1, keepdim=True)
        change = f + centred * (terms.log_qz + b * f)
        return bound_of_samples(terms, value, (width * weights * change).sum((0, 1)))
