"""Kills of a sweep and of its workers, which are forks of the sweep here: it has paid for the imports; and orphans, in
processes of their own as users have them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from .cases import Case, Fault, Result
from .children import SMALL, Child
from .kills import Command, Prepare, as_run, at_operations
from .material import Material


class Forked:
    """What `subprocess.Popen` gives for a command line of velbo, in a fork of this process."""

    def __init__(self, command: list[str], stdout: IO[bytes], stderr: IO[bytes], **_: Any) -> None:
        self._held = os.pipe()
        self.pid, self.code = os.fork(), None
        if not self.pid:
            code = 99
            try:
                os.close(self._held[1])
                os.dup2(stdout.fileno(), 1)
                os.dup2(stderr.fileno(), 2)
                from velbo.cli import main
                from velbo.runtime.parent import end_after

                end_after(partial(os.read, self._held[0], 1))
                code = main(command[3:])
            finally:
                os._exit(code)

    def __class_getitem__(cls, _: type) -> type:
        return cls

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def communicate(self) -> None:
        """Close the pipe."""
        for end in self._held:
            os.close(end)

    def send_signal(self, number: int) -> None:
        """To the fork."""
        os.kill(self.pid, number)


def workers_are_forks() -> None:
    """To be called in the process that will be the sweep."""
    import velbo.sweep.workers as workers

    workers.subprocess.Popen = Forked
    workers.POLL_SECONDS = 0.005


def sweeps(material: Material) -> Iterator[Command]:
    """A sweep of two trials, killed itself or in one of its workers."""
    options = ["sweep", material.array, "--run", "@/S", *SMALL, "--seeds", 2, "--test", material.array]
    options += ["--samples-of-test", 3, "--jobs", 1]

    def sweep(folder: Path, prepare: Prepare) -> Child:
        def first() -> None:
            workers_are_forks()
            if prepare is not None:
                prepare()

        return as_run(*options)(folder, first)

    yield Command("sweep", sweep, again=sweep)

    def created(folder: Path) -> None:
        def stop() -> None:
            from velbo.sweep.workers import Workers

            Workers.run = lambda *_: os.kill(os.getpid(), signal.SIGKILL)

        sweep(folder, stop).end()

    yield Command("worker of a sweep", as_run("resume", "@/S/trials/000", "--no-report"), created, again=sweep)


def orphans(material: Material) -> Iterator[Case]:
    """The process that has started others is killed, and nobody else: the others end with it."""
    endless = ["--recipe", "mlp", "--hidden", "4", "--latent", "2", "--epochs", "1000000"]
    for name, started, options in (
        ("sweep", "S/trials/001/metrics.jsonl", ["--run", "S", "--seeds", "2", "--jobs", "2"]),
        ("fit", "R/metrics.jsonl", ["--run", "R", "--devices", "2"]),
    ):
        command = [sys.executable, "-m", "velbo", name, str(material.array), *options, *endless]
        yield Case("orphans", name, partial(abandoned, command, started))


def abandoned(command: list[str], started: str, folder: Path) -> Result:
    """Kill the parent once its children train; within 20 seconds they have ended."""
    import velbo

    env = {**os.environ, "PYTHONPATH": str(Path(velbo.__file__).parents[1])}
    parent = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not _within(120, (folder / started).exists):
        parent.kill()
        return Result(faults=[Fault("hang", f"no {started} in two minutes")])
    children = descendants(parent.pid)
    parent.kill()
    parent.wait()
    if len(children) >= 2 and _within(20, lambda: not any(map(_runs, children))):
        return Result()
    for child in filter(_runs, children):
        os.kill(child, signal.SIGKILL)
    return Result(faults=[Fault("hang", f"of {len(children)} processes some live on")])


def _within(seconds: float, is_so: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.02)
    return False


def _status(process: int | str) -> list[str]:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["Z", "0"]


def _runs(process: int) -> bool:
    return _status(process)[0] != "Z"


def descendants(process: int) -> list[int]:
    """All that it has started, and what they have."""
    found = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and int(_status(p.name)[1]) == process]
    return found + [later for child in found for later in descendants(child)]


def cases(material: Material, seed: int) -> Iterator[Case]:
    """All of them; the seed changes none."""
    yield from orphans(material)
    for command in sweeps(material):
        yield from at_operations(command)
