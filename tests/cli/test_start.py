"""What commands load: help not a number, info no torch, and those that use a model nothing that trains one, draws
pictures or compiles.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

from velbo import Recipe, TrainedModel, plan

HEAVY = """
    numpy torch scipy sklearn matplotlib yaml torch._dynamo velbo.training.loop velbo.fitting velbo.estimators
    velbo.doctor velbo.report velbo.compress velbo.sweep
""".split()

COMMANDS = """
import json, sys
from velbo.cli import main

for command in json.loads(sys.argv[1]):
    assert main(command) == 0
    print([name for name in json.loads(sys.argv[2]) if name in sys.modules], file=sys.stderr)
"""


def test_no_command_loads_what_it_does_not_use(tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 3))
    np.save(tmp_path / "x.npy", rows)
    what = plan(rows, Recipe("mlp", 2, (4,)))
    run = str(tmp_path / "run")
    TrainedModel(what.build(), what).save(run)
    x, new = str(tmp_path / "x.npy"), str(tmp_path / "new.npy")
    expected = {
        ("--help",): [],
        ("fit", "--help-all"): [],
        ("info", run): ["numpy"],
        ("info", run, run, "--json"): ["numpy"],
        ("sample", run, "-n", "3", "-o", new): ["numpy", "torch"],
        ("encode", run, x, "-o", new): ["numpy", "torch"],
        ("score", run, x, "-o", new, "--samples", "2"): ["numpy", "torch"],
    }
    command = [sys.executable, "-c", COMMANDS, json.dumps(list(expected)), json.dumps(HEAVY)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = [line for line in done.stderr.splitlines() if line.startswith("[")]
    assert dict(zip(expected, loaded, strict=True)) == {command: str(names) for command, names in expected.items()}
