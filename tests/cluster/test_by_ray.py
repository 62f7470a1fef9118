"""A training by two workers of Ray ends with the bits of two processes without it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from velbo import Plan, carry_out, open_source
from velbo.training import Run

pytest.importorskip("ray", reason="needs the extra cluster")


def test_two_workers_of_ray_are_two_processes(tmp_path):
    """Started by the command line in a process of its own, as Ray leaves processes and warnings behind."""
    options = "--recipe mlp --hidden 8 --latent 2 --epochs 2 --threads 1 --no-report --cluster local --workers 2"
    command = [sys.executable, "-m", "velbo", "fit", "digits", "--run", str(tmp_path / "ray"), *options.split()]
    found = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert found.returncode == 0, found.stderr
    assert f"velbo evaluate {tmp_path / 'ray'} DATA" in found.stderr.splitlines()[-1]
    ray, two = Run(tmp_path / "ray"), Run(tmp_path / "two")
    what = Plan.from_json(ray.config())
    machine = replace(what.training.machine, devices=2)
    two.create(what.to_json())
    what = replace(what, training=replace(what.training, machine=machine))
    carry_out(what, open_source("digits").read(), two, report=False)
    for name in ("metrics.jsonl", "model.safetensors"):
        assert ray.file(name).read_bytes() == two.file(name).read_bytes()
