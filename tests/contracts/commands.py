"""The command line, called in this process."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout

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
