"""Trials of a sweep as tasks of Ray, a processor each: the same commands as on this machine, in the same folders.

A task that is lost with its machine is started again elsewhere, three times, and its command goes on from the trial's
checkpoint. The folder of the sweep must be on a disk that all machines share.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..sweep import Command, OneProcess
from ..sweep.workers import POLL_SECONDS

LOSSES = 3
LOST = 1


def _run(folder: Path, command: Command) -> int:
    """The exit code of a command; KeyboardInterrupt, by which Ray cancels a task, asks it to save and to end."""
    started, code = OneProcess(folder, command), None
    while code is None:
        try:
            time.sleep(POLL_SECONDS)
            code = started.poll()
        except KeyboardInterrupt:
            started.stop()
    return code


class TaskOfRay:
    """A command as a task.

    Args:
        ray: the module, connected.
        task: its reference.
        folder: whose log.txt hears of a loss.
    """

    def __init__(self, ray: Any, task: Any, folder: Path) -> None:
        self.ray, self.task, self.folder = ray, task, folder

    def poll(self) -> int | None:
        """The exit code of the command; 1 if the task was lost for good, 130 if it was cancelled before it ran."""
        done, _ = self.ray.wait([self.task], timeout=0)
        if not done:
            return None
        try:
            return self.ray.get(self.task)
        except self.ray.exceptions.TaskCancelledError:
            return 130
        except self.ray.exceptions.RayError as error:
            with (self.folder / "log.txt").open("a") as log:
                log.write(f"lost: {error}\n")
            return LOST

    def stop(self) -> None:
        """Cancel it."""
        self.ray.cancel(self.task)


class ByRay:
    """Commands as tasks.

    Args:
        ray: the module, connected.
        jobs: at a time; as many as there are processors if not given.
    """

    def __init__(self, ray: Any, jobs: int | None = None) -> None:
        self.ray, self.n = ray, jobs or int(ray.cluster_resources().get("CPU", 1))
        self._run: Any = ray.remote(num_cpus=1, max_retries=LOSSES)(_run)

    def start(self, folder: Path, command: Command) -> TaskOfRay:
        """On any machine of the cluster."""
        folder = folder.absolute()
        output = command.output and command.output.absolute()
        return TaskOfRay(self.ray, self._run.remote(folder, replace(command, output=output)), folder)
