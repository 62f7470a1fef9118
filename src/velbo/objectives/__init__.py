"""Terms -> Bound; and the names by which configs and the command line ask for an objective."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import ConfigError, unknown
from ..posteriors import StickingTheLanding
from .base import Bound, Objective, best_rate, closed_rate, sampled_rate
from .elbo import ELBO, elbo_closed, elbo_joint, elbo_split
from .free_bits import FreeBits
from .iwae import IWAE, DReG, log_mean_exp
from .score_function import ScoreFunction

OBJECTIVES: dict[str, Callable[..., ELBO | IWAE | ScoreFunction]] = {
    "elbo": ELBO,
    "elbo-sampled": partial(ELBO, rate=sampled_rate),
    "stl": partial(ELBO, rate=sampled_rate, draw=StickingTheLanding()),
    "score-function": ScoreFunction,
    "iwae": IWAE,
    "dreg": DReG,
}


def make_objective(
    objective: str, samples: int | None = None, free_bits: float = 0.0, free_bits_per_group: bool = False
) -> Objective:
    """The objective that a config or the command line names.

    Args:
        objective: a key of ``OBJECTIVES``.
        samples: L of the ELBO, K of IWAE; the objective's own number if None.
        free_bits: nats; with the plain ELBO only, which alone has a rate in closed form.

    Raises:
        ConfigError: for an unknown name or options that do not go together.
    """
    if objective not in OBJECTIVES:
        raise unknown("objective", objective, OBJECTIVES)
    count: dict[str, Any] = {} if samples is None else {"samples": samples}
    if not free_bits:
        return OBJECTIVES[objective](**count)
    if objective != "elbo":
        raise ConfigError(f"free bits act on the closed-form rate of objective 'elbo', not on '{objective}'")
    return ELBO(**count, free_bits=FreeBits(free_bits, free_bits_per_group))


__all__ = [
    "ELBO",
    "IWAE",
    "OBJECTIVES",
    "Bound",
    "DReG",
    "FreeBits",
    "Objective",
    "ScoreFunction",
    "best_rate",
    "closed_rate",
    "elbo_closed",
    "elbo_joint",
    "elbo_split",
    "log_mean_exp",
    "make_objective",
    "sampled_rate",
]
