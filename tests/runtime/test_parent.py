"""No process outlives the one that has started it: by the kernel, and by the pipe alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

CHILD = """
import sys, time
if sys.argv[1] == "pipe":
    sys.platform = "elsewhere"
import os, velbo.runtime.parent as parent
parent.end_after(lambda: os.read(0, 1) if sys.argv[1] == "pipe" else time.sleep(600))
print(os.getpid(), flush=True)
time.sleep(600)
"""
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}, sys.argv[1]], stdin=subprocess.PIPE)
time.sleep(600)
"""
OF_MULTIPROCESSING = """
import multiprocessing, sys, time
sys.platform = "elsewhere"

def work():
    import os, velbo.runtime.parent as parent
    parent.end_with_parent()
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    multiprocessing.get_context("fork").Process(target=work).start()
    time.sleep(600)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(
            [PARENT, "kernel"], marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux has the call alone")
        ),
        [PARENT, "pipe"],
        [OF_MULTIPROCESSING],
    ],
    ids=["kernel", "pipe", "multiprocessing"],
)
def test_a_child_ends_when_its_parent_is_killed(arguments):
    with subprocess.Popen([sys.executable, "-c", *arguments], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.send_signal(signal.SIGKILL)
        parent.stdout.read()  # until the last holder of the pipe, the child, has ended
    for _ in range(500):
        if not is_running(child):
            return
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child lives on")


def is_running(process: int) -> bool:
    """Whether it runs; one that has ended, and whose end nobody has fetched yet, does not."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
