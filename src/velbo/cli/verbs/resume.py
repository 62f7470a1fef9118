"""velbo resume: continue a run."""

from __future__ import annotations

from dataclasses import replace

from ...errors import ConfigError
from ..app import app
from ..options import Folder, Logs, OwnParts, ReadAs, ReadingOptions
from ..pages import TRAIN


@app.command(group=TRAIN)
def resume(
    run: Folder,
    *,
    data: str | None = None,
    devices: int | None = None,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
    log: Logs = (),
    report: bool = True,
) -> None:
    """Continue a run that was interrupted or killed.

    It ends as if it had been left alone.

    Args:
        run: its folder.
        data: where its data are now, if they have moved.
        devices: go on with so many devices.
        log: tell TensorBoard (in the run folder), MLflow or Weights & Biases too. May be given many times.
        report: write report.html at the end, as 'velbo fit' does.
    """
    from ...build import Plan
    from ...training import Run
    from ..ranks import together
    from ..training import rows_again, train_and_tell

    folder = Run(run)
    plan = Plan.from_json(folder.config(), str(folder.config_file))
    if devices is not None:
        machine = replace(plan.training.machine, devices=devices)
        plan = replace(plan, training=replace(plan.training, machine=machine))
    name = data or plan.data.source
    if not name:
        raise ConfigError("the run does not say where its data are; name them: velbo resume DIR --data DATA")
    with together(plan.training.machine.device) as team:
        if team.rank == 0:
            folder.refuse_if_locked()  # before the data are read
        numbers = rows_again(plan, name, read.reading(plan.data.reading))
        train_and_tell(plan, numbers, run, log, plan.build(model), new=False, report=report, team=team)
