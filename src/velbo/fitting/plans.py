"""Rows to a plan, a plan to a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from torch import nn

from ..build import Maker, Plan, complete
from ..build.size import require_room
from ..config import Recipe
from ..errors import RunError
from ..formats import open_source
from ..formats.reading import Reading
from ..rows import Rows, rows_of
from ..rows.results import some_of
from ..runtime.ranks import is_first
from ..trained_model import TrainedModel
from ..training import Logger, Run
from .asked import Options, asked_for
from .processes import trained_by


def plan(rows: Any, recipe: Recipe | str | None = None, **options: Unpack[Options]) -> Plan:
    """What would be trained on these rows: nothing in it is open, and why is said.

    Args:
        rows: an array (N, *shape), which is one field "x"; a mapping of arrays, a field each; a data frame; a matrix of
            scipy.sparse, which is one field "x", or an AnnData, whose X that is, beside the columns of obs that
            ``columns`` or the recipe's condition name; or a `velbo.formats.Source` of rows in files. Files and sparse
            rows are trained on in a stream.
        recipe: the model; a `Recipe`, or a name of one.
        options: see `Options`.

    Raises:
        DataError: if rows are missing or not what they should be.
        SchemaError: if the kind of a field is not clear.
        ConfigError: for names that there are not, or that do not go together.
    """
    return complete(rows, asked_for(recipe, options)).plan


def fit(
    rows: Any,
    recipe: Recipe | str | None = None,
    *,
    run: Run | str | Path | None = None,
    loggers: Sequence[Logger] = (),
    report: bool = True,
    **options: Unpack[Options],
) -> TrainedModel:
    """Train a model on rows.

    Processes that torchrun, srun or Ray have started together train one model together, if all of them call this on the
    same rows; each has the model then.

    Args:
        rows: as for `plan`.
        recipe: as for `plan`.
        run: folder to write, for checkpoints, metrics and the model; nothing is written if not given.
        loggers: further places for metrics.
        report: write report.html into the run folder, where matplotlib is installed; none of private training, as it
            shows rows.
        options: see `Options`.

    Returns:
        The model, with its plan and the history of its training.

    Raises:
        RunError: if the folder holds a run already.
        Interrupted: on SIGINT or SIGTERM, after saving.
        TrainingError: if training cannot go on.
    """
    prepared = complete(rows, asked_for(recipe, options))
    folder = Run(run) if isinstance(run, str | Path) else run
    if folder is not None and is_first():
        folder.create(prepared.plan.to_json())
    return train_plan(prepared.plan, prepared.rows, folder, loggers, prepared.model, report)


def carry_out(
    plan: Plan,
    rows: Any,
    run: Run | None = None,
    loggers: Sequence[Logger] = (),
    model: Maker | str | None = None,
    report: bool = True,
) -> TrainedModel:
    """Train what a plan says on its rows, continuing the run in the folder if there is one.

    Args:
        plan: it may come from a file.
        rows: those that it was made for.
        run: folder to write.
        loggers: further places for metrics.
        model: what makes the model, where its recipe is an import path; see `Plan.build`.
        report: as for `fit`.

    Raises:
        ConfigError: for such a recipe without it.
        RunError: if the rows are not those that the plan was made for.
        Interrupted: on SIGINT or SIGTERM, after saving.
        TrainingError: if training cannot go on.
    """
    return train_plan(plan, rows_of_plan(plan, rows), run, loggers, plan.build(model), report)


def rows_of_plan(plan: Plan, rows: Any) -> Rows:
    """The rows of a plan as numbers.

    Raises:
        RunError: if they are not those that it was made for.
    """
    found = rows_of(rows, plan.schema)
    step = (plan.objective.samples or 1) * min(plan.training.optimisation.batch_size or 1, len(found))
    require_room(plan.schema, plan.recipe, step)
    if plan.data.fingerprint and found.fingerprint() != plan.data.fingerprint:
        raise RunError(
            f"these data are not the ones that the run was started on ({plan.data.n_rows} rows, fingerprint "
            f"{plan.data.fingerprint}); give the same file, or start a new run"
        )
    return found


def rows_again(plan: Plan, name: str, reading: Reading) -> Rows:
    """The rows of a plan, where they are now.

    Args:
        plan: it may come from a file.
        name: of what holds them, as for `velbo.open_source`.
        reading: how they are read.

    Raises:
        RunError: if they are not those that it was made for.
    """
    source, said = open_source(name, reading), plan.data
    if said.stream:
        return rows_of_plan(plan, source)
    rows = source.read()
    return rows_of_plan(plan, rows if said.subset is None else some_of(rows, said.subset, said.subset_seed))


def train_plan(
    plan: Plan,
    rows: Rows,
    run: Run | None = None,
    loggers: Sequence[Logger] = (),
    model: nn.Module | None = None,
    report: bool = True,
) -> TrainedModel:
    """The same for rows that are numbers already, and an untrained model where there is one."""
    state = run.state() if run is not None else None
    is_there = run is not None and state is not None and state.done and run.report_file.exists()
    trained = trained_by(plan, rows, run, loggers, model)
    shows_rows = plan.training.privacy.is_asked
    if run is not None and report and not shows_rows and not is_there and is_first():
        from ..report.after_fit import write_report

        write_report(trained, rows, run)
    return trained
