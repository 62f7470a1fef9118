"""Scoring rows without labels, some of which are anomalous: a model of what most rows are like, whatever those do.

A density that is free to follow every row explains the anomalous ones too, and then does not tell them. So three things
are not as for likelihoods:

    trimmed bound     the four rows in ten that the model explains worst teach it nothing (objectives/trimmed.py)
    fixed scale       numbers are standardised and p(x_d|z) = N(mu_d(z), 1): no scale widens to take an anomalous cell
                      in, or narrows until a column of few distinct values drowns the rest, and a latent has to explain
                      as much as the noise to be worth its rate
    small and short   one residual block of 64 units, 8 latents, 50 passes over all rows; none are held out, since
                      weights chosen by a bound on anomalous rows too are those that explain them

The score is log p(x) as for every model, a bound by importance sampling in nats; but with a scale that is set and not
learned it ranks rows, and does not say how well a density can fit them. Figures: benchmarks/anomaly.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..config import Budget, ObjectiveConfig, TrainingConfig, Validation
from ..rows import Field, Schema

if TYPE_CHECKING:
    from .defaults import Asked

LIKELIHOOD = "normal-fixed"
TRIM, N_LATENTS, HIDDEN, N_EPOCHS = 0.4, 8, (64,), 50
WHY = (
    "the rows that fit worst are trimmed, numbers are standardised with a scale of 1, small layers, no rows held out: "
    "what most rows are like, for scores without labels"
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


def _training(training: TrainingConfig) -> TrainingConfig:
    budget = Budget(epochs=N_EPOCHS) if training.budget == Budget() else training.budget
    validation = Validation(0.0) if training.validation == Validation() else training.validation
    return replace(training, budget=budget, validation=validation)
