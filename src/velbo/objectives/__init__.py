"""Terms -> Bound; and the names by which configs and the command line ask for an objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

from ..errors import ConfigError, unknown
from ..posteriors import StickingTheLanding
from .base import Bound, Objective, best_rate, closed_rate, couples_rows, sampled_rate, told_rows
from .elbo import ELBO, elbo_closed, elbo_joint, elbo_split
from .free_bits import FreeBits
from .iwae import IWAE, DReG, log_mean_exp
from .mmd import InfoVAE, squared_mmd
from .multi_sample import CIWAE, MIWAE, PIWAE
from .renyi import Renyi, log_power_mean
from .score_function import ScoreFunction
from .spec import options_of, read_options, split_spec
from .total_correlation import BetaTC, log_aggregated
from .trimmed import Trimmed
from .tvo import TVO

OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "elbo": ELBO,
    "elbo-sampled": partial(ELBO, rate=sampled_rate),
    "stl": partial(ELBO, rate=sampled_rate, draw=StickingTheLanding()),
    "score-function": ScoreFunction,
    "iwae": IWAE,
    "dreg": DReG,
    "miwae": MIWAE,
    "ciwae": CIWAE,
    "piwae": PIWAE,
    "renyi": Renyi,
    "tvo": TVO,
    "beta-tc": BetaTC,
    "info-vae": InfoVAE,
    "trimmed": Trimmed,
}
"""Name -> factory, which without arguments gives an objective (a dataclass) with its own numbers."""


def make_objective(
    objective: str, samples: int | None = None, free_bits: float = 0.0, free_bits_per_group: bool = False
) -> Objective:
    """The objective that a config or the command line names.

    Args:
        objective: a key of ``OBJECTIVES``, options behind it if wanted: ``renyi:alpha=0.5``.
        samples: L of the ELBO, K of the others; the objective's own number if None.
        free_bits: nats; with the plain ELBO only, which alone has a rate in closed form.

    Raises:
        ConfigError: for an unknown name or option, a wrong value, or options that do not go together.
    """
    name, texts = split_spec(objective)
    if name not in OBJECTIVES:
        raise unknown("objective", name, OBJECTIVES)
    plain: Any = OBJECTIVES[name]()
    values = read_options(name, plain, texts)
    if samples is not None and values.setdefault("samples", samples) != samples:
        raise ConfigError(f"objective '{objective}' and samples={samples} contradict each other; say it once")
    if free_bits:
        if name != "elbo":
            raise ConfigError(f"free bits act on the closed-form rate of objective 'elbo', not on '{name}'")
        values["free_bits"] = FreeBits(free_bits, free_bits_per_group)
    return cast(Objective, replace(plain, **values))


__all__ = [
    "CIWAE",
    "ELBO",
    "IWAE",
    "MIWAE",
    "OBJECTIVES",
    "PIWAE",
    "TVO",
    "BetaTC",
    "Bound",
    "DReG",
    "FreeBits",
    "InfoVAE",
    "Objective",
    "Renyi",
    "ScoreFunction",
    "Trimmed",
    "best_rate",
    "closed_rate",
    "couples_rows",
    "elbo_closed",
    "elbo_joint",
    "elbo_split",
    "log_aggregated",
    "log_mean_exp",
    "log_power_mean",
    "make_objective",
    "options_of",
    "sampled_rate",
    "squared_mmd",
    "told_rows",
]
