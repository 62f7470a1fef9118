"""Commands that train."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ..config import Budget, Machine, ObjectiveConfig, Optimisation, Recipe, TrainingConfig, Validation, Weighting
from ..errors import Interrupted
from .app import app, say
from .options import ColumnKinds, Flat, Kinds, RecipeOptions
from .tables import absolute, load_rows, n_rows, pick_rows, print_table, understand_rows


@app.command
def fit(
    data: str,
    *,
    run: Path,
    recipe: Annotated[RecipeOptions, Flat] = RecipeOptions(),
    objective: Annotated[ObjectiveConfig, Flat] = ObjectiveConfig(),
    budget: Annotated[Budget, Flat] = Budget(),
    optimisation: Annotated[Optimisation, Flat] = Optimisation(),
    weighting: Annotated[Weighting, Flat] = Weighting(),
    validation: Annotated[Validation, Flat] = Validation(),
    machine: Annotated[Machine, Flat] = Machine(),
    column: ColumnKinds = (),
    kind: str | None = None,
    levels: int | None = None,
    rows: int | None = None,
    stream: bool = False,
    anomalies: bool = False,
    tensorboard: bool = False,
) -> None:
    """Train a model on data and write a run folder.

    Args:
        data: a table (.csv, .tsv, .parquet, .feather, or a folder of them), .npy, .npz (file.npz:key picks an array), a
            folder of images, or the name of an embedded set. With labels, for --condition label: file.npz:key+labels.
        run: folder to write.
        column: what a column of a table is, age=count, and its likelihood if wanted, age=count:poisson; id=drop leaves
            one out; 'velbo schema DATA' shows what was guessed. May be given many times.
        kind: what every dimension is: binary, byte or real, for an array with one likelihood for all, or the kind of
            every column, such as count; guessed if not given.
        levels: number of levels of byte data; guessed if not given.
        rows: train on a seeded random subset of so many rows.
        stream: leave a .parquet or .feather table on disk and read a window of rows at a time; done by itself where the
            table would take more than a quarter of the memory.
        anomalies: learn what most rows are like, for 'velbo score' of rows without labels: what is not set otherwise is
            taken so that odd rows do not bend the model.
        tensorboard: write TensorBoard's event files into the run folder too.
    """
    from ..anomalies import WHY, for_anomalies
    from ..fitting import plan

    training = TrainingConfig(budget, optimisation, weighting, validation, machine)
    settings = Recipe(**asdict(recipe)), objective, training
    kinds = Kinds(kind, levels, column)
    chosen, schema = _rows_and_schema(data, settings[0], kinds, rows, machine.seed, stream)
    if anomalies:
        schema = understand_rows(chosen, schema.names, _numbers_as_reals(schema, kinds))
        settings = for_anomalies(*settings, schema)
    what = plan(chosen, *settings, schema, absolute(data))
    if anomalies:
        what.choices["anomalies"] = WHY
    what.data["subset"] = rows
    if hasattr(chosen, "row_groups"):
        what.data["stream"] = True
    _carry_out(what, chosen, run, tensorboard, new=True)


def _numbers_as_reals(schema: Any, kinds: Kinds) -> Kinds:
    from ..anomalies import numbers_as_reals

    if not schema.columns:
        return kinds if kinds.kind or schema.image_shape else replace(kinds, kind="real")
    reals = (f"{name}={what}" for name, what in numbers_as_reals(schema).items())
    return replace(kinds, column=(*reals, *kinds.column))


def _rows_and_schema(
    data: str, recipe: Recipe, kinds: Kinds, rows: int | None, seed: int, stream: bool = False
) -> tuple[Any, Any]:
    from ..data.sources import LABEL
    from ..recipes import check

    check(recipe)
    loaded, names = load_rows(data, kinds, recipe.likelihood, stream, labelled=recipe.condition == (LABEL,))
    chosen = pick_rows(loaded, rows, seed)
    schema = understand_rows(chosen, names, kinds)
    how = "see 'velbo schema', override with --column" if schema.columns else "override with --kind, --levels"
    say(f"data: {n_rows(chosen)} rows of {schema.describe()} ({how})")
    return chosen, schema


@app.command
def resume(run: Path, *, data: str | None = None, devices: int | None = None, tensorboard: bool = False) -> None:
    """Continue a run that was interrupted or killed; it ends as if it had been left alone.

    Args:
        run: its folder.
        data: where its data are now, if they have moved.
        devices: go on with so many devices.
        tensorboard: write TensorBoard's event files into the run folder too.
    """
    from ..fitting import Plan, read_source
    from ..training import Run

    what = Plan.from_json(Run(run).config())
    if devices is not None:
        machine = replace(what.training.machine, devices=devices)
        what = replace(what, training=replace(what.training, machine=machine))
    seed = what.data.get("subset_seed", what.training.machine.seed)
    rows = pick_rows(read_source(what, data), what.data.get("subset"), seed)
    _carry_out(what, rows, run, tensorboard, new=False)


def _carry_out(what: Any, rows: Any, folder: Path, tensorboard: bool, new: bool) -> None:
    from ..fitting import fit as fit_model
    from ..training import ProgressBar, Run, TensorBoard

    what.build()
    run = Run(folder)
    if new:
        run.create(what.to_json())
    loggers: list[Any] = [TensorBoard(folder / "tensorboard")] if tensorboard else []
    recipe = what.recipe
    say(
        f"model: {recipe.recipe}, hidden {','.join(map(str, recipe.hidden))}, {recipe.latent} latents, posterior "
        f"{recipe.posterior}, prior {recipe.prior}, likelihood {recipe.likelihood}; objective "
        f"{what.objective.objective} with {what.objective.samples} sample(s)"
    )
    if new and what.choices:
        say(f"chosen: {'; '.join(f'{name} {why}' for name, why in what.choices.items())}")
    try:
        _, history = fit_model(rows, what, run, [*loggers, *([ProgressBar()] if sys.stderr.isatty() else [])])
    except Interrupted as error:
        raise Interrupted(f"{error}; everything is saved. Continue with: velbo resume {folder}") from None
    last = history.metrics[-1]
    split = "validation" if "validation_bound" in last else "train"
    say(
        f"done: {history.steps} steps in {history.seconds:.1f} s"
        + (f", {history.skipped} skipped (not finite)" if history.skipped else "")
        + f"; best {split} bound {history.best:.3f} nats. Measure it with: velbo evaluate {folder} DATA"
    )


@app.command
def sweep(
    data: str,
    *,
    run: Path,
    over: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = (),
    seeds: int = 1,
    random: int | None = None,
    jobs: int | None = None,
    test: str | None = None,
    samples_of_test: int = 100,
    recipe: Annotated[RecipeOptions, Flat] = RecipeOptions(),
    objective: Annotated[ObjectiveConfig, Flat] = ObjectiveConfig(),
    budget: Annotated[Budget, Flat] = Budget(),
    optimisation: Annotated[Optimisation, Flat] = Optimisation(),
    weighting: Annotated[Weighting, Flat] = Weighting(),
    validation: Annotated[Validation, Flat] = Validation(),
    machine: Annotated[Machine, Flat] = Machine(),
    column: ColumnKinds = (),
    kind: str | None = None,
    levels: int | None = None,
    rows: int | None = None,
) -> None:
    """Train many models side by side, one core each, and compare them; the same command continues a stopped sweep.

    Args:
        data: as for fit.
        run: folder to write.
        over: what varies, by the names of fit's options: lr=1e-3,3e-3 latent=8,16 hidden="200,200;512"; with --random
            also intervals, lr=1e-4..1e-2, drawn from on a log scale.
        seeds: train every setting so many times, from --seed on, and give means and standard errors.
        random: draw so many settings instead of all combinations.
        jobs: trials at a time; as many as there are cores if not given.
        test: data to evaluate every model on, as for fit; without it settings are ranked by the validation bound.
        samples_of_test: importance samples of that evaluation.
        column: as for fit.
        kind: as for fit.
        levels: number of levels of byte data; guessed if not given.
        rows: train on a seeded random subset of so many rows.
    """
    from ..fitting import plan
    from ..sweep import Settings, Sweep, cores, parse_axis, settings_of

    base = Settings(
        Recipe(**asdict(recipe)),
        objective,
        TrainingConfig(budget, optimisation, weighting, validation, machine),
    )
    trials = settings_of([parse_axis(text) for text in over], seeds, random, machine.seed)
    every = [base.with_values(values) for values in trials]
    chosen, schema = _rows_and_schema(data, base.recipe, Kinds(kind, levels, column), rows, machine.seed)

    def configs() -> list[dict[str, Any]]:
        plans = [plan(chosen, s.recipe, s.objective, s.training, schema, absolute(data)) for s in every]
        for what in plans:
            what.data.update(subset=rows, subset_seed=machine.seed)
        return [what.to_json() for what in plans]

    folder = Sweep(run)
    spec = {"data": absolute(data), "rows": rows, "base": base.to_json(), "trials": trials}
    folder.create(spec, configs)
    folder.run(len(cores()) if jobs is None else jobs, absolute(test) if test else None, samples_of_test, say)
    print_table(folder.results())
    say(f"the same table is in {folder.results_file}")


@app.command
def demo(*, output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("demo"), epochs: int = 80) -> None:
    """Train on handwritten digits, measure, and draw four pictures; under a minute on 2 cores.

    Args:
        output: folder for the run and the pictures; must not hold a run.
        epochs: passes over the digits.
    """
    from ..demo import run_demo

    run_demo(output, epochs, say)
