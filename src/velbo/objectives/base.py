"""What an objective makes of terms: a bound, per observation, in nats.

    value           an estimate whose mean is a lower bound of log p(x); what is reported, always at beta = 1
    surrogate       what is differentiated; beta, free bits, penalties and gradient estimators change this alone, and it
                    need not be a bound
    reconstruction  E_q[ log p(x|z) ]
    rate            KL( q(z|x) || p(z) ), in closed form or sampled

For the ELBO value = reconstruction - rate; a multi-sample bound is tighter than that difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

from torch import Tensor

from ..errors import ConfigError
from ..limits import COUNT, Limits
from ..posteriors import Draw
from ..terms import Terms


@dataclass(frozen=True)
class Bound:
    """Four tensors of shape (B,), in nats."""

    value: Tensor
    surrogate: Tensor
    reconstruction: Tensor
    rate: Tensor

    def plus(self, log_det: Tensor) -> Bound:
        """The bound in nats of the data, which add log_det (B,) to those of x; see rows/units.py."""
        return Bound(self.value + log_det, self.surrogate, self.reconstruction + log_det, self.rate)

    def weighted(self, weight: Tensor) -> Bound:
        """The bound of rows that count so often, (B,): of a row of weight 2 as if it were there twice."""
        w = weight.to(self.value)
        return Bound(w * self.value, w * self.surrogate, w * self.reconstruction, w * self.rate)

    def rows(self, which: slice) -> Bound:
        """The bound of some of the rows."""
        return Bound(self.value[which], self.surrogate[which], self.reconstruction[which], self.rate[which])


class Objective(Protocol):
    """Terms -> Bound, with the number of samples and the way of drawing them that it wants.

    ``objective(model.terms(x, objective.samples, objective.draw), beta)``; on a GPU beta is a tensor, as no number can
    change in steps that are recorded. One that has to know how many rows there are to train on has a method
    ``for_rows(n_rows)`` too, which gives a copy that knows; training calls it. One whose surrogate of a row depends on
    the other rows of the batch has ``couples_rows`` = True.
    """

    @property
    def samples(self) -> int: ...

    @property
    def draw(self) -> Draw: ...

    def __call__(self, terms: Terms, beta: float | Tensor = 1.0) -> Bound: ...


def told_rows(objective: Objective, n_rows: int) -> Objective:
    """The objective, told the number of training rows if it asks for it."""
    return cast(Any, objective).for_rows(n_rows) if hasattr(objective, "for_rows") else objective


def couples_rows(objective: Objective) -> bool:
    """Whether the surrogate of a row depends on the other rows of its batch, so that it has no gradient of its own."""
    return bool(getattr(objective, "couples_rows", False))


def bound_of_samples(terms: Terms, value: Tensor, surrogate: Tensor) -> Bound:
    """A bound beside reconstruction and rate of the same samples, for an objective that uses no closed form."""
    return Bound(value, surrogate, terms.log_px_z.mean(0), sampled_rate(terms))


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


def check_samples(samples: int, least: int = 1) -> None:
    """Raise ConfigError unless there are at least so many, and not too many."""
    Limits(least, COUNT.high).check("samples", samples)
