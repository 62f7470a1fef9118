"""velbo info: what runs are."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ...errors import VelboError
from ...files import shown
from ...tables import Table, text_of
from ..app import app, say
from ..options import Folder
from ..output import naming_parts, print_json, print_table
from ..pages import TRAIN

if TYPE_CHECKING:
    from ...build import Plan
    from ...training import Run
    from ...training.state import State


@app.command(group=TRAIN)
def info(run: Folder, *more: Annotated[Folder, Parameter(show=False)], json: bool = False) -> None:
    """What runs are, and how far they have come.

    Of one run data, model, objective and training; of several a table, a row each: velbo info runs/*

    Args:
        run: folder of a run, or several of them.
        more: folders of further runs.
        json: print one JSON object, of several runs a list of them.
    """
    paths = [each for path in (run, *more) for each in _meant(path)]
    if paths == [run]:
        _tell_one(run, json)
        return
    records = [_record(each) for each in _runs(paths)]
    if json:
        print_json(records)
    else:
        print_table([_shown(record) for record in records])


def _meant(path: Path) -> list[Path]:
    """The folders of a pattern that no shell has replaced, as on Windows."""
    if path.exists() or not any(sign in str(path) for sign in "*?["):
        return [path]
    return [Path(name) for name in sorted(glob(str(path)))] or [path]


def _tell_one(path: Path, json: bool) -> None:
    from ...build import Plan, description, privacy_of
    from ...files import as_json
    from ...training import Run

    folder = Run(path)
    plan, metrics = Plan.facts(folder.config(), str(folder.config_file)), folder.metrics()
    state, is_trained = folder.state(), folder.model_file.exists()
    last = metrics[-1] if metrics else {}
    if json:
        record = as_json(plan) | {
            "schema": plan.schema.describe(),
            "parameters": plan.n_parameters,
            "trained": is_trained,
            "state": state and state.to_json(),
            "last": last or None,
        }
        print_json(record)
        return
    shown = description(plan) | {
        "privacy": privacy_of(plan, state and state.epsilon),
        "parameters": plan.n_parameters and f"{plan.n_parameters:,}",
        "progress": progress(plan, state, path) if state or not is_trained else "a model that was saved by itself",
    }
    print_table(Table(tuple((name, value) for name, value in shown.items() if value)))
    if "train_bound" in last or "validation_bound" in last:
        print()
        print_table(_bounds(last))


def _bounds(last: dict[str, Any]) -> Table:
    """The last line of metrics.jsonl: the bound and its terms, of the rows trained on and of those held out."""
    terms = ("bound", "reconstruction", "rate")
    splits = [split for split in ("train", "validation") if f"{split}_bound" in last]
    rows = tuple((split, *(last.get(f"{split}_{term}") for term in terms)) for split in splits)
    return Table(rows, ("rows", *terms), f"after epoch {last['epoch']}, step {last['step']}, nats a row:")


def _runs(paths: Sequence[Path]) -> list[Run]:
    """Those of the folders that hold a run; it is said of the others."""
    from ...training import Run

    runs = [Run(path) for path in paths]
    left_out = [str(run.path) for run in runs if not run.config_file.exists()]
    if left_out:
        say(f"no runs: {', '.join(left_out)}")
    return [run for run in runs if run.config_file.exists()]


def _record(run: Run) -> dict[str, Any]:
    """A run in a row of a table; of one that cannot be read, why."""
    from ...build import Plan

    try:
        plan, metrics, state = Plan.facts(run.config(), str(run.config_file)), run.metrics(), run.state()
    except VelboError as error:
        return {"run": str(run.path), "state": f"cannot be read: {error}"}
    bounds = [m.get("validation_bound", m.get("train_bound")) for m in metrics]
    recipe = plan.recipe
    return {
        "run": str(run.path),
        "rows": plan.data.n_rows,
        "recipe": recipe.recipe,
        "latents": recipe.latent,
        "prior": recipe.prior,
        "objective": plan.objective.objective,
        "epochs": state.epoch if state else None,
        "best bound": max((b for b in bounds if b is not None), default=None),
        "minutes": state.seconds / 60 if state else None,
        "state": _state(state, run.model_file.exists()),
    }


def _shown(record: dict[str, Any]) -> dict[str, Any]:
    """As a row of the table; JSON has all digits."""
    return record | {"minutes": round(record["minutes"], 2)} if record.get("minutes") else record


def _state(state: State | None, is_trained: bool) -> str:
    if state is None:
        return "saved model" if is_trained else "not begun"
    return "done" if state.done else "stopped"


def progress(plan: Plan, state: State | None, run: Path) -> str:
    """How far training has come."""
    from ...training.progress import early

    budget = plan.training.budget
    go_on = f"continue it with: velbo resume {shown(run)}{naming_parts(plan.recipe.recipe)}"
    if state is None:
        return f"not begun, or not saved yet; {go_on}"
    if state.done:
        ended = early(state.stale, plan.training.validation.patience)
        return f"done: {state.epoch} epochs, {state.step} steps in {state.seconds:.1f} s{ended}"
    epoch = state.epoch + (state.position > 0)
    of = [f"epoch {epoch}" + (f" of {budget.n_epochs}" if budget.n_epochs else "")]
    if budget.minutes:
        of.append(f"minute {state.seconds / 60:.1f} of {text_of(budget.minutes)}")
    return f"stopped at {', '.join(of)}; {go_on}"
