"""Log-likelihood bounds and diagnostics."""

from .annealing import Annealed, Annealing, anneal, anneal_backwards
from .log_likelihood import RowScores, score_rows
from .summary import Evaluation, active_units, evaluate, summarise

__all__ = [
    "Annealed",
    "Annealing",
    "Evaluation",
    "RowScores",
    "active_units",
    "anneal",
    "anneal_backwards",
    "evaluate",
    "score_rows",
    "summarise",
]
