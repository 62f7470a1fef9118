"""The loop, and everything that a run needs around it.

Names are loaded when they are first used: the files of a run are read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import when_used

if TYPE_CHECKING:
    from .choices import decide
    from .in_place import train
    from .loggers import Logger, MLflow, TensorBoard, WandB
    from .loop import Trainer
    from .progress import ProgressBar, ProgressLines
    from .refit import refit_prior
    from .run import Run
    from .state import History
    from .team import Alone, Team

_HOMES = {
    "choices": "decide",
    "in_place": "train",
    "loggers": "Logger MLflow TensorBoard WandB",
    "loop": "Trainer",
    "progress": "ProgressBar ProgressLines",
    "refit": "refit_prior",
    "run": "Run",
    "state": "History",
    "team": "Alone Team",
}

__all__ = [
    "Alone",
    "History",
    "Logger",
    "MLflow",
    "ProgressBar",
    "ProgressLines",
    "Run",
    "Team",
    "TensorBoard",
    "Trainer",
    "WandB",
    "decide",
    "refit_prior",
    "train",
]

__getattr__, __dir__ = when_used(__name__, _HOMES)
