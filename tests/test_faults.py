"""A part of the fault campaign: kills, full disks, limits, odd paths, damaged files; the whole of it is a benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("benchmarks are not part of this copy", allow_module_level=True)


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("kills", ["--share", "0.02"]),
        ("sweeps", ["--share", "0.004", "--named", "kill:"]),
        ("limits", ["--share", "0.06"]),
        ("inputs", ["--share", "0.01"]),
    ],
    ids=["kills", "sweeps", "limits", "inputs"],
)
def test_everything_ends_right(module, options):
    """In a process of its own, whose forks are velbo: a child has nothing of pytest's, and pays for no import."""
    command = [sys.executable, "-m", "benchmarks.faults", "--only", module, *options]
    path = os.pathsep.join(str(p) for p in (ROOT / "src", ROOT))
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
