"""Models of private training (training/privacy.py): small ones by default, and none that has no gradients of rows.

Every weight gets noise at every step, and the gradient of each row is held for a moment: a residual MLP that velbo
chooses has layers of 64 units instead of 256. Figures: docs/privacy.md.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from ..conditional import AnyModel
from ..config import Recipe
from ..errors import ConfigError
from ..objectives import Objective
from ..rows import Store
from ..training.covered import Asks, require_private
from ..training.privacy import require_row_gradients

HIDDEN = (64, 64)


def for_privacy(asked: Recipe, recipe: Recipe, choices: dict[str, str]) -> tuple[Recipe, dict[str, str]]:
    """A recipe that velbo chose, with small layers, and why.

    Args:
        asked: what was asked for.
        recipe: what that means.
        choices: why.
    """
    if asked.recipe != "auto" or asked.hidden or recipe.recipe != "resmlp":
        return recipe, choices
    return replace(recipe, hidden=HIDDEN), {**choices, "hidden": "64,64: private training puts noise on every weight"}


def require_private_model(model: AnyModel, objective: Objective, first: Store, stream: bool, keeps_rows: bool) -> None:
    """
    Args:
        model: untrained.
        objective: terms -> bound.
        first: a few rows.
        stream: whether rows stay on disk.
        keeps_rows: whether scores shall be made with latents of training rows.

    Raises:
        ConfigError: if private training cannot be of such a model, bound or rows, or scores would keep some.
    """
    if keeps_rows:
        raise ConfigError(
            "a model of anomalies keeps latents of training rows, which private training does not cover; leave out "
            "anomalies, whose score is then log p(x), or leave out epsilon"
        )
    require_private(model, objective, Asks(stream))
    require_row_gradients(model, objective, first.batch(torch.arange(len(first))))
