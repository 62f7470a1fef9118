"""The score-function (REINFORCE) gradient of the ELBO: no reparameterization needed, and the variance shows why it
is wanted.

    d/dphi E_q[f] = E_q[ (f - b) d log q(z|x) / d phi ],   f = log p(x|z) + beta (log p(z) - log q(z|x))

b is the mean of f over the other samples of the same x (0 for a single sample), which leaves the mean unchanged.

Source: Black box variational inference, Ranganath, Gerrish and Blei, 2014, https://arxiv.org/abs/1401.0118 (eq. 3);
leave-one-out baseline: Buy 4 REINFORCE samples, get a baseline for free!, Kool, van Hoof and Welling, 2019,
https://openreview.net/forum?id=r1lgTGL5DE.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..posteriors import Detached, Draw
from ..terms import Terms
from .base import Bound, bound_of_samples, check_samples


@dataclass(frozen=True)
class ScoreFunction:
    """The ELBO, differentiated through log q(z|x) alone.

    Args:
        samples: L; from 2 on, the baseline is at work.
        draw: any draw whose z is a constant.
    """

    samples: int = 2
    draw: Draw = Detached()

    def __post_init__(self) -> None:
        check_samples(self.samples)

    def __call__(self, terms: Terms, beta: float | Tensor = 1.0) -> Bound:
        signal = terms.tempered_log_w(beta).detach()
        advantage = signal - leave_one_out(signal)
        model_part = terms.log_px_z + beta * terms.log_pz
        return bound_of_samples(terms, terms.log_w.mean(0), (model_part + advantage * terms.log_qz).mean(0))


def leave_one_out(f: Tensor) -> Tensor | float:
    """For each of K samples the mean of the other K - 1, (K, B); 0 for K = 1."""
    n = f.shape[0]
    return (f.sum(0) - f) / (n - 1) if n > 1 else 0.0
