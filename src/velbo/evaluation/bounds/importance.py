"""What K importance weights of a row say, in a stream of chunks, of log p(x) and of themselves.

    L_K    = log 1/K sum_k w_k                                   the bound
    ESS    = (sum_k w_k)^2 / sum_k w_k^2                         how many equal weights they are worth, 1 to K
    k-hat  = shape of the generalised Pareto distribution fitted to the largest M = min(K / 5, 3 sqrt K) weights

A shape above 1/2 means weights of infinite variance; above 0.7 the bound converges so slowly in K that it should be
doubted at any K one can pay for. For a Normal posterior of variance s^2 and a q of variance r^2 < s^2 the shape of the
weights' tail is 1 - r^2 / s^2.

Sums stream: with m the largest log w so far and s the sum of exp(log w - m), a further chunk updates (m, s).

Sources: Importance weighted autoencoders, Burda, Grosse and Salakhutdinov, 2015, https://arxiv.org/abs/1509.00519;
Pareto smoothed importance sampling, Vehtari, Simpson, Gelman, Yao and Gabry, 2015, https://arxiv.org/abs/1507.02646;
A new and efficient estimation method for the generalized Pareto distribution, Zhang and Stephens, 2009,
https://doi.org/10.1198/tech.2009.08017 (section 3).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MIN_TAIL, MIN_SPREAD = 5, 1e-6
PRIOR_WEIGHT, PRIOR_SHAPE = 10, 0.5


def tail_length(n_samples: int) -> int:
    """M of K."""
    return math.ceil(min(0.2 * n_samples, 3 * math.sqrt(n_samples)))


class StreamingWeights:
    """Log-weights of B rows that come in chunks.

    Args:
        n_samples: K, how many will come; 0 keeps no tail.
    """

    def __init__(self, n_samples: int = 0) -> None:
        self.n, self.n_kept = 0, tail_length(n_samples) + 1
        self.log_sum = self.log_sum_of_squares = torch.tensor(-math.inf, dtype=torch.float64)
        self.largest = torch.empty(0, 0, dtype=torch.float64)

    def add(self, log_w: Tensor) -> None:
        """A chunk (k, B)."""
        log_w = log_w.double().cpu()
        self.n += log_w.shape[0]
        self.log_sum = torch.logaddexp(self.log_sum, log_w.logsumexp(0))
        self.log_sum_of_squares = torch.logaddexp(self.log_sum_of_squares, (2 * log_w).logsumexp(0))
        kept = torch.cat((self.largest, log_w)) if self.largest.numel() else log_w
        self.largest = kept.topk(min(self.n_kept, len(kept)), dim=0).values

    @property
    def log_mean(self) -> Tensor:
        """L_K, (B,) float64."""
        return self.log_sum - math.log(self.n)

    @property
    def effective_samples(self) -> Tensor:
        """ESS, (B,) float64."""
        return (2 * self.log_sum - self.log_sum_of_squares).exp()

    @property
    def pareto_shape(self) -> Tensor:
        """k-hat, (B,) float64; NaN where fewer than five weights make the tail, minus infinity where all are equal."""
        if self.n_kept <= MIN_TAIL or self.n < self.n_kept:
            return torch.full_like(self.log_sum, math.nan)
        w = (self.largest - self.largest[0]).exp()
        # weights that differ by rounding alone have no tail
        return torch.where(w[-1] < 1 - MIN_SPREAD, pareto_shape((w[:-1] - w[-1]).flip(0).T), -math.inf)


def pareto_shape(exceedances: Tensor) -> Tensor:
    """Shape of the generalised Pareto distribution, by Zhang and Stephens' posterior mean under a weak prior.

    Args:
        exceedances: (B, M) above the threshold, ascending.

    Returns:
        (B,); NaN for a row of zeros.
    """
    x = exceedances.double()
    n = x.shape[-1]
    m = 30 + math.isqrt(n)
    j = torch.arange(1, m + 1, dtype=torch.float64)
    quartile = x[:, max(0, int(n / 4 + 0.5) - 1)].clamp_min(torch.finfo(torch.float64).tiny)
    b = 1 / x[:, -1:] + (1 - (m / (j - 0.5)).sqrt()) / (3 * quartile[:, None])
    shape = torch.log1p(-b[:, :, None] * x[:, None, :]).mean(-1)
    log_likelihood = n * ((-b / shape).log() - shape - 1)
    b_mean = (torch.softmax(log_likelihood, -1) * b).sum(-1, keepdim=True)
    found = torch.log1p(-b_mean * x).mean(-1)
    return (n * found + PRIOR_WEIGHT * PRIOR_SHAPE) / (n + PRIOR_WEIGHT)
