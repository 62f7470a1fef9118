"""What recipe "auto" and objective "auto" mean for some data.

tables                      a prior of clusters; layers half as wide for few rows with missing cells
large binary images         a flow prior
other images, many numbers  convolutions
all else                    a residual MLP

tables with missing cells   the bound of 5 samples
all else                    the ELBO

and how long held-out rows may get no better before a run ends:

tables, by the epoch        a fifth of the epochs, 20 at least
all else, and by the clock  no end: images may stand still for long before their latents come to life

Each was measured against the last one on data of its sort; the figures are where its reason says, or in docs/log.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..config import ObjectiveConfig, Recipe, TrainingConfig
from ..errors import ConfigError
from ..objectives.spec import split_spec
from ..rows import Field
from ..training.validation import n_held_out
from .own import is_own


@dataclass(frozen=True)
class Choice:
    """What recipe "auto" means for some data, and why."""

    recipe: str
    hidden: tuple[int, ...]
    latent: int
    prior: str
    why: str


DEFAULT_LATENTS = 16
LARGE_IMAGE, MANY_NUMBERS = 256, 3072
"""Numbers of an image from which on a binary one gains by a flow prior, and any other by convolutions."""
SMALLEST_SIDE = 4
BINARY_IMAGES = Choice(
    "resmlp",
    (512, 512),
    40,
    "real-nvp",
    "large binary images gain more by a flow prior than by convolutions in ten minutes; for an hour or more take "
    "recipe ladder, hidden 32,64, latent 24, groups 4,4,4, prior real-nvp, lr 0.003 (docs/log/2026-11-26.md)",
)
TABLES = Choice(
    "resmlp",
    (256, 256),
    DEFAULT_LATENTS,
    "mixture",
    "rows of tables come in clusters, and new ones are nearer to real ones than by a standard prior (docs/tables.md)",
)
FEW_ROWS = 5_000
FEW_WITH_HOLES = replace(
    TABLES,
    hidden=(128, 128),
    why=f"{TABLES.why}; fewer than {FEW_ROWS:,} rows with missing cells teach no wider layers",
)
OTHERWISE = Choice("resmlp", (256, 256), DEFAULT_LATENTS, "standard", "no other was found better on such data")


def is_table(free: Sequence[Field]) -> bool:
    """Whether every field is one cell."""
    return all(not f.shape for f in free)


def has_holes(free: Sequence[Field]) -> bool:
    """Whether they are cells of a table, some of which are missing."""
    return is_table(free) and any(f.has_missing for f in free)


def choice(free: Sequence[Field], recipe: Recipe, n_rows: int) -> Choice:
    """What "auto" takes for so many rows of fields that are modelled and not given."""
    if is_table(free):
        return FEW_WITH_HOLES if n_rows < FEW_ROWS and has_holes(free) else TABLES
    if len(free) != 1 or free[0].image_shape is None or free[0].size < LARGE_IMAGE:
        return OTHERWISE
    if free[0].likelihood == "bernoulli":
        return BINARY_IMAGES
    side = min(free[0].image_shape[:2])
    # which an MLP alone has: widths as they were asked for, dropout, and reasons for missing cells
    for_mlp = recipe.hidden or recipe.dropout or recipe.missing != "at-random"
    return OTHERWISE if for_mlp or free[0].size < MANY_NUMBERS or side < 2 * SMALLEST_SIDE else convolutions(side)


BOUND_OF_HOLES = "iwae"
"""With holes p(z|x) is wide; the ELBO narrows it to what q(z|x) can be, a bound of several samples does so less."""


def bound(free: Sequence[Field], recipe: Recipe, asked: ObjectiveConfig) -> tuple[ObjectiveConfig, dict[str, str]]:
    """(The objective by its name, why it was taken), if it was left open.

    Args:
        free: fields that are modelled and not given.
        recipe: with nothing open.
        asked: for.

    Raises:
        ConfigError: for options of "auto", which has none.
    """
    name, options = split_spec(asked.objective)
    if name != "auto":
        return asked, {}
    if options:
        raise ConfigError(
            f"objective '{asked.objective}': auto has no options; name the objective, as in iwae:samples=10, or say "
            "samples beside it"
        )
    # free bits need a rate in closed form, and a prior that is known by estimates gives no weights
    gives_weights = "diffusion" not in (recipe.recipe, recipe.prior) and not is_own(recipe.recipe)
    if not has_holes(free) or asked.free_bits or not gives_weights:
        return replace(asked, objective="elbo"), {}
    why = "cells are missing, and by a bound of several samples they are filled better (docs/tables.md)"
    return replace(asked, objective=BOUND_OF_HOLES), {"objective": f"{BOUND_OF_HOLES}: {why}"}


LEAST_PATIENCE, SHARE_OF_EPOCHS = 20, 5


def ending(free: Sequence[Field], asked: TrainingConfig, n_rows: int) -> tuple[TrainingConfig, dict[str, str]]:
    """(The training with a patience, why), if it was left open.

    Args:
        free: fields that are modelled and not given.
        asked: for.
        n_rows: of the data.
    """
    if asked.validation.patience is not None:
        return asked, {}
    epochs, patience = asked.budget.n_epochs, 0
    goes_by_bound = not asked.weighting.constrained and not asked.privacy.is_asked
    if epochs and goes_by_bound and is_table(free) and n_held_out(n_rows, asked.validation.validation):
        patience = max(LEAST_PATIENCE, epochs // SHARE_OF_EPOCHS)
    why = {"patience": f"{patience} epochs: tables gained nothing later (docs/tables.md)"} if patience else {}
    return replace(asked, validation=replace(asked.validation, patience=patience)), why


def convolutions(side: int) -> Choice:
    """For images of many numbers, halved until the shorter side has 4 to 7 pixels.

    Args:
        side: the shorter one, at least 8 pixels.
    """
    n_stages = int(math.log2(side / SMALLEST_SIDE))
    return Choice(
        "conv",
        (32, *(64,) * (n_stages - 1)),
        DEFAULT_LATENTS,
        "standard",
        "to an image of so many numbers a fully connected layer has more weights than a short run or few images can "
        "teach",
    )
