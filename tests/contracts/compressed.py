"""Models with random weights for tests: what is coded comes back whatever the weights are, so none is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from velbo import Recipe, TrainedModel
from velbo.build import Plan
from velbo.likelihoods import likelihood_of
from velbo.rows import Schema
from velbo.rows.kinds import kind_of


def model_of(schema: Schema, seed: int = 0, spread: float = 1.5, **recipe: Any) -> TrainedModel:
    """A model of rows of a schema; weights are larger than at the start of training, so that z matters."""
    chosen = Recipe(**{"recipe": "resmlp", "latent": 3, "hidden": (8,), "prior": "standard"} | recipe)
    plan = plan_of(schema, chosen)
    model = plan.build().eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.add_(0.1 * torch.randn_like(weight)).mul_(spread)
    return TrainedModel(model, plan)


def plan_of(schema: Schema, recipe: Recipe) -> Plan:
    """With each kind's own likelihood."""
    fields = tuple(replace(f, likelihood=likelihood_of(f)) if kind_of(f).is_modelled else f for f in schema.fields)
    return Plan(Schema(fields, schema.container), recipe)


def table(n: int = 300, seed: int = 0) -> pa.Table:
    """Columns of every kind, cells of all sorts missing, and what no model says anything of."""
    r = np.random.default_rng(seed)
    return pa.table(
        {
            "real": r.normal(size=n),
            "single": r.normal(size=n).astype(np.float32),
            "decimal": np.round(r.normal(size=n) * 10, 2),
            "positive": np.exp(r.normal(size=n) * 2),
            "bounded": np.append(r.random(n - 2), [0.01, 0.99]),
            "integer": r.integers(-500, 900, n),
            "count": r.poisson(2.0, n),
            "name": r.choice(["red", "green", "blue"], n),
            "flag": r.choice([True, False], n),
            "grade": r.integers(1, 5, n),
            "day": pa.array(r.integers(10_000, 20_000, n).astype("datetime64[D]")),
            "time": pa.array(r.integers(10**9, 2 * 10**9, n).astype("datetime64[s]")),
            "gaps": pa.array(r.normal(size=n), mask=r.random(n) < 0.3),
            "word gaps": pa.array(r.choice(["a", "b"], n), mask=r.random(n) < 0.2),
            "dictionary": pa.array(r.choice(["x", "y", "z"], n)).dictionary_encode(),
            "constant": np.full(n, 7),
            "text": [f"row {i} {x:.9f}" for i, x in enumerate(r.random(n))],
        }
    )
