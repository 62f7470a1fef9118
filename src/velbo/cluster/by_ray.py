"""A training on the machines of Ray: workers of TorchTrainer are the processes of a team.

Every worker reads the rows that the plan names, and the run folder, so all must reach both: on a shared disk, or by
URLs. If a machine or a worker is lost, Ray starts the workers again, and they go on from velbo's own checkpoint. An
error that velbo raises, and one in a user's own parts, is no such loss: it is told and ends the run at once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from ..build import Plan, is_own
from ..errors import LostProcessError, need
from ..fitting import rows_again, train_plan
from ..training import ProgressLines, Run
from .connection import as_told, connected, has_gpus, raise_told

HEARING_SECONDS = 1.0
RESTARTS = 3
"""Losses that a run bears."""


class Told:
    """What workers have to tell the process that has started them; an actor."""

    def __init__(self) -> None:
        self.errors, self.lines = list[tuple[str, str]](), list[str]()

    def say(self, line: str) -> None:
        self.lines.append(line)

    def new_lines(self) -> list[str]:
        """Those since the last call."""
        lines, self.lines = self.lines, []
        return lines

    def tell(self, kind: str, message: str) -> None:
        self.errors.append((kind, message))

    def all(self) -> list[tuple[str, str]]:
        return self.errors


def fit_by_ray(
    plan: Plan, run: Run, cluster: str, workers: int, report: bool = True, say: Callable[[str], None] = print
) -> None:
    """Train what a plan says, in the run folder, which is continued if it holds checkpoints.

    Args:
        plan: its data have a name that every worker can read.
        run: folder, which holds the plan.
        cluster: see `connected`.
        workers: how many.
        report: write report.html.
        say: hears how training goes.

    Raises:
        MissingExtraError, ConfigError: see `connected`.
        LostProcessError: if more workers were lost than a run bears.
        VelboError: what a worker raised.
    """
    with connected(cluster, workers) as ray:
        told = ray.remote(num_cpus=0)(Told).remote()
        on_gpus = has_gpus(ray, plan.training.machine.device, workers)
        # workers have folders of their own to work in
        place = run.place if isinstance(run.place, str) else str(run.place.absolute())
        config = {"plan": plan.to_json(), "run": place, "told": told, "report": report}
        with tempfile.TemporaryDirectory(prefix="velbo-ray-") as folder, _hearing(ray, told, say):
            _train(config, workers, on_gpus, folder)
        for kind, message in ray.get(told.all.remote()):
            raise_told(kind, message)
    run.refresh()


@contextmanager
def _hearing(ray: Any, told: Any, say: Callable[[str], None]) -> Iterator[None]:
    """Inside the block, what workers say is said here. Their own output, and Ray's, is in Ray's logs."""
    ended = Event()

    def hear() -> None:
        is_last = False
        while not is_last:
            is_last = ended.wait(HEARING_SECONDS)
            for line in ray.get(told.new_lines.remote()):
                say(line)

    thread = Thread(target=hear, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _train(config: dict[str, Any], workers: int, on_gpus: bool, folder: str) -> None:
    train, on_torch = need("ray.train", "cluster"), need("ray.train.torch", "cluster")
    failures = train.FailureConfig(max_failures=RESTARTS)
    trainer = on_torch.TorchTrainer(
        _work,
        train_loop_config=config,
        torch_config=on_torch.TorchConfig(backend="cpu:gloo,cuda:nccl" if on_gpus else "gloo"),
        scaling_config=train.ScalingConfig(num_workers=workers, use_gpu=on_gpus),
        run_config=train.RunConfig(name="velbo", storage_path=folder, failure_config=failures),
    )
    try:
        trainer.fit()
    except Exception as error:  # Ray has several of its own
        said = (str(error).strip() or type(error).__name__).splitlines()[-1][:300]
        raise LostProcessError(f"Ray has given up, as it does after {RESTARTS} losses: {said}") from error


def _work(config: dict[str, Any]) -> None:
    """What each worker does, in a process group that Ray has made."""
    ray: Any = need("ray", "cluster")
    told = config["told"]
    if ray.get(told.all.remote()):
        return  # an error ended the workers before these
    try:
        plan = Plan.from_json(config["plan"], "the plan")
        model = plan.build(plan.recipe.recipe if is_own(plan.recipe.recipe) else None)
        rows = rows_again(plan, plan.data.source, plan.data.reading)
        train_plan(plan, rows, Run(config["run"]), [ProgressLines(told.say.remote)], model, config["report"])
    except LostProcessError:
        raise  # Ray starts the workers anew
    except Exception as error:
        ray.get(told.tell.remote(*as_told(error)))
        raise  # else the others would wait for this one, half an hour
