"""A prior whose density is no formula: what is known of log p(z) is an estimate, and the estimate says what it is.

is_weight   E[ exp(estimate) ] = p(z)       whole paths of a diffusion: the estimate may stand inside log-mean-exp
otherwise   E[ estimate ] <= log p(z)       one time of many: the estimate may be averaged, and nothing else
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor
from torch.distributions import Distribution

from ..posteriors import Draw


class Estimated(Distribution, ABC):
    """A law over z, event shape (Z,), of which `estimate` is known at little cost; log_prob may cost much, or be none.

    Attributes:
        is_weight: whether exp(estimate) averages to p(z).
    """

    is_weight: bool

    @property
    @abstractmethod
    def numbers(self) -> int:
        """How many an estimate at one z takes at a time: what chunks are to be measured by."""

    @abstractmethod
    def estimate(self, value: Tensor, draw: Draw) -> Tensor:
        """An estimate of log p(z), nats.

        Args:
            value: z, (..., B, Z), whose last batch dimension runs over the rows.
            draw: where noise comes from.

        Returns:
            (..., B).
        """


def log_prior(p: Distribution, z: Tensor, draw: Draw) -> tuple[Tensor, bool]:
    """(log p(z), whether its exponential is a weight): the density where it is known, else its estimate.

    Args:
        p: p(z), event shape (Z,).
        z: (..., B, Z).
        draw: where noise comes from, if any is needed.
    """
    if isinstance(p, Estimated):
        return p.estimate(z, draw), p.is_weight
    return p.log_prob(z), True
