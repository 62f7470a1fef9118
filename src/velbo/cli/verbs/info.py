"""velbo info: what a run is."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING

from ..app import app
from ..options import OwnParts

if TYPE_CHECKING:
    from ...build import Plan


@app.command
def info(run: Path, *, model: OwnParts = None, json: bool = False) -> None:
    """What a run is: data, model, objective, training, and how far it has come.

    Args:
        run: its folder.
        json: print one JSON object.
    """
    from ...build import Plan
    from ...files import as_json
    from ...training import Run

    folder = Run(run)
    plan, metrics = Plan.from_json(folder.config(), str(folder.config_file)), folder.metrics()
    record = {
        "schema": plan.schema.describe(),
        "recipe": as_json(plan.recipe),
        "parameters": _parameters(plan, model),
        "objective": as_json(plan.objective),
        "training": as_json(plan.training),
        "data": as_json(plan.data),
        "choices": plan.choices,
        "versions": plan.versions,
        "trained": folder.model_file.exists(),
        "last": metrics[-1] if metrics else None,
    }
    if json:
        print(json_module.dumps(record))
        return
    for name, value in record.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name:12s} {text}")


def _parameters(plan: Plan, model: str | None) -> int | None:
    """How many numbers are learned; None of parts of a user's own that were not named, for they are not imported."""
    from ...build import is_own

    if model is None and is_own(plan.recipe.recipe):
        return None
    return sum(p.numel() for p in plan.build(model).parameters())
