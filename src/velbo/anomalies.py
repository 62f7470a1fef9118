"""Scoring rows without labels, some of which are odd: a model of what most rows are like, whatever the odd ones do.

A density that is free to follow every row explains the odd ones too, and then does not call them odd. So three things
are not as for likelihoods:

    trimmed bound     the four rows in ten that the model explains worst teach it nothing (objectives/trimmed.py)
    fixed scale       numbers are standardised and p(x_d|z) = N(mu_d(z), 1): no scale widens to take an odd cell in, or
                      narrows until a column of few distinct values drowns the rest, and a latent has to explain as
                      much as the noise to be worth its rate
    small and short   one residual block of 64 units, 8 latents, 50 passes over all rows; none are held out, since
                      weights chosen by a bound on odd rows too are those that explain them

The score is log p(x) as for every model, a bound by importance sampling in nats; but with a scale that is set and not
learned it ranks rows, and does not say how well a density can fit them. Figures: benchmarks/anomaly.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .config import Budget, ObjectiveConfig, Recipe, TrainingConfig, Validation
from .data import Schema
from .data.columns import Column

LIKELIHOOD = "normal-fixed"
TRIM, N_LATENTS, HIDDEN, N_EPOCHS = 0.4, 8, (64,), 50
WHY = (
    "the rows that fit worst are trimmed, numbers are standardised with a scale of 1, small layers, no rows held out: "
    "what most rows are like, for scores without labels"
)


def numbers_as_reals(schema: Schema) -> dict[str, str]:
    """Of a table, the columns that hold numbers: column -> kind and likelihood for `infer_table`; the kinds of columns
    as given stay. Names and truth values keep their own likelihoods.
    """
    return {c.name: f"{_kind(c)}:{LIKELIHOOD}" for c in schema.modelled if c.reason != "as given" and _is_number(c)}


def _kind(column: Column) -> str:
    return "datetime" if column.kind == "datetime" else "real"


def _is_number(column: Column) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in column.categories)


def for_anomalies(
    recipe: Recipe, objective: ObjectiveConfig, training: TrainingConfig, schema: Schema
) -> tuple[Recipe, ObjectiveConfig, TrainingConfig]:
    """The settings of a run with what was left open taken as above.

    Rows of numbers should be of kind real, `infer(x, kind="real")`, so that they are standardised.
    """
    likelihood = LIKELIHOOD if schema.kind == "real" else "auto"
    is_open = recipe.recipe == "auto" and schema.image_shape is None
    choices: dict[str, Any] = {"recipe": "resmlp", "hidden": recipe.hidden or HIDDEN} if is_open else {}
    recipe = replace(
        recipe,
        latent=recipe.latent or N_LATENTS,
        likelihood=likelihood if recipe.likelihood == "auto" else recipe.likelihood,
        **choices,
    )
    if objective == ObjectiveConfig():
        objective = ObjectiveConfig(f"trimmed:trim={TRIM}")
    if training.budget == Budget():
        training = replace(training, budget=Budget(epochs=N_EPOCHS))
    if training.validation == Validation():
        training = replace(training, validation=Validation(0.0))
    return recipe, objective, training
