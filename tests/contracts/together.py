"""What processes that train together are given to do; they import this module and no test."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import nn

import velbo.training.loop as loop
from contracts.streams import GROUPS, Groups
from velbo import ELBO, TrainingConfig
from velbo.config import Budget, Optimisation, Validation
from velbo.files import write_json, write_tensors
from velbo.oracles import LinearGaussian, LinearGaussianHierarchy
from velbo.posteriors import Pathwise
from velbo.rows import Store
from velbo.rows.encodings import Standardise
from velbo.rows.stream import Stream
from velbo.training import Run, Team, Trainer


class AtTheMean(Pathwise):
    """No noise, so that the gradient of a batch is one number whoever computes it."""

    def sample(self, q, n_samples):
        return q.mean.expand(n_samples, *q.mean.shape)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "flat": lambda: LinearGaussian.random(5, 2, seed=0).vae(),
    "three groups": lambda: LinearGaussianHierarchy.random((5, 4, 3, 2), seed=0).model(),
}


def gradients(team: Team, out: Path, kind: str, n_rows: int) -> None:
    """One step on 7 rows: 4 for the first process, 3 for the second; or on a single one, of which the second
    has none.
    """
    x = torch.linspace(-1, 1, 35, dtype=torch.float64).reshape(7, 5)
    config = TrainingConfig(
        Budget(epochs=1), Optimisation(batch_size=7, lr=1e-9, ema=0), validation=Validation(validation=0)
    )
    trainer = Trainer(MODELS[kind](), Store.from_tensor(x), ELBO(draw=AtTheMean()), config, team=team)
    trainer.step(torch.arange(n_rows))
    if team.rank == 0:
        named = {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}
        sums = trainer.state.sums
        write_tensors(out, {**named, "rows seen": torch.tensor(sums.rows)})


def streamed(team: Team, folder: Path) -> None:
    """Two epochs on groups of rows that each process reads in its turn, and which ones it has read."""
    read = Groups()
    optimisation, validation = Optimisation(batch_size=32, lr=0.01), Validation(validation=0.1)
    config = TrainingConfig(Budget(epochs=2), optimisation, validation=validation)
    filled = lambda group: np.nan_to_num(read(group))  # noqa: E731
    data = Stream(GROUPS, filled, 5, Standardise((100.0,) * 5, (80.0,) * 5), torch.float64, window_rows=64)
    history = Trainer(MODELS["flat"](), data, ELBO(draw=AtTheMean()), config, team=team).run()
    write_json(folder / f"streamed {team.rank}.json", {"metrics": history.metrics, "read": read.asked_by})


def trained(team: Team, folder: Path, dies_at: int | None = None) -> None:
    """Three epochs of 4 steps on 26 rows, a checkpoint after each; the second process may be killed before a step."""
    x = torch.linspace(-1, 1, 165, dtype=torch.float64).reshape(33, 5)
    config = TrainingConfig(
        Budget(epochs=3), Optimisation(batch_size=7, lr=0.01), validation=Validation(validation=0.2)
    )
    loop.CHECKPOINT_SECONDS = -1.0
    trainer = Trainer(MODELS["flat"](), Store.from_tensor(x), ELBO(draw=AtTheMean()), config, Run(folder), team=team)
    step = trainer.step

    def step_or_die(index):
        if team.rank == 1 and trainer.state.step == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        step(index)

    trainer.step = step_or_die  # type: ignore[method-assign]
    trainer.run()


def nothing(team: Team, rows: np.ndarray) -> None:
    pass


def all_of_these(team: Team, folder: Path) -> None:
    """In one start, which takes longer than they do."""
    streamed(team, folder)
    for kind, n_rows in product(MODELS, (7, 1)):
        gradients(team, folder / f"{kind} {n_rows}", kind, n_rows)
    trained(team, folder / "left alone")
