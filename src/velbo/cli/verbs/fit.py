"""velbo fit: train a model on data."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...config import (
    Budget,
    Machine,
    ObjectiveConfig,
    Optimisation,
    Privacy,
    TrainingConfig,
    Validation,
    Weighting,
)
from ..app import app, say
from ..options import (
    Cluster,
    FieldOptions,
    Folder,
    Logs,
    OfBound,
    OfBudget,
    OfFields,
    OfMachine,
    OfModel,
    OfOptimisation,
    OfPrivacy,
    OfValidation,
    OfWeighting,
    ReadAs,
    ReadingOptions,
    RecipeOptions,
    SomeFile,
    SomeRows,
    Workers,
)
from ..pages import TRAIN

if TYPE_CHECKING:
    from pathlib import Path

    from ...build import Asked, Prepared


@app.command(group=TRAIN)
def fit(
    data: str,
    *,
    run: Folder,
    recipe: OfModel = RecipeOptions(),
    objective: OfBound = ObjectiveConfig(),
    budget: OfBudget = Budget(),
    optimisation: OfOptimisation = Optimisation(),
    weighting: OfWeighting = Weighting(),
    validation: OfValidation = Validation(),
    machine: OfMachine = Machine(),
    privacy: OfPrivacy = Privacy(),
    what: OfFields = FieldOptions(),
    read: ReadAs = ReadingOptions(),
    rows: SomeRows = None,
    stream: bool = False,
    anomalies: bool = False,
    like: SomeFile = None,
    log: Logs = (),
    report: bool = True,
    cluster: Cluster = None,
    workers: Workers = 2,
) -> None:
    """Train a model on data and write a run folder.

    Args:
        data: a table (CSV and other text, Parquet, Feather, JSON lines, Excel, or a folder of them), .npy, .npz
            (file.npz:key picks an array), a folder of images, or the name of an embedded set. file.npz:images+labels
            picks two arrays, whose rows go together; so does table.parquet:age+job columns of a table.
        run: folder to write.
        rows: train on a seeded random subset of so many rows.
        stream: leave the rows on disk and read a window of them at a time; done by itself where they would take more
            than a quarter of the memory.
        anomalies: learn what most rows are like, for 'velbo score' of rows without labels: what is not set otherwise is
            taken so that anomalous rows do not bend the model.
        like: config.json of a run, whose fields, model and training are taken again; options beside it go before it
            where they are not the defaults.
        log: tell TensorBoard (in the run folder), MLflow or Weights & Biases too. May be given many times.
        report: write report.html, one page of the model, into the run folder, where matplotlib is installed.
        cluster: train on workers of Ray: "local" starts it here, else its address, auto or ray://host:port. All of them
            must reach the data and the run folder by their names. Needs the extra cluster.
        workers: of Ray.
    """
    from ...build import Asked
    from ...training import Run
    from ..ranks import together
    from ..training import follow, require_together, train_and_tell, train_by_ray

    require_together(log, cluster)
    with together(machine.device) as team:
        if team.rank:
            follow(team, run, recipe.recipe, report)
            return
        Run(run).refuse_if_taken()  # before the data are read
        training = TrainingConfig(budget, optimisation, weighting, validation, machine, privacy)
        asked = Asked(
            recipe.plain(),
            objective,
            training,
            kind=what.kind,
            levels=what.levels,
            constraints=what.constraint,
            anomalies=anomalies,
        )
        prepared = _prepared(data, asked, like, what, read, rows, stream)
        plan = prepared.plan
        say(f"data: {plan.data.n_rows} rows of {plan.schema.describe()} (see 'velbo schema', override with --column)")
        for doubt in plan.schema.doubts():
            say(f"doubt: {doubt}")
        if cluster is not None:
            train_by_ray(plan, run, cluster, workers, report=report)
            return
        train_and_tell(plan, prepared.rows, run, log, prepared.model, report=report, team=team)


def _prepared(
    data: str,
    asked: Asked,
    like: Path | None,
    what: FieldOptions,
    read: ReadingOptions,
    n_rows: int | None,
    stream: bool,
) -> Prepared:
    """The plan for data, the rows and the untrained model."""
    from ...build import DataRecord, Plan, as_before, complete
    from ...files import read_json
    from ...formats import absolute_name
    from ...formats.reading import Reading
    from ..data import pick, rows_to_fit

    base = Reading()
    if like is not None:
        before = Plan.from_json(read_json(like), str(like))
        asked, base = as_before(before, asked), before.data.reading.of_columns()
    reading, columns = what.known(read, base)
    source, loaded = rows_to_fit(data, reading, stream)
    record = DataRecord(absolute_name(data), subset=n_rows, subset_seed=asked.training.machine.seed)
    asked = replace(asked, columns={**asked.columns, **columns}, data=record)
    picked = pick(loaded, n_rows, record.subset_seed)
    with picked.numbered():
        prepared = complete(picked.rows, asked)
    # only now: the types of a text are known once all of it was read
    record = replace(prepared.plan.data, reading=source.reading())
    return replace(prepared, plan=replace(prepared.plan, data=record))
