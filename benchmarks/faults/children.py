"""velbo in a child process: a fork of this one, which has paid for the imports (a fresh interpreter would take 3 s)."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from .cases import Ended

SECONDS = 90.0
LOADED = """
    matplotlib.backends.backend_agg pyarrow.csv pyarrow.feather pyarrow.parquet safetensors.torch sklearn.datasets
    torch._dynamo filelock velbo.cli.data velbo.cli.training velbo.doctor velbo.evaluation.synthetic velbo.sweep
"""
SMALL = "--recipe mlp --hidden 4 --latent 2 --epochs 2 --batch-size 20".split()
"""Options of a model that trains in a tenth of a second."""


def warm() -> None:
    """Load all that commands load when they need it, and use it once, so that no child pays for it."""
    for name in LOADED.split():
        importlib.import_module(name)
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from velbo.cli import main
    from velbo.report import after_fit

    # a report takes longer than these fits, is written when all else is there, and holds what its time allows
    after_fit.write_report = lambda *_: None
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        array, table, run, text, out = (f"{folder}/{name}" for name in "x.npy x.parquet run x.csv out.csv".split())
        rng = np.random.default_rng(0)
        np.save(array, rng.normal(size=(60, 3)))
        pq.write_table(pa.table({"x": rng.normal(size=60), "y": rng.choice(["a", "b", None], 60)}), table)
        with redirect_stdout(nowhere), redirect_stderr(nowhere):
            for command in (
                ["fit", array, "--run", f"{run}-of-array", *SMALL],
                ["fit", table, "--run", run, *SMALL],
                ["convert", table, text],
                *([verb, run, text, "-o", out, "--samples", "3"] for verb in ("score", "impute")),
                ["sample", run, "-o", out],
            ):
                assert main(command) == 0, command
    gc.collect()
    gc.freeze()  # else the first collection of a child copies the memory of this process


class Child:
    """A command that runs.

    Args:
        work: what the child does; its result is the exit code.
        prepare: called in the child before it.
        cwd: the child's folder.
    """

    def __init__(
        self, work: Callable[[], int], prepare: Callable[[], object] | None = None, cwd: Path | None = None
    ) -> None:
        # pipes and not files, whose length a limit would cut
        pipes = [os.pipe(), os.pipe()]
        self._written, self._texts = [writer for _, writer in pipes], [_Text(reader) for reader, _ in pipes]
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: they hold no lock here
            self.pid = os.fork()
        if not self.pid:
            self._become(work, prepare, cwd)
        for writer in self._written:
            os.close(writer)

    def _become(self, work: Callable[[], int], prepare: Callable[[], object] | None, cwd: Path | None) -> None:
        code = 99
        try:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for number, writer in enumerate(self._written, start=1):
                os.dup2(writer, number)
                os.close(writer)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if cwd is not None:
                os.chdir(cwd)
            if prepare is not None:
                prepare()
            code = work()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            traceback.print_exc()
            code = 99
        finally:
            code = self._flushed(code)
            os._exit(code)

    @staticmethod
    def _flushed(code: int) -> int:
        """What the interpreter does at its end: 120 if stdout cannot be written."""
        for stream in (sys.stdout, sys.stderr):
            try:
                if stream is not None:
                    stream.flush()
            except BaseException:
                code = code or 120
        return code

    def send(self, number: int) -> None:
        """A signal, if it still runs."""
        if not self.has_ended():
            os.kill(self.pid, number)

    def has_ended(self) -> bool:
        """Whether it has; its end is still to be fetched."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self, seconds: float = SECONDS) -> Ended:
        """Wait for its end; after so many seconds it is killed with all that it has started."""
        until, code = time.monotonic() + seconds, 0
        while not self.has_ended():
            for text in self._texts:
                text.read()
            if time.monotonic() > until:
                os.killpg(self.pid, signal.SIGKILL)
                code = None
                break
            time.sleep(0.005)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return Ended(status if code is not None else None, *(text.close() for text in self._texts))


class _Text:
    """What comes through a pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe, self._bytes = pipe, b""
        os.set_blocking(pipe, False)

    def read(self) -> None:
        """What is there now."""
        with suppress(BlockingIOError):
            while piece := os.read(self._pipe, 2**16):
                self._bytes += piece

    def close(self) -> str:
        """All of it."""
        self.read()
        os.close(self._pipe)
        return self._bytes.decode(errors="replace")


def in_python(work: Callable[[], object]) -> int:
    """A call of the library, whose errors are told as the command line tells them."""
    from velbo.errors import VelboError

    try:
        work()
    except VelboError as error:
        print(f"velbo: {error}", file=sys.stderr)
        return 2
    return 0


def start(*arguments: object, prepare: Callable[[], object] | None = None, cwd: Path | None = None) -> Child:
    """A command of velbo that runs: ``start("score", run, data, "-o", file)``."""
    from velbo.cli import main

    return Child(lambda: main([str(a) for a in arguments]), prepare, cwd)


def velbo(
    *arguments: object,
    prepare: Callable[[], object] | None = None,
    cwd: Path | None = None,
    seconds: float = SECONDS,
) -> Ended:
    """A command of velbo, to its end."""
    return start(*arguments, prepare=prepare, cwd=cwd).end(seconds)
