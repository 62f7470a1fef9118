"""From rows to a trained model, and the same again to resume or with another prior."""

from .asked import Options, asked_for
from .new_prior import refit
from .plans import carry_out, fit, plan, rows_again, rows_of_plan, train_plan
from .processes import reference_of

__all__ = [
    "Options",
    "asked_for",
    "carry_out",
    "fit",
    "plan",
    "reference_of",
    "refit",
    "rows_again",
    "rows_of_plan",
    "train_plan",
]
