"""A run trained by one child after another, each killed with SIGKILL, until the last one is left alone.

    python killed_children.py RUN POINT ...

A child is a fork of this process, which has paid for the imports. It kills itself just before its POINT-th operation
on a file of the run (open, make, rename, remove: what Python's audit events tell), so that the states in which a disk
can be found are met and not hoped for. POINT "clock" is a kill from outside, 50 ms after the first new checkpoint. A
checkpoint is written after every step. One line a child: the signal that ended it, or 0.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import safetensors.torch  # noqa: F401  optimizers and checkpoints would import these two in every child
import torch._dynamo  # noqa: F401
from sklearn.datasets import load_digits

import velbo.training.loop as loop
from velbo.build import Plan
from velbo.fitting import carry_out
from velbo.training import Run

FILE_OPERATIONS = set("open os.mkdir os.rename os.remove os.rmdir os.listdir os.scandir shutil.rmtree".split())


def die_before(n: int, folder: str) -> None:
    """SIGKILL to this process just before the n-th operation on a file in the folder."""
    seen = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in FILE_OPERATIONS and str(arguments[0]).startswith(folder):
            seen += 1
            if seen == n:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def child(run: Run, point: str | None) -> int:
    """The process id of a child that trains the run."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        if point and point.isdigit():
            die_before(int(point), str(run.path))
        carry_out(Plan.from_json(run.config()), load_digits().images.astype(np.int64)[:700], run)
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)


def checkpoints(run: Run) -> set[Path]:
    return {p for p in run.checkpoints.glob("*") if not p.name.startswith(".")}


def kill_by_the_clock(pid: int, run: Run, known: set[Path]) -> None:
    """SIGKILL from outside, soon after a checkpoint that was not there before; none to a child that has ended."""
    while checkpoints(run) <= known:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.002)
    time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)


def main(path: str, *points: str) -> None:
    loop.CHECKPOINT_SECONDS = -1.0
    run = Run(Path(path))
    for point in (*points, None):
        known = checkpoints(run)
        pid = child(run, point)
        if point == "clock":
            kill_by_the_clock(pid, run, known)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(abs(status), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
