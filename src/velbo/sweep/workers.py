"""Commands run side by side, each on a core of its own; none outlives this process (runtime/parent.py)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..files import remove_temporaries, temporary_for

POLL_SECONDS = 0.1


def cores() -> list[int]:
    """Those that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def _environment() -> dict[str, str]:
    """Of a worker: one thread, and no option of velbo that the sweep itself was to take."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VELBO_")}
    return {**kept, "OMP_NUM_THREADS": "1"}


class Workers:
    """Runs commands, so many at a time, each on a core of its own; a folder's commands one after the other."""

    def __init__(self, jobs: int, say: Callable[[str], None]) -> None:
        places = cores()
        self.free = [places[i % len(places)] for i in range(jobs)]
        self.say, self.running = say, dict[Path, tuple[subprocess.Popen[bytes], int, Path | None]]()
        self.failed = set[Path]()

    def run(self, waiting: list[tuple[Path, tuple[list[str], Path | None]]], stop: Any) -> None:
        told = False
        while waiting or self.running:
            if stop:
                waiting.clear()
                if not told:
                    for process, *_ in self.running.values():
                        process.send_signal(signal.SIGTERM)
                told = True
            for item in list(waiting):
                folder, command = item
                if folder in self.failed:
                    waiting.remove(item)
                elif self.free and folder not in self.running:
                    waiting.remove(item)
                    self.running[folder] = self._start(folder, *command)
            for folder in list(self.running):
                self._collect(folder)
            time.sleep(POLL_SECONDS)

    def _start(self, folder: Path, command: list[str], output: Path | None) -> Any:
        core = self.free.pop(0)
        remove_temporaries(folder, lambda _, name: output is not None and name == output.name)
        partial = temporary_for(output) if output else None
        with (folder / "log.txt").open("ab") as log, partial.open("wb") if partial else open(os.devnull, "wb") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=log,
                env=_environment(),
                start_new_session=True,
            )
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {core})
        return process, core, output

    def _collect(self, folder: Path) -> None:
        process, core, output = self.running[folder]
        code = process.poll()
        if code is None:
            return
        process.communicate()  # closes the pipe
        del self.running[folder]
        self.free.append(core)
        if output is not None:
            if code == 0:
                os.replace(temporary_for(output), output)
            temporary_for(output).unlink(missing_ok=True)
        if code not in (0, 130, -signal.SIGTERM):
            self.failed.add(folder)
            self.say(f"{folder.name} failed, see {folder / 'log.txt'}")
        elif code == 0:
            self.say(f"{folder.name} {'trained' if output is None else 'evaluated'}")
