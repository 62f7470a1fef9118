"""Untrained models to export, of any likelihood, and heads whose parameters reach a hundred."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

import velbo
from velbo import Plan, Recipe, TrainedModel
from velbo.likelihoods import LIKELIHOODS
from velbo.likelihoods.base import Likelihood
from velbo.likelihoods.counts import CountLikelihood
from velbo.likelihoods.gamma import Gamma
from velbo.rows import Store

N_ROWS = 60
LARGEST, LARGEST_OF_COUNTS = 100.0, 10.0
"""Of the biases of heated heads; those of counts and of gamma are the logarithm of a mean."""
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
    """With the biases of heads spread over -100 to 100, and over -10 to 10 where they are the logarithm of a mean."""
    model: Any = trained.model
    for head in model.modules():
        if isinstance(head, Likelihood):
            largest = LARGEST_OF_COUNTS if isinstance(head, CountLikelihood | Gamma) else LARGEST
            head.linear.bias.copy_(torch.linspace(-largest, largest, len(head.linear.bias)))
    return trained
