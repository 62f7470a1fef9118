"""What verbs that train have in common: what they say before and after."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import nn

from ..build import Plan, is_own, made_of, privacy_of
from ..errors import ConfigError, Interrupted, LostProcessError
from ..fitting import rows_again, train_plan
from ..rows import Rows
from ..training import History, Logger, MLflow, ProgressBar, ProgressLines, Run, TensorBoard, WandB
from ..training.covered import NOT_COVERED, require_one_process
from ..training.progress import early
from ..training.team import ALONE, Team, told
from .app import say
from .output import naming_parts

LOGGERS: dict[str, Callable[[Path], Logger]] = {
    "tensorboard": lambda folder: TensorBoard(folder / "tensorboard"),
    "mlflow": lambda folder: MLflow(folder.name),
    "wandb": lambda folder: WandB(folder.name, dir=str(folder)),
}
"""By the words of --log: made before anything is written, so that a missing package is said at once."""


def train_and_tell(
    plan: Plan,
    rows: Rows,
    folder: Path,
    log: Sequence[str] = (),
    model: nn.Module | None = None,
    new: bool = True,
    report: bool = True,
    team: Team = ALONE,
) -> None:
    """Train what a plan says in a run folder, new or to be continued. The first of a team tells the others the plan of
    a new one.
    """
    run = Run(folder)
    loggers: list[Logger] = [LOGGERS[name](run.path) for name in dict.fromkeys(log)]
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    loggers.append(ProgressBar() if is_terminal else ProgressLines(say))
    if new and team.rank == 0:
        run.create(plan.to_json())
        told(team, json.dumps(plan.to_json()))
    _announce(plan, new)
    parts = naming_parts(plan.recipe.recipe)
    try:
        history = train_plan(plan, rows, run, loggers, model, report).history
    except Interrupted as error:
        raise Interrupted(f"{error}; everything is saved. Continue with: velbo resume {run.place}{parts}") from None
    except LostProcessError as error:
        raise LostProcessError(f"{error}. Continue with: velbo resume {run.place}{parts}") from error
    assert history is not None
    skipped = f", {history.skipped} skipped (not finite)" if history.skipped else ""
    say(f"done: {_steps(plan, history)}{skipped}; {_reached(plan, history)}. {_next(plan, run.place)}{parts}")
    if report and run.report_file.exists():
        say(f"report: {run.place}/{run.report_file.name}")


def require_together(log: Sequence[str], cluster: str | None) -> None:
    """
    Raises:
        ConfigError: if workers of Ray, who have no loggers, are asked for some.
    """
    if log and cluster is not None:
        raise ConfigError("--log is of a training without --cluster; leave one of the two out")


def train_by_ray(plan: Plan, folder: Path, cluster: str, workers: int, new: bool = True, report: bool = True) -> None:
    """The same by workers of Ray."""
    from ..cluster.by_ray import fit_by_ray

    if plan.training.privacy.is_asked:
        require_one_process(workers)
    run = Run(folder)
    if new:
        run.create(plan.to_json())
    _announce(plan, new)
    try:
        fit_by_ray(plan, run, cluster, workers, report, say)
    except LostProcessError as error:
        raise LostProcessError(f"{error}. Continue with: velbo resume {run.place} --cluster {cluster}") from error
    history = run.history()
    say(f"done: {_steps(plan, history)}. {_next(plan, run.place)}")


def follow(team: Team, folder: Path, recipe: str, report: bool = True) -> None:
    """Train with the first of a team what it says."""
    plan = Plan.from_json(json.loads(told(team, "")), "the plan of the first process")
    model = plan.build(recipe if is_own(plan.recipe.recipe) else None)
    rows = rows_again(plan, plan.data.source, plan.data.reading)
    train_and_tell(plan, rows, folder, model=model, report=report, team=team)


def _steps(plan: Plan, history: History) -> str:
    ended = early(history.stale, plan.training.validation.patience)
    return f"{history.steps} steps in {history.seconds:.1f} s{ended}"


def _reached(plan: Plan, history: History) -> str:
    """What training has come to: its bound, or of private training, which tells none, its epsilon."""
    if plan.training.privacy.is_asked:
        return f"{privacy_of(plan, history.metrics[-1].get('epsilon'))}. {NOT_COVERED}"[:-1]
    split = "validation" if "validation_bound" in history.metrics[-1] else "train"
    return f"best {split} bound {history.best:.3f} nats"


def _next(plan: Plan, folder: str | Path) -> str:
    """What a run is for: a model of anomalies to score rows, any other to be measured first."""
    if plan.objective.objective.startswith("trimmed"):
        return f"Score rows with: velbo score {folder} DATA -o scores.csv --explain --contamination 0.05"
    return f"Measure it with: velbo evaluate {folder} DATA"


def _announce(plan: Plan, new: bool) -> None:
    say(f"model: {made_of(plan)}")
    if new and plan.choices:
        say(f"chosen: {'; '.join(f'{name} {why}' for name, why in plan.choices.items())}")
