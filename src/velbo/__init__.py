"""velbo: variational autoencoders with honest likelihoods.

Names are loaded when they are first used: ``import velbo`` alone loads neither torch nor scikit-learn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from .build import Asked, Plan
    from .cluster import arrow_function
    from .conditional import Conditional
    from .config import (
        Budget,
        Machine,
        ObjectiveConfig,
        Optimisation,
        Privacy,
        Recipe,
        TrainingConfig,
        Validation,
        Weighting,
    )
    from .errors import VelboError, VelboWarning
    from .estimators import AnomalyDetector, VAEEstimator, VAEImputer
    from .evaluation import (
        Aggregated,
        Annealing,
        Ascent,
        BoundCurve,
        Bracket,
        Calibration,
        Evaluation,
        Gaps,
        RateDistortion,
        aggregated_posterior,
        anneal,
        anneal_backwards,
        bound_curve,
        bracket,
        calibrate,
        contributions,
        evaluate,
        gaps,
        impute,
        multiple_imputations,
        rate_distortion,
        score_rows,
    )
    from .evaluation.latents.disentanglement import disentanglement
    from .evaluation.samples import sample_quality
    from .evaluation.synthetic import synthetic_report
    from .fitting import carry_out, fit, plan, refit
    from .formats.reading import Reading
    from .formats.source import Source, open_source
    from .loading import load
    from .model import VAE
    from .objectives import (
        CIWAE,
        ELBO,
        IWAE,
        MIWAE,
        PIWAE,
        TVO,
        BetaTC,
        DReG,
        FreeBits,
        InfoVAE,
        Renyi,
        ScoreFunction,
        Trimmed,
    )
    from .oracles import LinearGaussian
    from .rows import Field, Schema, infer
    from .terms import Terms
    from .trained_model import TrainedModel
    from .training import refit_prior, train

# public names, in the order in which data flow
_HOMES = {
    "VelboError": "errors",
    "VelboWarning": "errors",
    "Field": "rows",
    "Schema": "rows",
    "infer": "rows",
    "Reading": "formats.reading",
    "Source": "formats.source",
    "open_source": "formats.source",
    "load": "loading",
    "Terms": "terms",
    "VAE": "model",
    "Conditional": "conditional",
    "ELBO": "objectives",
    "IWAE": "objectives",
    "DReG": "objectives",
    "ScoreFunction": "objectives",
    "FreeBits": "objectives",
    "MIWAE": "objectives",
    "PIWAE": "objectives",
    "CIWAE": "objectives",
    "Renyi": "objectives",
    "TVO": "objectives",
    "BetaTC": "objectives",
    "InfoVAE": "objectives",
    "Trimmed": "objectives",
    "Budget": "config",
    "Optimisation": "config",
    "Weighting": "config",
    "Validation": "config",
    "Machine": "config",
    "Privacy": "config",
    "TrainingConfig": "config",
    "train": "training",
    "refit_prior": "training",
    "Evaluation": "evaluation",
    "evaluate": "evaluation",
    "score_rows": "evaluation",
    "Annealing": "evaluation",
    "anneal": "evaluation",
    "anneal_backwards": "evaluation",
    "BoundCurve": "evaluation",
    "bound_curve": "evaluation",
    "Aggregated": "evaluation",
    "aggregated_posterior": "evaluation",
    "Ascent": "evaluation",
    "Gaps": "evaluation",
    "gaps": "evaluation",
    "Bracket": "evaluation",
    "bracket": "evaluation",
    "RateDistortion": "evaluation",
    "rate_distortion": "evaluation",
    "Calibration": "evaluation",
    "calibrate": "evaluation",
    "impute": "evaluation",
    "multiple_imputations": "evaluation",
    "contributions": "evaluation",
    "synthetic_report": "evaluation.synthetic",
    "sample_quality": "evaluation.samples",
    "disentanglement": "evaluation.latents.disentanglement",
    "LinearGaussian": "oracles",
    "Recipe": "config",
    "TrainedModel": "trained_model",
    "ObjectiveConfig": "config",
    "Asked": "build",
    "Plan": "build",
    "carry_out": "fitting",
    "fit": "fitting",
    "plan": "fitting",
    "refit": "fitting",
    "VAEEstimator": "estimators",
    "VAEImputer": "estimators",
    "AnomalyDetector": "estimators",
    "arrow_function": "cluster",
}

__all__ = [  # noqa: RUF022 (in flow order)
    "VelboError",
    "VelboWarning",
    "Field",
    "Schema",
    "infer",
    "Reading",
    "Source",
    "open_source",
    "load",
    "Terms",
    "VAE",
    "Conditional",
    "ELBO",
    "IWAE",
    "DReG",
    "ScoreFunction",
    "FreeBits",
    "MIWAE",
    "PIWAE",
    "CIWAE",
    "Renyi",
    "TVO",
    "BetaTC",
    "InfoVAE",
    "Trimmed",
    "Budget",
    "Optimisation",
    "Weighting",
    "Validation",
    "Machine",
    "Privacy",
    "TrainingConfig",
    "train",
    "refit_prior",
    "Evaluation",
    "evaluate",
    "score_rows",
    "Annealing",
    "anneal",
    "anneal_backwards",
    "BoundCurve",
    "bound_curve",
    "Aggregated",
    "aggregated_posterior",
    "Ascent",
    "Gaps",
    "gaps",
    "Bracket",
    "bracket",
    "RateDistortion",
    "rate_distortion",
    "Calibration",
    "calibrate",
    "impute",
    "multiple_imputations",
    "contributions",
    "synthetic_report",
    "sample_quality",
    "disentanglement",
    "LinearGaussian",
    "Recipe",
    "TrainedModel",
    "ObjectiveConfig",
    "Asked",
    "Plan",
    "carry_out",
    "fit",
    "plan",
    "refit",
    "VAEEstimator",
    "VAEImputer",
    "AnomalyDetector",
    "arrow_function",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'velbo' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
