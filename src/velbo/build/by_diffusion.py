"""Recipe diffusion: the row itself is noised, so there is no encoder, and a latent for each number of a row.

f(x)      what an encoder would see of the row, standardised      no more is learned of it
network   is told the level of the noise: convolutions            hidden: channels of each stage
          where a row is one image, otherwise a residual MLP      hidden: the width of each block, all equal
head      p(x|z_0), by the likelihoods of the fields
"""

from __future__ import annotations

import math
from dataclasses import replace

from torch import nn

from ..conditional import AnyModel
from ..config import Recipe
from ..diffusion import (
    ConditionalDenoiser,
    Diffusion,
    Embedding,
    LevelConv,
    LevelMLP,
    MonotoneSchedule,
    Preconditioned,
    Process,
)
from ..errors import ConfigError
from ..likelihoods import Mixed
from ..rows import Schema
from .composition import condition_of, given

OF_IMAGES, OF_ROWS = (32, 64), (256, 256, 256)
"""Hidden widths, where none are given."""
NOISE_OF_FIRST = -5.0
"""gamma_0 at first. It is learned; likelihoods know fine structure sooner than x_hat."""


def sized(schema: Schema, recipe: Recipe) -> Recipe:
    """The recipe with its widths, latents and prior, if they are open."""
    embedding = _embedding(schema, recipe)
    return replace(
        recipe,
        hidden=recipe.hidden or (OF_IMAGES if _image(schema, recipe, embedding) else OF_ROWS),
        latent=recipe.latent or embedding.n_features,
        prior="diffusion" if recipe.prior == "auto" else recipe.prior,
    )


def diffusion(schema: Schema, recipe: Recipe) -> AnyModel:
    """A diffusion of rows.

    Raises:
        ConfigError: for what it has not.
    """
    embedding, condition = _embedding(schema, recipe), condition_of(schema, recipe)
    _check(schema, recipe, embedding.n_features)
    n, n_beside = embedding.n_features, condition.n_features + 1 if condition else 0
    denoiser = Preconditioned(_network(schema, recipe, embedding, n_beside))
    schedule = MonotoneSchedule(NOISE_OF_FIRST, learned_ends=True)
    process = Process(ConditionalDenoiser(denoiser) if condition else denoiser, n, schedule)
    return given(Diffusion(embedding, process, Mixed(n, schema.cells, schema.dims(recipe.condition))), condition)


def _embedding(schema: Schema, recipe: Recipe) -> Embedding:
    fixed = set(schema.dims(recipe.condition))
    return Embedding(schema.cells, [d for d in range(schema.n_dims) if d not in fixed])


def _image(schema: Schema, recipe: Recipe, embedding: Embedding) -> tuple[int, int, int] | None:
    """(H, W, C) where the numbers of a row are those of one image of at least 8 x 8, in its order."""
    shapes = [f.image_shape for f in schema.images(apart=recipe.condition) if f.image_shape]
    is_one = len(shapes) == 1 and math.prod(shapes[0]) == embedding.n_features and min(shapes[0][:2]) >= 8
    return shapes[0] if is_one else None


def _network(schema: Schema, recipe: Recipe, embedding: Embedding, n_beside: int) -> nn.Module:
    shape, n = _image(schema, recipe, embedding), embedding.n_features
    if shape:
        return LevelConv(shape, recipe.hidden, n_beside)
    if len(set(recipe.hidden)) > 1:
        raise ConfigError(f"blocks of recipe 'diffusion' have one width, not {recipe.hidden}; give hidden 256,256,256")
    return LevelMLP(n + n_beside, n, *recipe.hidden)


def _check(schema: Schema, recipe: Recipe, n: int) -> None:
    fixed = set(schema.dims(recipe.condition))
    missing = [c.name for d, c in enumerate(schema.cells) if c.has_missing and d not in fixed]
    if missing:
        raise ConfigError(
            f"recipe 'diffusion' is trained on whole rows, and '{missing[0]}' has missing cells; take recipe 'resmlp' "
            "with prior 'diffusion', or fill the cells first"
        )
    if recipe.missing != "at-random" or recipe.library_size or recipe.refine or recipe.posterior != "diagonal":
        raise ConfigError(
            "recipe 'diffusion' goes without --missing, --library-size, --refine and --posterior; use recipe 'resmlp'"
        )
    if recipe.prior != "diffusion":
        raise ConfigError(f"recipe 'diffusion' has a prior of its own, and not '{recipe.prior}'; leave prior out")
    if recipe.n_latents != n:
        raise ConfigError(f"recipe 'diffusion' has a latent for each of {n} numbers of a row; leave latent out")
