"""Commands run side by side, so many at a time, those of a folder one after the other.

A `Starter` says where: on the cores of this machine (`OnCores`), or elsewhere (cluster/sweep_by_ray.py). No command
outlives the process that has started it (runtime/parent.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..files import remove_temporaries, temporary_for

WORKER = "from velbo.runtime.parent import end_with_stdin as e; e(); from velbo.cli import entry; entry()"
"""The command line of velbo in a process that ends with the one that has started it."""
POLL_SECONDS = 0.1
STOPPED = (0, 130, -signal.SIGTERM)
"""Exit codes of commands that have not failed."""


@dataclass(frozen=True)
class Command:
    """What is to be done in a folder.

    Attributes:
        words: of the command line, after the program.
        output: file for its stdout, which is there if it succeeds.
    """

    words: tuple[str, ...]
    output: Path | None = None


class Started(Protocol):
    """A command that has been started."""

    def poll(self) -> int | None:
        """Its exit code; None as long as it runs."""
        ...

    def stop(self) -> None:
        """Ask it to save and to end."""
        ...


class Starter(Protocol):
    """Where commands run.

    Attributes:
        n: how many at a time.
    """

    n: int

    def start(self, folder: Path, command: Command) -> Started:
        """Start a command in a folder, in whose log.txt it says what it does."""
        ...


def cores() -> list[int]:
    """Those that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def _environment() -> dict[str, str]:
    """Of a worker: one thread, and no option of velbo that the sweep itself was to take."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VELBO_")}
    return {**kept, "OMP_NUM_THREADS": "1"}


class OneProcess:
    """A command in a process of its own, with one thread.

    Args:
        folder: whose log.txt is for what it says.
        command: to run.
        core: that it is bound to, where systems do so; any if not given.
    """

    def __init__(self, folder: Path, command: Command, core: int | None = None) -> None:
        self.output = command.output
        remove_temporaries(folder, lambda _, name: self.output is not None and name == self.output.name)
        partial = temporary_for(self.output) if self.output else None
        with (folder / "log.txt").open("ab") as log, partial.open("wb") if partial else open(os.devnull, "wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", WORKER, *command.words],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=log,
                env=_environment(),
                start_new_session=True,
            )
        if core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, {core})

    def poll(self) -> int | None:
        """Its exit code, once its output is in place."""
        code = self.process.poll()
        if code is None:
            return None
        self.process.communicate()  # closes the pipe
        if self.output is not None:
            if code == 0:
                os.replace(temporary_for(self.output), self.output)
            temporary_for(self.output).unlink(missing_ok=True)
        return code

    def stop(self) -> None:
        """By SIGTERM."""
        self.process.send_signal(signal.SIGTERM)


class OnCores:
    """Commands as processes of this machine, each on a core of its own.

    Args:
        jobs: at a time.
    """

    def __init__(self, jobs: int) -> None:
        self.n, self._started = jobs, list[tuple[int, OneProcess]]()

    def start(self, folder: Path, command: Command) -> OneProcess:
        """On the core on which the fewest run."""
        self._started = [(core, each) for core, each in self._started if each.process.poll() is None]
        taken = [core for core, _ in self._started]
        core = min(cores(), key=taken.count)
        started = OneProcess(folder, command, core)
        self._started.append((core, started))
        return started


class Workers:
    """Runs commands by a starter.

    Args:
        starter: where they run.
        say: for each that ends.

    Attributes:
        failed: folders in which one failed.
    """

    def __init__(self, starter: Starter, say: Callable[[str], None]) -> None:
        self.starter, self.say = starter, say
        self.running, self.failed = dict[Path, tuple[Started, Command]](), set[Path]()

    def run(self, waiting: list[tuple[Path, Command]], stop: Any) -> None:
        """All of them, until ``stop`` is true: then those that run are asked to end.

        Args:
            waiting: folders and commands.
            stop: asked again and again.
        """
        told = False
        while waiting or self.running:
            if stop:
                waiting.clear()
                if not told:
                    for started, _ in self.running.values():
                        started.stop()
                told = True
            for item in list(waiting):
                folder, command = item
                if folder in self.failed:
                    waiting.remove(item)
                elif len(self.running) < self.starter.n and folder not in self.running:
                    waiting.remove(item)
                    self.running[folder] = self.starter.start(folder, command), command
            for folder in list(self.running):
                self._collect(folder)
            time.sleep(POLL_SECONDS)

    def _collect(self, folder: Path) -> None:
        started, command = self.running[folder]
        code = started.poll()
        if code is None:
            return
        del self.running[folder]
        if code not in STOPPED:
            self.failed.add(folder)
            self.say(f"{folder.name} failed, see {folder / 'log.txt'}")
        elif code == 0:
            self.say(f"{folder.name} {'trained' if command.output is None else 'evaluated'}")
