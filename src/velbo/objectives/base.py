"""What an objective makes of terms: a bound, per observation, in nats.

    value           a lower bound of log p(x) (an unbiased estimate of it); what is reported, always at beta = 1
    surrogate       what is differentiated; beta, free bits and gradient estimators change this and nothing else
    reconstruction  E_q[ log p(x|z) ]
    rate            KL( q(z|x) || p(z) ), in closed form or sampled

For the ELBO value = reconstruction - rate; a multi-sample bound is tighter than that difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..errors import ConfigError
from ..posteriors import Draw
from ..terms import Terms


@dataclass(frozen=True)
class Bound:
    """Four tensors of shape (B,), in nats."""

    value: Tensor
    surrogate: Tensor
    reconstruction: Tensor
    rate: Tensor


class Objective(Protocol):
    """Terms -> Bound, with the number of samples and the way of drawing them that it wants.

    ``objective(model.terms(x, objective.samples, objective.draw), beta)``.
    """

    @property
    def samples(self) -> int: ...

    @property
    def draw(self) -> Draw: ...

    def __call__(self, terms: Terms, beta: float = 1.0) -> Bound: ...


def sampled_rate(terms: Terms) -> Tensor:
    """Monte Carlo KL: mean over samples of log q(z|x) - log p(z), (B,)."""
    return (terms.log_qz - terms.log_pz).mean(0)


def closed_rate(terms: Terms) -> Tensor:
    """KL in closed form, summed over latents, (B,).

    Raises:
        ConfigError: if this posterior and prior have none.
    """
    if terms.kl is None:
        raise ConfigError(
            "this posterior and prior have no closed-form KL; use rate=sampled_rate (objective 'elbo-sampled')"
        )
    return terms.kl.sum(-1)


def best_rate(terms: Terms) -> Tensor:
    """Closed form where there is one, else sampled: both have the same expectation, the first less variance."""
    return sampled_rate(terms) if terms.kl is None else closed_rate(terms)


def check_samples(samples: int) -> None:
    """Raise ConfigError unless samples >= 1."""
    if samples < 1:
        raise ConfigError(f"samples must be at least 1, not {samples}")
