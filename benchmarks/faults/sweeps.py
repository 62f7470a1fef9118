"""The workers of a sweep as forks of the sweep, which has paid for the imports."""

from __future__ import annotations

import os
from functools import partial
from typing import IO, Any


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
