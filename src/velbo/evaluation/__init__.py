"""Log-likelihood bounds and diagnostics."""

from .aggregated import Aggregated, aggregated_posterior
from .annealing import Annealed, Annealing, anneal, anneal_backwards
from .bracket import Bracket, bracket, simulate
from .calibration import Calibration, calibrate
from .contributions import contributions
from .curve import BoundCurve, bound_curve
from .gaps import Ascent, Gaps, gaps
from .imputation import Imputed, impute
from .log_likelihood import RowScores, score_rows
from .multiple_imputation import multiple_imputations
from .rate_distortion import RateDistortion, rate_distortion
from .summary import Evaluation, active_units, evaluate, summarise

__all__ = [
    "Aggregated",
    "Annealed",
    "Annealing",
    "Ascent",
    "BoundCurve",
    "Bracket",
    "Calibration",
    "Evaluation",
    "Gaps",
    "Imputed",
    "RateDistortion",
    "RowScores",
    "active_units",
    "aggregated_posterior",
    "anneal",
    "anneal_backwards",
    "bound_curve",
    "bracket",
    "calibrate",
    "contributions",
    "evaluate",
    "gaps",
    "impute",
    "multiple_imputations",
    "rate_distortion",
    "score_rows",
    "simulate",
    "summarise",
]
