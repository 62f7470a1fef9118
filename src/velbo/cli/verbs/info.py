"""velbo info: what a run is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..app import app
from ..options import Folder, OwnParts
from ..output import flat, print_json, print_record, text_of
from ..pages import TRAIN

if TYPE_CHECKING:
    from ...build import Plan
    from ...training.state import State


@app.command(group=TRAIN)
def info(run: Folder, *, model: OwnParts = None, json: bool = False) -> None:
    """What runs are, and how far they have come.

    Of one run data, model, objective and training; of several a table, a row each: velbo info runs/*

    Args:
        run: its folder.
        json: print one JSON object.
    """
    from ...build import Plan
    from ...files import as_json
    from ...training import Run
    from ..training import made_of

    folder = Run(run)
    plan, metrics = Plan.from_json(folder.config(), str(folder.config_file)), folder.metrics()
    state, parameters, is_trained = folder.state(), _parameters(plan, model), folder.model_file.exists()
    last = metrics[-1] if metrics else {}
    if json:
        record = as_json(plan) | {
            "schema": plan.schema.describe(),
            "parameters": parameters,
            "trained": is_trained,
            "state": state and state.to_json(),
            "last": last or None,
        }
        print_json(record)
        return
    shown = {
        "data": f"{plan.data.n_rows} rows of {plan.schema.describe()}",
        "source": plan.data.source,
        "model": made_of(plan),
        "parameters": parameters,
        "training": _said(as_json(plan.training)),
        "chosen": "; ".join(f"{name} {why}" for name, why in plan.choices.items()),
        "made by": _said(plan.versions),
        "progress": progress(plan, state, run) if state or not is_trained else "a model that was saved by itself",
        "last": _said(last),
    }
    print_record(shown, False)


def _said(values: Mapping[str, Any]) -> str:
    """Settings in a line, but those of which nothing was said."""
    plain = {name: value for name, value in flat(values) if value not in (None, False)}
    return ", ".join(f"{name.rpartition(' ')[2]} {text_of(value)}" for name, value in plain.items())


def progress(plan: Plan, state: State | None, run: Path) -> str:
    """How far training has come."""
    budget, go_on = plan.training.budget, f"continue it with: velbo resume {run}"
    if state is None:
        return f"not begun, or not saved yet; {go_on}"
    if state.done:
        return f"done: {state.epoch} epochs, {state.step} steps in {state.seconds:.1f} s"
    epoch = state.epoch + (state.position > 0)
    of = [f"epoch {epoch}" + (f" of {budget.n_epochs}" if budget.n_epochs else "")]
    if budget.minutes:
        of.append(f"minute {state.seconds / 60:.1f} of {text_of(budget.minutes)}")
    return f"stopped at {', '.join(of)}; {go_on}"


def _parameters(plan: Plan, model: str | None) -> int | None:
    """How many numbers are learned; None of parts of a user's own that were not named, for they are not imported."""
    from ...build import is_own

    if model is None and is_own(plan.recipe.recipe):
        return None
    return sum(p.numel() for p in plan.build(model).parameters())
