"""Log-likelihood bounds and diagnostics."""

from .bounds.annealing import Annealed, Annealing, anneal, anneal_backwards
from .bounds.bracket import Bracket, bracket, simulate
from .bounds.curve import BoundCurve, bound_curve
from .bounds.gaps import Ascent, Gaps, gaps
from .bounds.log_likelihood import RowScores, score_rows
from .bounds.rate_distortion import RateDistortion, rate_distortion
from .bounds.summary import Evaluation, active_units, evaluate, summarise
from .cells.calibration import Calibration, calibrate
from .cells.contributions import contributions
from .cells.drawn import Drawn, draw_given
from .cells.imputation import Imputed, impute
from .cells.law import CellLaw, cell_law
from .cells.multiple_imputation import multiple_imputations
from .cells.typical import typical
from .latents.aggregated import Aggregated, aggregated_posterior
from .latents.reference import Reference, reference, usual_cells

__all__ = [
    "Aggregated",
    "Annealed",
    "Annealing",
    "Ascent",
    "BoundCurve",
    "Bracket",
    "Calibration",
    "CellLaw",
    "Drawn",
    "Evaluation",
    "Gaps",
    "Imputed",
    "RateDistortion",
    "Reference",
    "RowScores",
    "active_units",
    "aggregated_posterior",
    "anneal",
    "anneal_backwards",
    "bound_curve",
    "bracket",
    "calibrate",
    "cell_law",
    "contributions",
    "draw_given",
    "evaluate",
    "gaps",
    "impute",
    "multiple_imputations",
    "rate_distortion",
    "reference",
    "score_rows",
    "simulate",
    "summarise",
    "typical",
    "usual_cells",
]
