"""velbo resume: continue a run."""

from __future__ import annotations

from dataclasses import replace

from ...errors import ConfigError
from ..app import app
from ..options import Cluster, Folder, Logs, OwnParts, ReadAs, ReadingOptions, Workers
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
    cluster: Cluster = None,
    workers: Workers = 2,
) -> None:
    """Continue a run that was interrupted or killed.

    It ends as if it had been left alone.

    Args:
        run: its folder.
        data: where its data are now, if they have moved.
        devices: go on with so many devices.
        log: tell TensorBoard (in the run folder), MLflow or Weights & Biases too. May be given many times.
        report: write report.html at the end, as 'velbo fit' does.
        cluster: go on with workers of Ray, as 'velbo fit' takes it.
        workers: of Ray.
    """
    from ...build import Plan
    from ...fitting import rows_again
    from ...formats import absolute_name
    from ...training import Run
    from ..ranks import together
    from ..training import require_together, train_and_tell, train_by_ray

    require_together(log, cluster)
    folder = Run(run)
    plan = Plan.from_json(folder.config(), str(folder.config_file))
    if devices is not None:
        machine = replace(plan.training.machine, devices=devices)
        plan = replace(plan, training=replace(plan.training, machine=machine))
    name = data or plan.data.source
    if not name:
        raise ConfigError("the run does not say where its data are; name them: velbo resume DIR --data DATA")
    if cluster is not None:
        data_record = replace(plan.data, source=absolute_name(name))
        train_by_ray(replace(plan, data=data_record), run, cluster, workers, new=False, report=report)
        return
    with together(plan.training.machine.device) as team:
        if team.rank == 0:
            folder.refuse_if_locked()  # before the data are read
        numbers = rows_again(plan, name, read.reading(plan.data.reading))
        train_and_tell(plan, numbers, run, log, plan.build(model), new=False, report=report, team=team)
