"""Recipe autoregressive: a table's fields one after another, on top of the latents.

    encoder   features of the row, ResidualMLP, q(z|x)            as of resmlp
    decoder   z and the cells before d, by masked residual blocks, to the law of cell d

The order is the user's, or found: the field that tells most of all others comes first, then always the one that the
fields before it tell most of, as in a maximum spanning tree of mutual information,

    o(1) = argmax_i sum_j I(i, j),   o(n) = argmax over i not yet in o of max_{j in o} I(i, j)

in nats, of values in coarse bins, less what chance gives. Where a row holds blocks of numbers, or nothing is known, it
is that of the schema.

Source of the trees: Approximating discrete probability distributions with dependence trees, Chow and Liu, 1968,
https://doi.org/10.1109/TIT.1968.1054142.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..conditional import AnyModel
from ..config import Recipe
from ..errors import ConfigError
from ..likelihoods import Autoregressive
from ..model import VAE
from ..nets import FieldFeatures, ResidualMLP
from ..posteriors import SemiAmortised
from ..rows import Field, Rows, Schema
from .composition import condition_of, given
from .parts import POSTERIORS, prior_of

HIDDEN = (256, 256)
BINS, ROWS, MOST_FIELDS = 8, 5_000, 300
Floats = NDArray[np.float64]


def free_fields(schema: Schema, recipe: Recipe) -> list[Field]:
    """Those that have a likelihood."""
    return [f for f in schema.modelled if f.name not in recipe.condition]


def sized(schema: Schema, recipe: Recipe) -> Recipe:
    """The recipe with its widths and order, if they are open.

    Raises:
        ConfigError: for an order of other fields than these.
    """
    names = [f.name for f in free_fields(schema, recipe)]
    order = recipe.order or tuple(names)
    if sorted(order) != sorted(names):
        wrong = [n for n in order if n not in names] or [n for n in names if n not in order] or list(order)
        raise ConfigError(
            f"an order names each field that is modelled and not given, once; '{wrong[0]}' is none of them, or not "
            f"in it once: these are {', '.join(names)}; or leave order out"
        )
    return replace(recipe, hidden=recipe.hidden or HIDDEN, order=order)


def autoregressive(schema: Schema, recipe: Recipe) -> AnyModel:
    """Fields one after another.

    Raises:
        ConfigError: for what it has not.
    """
    _check(schema, recipe)
    front, condition = FieldFeatures(schema.cells, schema.missing), condition_of(schema, recipe)
    up = ResidualMLP(front.n_features, *recipe.hidden, dropout=recipe.dropout)
    encoder = nn.Sequential(front, up, POSTERIORS[recipe.posterior](up.n_features, recipe.n_latents))
    decoder = Autoregressive(
        recipe.n_latents + (condition.n_features if condition else 0),
        schema.cells,
        [d for name in recipe.order for d in schema.dims([name])],
        recipe.hidden[::-1],
        recipe.dropout,
        schema.missing,
    )
    prior = prior_of(recipe, encoder, schema.n_dims)
    refined = SemiAmortised(encoder, decoder, prior, recipe.refine) if recipe.refine else encoder
    return given(VAE(refined, decoder, prior), condition)


def _check(schema: Schema, recipe: Recipe) -> None:
    images = schema.images(apart=recipe.condition)
    if images:
        raise ConfigError(
            f"recipe 'autoregressive' is for tables, and '{images[0].name}' is an image; take recipe conv or ladder"
        )
    if recipe.missing != "at-random" or recipe.library_size:
        raise ConfigError(
            "recipe 'autoregressive' goes without --missing and --library-size, which are for cells that are "
            "independent given z; use recipe 'resmlp'"
        )


def in_order(recipe: Recipe, schema: Schema, rows: Rows) -> tuple[Recipe, dict[str, str]]:
    """The recipe with the order that the data suggest, and why."""
    fields = free_fields(schema, recipe)
    if len(fields) < 3 or len(fields) > MOST_FIELDS or any(f.shape for f in fields):
        return recipe, {}
    v = np.asarray(rows.first(min(len(rows), ROWS)), np.float64)
    order = by_dependency(mutual_information(v[:, schema.dims(f.name for f in fields)], fields))
    names = tuple(fields[i].name for i in order)
    return replace(recipe, order=names), {
        "order": "a field that tells most of all, then each that those before tell most of"
    }


def by_dependency(information: Floats) -> list[int]:
    """Places of D fields in the order of the text above, of their mutual information (D, D)."""
    information = information - np.diag(np.diag(information))
    order = [int(information.sum(0).argmax())]
    while len(order) < len(information):
        best = information[order].max(0)
        best[order] = -np.inf
        order.append(int(best.argmax()))
    return order


def mutual_information(v: Floats, fields: Sequence[Field]) -> Floats:
    """I of every two columns, nats, (D, D), of up to nine bins each; less (r - 1)(c - 1) / 2N, what chance gives.

    Args:
        v: numbers (N, D), NaN where missing, which is a bin of its own.
        fields: of the columns.
    """
    codes = np.stack([_bins(column, field) for column, field in zip(v.T, fields, strict=True)])
    one_hot = (codes[..., None] == np.arange(BINS + 1)).astype(np.float32)  # (D, N, bins)
    n = max(1, v.shape[0])
    flat = one_hot.transpose(1, 0, 2).reshape(n, -1)
    joint = (flat.T @ flat).reshape(len(fields), BINS + 1, len(fields), BINS + 1).transpose(0, 2, 1, 3) / n
    p = np.maximum(one_hot.mean(1, dtype=np.float64), 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(joint > 0, joint * np.log(joint / p[:, None, :, None] / p[None, :, None, :]), 0.0)
    used = (one_hot.any(1).sum(-1) - 1).clip(0)
    return np.maximum(terms.sum((-1, -2)) - used[:, None] * used / (2 * n), 0.0)


def _bins(column: Floats, field: Field) -> NDArray[Any]:
    """Codes 0 to BINS of a column: its most frequent values, or ranges that are as frequent; the last where missing."""
    known = column[~np.isnan(column)]
    values, counts = np.unique(known, return_counts=True)
    if not len(values):
        return np.full(len(column), BINS)
    if len(values) <= BINS:
        codes = np.searchsorted(values, column)
    elif field.categories and field.kind == "categorical":
        frequent = values[np.argsort(-counts, kind="stable")[: BINS - 1]]
        codes = np.full(len(column), BINS - 1)
        for code, value in enumerate(frequent):
            codes[column == value] = code
    else:
        codes = np.searchsorted(np.quantile(known, np.arange(1, BINS) / BINS), column, side="right")
    return np.where(np.isnan(column), BINS, codes.clip(0, BINS - 1))
