"""The loop, and everything that a run needs around it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..config import TrainingConfig
from ..objectives import ELBO, Objective
from ..rows import Store
from ..rows.stream import Stream
from ..runtime.devices import device_of
from .choices import decide
from .launch import launch
from .loggers import Logger, ProgressBar, TensorBoard
from .loop import Trainer
from .refit import refit_prior
from .run import Run
from .state import History
from .team import Alone, Team


def train(
    model: nn.Module,
    x: Tensor | Store | Stream,
    objective: Objective | None = None,
    config: TrainingConfig | None = None,
    run: Run | None = None,
    loggers: Sequence[Logger] = (),
) -> History:
    """Train a model in place; it ends with its best averaged weights.

    Args:
        model: anything whose ``forward(x, samples, draw)`` gives terms; a `VAE`.
        x: (N, D) floating point, as the likelihood expects them, NaN where missing; or an encoded store or stream.
        objective: terms -> bound; the ELBO if not given.
        config: budget, optimisation, weighting, validation, machine.
        run: folder for checkpoints and metrics; a run that it holds is continued.
        loggers: further places for metrics.

    Raises:
        Interrupted: on SIGINT or SIGTERM, after saving.
        TrainingError: if too many steps in a row are not finite.
    """
    data = Store.from_tensor(x) if isinstance(x, Tensor) else x
    return Trainer(model, data, objective or ELBO(), config or TrainingConfig(), run, loggers).run()


__all__ = [
    "Alone",
    "History",
    "Logger",
    "ProgressBar",
    "Run",
    "Team",
    "TensorBoard",
    "Trainer",
    "decide",
    "device_of",
    "launch",
    "refit_prior",
    "train",
]
