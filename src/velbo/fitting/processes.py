"""One training by the processes that it has: this one, those that were started with it, or new ones of its own. What
they leave beside the weights is the card, and what cells are worth in most rows.
"""

from __future__ import annotations

import copy
import json
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from ..build import Plan
from ..card import card
from ..conditional import AnyModel
from ..errors import VelboError, VelboWarning
from ..evaluation import Reference, reference, typical
from ..evaluation.cells.typical import ROWS as MOST_ROWS
from ..evaluation.latents.reference import MOST_ROWS as MOST_REFERENCE
from ..files import read_json, read_tensors, write_json, write_tensors
from ..rows import Rows, Store
from ..runtime.devices import device_of
from ..trained_model import TrainedModel
from ..training import History, Logger, Run, Team, Trainer
from ..training.launch import launch
from ..training.loggers import opened
from ..training.order import first_kept
from ..training.team import joined, told


def trained_by(
    plan: Plan, rows: Rows, run: Run | None, loggers: Sequence[Logger], model: nn.Module | None
) -> TrainedModel:
    """By this process; by those that were started with it; or by as many new ones as the plan says."""
    machine = plan.training.machine
    model = plan.build() if model is None else model
    with joined(machine.device) as team:
        if team.size > 1 or machine.devices == 1:
            return _train(team, plan, rows, run, loggers, model)
    with tempfile.TemporaryDirectory() as folder:
        out, device = Path(folder), device_of(machine.device).type
        launch(machine.devices, device, _work, plan.to_json(), rows, run and run.place, loggers, out, model)
        if run is not None:
            run.refresh()
        model.load_state_dict(read_tensors(out / "model.safetensors"))
        history, found = History(**read_json(out / "history.json")), Run(out)
        trained = TrainedModel(cast(AnyModel, model.eval()), plan, history, typical=found.read_typical())
        return trained.with_reference(found.read_reference())


def _train(team: Team, plan: Plan, rows: Rows, run: Run | None, loggers: Sequence[Logger], model: Any) -> TrainedModel:
    trainer = Trainer(model, rows.encoded(plan.encoding), plan.make_objective(), plan.training, run, loggers, team)
    with ExitStack() as stack:
        if run is not None and team.rank == 0:
            stack.enter_context(run.locked())
        if team.rank == 0:
            stack.enter_context(opened(loggers, settings_of(plan)))
        history = trainer.run()
        model = model.to("cpu").eval()
        log_p, known = (), None
        if team.rank == 0:
            kept = first_kept(trainer.data, trainer.order, n_looked_at(plan))
            known = reference_of(model, plan, kept)
            log_p = usual(model, plan, kept, known)
        log_p, known = shared_by(team, log_p, known)
        if run is not None and team.rank == 0:
            _write_card(run, plan, history)
            if known is not None:
                run.write_reference(known.tensors())
            run.write_typical(log_p)  # nothing of it too: the last file of a run that is done
    return TrainedModel(model, plan, history, typical=log_p, reference=known)


def n_looked_at(plan: Plan) -> int:
    """How many training rows at most tell what is usual; none, where nothing is asked of them."""
    return MOST_REFERENCE if plan.n_neighbors else MOST_ROWS if plan.schema.is_table else 0


def reference_of(model: Any, plan: Plan, rows: Store) -> Reference | None:
    """Latents of training rows, so many at most as are kept; None where the score is log p(x)."""
    if not plan.n_neighbors:
        return None
    return reference(model, rows.subset(torch.arange(min(len(rows), MOST_REFERENCE))), plan.n_neighbors)


def shared_by(
    team: Team, log_p: tuple[float, ...], known: Reference | None
) -> tuple[tuple[float, ...], Reference | None]:
    """What the first of a team knows of training rows, at all of them: medians of cells, and latents."""
    if team.size == 1:
        return log_p, known
    shape = None if known is None else (*known.z.shape, known.k)
    log_p, shape = json.loads(told(team, json.dumps((log_p, shape))))
    if shape is None:
        return tuple(log_p), None
    z = b"" if known is None else known.z.numpy().tobytes()
    whole = torch.frombuffer(bytearray(team.deal([z] * team.size)), dtype=torch.float32)
    return tuple(log_p), Reference(whole.view(shape[:2]), shape[2])


def settings_of(plan: Plan) -> dict[str, Any]:
    """What a logger is told of a plan: all but the fields one by one and how text was read."""
    told = plan.to_json()
    data = {name: value for name, value in told["data"].items() if name != "reading"}
    return {**told, "schema": plan.schema.describe(), "data": data}


def _write_card(run: Run, plan: Plan, history: History) -> None:
    """A card that cannot be written must not cost a fit."""
    try:
        run.write_card(card(plan, history.metrics))
    except Exception as error:
        warnings.warn(f"the card {run.path / 'README.md'} was not written: {error}", VelboWarning, stacklevel=2)


def usual(model: Any, plan: Plan, rows: Store, known: Reference | None = None) -> tuple[float, ...]:
    """What cells are worth in most rows of a table; nothing where the model cannot say it, or may not."""
    if not plan.schema.is_table or plan.training.privacy.is_asked:
        return ()
    try:
        found = typical(model, rows.subset(torch.arange(min(len(rows), MOST_ROWS))), known)
    except VelboError:
        return ()
    return () if found is None else tuple(found.tolist())


def _work(
    team: Team,
    config: dict[str, Any],
    rows: Rows,
    run: str | Path | None,
    loggers: Sequence[Logger],
    out: Path,
    model: nn.Module,
) -> None:
    """What each of several processes does."""
    # of its own: the weights that it was sent are shared with the others
    own = copy.deepcopy(model)
    trained = _train(team, Plan.from_json(config), rows, Run(run) if run else None, loggers, own)
    if team.rank == 0:
        write_tensors(out / "model.safetensors", trained.model.state_dict())
        write_json(out / "history.json", asdict(trained.history))
        Run(out).write_typical(trained.typical)
        if trained.reference is not None:
            Run(out).write_reference(trained.reference.tensors())
