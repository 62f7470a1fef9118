"""What someone without velbo needs to know to use an exported file: what goes in, what comes out, and what it means."""

from __future__ import annotations

from typing import Any

from .. import __version__
from ..likelihoods import LIKELIHOODS
from ..rows import Field
from ..rows.encodings import Binarise
from ..rows.kinds import kind_of
from .graphs import Graph, Score

VALUES = (
    "(rows, {n}) float64: the cells of all fields one after another, as 'fields' says; NaN where missing. Numbers are "
    "as in the data; a category is its place in 'categories', from 0; a date is seconds since 1970-01-01 UTC"
)
MEANINGS = {
    "values": VALUES,
    "z": "(rows, {z}) {dtype}: latents",
    "given": "(rows, {m}) float64: the cells of the fields in 'given', in the order of 'fields', as 'values' has them",
    "library_size": "(rows, 1) float64: sum of the row's counts",
    "mean": "(rows, {z}) {dtype}: mean of q(z|x), the embedding",
    "standard_deviation": "(rows, {z}) {dtype}: standard deviation of q(z|x)",
    "log_likelihood": "(rows,) float64: lower bound of log p(x), nats in the units of the data, by {k} importance "
    "samples whose noise is the same for every row; low is anomalous",
}
RESTORED = VALUES.replace("NaN where missing. ", "means of numbers, not rounded; the likeliest category. ")


def described(graph: Graph, what: str, samples: int, seed: int) -> dict[str, Any]:
    """The description, to be written as JSON."""
    schema, recipe = graph.plan.schema, graph.plan.recipe
    known = {
        "n": schema.n_dims,
        "z": graph.model.n_latents,
        "m": len(schema.dims(recipe.condition)),
        "dtype": str(graph.dtype).removeprefix("torch."),
        "k": samples,
    }
    about: dict[str, Any] = {
        "velbo": __version__,
        "part": what,
        "inputs": {name: MEANINGS[name].format(**known) for name in graph.inputs},
        "outputs": {name: (RESTORED if name == "values" else MEANINGS[name]).format(**known) for name in graph.outputs},
        "fields": [_field(f, schema.places[f.name].start) for f in schema.modelled],
        "given": list(recipe.condition),
    }
    if graph.plan.encoding.is_random and "values" in graph.inputs:
        about["noise"] = (
            f"images are binarised or dequantised with noise by seed {seed}, one number a cell, the same for every "
            "row; velbo itself draws it row by row"
        )
    if isinstance(graph, Score):
        about["samples"], about["seed"] = samples, seed
        about["log_likelihood_is_given"] = [*recipe.condition, *(["library size"] if recipe.library_size else [])]
    return about


def _field(field: Field, start: int) -> dict[str, Any]:
    kind = kind_of(field)
    about: dict[str, Any] = {
        "name": field.name,
        "kind": field.kind,
        "shape": list(field.shape),
        "first_cell": start,
        "n_cells": field.size,
        "likelihood": field.likelihood,
        "can_be_missing": field.has_missing,
        "values": kind.shown(field),
    }
    if field.categories:
        about["categories"] = list(field.categories)
    if field.likelihood and isinstance(LIKELIHOODS[field.likelihood].encoding(field), Binarise):
        about["decoded_as"] = "the greatest level times the probability of 1, of cells binarised by chance"
    if field.decimals is not None:
        about["decimals"] = field.decimals
    if field.step:
        about["step_in_seconds"] = field.step
    return about
