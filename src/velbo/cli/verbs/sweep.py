"""velbo sweep: many trainings side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ...config import Budget, Machine, ObjectiveConfig, Optimisation, Privacy, TrainingConfig, Validation, Weighting
from ...errors import ConfigError, TrainingError
from ..app import app, say
from ..options import (
    Cluster,
    Count,
    FieldOptions,
    Folder,
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
    SomeRows,
)
from ..output import print_table
from ..pages import TRAIN

if TYPE_CHECKING:
    from ...sweep import Settings, Starter


@app.command(group=TRAIN)
def sweep(
    data: str,
    *,
    run: Folder,
    over: Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)] = (),
    seeds: Count = 1,
    random: SomeRows = None,
    jobs: SomeRows = None,
    test: str | None = None,
    samples_of_test: Count = 100,
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
    cluster: Cluster = None,
) -> None:
    """Train many models side by side, and compare them.

    One core each; the same command continues a stopped sweep.

    Args:
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        run: folder to write.
        over: what varies, by the names of fit's options: lr=1e-3,3e-3 latent=8,16 hidden="200,200;512"; with --random
            also intervals, lr=1e-4..1e-2, drawn from on a log scale.
        seeds: train every setting so many times, from --seed on, and give means and standard errors.
        random: draw so many settings instead of all combinations.
        jobs: trials at a time; as many as there are cores if not given.
        test: data to evaluate every model on, as for fit; without it settings are ranked by the validation bound.
        samples_of_test: importance samples of that evaluation.
        rows: train on a seeded random subset of so many rows.
        cluster: run trials as tasks of Ray, a processor each: "local" starts it here, else its address, auto or
            ray://host:port. All machines must share the disk of the run folder. Needs the extra cluster.
    """
    from ...formats import absolute_name
    from ...sweep import Settings, Sweep, parse_axis, settings_of

    training = TrainingConfig(budget, optimisation, weighting, validation, machine, privacy)
    base = Settings(recipe.plain(), objective, training)
    trials = settings_of([parse_axis(text) for text in over], seeds, random, machine.seed)
    every = [base.with_values(values) for values in trials]
    if test is None and any(each.training.privacy.is_asked for each in every):
        raise ConfigError(
            "private training has no validation bound to rank trials by; give --test ROWS, or leave out epsilon"
        )
    configs = _configs(data, every, what, read, rows, machine.seed)
    folder = Sweep(run)
    spec = {"data": absolute_name(data), "rows": rows, "base": base.to_json(), "trials": trials}
    with folder.locked():
        folder.create(spec, configs)
        with _starter(cluster, jobs) as starter:
            failed = folder.run(starter, absolute_name(test) if test else None, samples_of_test, say, recipe.recipe)
        print_table(folder.results())
    say(f"the same table is in {folder.results_file}")
    if failed:
        raise TrainingError(
            f"{len(failed)} of {len(trials)} trials failed ({', '.join(failed)}); log.txt in the folder of each in "
            f"{run}/trials says why, and the same command tries them again"
        )


@contextmanager
def _starter(cluster: str | None, jobs: int | None) -> Iterator[Starter]:
    """Where trials run."""
    from ...sweep import OnCores, cores

    if cluster is None:
        yield OnCores(len(cores()) if jobs is None else jobs)
        return
    from ...cluster.connection import connected
    from ...cluster.sweep_by_ray import ByRay

    with connected(cluster, jobs or len(cores())) as ray:
        yield ByRay(ray, jobs)


def _configs(
    data: str, every: Sequence[Settings], what: FieldOptions, read: ReadingOptions, n_rows: int | None, seed: int
) -> Callable[[], list[dict[str, Any]]]:
    """What makes the plans of all trials, once the data are read."""
    from ...build import Asked, DataRecord, complete
    from ...formats import absolute_name
    from ..data import pick, rows_to_fit

    reading, columns = what.known(read)
    source, loaded = rows_to_fit(data, reading, stream=False)
    picked = pick(loaded, n_rows, seed)
    record = DataRecord(absolute_name(data), subset=n_rows, subset_seed=seed, reading=source.reading())
    first = Asked(columns=columns, kind=what.kind, levels=what.levels, constraints=what.constraint, data=record)
    asked = [replace(first, recipe=s.recipe, objective=s.objective, training=s.training) for s in every]

    def made() -> list[dict[str, Any]]:
        with picked.numbered():
            return [complete(picked.rows, each).plan.to_json() for each in asked]

    return made
