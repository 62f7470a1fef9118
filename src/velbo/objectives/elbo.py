"""The evidence lower bound, in its three written forms.

    (1)  E_q[ log p(x, z) - log q(z|x) ]                             elbo_joint
    (2)  E_q[ log p(x|z) ] + E_q[ log p(z) - log q(z|x) ]            elbo_split
    (3)  E_q[ log p(x|z) ] - KL( q(z|x) || p(z) )                    elbo_closed
    (6)  every E_q is the mean over l = 1..L of z_l ~ q(z|x)

(6) is a mean: texts that print a bare sum over l make the reconstruction L times too heavy. The three are estimators
of one number: (1) and (2) agree to rounding on the same samples, (3) in expectation.

Source: Auto-encoding variational Bayes, Kingma and Welling, 2013, https://arxiv.org/abs/1312.6114 (eqs. 2, 3, 7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..posteriors import Draw
from ..terms import PATHWISE, Terms
from .base import Bound, best_rate, check_samples, closed_rate


def elbo_joint(terms: Terms) -> Tensor:
    """Equation (1), (B,)."""
    log_p_joint = terms.log_px_z + terms.log_pz
    return (log_p_joint - terms.log_qz).mean(0)


def elbo_split(terms: Terms) -> Tensor:
    """Equation (2), (B,)."""
    return terms.log_px_z.mean(0) + (terms.log_pz - terms.log_qz).mean(0)


def elbo_closed(terms: Terms) -> Tensor:
    """Equation (3), (B,)."""
    return terms.log_px_z.mean(0) - closed_rate(terms)


@dataclass(frozen=True)
class ELBO:
    """reconstruction - rate, the rate weighted by beta in the surrogate.

    Args:
        samples: L of equation (6).
        rate: terms -> (B,); `closed_rate`, `sampled_rate`, or by default the best there is.
        draw: how z is drawn; sticking-the-landing wants a sampled rate, which is where it acts.
        free_bits: replaces the rate in the surrogate, if given.
    """

    samples: int = 1
    rate: Callable[[Terms], Tensor] = best_rate
    draw: Draw = PATHWISE
    free_bits: Callable[[Terms], Tensor] | None = None

    def __post_init__(self) -> None:
        check_samples(self.samples)

    @property
    def couples_rows(self) -> bool:
        """Free nats are those of the mean over a batch."""
        return self.free_bits is not None

    def __call__(self, terms: Terms, beta: float | Tensor = 1.0) -> Bound:
        reconstruction, rate = terms.log_px_z.mean(0), self.rate(terms)
        penalty = rate if self.free_bits is None else self.free_bits(terms)
        return Bound(reconstruction - rate, reconstruction - beta * penalty, reconstruction, rate)
