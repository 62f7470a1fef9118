"""A model and rows -> the model trained in place, without a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import nn

from ..checks import check_first_rows, rows_for
from ..config import TrainingConfig
from ..files import as_json
from ..objectives import ELBO, Objective
from ..rows import AnyRows
from ..rows.stream import Stream
from ..terms import Model
from .loggers import Logger, opened
from .loop import Trainer
from .run import Run
from .state import History


def train(
    model: nn.Module,
    x: AnyRows,
    objective: Objective | None = None,
    config: TrainingConfig | None = None,
    run: Run | None = None,
    loggers: Sequence[Logger] = (),
) -> History:
    """Train a model in place; it ends with its best averaged weights.

    Args:
        model: anything that meets `velbo.terms.Model`; a `VAE`.
        x: rows as the likelihood expects them, (N, D), NaN where missing, of any container; see
            `velbo.checks.rows_for`. They are read once, and shuffled by velbo; only a stream stays on disk.
        objective: terms -> bound; the ELBO if not given.
        config: budget, optimisation, weighting, validation, machine.
        run: folder for checkpoints and metrics; a run that it holds is continued.
        loggers: further places for metrics; see `velbo.training.loggers`.

    Raises:
        DataError: if x is no rows.
        ConfigError: if a part of the model gives another shape than it should; see `velbo.checks`.
        Interrupted: on SIGINT or SIGTERM, after saving.
        TrainingError: if too many steps in a row are not finite.
    """
    config = config or TrainingConfig()
    if isinstance(x, Stream):
        check_first_rows(cast(Model, model), x)
        data = x
    else:
        data = rows_for(cast(Model, model), x)
    with opened(loggers, as_json(config)):
        return Trainer(model, data, objective or ELBO(), config, run, loggers).run()
