"""velbo: variational autoencoders with honest likelihoods.

Names are loaded when they are first used: ``import velbo`` alone loads neither torch nor scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy import when_used

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
    "errors": "VelboError VelboWarning",
    "rows": "Field Schema infer",
    "formats.reading": "Reading",
    "formats.source": "Source open_source",
    "loading": "load",
    "terms": "Terms",
    "model": "VAE",
    "conditional": "Conditional",
    "objectives": "ELBO IWAE DReG ScoreFunction FreeBits MIWAE PIWAE CIWAE Renyi TVO BetaTC InfoVAE Trimmed",
    "config": "Budget Optimisation Weighting Validation Machine Privacy TrainingConfig Recipe ObjectiveConfig",
    "training": "train refit_prior",
    "evaluation": (
        "Evaluation evaluate score_rows Annealing anneal anneal_backwards BoundCurve bound_curve Aggregated "
        "aggregated_posterior Ascent Gaps gaps Bracket bracket RateDistortion rate_distortion Calibration "
        "calibrate impute multiple_imputations contributions"
    ),
    "evaluation.synthetic": "synthetic_report",
    "evaluation.samples": "sample_quality",
    "evaluation.latents.disentanglement": "disentanglement",
    "oracles": "LinearGaussian",
    "trained_model": "TrainedModel",
    "build": "Asked Plan",
    "fitting": "carry_out fit plan refit",
    "estimators": "VAEEstimator VAEImputer AnomalyDetector",
    "cluster": "arrow_function",
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

__getattr__, __dir__ = when_used(__name__, _HOMES)
