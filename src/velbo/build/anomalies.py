"""Scoring rows without labels, some of which are anomalous: a model of what most rows are like, whatever those do.

A density that is free to follow every row explains the anomalous ones too, and then does not tell them. So four things
are not as for likelihoods:

    robust unit       x = (v - m) / s, m the median of a column and s = (q_0.9 - q_0.1) / (2 Phi^-1(0.9)), which is the
                      standard deviation of a normal one: far cells do not stretch the unit that they are measured in.
                      Where nearly all cells are equal and s would be less than a tenth of the standard deviation, s is
                      the standard deviation
    fixed scale       p(x_d|z) = N(mu_d(z), 1/16): no scale widens to take an anomalous cell in, or narrows until a
                      column of few distinct values drowns the rest
    trimmed bound     the four rows in ten that the model explains worst teach it nothing (objectives/trimmed.py)
    small and short   one residual block of 64 units, 8 latents, 50 passes over all rows in batches of 128 or more, as
                      a long run has them: more steps follow anomalous rows too. None are held out, since weights
                      chosen by a bound on anomalous rows are those that explain them

The score asks two things of a row: whether the model can make it, and whether it makes 20 training rows alike
(evaluation/latents/reference.py). It is in nats, and no density: it ranks rows. Where p(x|z) has no independent cells,
or something is given, the score is log p(x) as of other models. Figures: benchmarks/anomaly.py.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..config import Budget, ObjectiveConfig, TrainingConfig, Validation
from ..rows import Field, Rows, Schema
from ..rows.field import plain
from ..training.choices import batch_size

if TYPE_CHECKING:
    from .defaults import Asked

LIKELIHOOD = "normal-narrow"
TRIM, N_LATENTS, HIDDEN, N_EPOCHS, N_NEIGHBORS = 0.4, 8, (64,), 50, 20
OUTSIDE, LEAST, ROWS = 0.1, 0.1, 20_000
"""Share of cells beyond each of the two quantiles; smallest s in standard deviations; rows that are looked at."""
WHY = (
    "the rows that fit worst are trimmed, numbers are measured from their median in units of the spread of the middle "
    "eight in ten with a scale of 1/4, small layers, no rows held out: what most rows are like, for scores without "
    "labels"
)


def numbers_as_reals(schema: Schema) -> dict[str, str]:
    """Fields that hold numbers -> kind and likelihood; kinds as given stay. Names, truth values and images keep their
    own likelihoods.
    """
    guessed = (f for f in schema.modelled if f.reason != "as given" and _holds_numbers(f))
    return {f.name: f"{'datetime' if f.kind == 'datetime' else 'real'}:{LIKELIHOOD}" for f in guessed}


def _holds_numbers(field: Field) -> bool:
    names = all(isinstance(v, int | float) and not isinstance(v, bool) for v in field.categories)
    return names and field.image_shape is None


def in_robust_units(schema: Schema, rows: Rows) -> Schema:
    """With location and scale of the fields of this likelihood, whoever asked for it, by quantiles of rows that are
    spread evenly over those at hand.

    Args:
        schema: whose fields have likelihoods.
        rows: v that fit it.
    """
    n = min(ROWS, rows.at_hand)
    v = rows.at(np.linspace(0, rows.at_hand - 1, n).astype(np.int64))
    own = {
        f.name: _in_robust_unit(f, v[:, schema.places[f.name]]) for f in schema.modelled if f.likelihood == LIKELIHOOD
    }
    return replace(schema, fields=tuple(own.get(f.name, f) for f in schema.fields))


def _in_robust_unit(field: Field, v: NDArray[Any]) -> Field:
    """m and s of each of its cells v (N, size); a cell without numbers among these rows keeps its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of cells that are all missing
        low, middle, high = np.nanquantile(v, (OUTSIDE, 0.5, 1 - OUTSIDE), axis=0)
    spread = (high - low) / (2 * NormalDist().inv_cdf(1 - OUTSIDE))
    deviation, mean = field.each("scale"), field.each("location")
    scale = np.where(spread >= LEAST * deviation, spread, deviation)
    location = np.where(np.isnan(middle), mean, middle)
    (location, scale) = (a if field.shape else a[0] for a in (location, scale))
    return replace(field, location=plain(location), scale=plain(scale))


def for_anomalies(asked: Asked, schema: Schema) -> Asked:
    """What is asked, with what was left open taken as above."""
    recipe, training = asked.recipe, asked.training
    is_open = recipe.recipe == "auto" and not schema.images()
    shape: dict[str, Any] = {"recipe": "resmlp", "hidden": recipe.hidden or HIDDEN} if is_open else {}
    objective = ObjectiveConfig(f"trimmed:trim={TRIM}") if asked.objective == ObjectiveConfig() else asked.objective
    return replace(
        asked,
        recipe=replace(recipe, latent=recipe.latent or N_LATENTS, **shape),
        objective=objective,
        training=_training(training),
    )


def in_few_steps(training: TrainingConfig, n_rows: int, model: nn.Module, device: torch.device) -> TrainingConfig:
    """With the batches of a long run, if they are open."""
    o = training.optimisation
    return replace(training, optimisation=replace(o, batch_size=o.batch_size or batch_size(n_rows, model, device)[0]))


def _training(training: TrainingConfig) -> TrainingConfig:
    budget = Budget(epochs=N_EPOCHS) if training.budget == Budget() else training.budget
    validation = Validation(0.0) if training.validation == Validation() else training.validation
    return replace(training, budget=budget, validation=validation)
