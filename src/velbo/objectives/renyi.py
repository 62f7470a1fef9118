"""The variational Renyi bound: between the ELBO and IWAE by the power of a mean.

    L_alpha = 1/(1 - alpha) log 1/K sum_k w_k^(1 - alpha)
    alpha = 0: IWAE       alpha -> 1: the ELBO, mean of log w_k       alpha -> infinity: the smallest log w_k

This is the log of the power mean of w, of power 1 - alpha. Power means rise with the power, so on any samples
L_alpha <= L_0 for alpha >= 0, and as L_0 is a lower bound of log p(x) in the mean, so is L_alpha, at every K. For
alpha < 0 it is none: the exact L_alpha lies above log p(x), and only its bias at small K may bring it below.

With d_k = log w_k - r, r the w whose power is the largest, p = 1 - alpha and e_k = exp(p d_k) - 1 in [-1, 0],

    L_alpha = r + 1/p log(1 + 1/K sum_k e_k)

which cancels nothing as p -> 0 and overflows nowhere.

Source: Renyi divergence variational inference, Li and Turner, 2016, https://arxiv.org/abs/1602.02311 (section 3; for K
samples section 4.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError
from ..posteriors import Draw
from ..terms import PATHWISE, Terms
from .base import Bound, bound_of_samples, check_samples


def log_power_mean(log_w: Tensor, power: float) -> Tensor:
    """Log of the power mean of w over the first dimension; of the geometric mean, its limit, at power 0."""
    if power == 0:
        return log_w.mean(0)
    reference = (log_w.amax(0) if power > 0 else log_w.amin(0)).detach()
    exponent = power * (log_w - reference)
    excess = torch.expm1(exponent).mean(0)
    # 1 + excess loses digits where it is small, log(1 + excess) where excess is
    log_mean = torch.where(excess > -0.5, torch.log1p(excess), exponent.exp().mean(0).log())
    return reference + log_mean / power


@dataclass(frozen=True)
class Renyi:
    """The Renyi bound; its own autograd is the gradient.

    Args:
        samples: K.
        alpha: order of the divergence, 0 or more.
        draw: how z is drawn.
    """

    samples: int = 5
    alpha: float = 0.5
    draw: Draw = PATHWISE

    def __post_init__(self) -> None:
        check_samples(self.samples)
        if not 0 <= self.alpha < math.inf:
            raise ConfigError(
                f"alpha of the Renyi bound must be finite and at least 0, not {self.alpha}: below 0 it is no bound of "
                "log p(x). Use 0 for IWAE, 1 for the ELBO"
            )

    def __call__(self, terms: Terms, beta: float | Tensor = 1.0) -> Bound:
        terms = terms.as_weights("the Renyi bound")
        return bound_of_samples(terms, self._bound(terms.log_w), self._bound(terms.tempered_log_w(beta)))

    def _bound(self, log_w: Tensor) -> Tensor:
        return log_power_mean(log_w, 1 - self.alpha)
