"""The command line, called in this process; and other processes of velbo, run in this one."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import IO, Any

import pytest

from velbo.cli import main

FAST = {"--recipe": "mlp", "--hidden": "4", "--latent": "2", "--epochs": "1"}


def call(*arguments: object) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of the command line."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(a) for a in arguments])
    return code, out.getvalue(), err.getvalue()


def options(*given: object) -> list[object]:
    """A small model, but for what is given as pairs of option and value."""
    chosen = {**FAST, **dict(zip(given[::2], given[1::2], strict=True))}
    return [part for pair in chosen.items() for part in pair]


class Done:
    """What `subprocess.Popen` gives for `python -m velbo ...`, with the command run here and at once."""

    pid = 0

    def __init__(self, command: list[str], stdout: IO[bytes], stderr: IO[bytes], **_: Any) -> None:
        self.code, out, err = call(*command[3:])
        stdout.write(out.encode())
        stderr.write(err.encode())

    def __class_getitem__(cls, _: type) -> type:
        return cls

    def poll(self) -> int:
        return self.code

    def communicate(self) -> None:
        """Nothing is left to be told."""


def run_workers_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers of a sweep as calls in this process: what is not about processes is tested in a tenth of the time."""
    monkeypatch.setattr("velbo.sweep.workers.subprocess.Popen", Done)
    monkeypatch.setattr("velbo.sweep.workers.hasattr", lambda *_: False, raising=False)  # no core is bound
