"""The script for GPUs runs on a processor too, and says so where there is no GPU."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks"
if not FOLDER.is_dir():
    pytest.skip("benchmarks are not part of this copy", allow_module_level=True)
sys.path.insert(0, str(FOLDER))
gpu = importlib.import_module("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_why_it_is_skipped(capsys):
    assert gpu.main([]) == 0
    assert capsys.readouterr().out.startswith("skipped: there is no GPU here")


def test_on_the_processor_a_recipe_resumes_bit_by_bit(capsys, tmp_path):
    """And says that this tells nothing of GPUs; what there is no time for is named."""
    out = tmp_path / "gpu.json"
    options = ["--device", "cpu", "--recipes", "mlp", "--rows", "500", "--no-parts", "--seconds", "0.1"]
    assert gpu.main([*options, "--out", str(out)]) == 0
    assert "nothing of GPUs" in capsys.readouterr().out
    found = json.loads(out.read_text())
    [recipe] = found["recipes"]
    assert recipe["recipe"] == "mlp"
    assert (recipe["equal weights"], recipe["nats off the CPU"]) == (1.0, 0.0)
    assert all(way["left out"] == "the time is up" for way in found["speeds"])


def test_speeds_of_one_way(monkeypatch):
    """A few rows: that it runs, and that the network is as large as its FLOPs say."""
    x = gpu.images(64)
    assert gpu.speed_of_velbo(x, "cpu", 32, "float32", False) > 0
    assert gpu.speed_of_a_plain_loop(x, "cpu", 32) > 0
    model = gpu.plan(x, gpu.LAYOUT).build()
    assert sum(p.numel() for p in model.parameters() if p.dim() == 2) == gpu.MATRICES
