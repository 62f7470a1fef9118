"""Untrained models to export, of any likelihood, and heads whose parameters reach a hundred."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

import velbo
from velbo import Plan, Recipe, TrainedModel
from velbo.likelihoods import LIKELIHOODS
from velbo.likelihoods.base import Likelihood
from velbo.likelihoods.counts import CountLikelihood
from velbo.rows import Store

N_ROWS = 60
LARGEST, LARGEST_OF_COUNTS = 100.0, 10.0
"""Of what the linear layers of heated heads give; those of counts give the logarithm of a mean."""
IMAGES = np.random.default_rng(1).integers(0, 256, (N_ROWS, 8, 9)).astype(np.uint8)


def column(kind: str, own: np.random.Generator) -> Any:
    """Cells of a kind."""
    whole = own.integers(0, 5, N_ROWS)
    cells: dict[str, Any] = {
        "real": own.normal(5, 2, N_ROWS),
        "positive": np.exp(own.normal(0, 1, N_ROWS)),
        "bounded": own.uniform(0, 1, N_ROWS),
        "integer": own.integers(-50, 50, N_ROWS),
        "count": own.poisson(4, N_ROWS),
        "categorical": np.array(list("abcde"))[whole],
        "ordinal": whole,
        "binary": np.array(["no", "yes"])[whole % 2],
        "datetime": pd.Timestamp("2020-01-01") + pd.to_timedelta(whole * 50, "D"),
    }
    return cells[kind]


def rows_for(names: Sequence[str], missing: bool = True) -> tuple[Any, dict[str, str]]:
    """(rows, field -> kind and likelihood) of a table with a column of each likelihood; of levels, which are pixels, an
    array.
    """
    own, cells, kinds = np.random.default_rng(0), dict[str, Any](), dict[str, str]()
    for name in names:
        kind = LIKELIHOODS[name].kinds[0]
        if kind != "byte":
            cells[name], kinds[name] = column(kind, own), f"{kind}:{name}"
    if missing:
        cells["gaps"], kinds["gaps"] = np.where(np.arange(N_ROWS) % 4, own.normal(0, 1, N_ROWS), np.nan), "real:normal"
    if any(LIKELIHOODS[name].kinds[0] == "byte" for name in names):
        return IMAGES, {"x": f"byte:{names[0]}"}
    return pd.DataFrame(cells), kinds


def untrained(x: Any, recipe: Recipe, **options: Any) -> TrainedModel:
    """As it begins, with what it keeps of data."""
    plan: Plan = velbo.plan(x, recipe, **options)
    model: Any = plan.build().eval()
    rows = Store.from_rows(plan.schema.numbers(x), plan.encoding, torch.float32).fixed(0)
    for part in model.modules():
        if hasattr(part, "start_from"):
            part.start_from(rows)
    return TrainedModel(model, plan)


@torch.no_grad()
def heated(trained: TrainedModel) -> TrainedModel:
    """With every head's linear layers scaled until, at random z, the largest number that they give is a hundred, ten of
    counts.
    """
    seen: dict[nn.Module, float] = {}

    def look(layer: nn.Module, _: Any, found: torch.Tensor) -> None:
        seen[layer] = max(seen.get(layer, 0.0), float(found.abs().max()))

    model: Any = trained.model
    heads = [head for head in model.modules() if isinstance(head, Likelihood)]
    layers = {layer: head for head in heads for layer in head.modules() if isinstance(layer, nn.Linear)}
    hooks = [layer.register_forward_hook(look) for layer in layers]
    given = trained.store(_first(trained)).fixed(0)
    view = model.given(given)
    view.decode(torch.randn(len(given), view.prior().event_shape[0]))
    for hook in hooks:
        hook.remove()
    for layer, most in seen.items():
        largest = LARGEST_OF_COUNTS if isinstance(layers[layer], CountLikelihood) else LARGEST
        for weight in layer.parameters():
            weight.mul_(largest / most)
    return trained


def _first(trained: TrainedModel) -> Any:
    """Rows of nothing but missing cells would do; these are the schema's own, drawn as a check draws them."""
    from velbo.export.parity import rows_within

    return trained.schema.new(rows_within(trained.plan).numpy())
