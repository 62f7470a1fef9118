"""The importance-weighted bound: a tighter ELBO from K samples.

    L_K(x) = E[ log 1/K sum_k w_k ] <= log p(x),   w_k = p(x, z_k) / q(z_k|x);   L_1 is the ELBO, L_K rises with K

The value is the log of a mean (not a self-normalised sum, which is up to log K too large).

Doubly reparameterised gradient: with normalised weights w~ and q's parameters held constant inside log w,

    d/dphi   = E[ sum_k w~_k^2  (d log w_k / d z_k) (d z_k / d phi) ]
    d/dtheta = E[ sum_k w~_k     d log w_k / d theta ]

Sources: Importance weighted autoencoders, Burda, Grosse and Salakhutdinov, 2015,
https://arxiv.org/abs/1509.00519 (eq. 8); Doubly reparameterized gradient estimators for Monte Carlo objectives,
Tucker, Lawson, Gu and Maddison, 2018, https://arxiv.org/abs/1810.04152 (eq. 8).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..posteriors import Draw, StickingTheLanding
from ..terms import PATHWISE, Terms
from .base import Bound, bound_of_samples, check_samples


def log_mean_exp(log_w: Tensor) -> Tensor:
    """log of the mean of w over the first dimension."""
    return torch.logsumexp(log_w, 0) - math.log(log_w.shape[0])


@dataclass(frozen=True)
class IWAE:
    """log-mean-exp of log w; its own autograd is the gradient.

    Args:
        samples: K.
        draw: how z is drawn.
    """

    samples: int = 5
    draw: Draw = PATHWISE

    def __post_init__(self) -> None:
        check_samples(self.samples)

    def __call__(self, terms: Terms, beta: float | Tensor = 1.0) -> Bound:
        surrogate = self.surrogate(terms.as_weights(type(self).__name__), terms.tempered_log_w(beta))
        return bound_of_samples(terms, log_mean_exp(terms.log_w), surrogate)

    def surrogate(self, terms: Terms, log_w: Tensor) -> Tensor:
        return log_mean_exp(log_w)


@dataclass(frozen=True)
class DReG(IWAE):
    """IWAE with the doubly reparameterised gradient, whose signal does not drown as K grows. It is for one group of
    latents: a path through the noise of two groups would be weighted twice.
    """

    draw: Draw = StickingTheLanding()

    def surrogate(self, terms: Terms, log_w: Tensor) -> Tensor:
        weights = torch.softmax(log_w.detach(), 0)
        if terms.of_one_group("DReG").z.requires_grad:
            # the sum below gives w~ to every path; the paths through z get their second factor here
            terms.z.register_hook(lambda grad: grad * weights.unsqueeze(-1).to(grad.dtype))
        return (weights * log_w).sum(0)
