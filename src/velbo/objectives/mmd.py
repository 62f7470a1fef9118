"""InfoVAE: part of the rate gives way to a distance between the aggregated posterior and the prior.

    surrogate = reconstruction - beta ( (1 - alpha) rate + (alpha + lambda - 1) MMD^2( q(z), p(z) ) )

alpha = 0, lambda = 1 is the ELBO, alpha = 1 the Wasserstein autoencoder (WAE-MMD), where z costs nothing row by row so
long as all rows together look like the prior. The surrogate is no bound; the value reported is the ELBO.

The maximum mean discrepancy is estimated from one z a row and as many draws y of the prior, without bias:

    MMD^2 = 1/(B (B-1)) sum_{i != j} [ k(z_i, z_j) + k(y_i, y_j) ]  -  2/B^2 sum_{i,j} k(z_i, y_j)
    k(z, y) = sum over scales s of  C_s / (C_s + |z - y|^2),   C_s = 2 Z s

inverse multiquadratics, whose tails still tell z that lie far out. One row has no others to be compared with: its MMD
counts as 0. With more samples a row the estimate is the mean over them; of several processes each compares its share of
the batch.

The prior's draws are constants. A prior that is learned learns from log p(z) instead, at the full weight beta whatever
alpha: (1 - alpha) of it comes with the rate, alpha is added with the value 0. It is then fitted to q(z) by maximum
likelihood, as in the ELBO. Through its draws not every prior could learn: those of a mixture have no gradient.

Sources: InfoVAE: information maximizing variational autoencoders, Zhao, Song and Ermon, 2017,
https://arxiv.org/abs/1706.02262 (eq. 6); Wasserstein auto-encoders, Tolstikhin, Bousquet, Gelly and Schoelkopf, 2018,
https://arxiv.org/abs/1711.01558 (algorithm 2; the kernel, section 4); A kernel two-sample test, Gretton et al., 2012,
https://jmlr.org/papers/v13/gretton12a.html (eq. 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from ..errors import ConfigError
from ..posteriors import Detached, Draw
from ..terms import PATHWISE, Terms
from .base import Bound, best_rate, check_samples

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def kernel(x: Tensor, y: Tensor, scales: tuple[float, ...] = SCALES) -> Tensor:
    """k of every pair, (..., B, B'), for x (..., B, Z) and y (..., B', Z); len(scales) where x = y."""
    # by differences: products of rows would be rounded to bfloat16 under some precisions
    square = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()
    widths = [2 * x.shape[-1] * scale for scale in scales]
    return torch.stack([width / (width + square) for width in widths]).sum(0)


def squared_mmd(x: Tensor, y: Tensor, scales: tuple[float, ...] = SCALES) -> Tensor:
    """The unbiased estimate, (...,), for x and y (..., B, Z); 0 for fewer than two rows."""
    n = x.shape[-2]
    if n < 2:
        return x.new_zeros(x.shape[:-2])

    def within(points: Tensor) -> Tensor:
        return (kernel(points, points, scales).sum((-2, -1)) - n * len(scales)) / (n * (n - 1))

    return within(x) + within(y) - 2 * kernel(x, y, scales).mean((-2, -1))


@dataclass(frozen=True)
class InfoVAE:
    """The ELBO, its rate replaced in part by an MMD in the surrogate.

    Memory grows with the square of the batch, one number a pair and scale.

    Args:
        samples: L of the ELBO.
        alpha: share of the rate that gives way, at most 1; 1 is the WAE.
        weight: lambda; alpha + lambda - 1, the factor of the MMD, must not be negative.
        scales: of the kernel, in units of the squared spread of a standard normal z.
        draw: how z is drawn.
    """

    samples: int = 1
    alpha: float = 0.0
    weight: float = 100.0
    scales: tuple[float, ...] = SCALES
    draw: Draw = PATHWISE

    couples_rows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_samples(self.samples)
        if not -math.inf < self.alpha <= 1:
            raise ConfigError(f"alpha is the share of the rate that gives way to the MMD, at most 1, not {self.alpha}")
        if not 0 <= self._factor < math.inf:
            raise ConfigError(
                f"alpha + weight - 1 is the factor of the MMD and must be finite and at least 0, not {self._factor}; "
                "use a weight of at least 1 - alpha"
            )
        if not self.scales or not all(0 < scale < math.inf for scale in self.scales):
            raise ConfigError(f"scales of the kernel must be one or more positive numbers, not {self.scales}")

    @property
    def _factor(self) -> float:
        return self.alpha + self.weight - 1

    def __call__(self, terms: Terms, beta: float | Tensor = 1.0) -> Bound:
        """
        Raises:
            ConfigError: if the terms hold no prior.
        """
        if terms.p is None:
            raise ConfigError("objective 'info-vae' draws from the prior, and the terms of this model hold none")
        reconstruction, rate = terms.log_px_z.mean(0), best_rate(terms)
        of_prior = Detached().sample(terms.p, terms.z[..., 0].numel()).view_as(terms.z)
        mmd = squared_mmd(terms.z, of_prior, self.scales).mean()
        penalty = (1 - self.alpha) * rate + self._factor * mmd
        if self.alpha:
            penalty = penalty - self.alpha * fit_of_prior(terms.p, terms.z)
        return Bound(reconstruction - rate, reconstruction - beta * penalty, reconstruction, rate)


def fit_of_prior(p: Distribution, z: Tensor) -> Tensor:
    """Zeros, (B,), with the gradient of log p(z) by the parameters of p alone."""
    log_p = p.log_prob(z.detach()).mean(0)
    return log_p - log_p.detach()
