"""Models of private training (training/privacy.py): small ones by default, and none that has no gradients of rows.

Every weight gets noise at every step, and the gradient of each row is held for a moment: a residual MLP that velbo
chooses has layers of 64 units instead of 256. Figures: docs/privacy.md.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

import torch

from ..conditional import AnyModel
from ..config import Recipe, TrainingConfig
from ..errors import ConfigError
from ..objectives import Objective
from ..rows import Store
from ..runtime.ranks import ranks_here
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


def reopened(old: TrainingConfig, chosen: Container[str], is_private: bool) -> TrainingConfig:
    """An earlier training, without what other rows and steps have otherwise: noise and delta; and, where private
    training is newly asked for, without what was chosen for training that is not.

    Args:
        old: with nothing open.
        chosen: names of its settings that nobody asked for.
        is_private: whether private training is asked for.
    """
    old, is_new = replace(old, privacy=replace(old.privacy, noise=None, delta=None)), not old.privacy.is_asked
    if not (is_private and is_new):
        return old
    groups = {
        "optimisation": {"batch_size": None, "lr": None},
        "validation": {"patience": None},
        "machine": {"precision": "auto"},
    }
    return replace(
        old,
        **{
            group: replace(getattr(old, group), **{name: v for name, v in open_.items() if name in chosen})
            for group, open_ in groups.items()
        },
    )


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
    here = ranks_here()
    require_private(model, objective, Asks(stream, n_processes=here.size if here else 1))
    require_row_gradients(model, objective, first.batch(torch.arange(len(first))))
