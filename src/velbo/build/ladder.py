"""Recipe ladder: groups of latents from the top down, of vectors for tables, of maps for images.

    rows              top group      groups below          state of the generator
    one image a row   a vector       maps at the smallest  a map of the last stage's channels
    all others        a vector       vectors               a vector as wide as the last block

Every group sees the encoder's features of the row and the state that the groups above it have made.
"""

from __future__ import annotations

import math
from dataclasses import replace

from torch import nn

from ..conditional import AnyModel, SizedDecoder
from ..config import Recipe
from ..errors import ConfigError
from ..hierarchy import BottomUp, Group, Hierarchy, TopDown, conv_group, dense_group
from ..hierarchy.bottom_up import OfTop
from ..likelihoods import Mixed
from ..nets import MLP, AnyLead, ConvDown, ConvUp, FieldFeatures, ResidualBlock, ResidualMLP, ToMap
from ..rows import Schema
from .composition import BESIDE_WIDTH, ImageRows, condition_of, given, is_of_images, with_mask
from .parts import POSTERIORS, prior_of

TOP_WIDTH = 256
"""Of the features that the top group sees of an image."""
OF_IMAGES = (16, 32), (4, 4, 4, 4)
OF_TABLES = (256, 256), (8, 8)
"""Hidden widths and groups, where none are given."""


def sized(schema: Schema, recipe: Recipe) -> Recipe:
    """The recipe with its widths and groups, if they are open."""
    hidden, groups = OF_IMAGES if is_of_images(schema, recipe) else OF_TABLES
    return replace(recipe, hidden=recipe.hidden or hidden, groups=recipe.groups or groups)


def ladder(schema: Schema, recipe: Recipe) -> AnyModel:
    """Groups of latents.

    Raises:
        ConfigError: for a refined posterior.
    """
    if recipe.refine:
        raise ConfigError("refine is for one group of latents, and recipe 'ladder' has more; leave it out")
    return (_of_images if is_of_images(schema, recipe) else _of_vectors)(schema, recipe)


def _of_vectors(schema: Schema, recipe: Recipe) -> AnyModel:
    front, condition = FieldFeatures(schema.cells, schema.missing), condition_of(schema, recipe)
    width = recipe.hidden[-1]
    trunk = nn.Sequential(front, ResidualMLP(front.n_features, *recipe.hidden, dropout=recipe.dropout))
    reads = [nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width)) for _ in recipe.groups]
    encoder = BottomUp(trunk, nn.Identity(), POSTERIORS[recipe.posterior](width, recipe.n_latents), reads)
    n_in = recipe.n_latents + (condition.n_features if condition else 0)
    start = nn.Sequential(nn.Linear(n_in, width), ResidualBlock(width, recipe.dropout))
    groups = [dense_group(width, n) for n in recipe.groups]
    down = ResidualMLP(width, *recipe.hidden[::-1], dropout=recipe.dropout)
    head = Mixed(down.n_features, schema.cells, schema.dims(recipe.condition), recipe.library_size)
    head = with_mask(schema, recipe, head, down.n_features)
    decoder = SizedDecoder(down, head) if recipe.library_size else nn.Sequential(down, head)
    return given(_assembled(schema, recipe, encoder, start, groups, decoder), condition)


def _of_images(schema: Schema, recipe: Recipe) -> AnyModel:
    rows, condition = ImageRows(schema, recipe), condition_of(schema, recipe)
    trunk = ConvDown(rows.shape, recipe.hidden, rows.n_planes)
    shape, n = trunk.map_shape, math.prod(trunk.map_shape)
    reads = [AnyLead(nn.Conv2d(shape[0], shape[0], 1)) for _ in recipe.groups]
    n_features = TOP_WIDTH + (rows.beside.n_features if rows.beside else 0)
    head = POSTERIORS[recipe.posterior](n_features, recipe.n_latents)
    to_top = nn.Sequential(nn.Flatten(-3), nn.SiLU(), nn.Linear(n, TOP_WIDTH), nn.SiLU())
    encoder = BottomUp(nn.Sequential(rows.pixels, trunk), to_top, head, reads, rows.beside)
    n_in = recipe.n_latents + (condition.n_features if condition else 0)
    start = ToMap(n_in, shape)
    groups = [conv_group(shape, n_channels) for n_channels in recipe.groups]
    up = ConvUp(rows.shape, recipe.hidden)
    decoder = rows.head(up, lambda: nn.Sequential(nn.Flatten(-3), MLP(n, BESIDE_WIDTH)))
    return given(_assembled(schema, recipe, encoder, start, groups, decoder), condition)


def _assembled(
    schema: Schema, recipe: Recipe, encoder: BottomUp, start: nn.Module, groups: list[Group], decoder: nn.Module
) -> Hierarchy:
    top = prior_of(recipe, OfTop(encoder), schema.n_dims)
    return Hierarchy(encoder, TopDown(top, start, groups), decoder)
