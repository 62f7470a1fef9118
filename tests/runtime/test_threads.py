"""No more threads than pay, decided once and left as it was found."""

from __future__ import annotations

import pytest
import torch

from velbo import Recipe, TrainingConfig, plan
from velbo.config import Budget, Machine
from velbo.errors import ConfigError
from velbo.fitting import carry_out
from velbo.nets import MLP
from velbo.runtime import threads
from velbo.training import decide


@pytest.fixture(autouse=True)
def _measured_anew():
    clear = threads.speedup.cache_clear  # of the real one, should a test put another in its place
    clear()
    yield
    clear()


@pytest.mark.parametrize(("speedup", "expected"), [(0.1, 1), (0.7, 1), (0.95, 4), (1.5, 4)])
def test_one_thread_is_taken_where_more_are_clearly_slower(monkeypatch, speedup, expected):
    monkeypatch.setattr(threads, "speedup", lambda n: speedup)
    assert threads.best_number(4) == expected


def test_the_measurement_is_quick_and_leaves_the_number_alone():
    assert threads.speedup(1) == 1.0
    assert 0 < threads.speedup(2) < 100
    assert torch.get_num_threads() == 1


def test_inside_the_block_only():
    with threads.threads(2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 1
    with pytest.raises(RuntimeError), threads.threads(2):
        raise RuntimeError
    assert torch.get_num_threads() == 1

    @threads.threads(2)
    def inside() -> int:
        return torch.get_num_threads()

    assert (inside(), inside(), torch.get_num_threads()) == (2, 2, 1)


def test_a_plan_decides_and_records_it(monkeypatch):
    """And processes that share a machine share its threads."""
    monkeypatch.setattr("velbo.training.choices.speedup", lambda n: 0.25)
    monkeypatch.setattr("velbo.training.choices.best_number", lambda n: 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    decided, reasons = decide(TrainingConfig(), 100, MLP(2, 2), torch.device("cpu"))
    assert decided.machine.threads == 1
    assert reasons["threads"] == "1, as 4 are 0.25 times as fast here"
    monkeypatch.setattr("velbo.training.choices.best_number", lambda n: n)
    two = TrainingConfig(machine=Machine(devices=2))
    assert decide(two, 100, MLP(2, 2), torch.device("cpu"))[0].machine.threads == 2


def test_training_computes_on_as_many_as_it_is_told():
    seen = []

    class Spy:
        def log_metrics(self, metrics, step):
            seen.append(torch.get_num_threads())

        def log_progress(self, progress, text):
            pass

    x = torch.randn(20, 3).numpy()
    training = TrainingConfig(Budget(epochs=1), machine=Machine(threads=2))
    carry_out(plan(x, Recipe("mlp", 1, (4,)), training=training), x, loggers=[Spy()])
    assert seen == [2]
    with pytest.raises(ConfigError, match="threads must be at least 1"):
        Machine(threads=0)
