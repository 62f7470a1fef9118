"""A trained model with another prior."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from ..build.defaults import closed
from ..build.parts import prior_of
from ..build.size import n_parameters
from ..config import TrainingConfig
from ..errors import ConfigError
from ..evaluation.cells.typical import ROWS as MOST_ROWS
from ..runtime.generators import OwnGenerator
from ..trained_model import TrainedModel
from ..training import refit_prior
from ..training.order import permutation
from ..training.refit import place_of_prior
from .processes import usual


def refit(
    trained: TrainedModel, x: Any, prior: str, components: int | None = None, training: TrainingConfig | None = None
) -> tuple[TrainedModel, float]:
    """A model with a new prior, fitted to the aggregated posterior of its rows; see `refit_prior`.

    Args:
        trained: it is left as it is.
        x: rows that it was trained on.
        prior: a name, as in `Recipe`.
        components: of that prior, if it mixes.
        training: budget and the rest.

    Returns:
        The new model with its plan, and the gain of the ELBO in nats a row on held-out rows.

    Raises:
        ConfigError: for a model of private training, or a prior that is to be fitted by it.
    """
    if trained.plan.training.privacy.is_asked:
        raise ConfigError(
            "the model was trained privately, and another prior would be fitted to rows without noise; train one with "
            "the prior that is wanted (--prior)"
        )
    training = training or TrainingConfig()
    recipe, _ = closed(
        replace(trained.recipe, prior=prior, components=components), trained.schema, trained.plan.data.n_rows
    )
    model, rows = copy.deepcopy(trained.model), trained.store(x)
    with OwnGenerator(training.machine.seed):
        new = prior_of(recipe, place_of_prior(model).encoder, trained.schema.n_dims)
    gain = refit_prior(model, rows, new, training)
    choices = {**trained.plan.choices, "prior": f"{prior}, refitted: {gain:.3f} nats gained"}
    plan = replace(trained.plan, recipe=recipe, choices=choices, n_parameters=n_parameters(model))
    some = rows.subset(permutation(len(rows), training.machine.seed)[:MOST_ROWS])
    known = trained.reference  # of q(z|x), which is as it was
    return TrainedModel(model.eval(), plan, typical=usual(model.eval(), plan, some, known), reference=known), gain
