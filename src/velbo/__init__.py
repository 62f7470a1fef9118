"""velbo: variational autoencoders with honest likelihoods.

Names are loaded when they are first used: ``import velbo`` alone loads neither torch nor scikit-learn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .config import (
        Budget,
        Machine,
        ObjectiveConfig,
        Optimisation,
        Recipe,
        TrainingConfig,
        Validation,
        Weighting,
    )
    from .data import Data, Schema, infer, load
    from .errors import VelboError, VelboWarning
    from .estimator import VAEEstimator
    from .evaluation import Annealing, Evaluation, anneal, anneal_backwards, evaluate, score_rows
    from .fitted import FittedVAE
    from .fitting import Plan, fit, plan
    from .model import VAE
    from .objectives import ELBO, IWAE, DReG, FreeBits, ScoreFunction
    from .oracles import LinearGaussian
    from .terms import Terms
    from .training import refit_prior, train

# public names, in the order in which data flow
_HOMES = {
    "VelboError": "errors",
    "VelboWarning": "errors",
    "Data": "data",
    "Schema": "data",
    "infer": "data",
    "load": "data",
    "Terms": "terms",
    "VAE": "model",
    "ELBO": "objectives",
    "IWAE": "objectives",
    "DReG": "objectives",
    "ScoreFunction": "objectives",
    "FreeBits": "objectives",
    "Budget": "config",
    "Optimisation": "config",
    "Weighting": "config",
    "Validation": "config",
    "Machine": "config",
    "TrainingConfig": "config",
    "train": "training",
    "refit_prior": "training",
    "Evaluation": "evaluation",
    "evaluate": "evaluation",
    "score_rows": "evaluation",
    "Annealing": "evaluation",
    "anneal": "evaluation",
    "anneal_backwards": "evaluation",
    "LinearGaussian": "oracles",
    "Recipe": "config",
    "FittedVAE": "fitted",
    "ObjectiveConfig": "config",
    "Plan": "fitting",
    "fit": "fitting",
    "plan": "fitting",
    "VAEEstimator": "estimator",
}

__all__ = [  # noqa: RUF022 (in flow order)
    "VelboError",
    "VelboWarning",
    "Data",
    "Schema",
    "infer",
    "load",
    "Terms",
    "VAE",
    "ELBO",
    "IWAE",
    "DReG",
    "ScoreFunction",
    "FreeBits",
    "Budget",
    "Optimisation",
    "Weighting",
    "Validation",
    "Machine",
    "TrainingConfig",
    "train",
    "refit_prior",
    "Evaluation",
    "evaluate",
    "score_rows",
    "Annealing",
    "anneal",
    "anneal_backwards",
    "LinearGaussian",
    "Recipe",
    "FittedVAE",
    "ObjectiveConfig",
    "Plan",
    "fit",
    "plan",
    "VAEEstimator",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'velbo' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
