"""Log-likelihood bounds and diagnostics."""

from .log_likelihood import RowScores, score_rows
from .summary import Evaluation, active_units, evaluate, summarise

__all__ = ["Evaluation", "RowScores", "active_units", "evaluate", "score_rows", "summarise"]
