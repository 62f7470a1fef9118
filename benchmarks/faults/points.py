"""Kills at a known point: before the n-th operation on a file of a folder.

Python tells of its operations by audit events (sys.addaudithook); flushes to the disk it does not tell of, so they are
wrapped.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

OPERATIONS = frozenset(
    "open os.mkdir os.rename os.remove os.rmdir os.listdir os.scandir os.truncate shutil.rmtree".split()
)


def watch(folder: Path, seen: Callable[[str], object]) -> None:
    """Call ``seen`` with a name just before every operation on a file in the folder, from now on."""
    inside = f"{folder}/"

    def on_event(event: str, arguments: tuple[object, ...]) -> None:
        if event in OPERATIONS and isinstance(arguments[0], str | bytes | Path):
            path = os.fsdecode(arguments[0])
            if path == str(folder) or path.startswith(inside):
                seen(f"{event} {path.removeprefix(inside)}")

    sys.addaudithook(on_event)
    flush = os.fsync

    def fsync(handle: int) -> None:
        seen("os.fsync")
        flush(handle)

    os.fsync = fsync


def die_before(n: int, folder: Path) -> None:
    """SIGKILL to this process just before the n-th operation, from 0 on."""
    count = 0

    def seen(_: str) -> None:
        nonlocal count
        if count == n:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    watch(folder, seen)


def list_operations(folder: Path, log: Path) -> None:
    """Write the name of every operation into a file, which lies elsewhere."""
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    watch(folder, lambda name: os.write(handle, name.replace("\n", " ").encode() + b"\n"))
