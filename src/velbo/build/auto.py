"""What recipe "auto" means for some data.

tables                      a prior of clusters
large binary images         a flow prior
other images, many numbers  convolutions
all else                    a residual MLP

Each was measured against the last one on data of its sort; the figures are where its reason says, or in docs/log.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..config import Recipe
from ..rows import Field


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
OTHERWISE = Choice("resmlp", (256, 256), DEFAULT_LATENTS, "standard", "no other was found better on such data")


def choice(free: Sequence[Field], recipe: Recipe) -> Choice:
    """What "auto" takes for fields that are modelled and not given."""
    if all(not f.shape for f in free):
        return TABLES
    if len(free) != 1 or free[0].image_shape is None or free[0].size < LARGE_IMAGE:
        return OTHERWISE
    if free[0].likelihood == "bernoulli":
        return BINARY_IMAGES
    side = min(free[0].image_shape[:2])
    # which an MLP alone has: widths as they were asked for, dropout, and reasons for missing cells
    for_mlp = recipe.hidden or recipe.dropout or recipe.missing != "at-random"
    return OTHERWISE if for_mlp or free[0].size < MANY_NUMBERS or side < 2 * SMALLEST_SIDE else convolutions(side)


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
