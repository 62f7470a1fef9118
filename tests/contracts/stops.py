"""Training that is stopped after every single step."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import velbo.training.loop as loop
from velbo.training import Trainer


def stopped_after_a_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """To be called before each start: training then makes one step, saves it, and is interrupted before the next."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    original, made = Trainer.step, list[bool]()

    def one_step_then_die(self, index):
        if made:
            raise KeyboardInterrupt
        original(self, index)
        made.append(True)

    monkeypatch.setattr(Trainer, "step", one_step_then_die)
    return made.clear
