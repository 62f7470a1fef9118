"""Processes that do not outlive the one that has started them, however that ends.

On Linux the kernel ends them at once (prctl, PR_SET_PDEATHSIG). Everywhere a thread waits for the end of the parent,
which a pipe tells: the parent alone holds its other end, and the system closes that.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def end_with_stdin() -> None:
    """To be called in a process whose stdin is a pipe that its parent holds open: it ends with that."""
    end_after(lambda: os.read(sys.stdin.fileno(), 1))


def end_with_parent() -> None:
    """To be called in a process of `multiprocessing`: it ends with the one that has started it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        end_after(parent.join)


def end_after(wait: Callable[[], object]) -> None:
    """This process ends with the one that has started it; ``wait`` returns when that has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def end() -> None:
        wait()
        # at once, as the parent has: whatever it was doing, a file is whole or absent
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    threading.Thread(target=end, daemon=True).start()
