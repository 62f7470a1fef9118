"""From rows to a trained model, and the same again to resume or with another prior."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack, cast

from torch import nn

from .build import Asked, DataRecord, Maker, Plan, complete
from .build.defaults import closed
from .build.parts import prior_of
from .build.size import require_room
from .card import card
from .conditional import AnyModel
from .config import ObjectiveConfig, Recipe, TrainingConfig
from .errors import RunError, VelboError, VelboWarning, unknown
from .evaluation import typical
from .evaluation.cells.typical import ROWS as MOST_ROWS
from .files import read_json, read_tensors, write_json, write_tensors
from .formats import open_source
from .formats.reading import Reading
from .rows import Rows, Schema, Store, rows_of
from .rows.results import some_of
from .runtime.generators import OwnGenerator
from .runtime.ranks import is_first
from .trained_model import TrainedModel
from .training import History, Logger, Run, Team, Trainer, device_of, launch, refit_prior
from .training.loggers import tell_settings
from .training.order import first_kept, permutation
from .training.refit import place_of_prior
from .training.team import joined


class Options(TypedDict, total=False):
    """What `plan` and `fit` may be asked for beside a recipe.

    Attributes:
        objective: the bound, an `ObjectiveConfig` or a name as in it; the ELBO if not given.
        training: budget and the rest.
        columns: field -> kind, "kind:likelihood", ":likelihood" or "drop", where the guess is to be another.
        kind: of all other fields.
        levels: of fields of kind byte.
        schema: of the rows; then nothing is inferred.
        source: where the rows come from, for `velbo resume`.
        anomalies: learn what most rows are like, so that anomalous ones do not bend the model.
    """

    objective: ObjectiveConfig | str | None
    training: TrainingConfig | None
    columns: Mapping[str, str] | None
    kind: str | None
    levels: int | None
    schema: Schema | None
    source: str
    anomalies: bool


def asked_for(recipe: Recipe | str | None, options: Options) -> Asked:
    """Recipe and options as one value.

    Raises:
        ConfigError: for an option of no known name.
    """
    for name in options:
        if name not in Options.__annotations__:
            raise unknown("option", name, Options.__annotations__)
    objective = options.get("objective")
    return Asked(
        recipe=Recipe(recipe) if isinstance(recipe, str) else recipe or Recipe(),
        objective=ObjectiveConfig(objective) if isinstance(objective, str) else objective or ObjectiveConfig(),
        training=options.get("training") or TrainingConfig(),
        columns=dict(options.get("columns") or {}),
        kind=options.get("kind"),
        levels=options.get("levels"),
        schema=options.get("schema"),
        data=DataRecord(options.get("source", "")),
        anomalies=options.get("anomalies", False),
    )


def plan(rows: Any, recipe: Recipe | str | None = None, **options: Unpack[Options]) -> Plan:
    """What would be trained on these rows: nothing in it is open, and why is said.

    Args:
        rows: an array (N, *shape), which is one field "x"; a mapping of arrays, a field each; a data frame; or a
            `velbo.formats.Source` of rows in files, which is trained on in a stream.
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
        report: write report.html into the run folder, where matplotlib is installed.
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
    trained = _trained(plan, rows, run, loggers, model)
    if run is not None and report and not is_there and is_first():
        from .report.after_fit import write_report

        write_report(trained, rows, run)
    return trained


def _trained(
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
        history, typical = History(**read_json(out / "history.json")), Run(out).read_typical()
        return TrainedModel(cast(AnyModel, model.eval()), plan, history, typical=typical)


def _train(team: Team, plan: Plan, rows: Rows, run: Run | None, loggers: Sequence[Logger], model: Any) -> TrainedModel:
    trainer = Trainer(model, rows.encoded(plan.encoding), plan.make_objective(), plan.training, run, loggers, team)
    with ExitStack() as stack:
        if run is not None and team.rank == 0:
            stack.enter_context(run.locked())
        for logger in loggers if team.rank == 0 else ():
            if isinstance(logger, AbstractContextManager):
                stack.enter_context(logger)
        if team.rank == 0:
            tell_settings(loggers, settings_of(plan))
        history = trainer.run()
        model = model.to("cpu").eval()
        usual = _usual(model, plan, first_kept(trainer.data, trainer.order, MOST_ROWS)) if team.rank == 0 else ()
        if run is not None and team.rank == 0:
            _write_card(run, plan, history)
            run.write_typical(usual)  # nothing of it too: the last file of a run that is done
    return TrainedModel(model, plan, history, typical=usual)


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


def _usual(model: Any, plan: Plan, rows: Store) -> tuple[float, ...]:
    """What cells are worth in most rows of a table; nothing where the model cannot say it."""
    if not plan.schema.is_table:
        return ()
    try:
        found = typical(model, rows)
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


def refit(
    trained: TrainedModel, x: Any, prior: str, components: int | None = None, training: TrainingConfig | None = None
) -> tuple[TrainedModel, float]:
    """A model with a new prior, fitted to the aggregated posterior of its rows; see `refit_prior`.

    Args:
        trained: it is left as it is.
        x: rows that it was trained on.
        prior: a name, as in `Recipe`.
        components: of that prior, if it mixes.
        training: budget and the rest.

    Returns:
        The new model with its plan, and the gain of the ELBO in nats a row on held-out rows.
    """
    training = training or TrainingConfig()
    recipe, _ = closed(replace(trained.recipe, prior=prior, components=components), trained.schema)
    model, rows = copy.deepcopy(trained.model), trained.store(x)
    with OwnGenerator(training.machine.seed):
        new = prior_of(recipe, place_of_prior(model).encoder, trained.schema.n_dims)
    gain = refit_prior(model, rows, new, training)
    choices = {**trained.plan.choices, "prior": f"{prior}, refitted: {gain:.3f} nats gained"}
    plan = replace(trained.plan, recipe=recipe, choices=choices)
    some = rows.subset(permutation(len(rows), training.machine.seed)[:MOST_ROWS])
    return TrainedModel(model.eval(), plan, typical=_usual(model.eval(), plan, some)), gain
