"""A checkpoint that is damaged, or another run's: a sentence, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from velbo import Plan, Recipe, TrainingConfig, plan
from velbo.config import Budget
from velbo.errors import ConfigError, RunError, VelboWarning
from velbo.files import read_tensors, write_tensors
from velbo.fitting import carry_out
from velbo.training import Run
from velbo.training.launch import launch
from velbo.training.state import State, Sums

ROWS = np.random.default_rng(0).normal(size=(40, 3))


def planned(epochs: int, width: int = 4) -> Plan:
    return plan(ROWS, Recipe("mlp", 2, (width,)), training=TrainingConfig(Budget(epochs=epochs)))


@pytest.fixture
def run(tmp_path) -> Run:
    """Of two epochs, to be continued to a third."""
    run = Run(tmp_path / "run")
    run.create(planned(2).to_json())
    carry_out(planned(2), ROWS, run)
    for file in run.path.rglob("state.json"):
        file.write_text(file.read_text().replace('"done": true', '"done": false'))
    return run


def last(run: Run) -> Path:
    return max(run.checkpoints.iterdir())


TENSORS: dict[str, Callable[[dict[str, Tensor]], dict[str, Tensor]]] = {
    "no weights": lambda t: {k: v for k, v in t.items() if not k.startswith("weights/")},
    "no average": lambda t: {k: v for k, v in t.items() if not k.startswith("ema/")},
    "no best weights": lambda t: {k: v for k, v in t.items() if not k.startswith("best/")},
    "half an optimizer": lambda t: {k: v for k, v in t.items() if not k.startswith("optimizer/0/")},
    "an optimizer of another": lambda t: t | {"optimizer/99/exp_avg": torch.zeros(2)},
    "a slot without a number": lambda t: t | {"optimizer/x/exp_avg": torch.zeros(2)},
    "a tensor more": lambda t: t | {"weights/evil": torch.zeros(3)},
    "other shapes": lambda t: {k: torch.zeros(7, 7) if v.dim() == 2 else v for k, v in t.items()},
    "other types": lambda t: {k: v.double() if v.dtype == torch.float32 else v for k, v in t.items()},
    "a generator of another length": lambda t: t | {"generator/0": torch.zeros(5, dtype=torch.uint8)},
    "a generator of floats": lambda t: t | {"generator/0": torch.zeros(5)},
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_do_not_fit_are_refused_by_name(run, name):
    metrics = run.metrics_file.read_bytes()
    file = last(run) / "tensors.safetensors"
    write_tensors(file, TENSORS[name](read_tensors(file)))
    with pytest.raises(RunError, match="the checkpoint does not fit config"):
        carry_out(planned(3), ROWS, run)
    assert run.metrics_file.read_bytes() == metrics


def test_an_undamaged_checkpoint_goes_on(run):
    assert len(carry_out(planned(3), ROWS, run).history.metrics) == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("step", "x"),
        ("step", -1),
        ("step", 1.5),
        ("sums", []),
        ("evil", 1),
        ("seconds", {}),
        ("best", "x"),
        ("done", 1),
    ],
)
def test_a_state_of_another_type_is_passed_over(run, key, value):
    for folder in run.checkpoints.iterdir():
        file = folder / "state.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(RunError, match=r"no checkpoint of .* is whole: .*state\.json"):
        carry_out(planned(3), ROWS, run)
    assert run.state() is None


def test_one_damaged_state_costs_one_checkpoint(run):
    assert len(list(run.checkpoints.iterdir())) == 2 or pytest.skip("one was enough")
    (last(run) / "state.json").write_text("[]")
    with pytest.warns(VelboWarning, match="continuing from the checkpoint before it"):
        carry_out(planned(3), ROWS, run)


def test_metrics_that_are_gone_are_told(run):
    run.metrics_file.unlink()
    with pytest.raises(RunError, match="2 lines are wanted, and 0 are there"):
        carry_out(planned(3), ROWS, run)


def test_a_state_round_trips():
    state = State(step=7, seconds=0.1, best=-1e-300, sums=Sums(3, 0.1, -0.2, 0.3))
    assert State.from_json(json.loads(json.dumps(state.to_json())), "state.json") == state


def test_no_hundred_thousand_processes():
    with pytest.raises(ConfigError, match=r"devices must be at most \d+ on this processor, not 1000"):
        launch(1000, "cpu", print)
