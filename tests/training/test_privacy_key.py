"""The key of the noise of private training: no folder that says that its run is done holds one."""

from __future__ import annotations

import secrets
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import velbo
import velbo.training.loop as loop
from velbo import Recipe, TrainingConfig
from velbo.config import Budget, Optimisation, Privacy
from velbo.files import read_tensors
from velbo.training import Run, checkpoints, mirror
from velbo.training.privacy import Secret

pytest.importorskip("opacus", reason="the extra privacy is not installed")

KEY = bytes(range(201, 217))
ROWS = pd.DataFrame({"a": np.linspace(-1, 2, 60), "b": np.tile(list("xyz"), 20)})


class Killed(BaseException):
    """By nobody caught, as a signal."""


@pytest.fixture(params=["disk", "store"])
def place(request, tmp_path, monkeypatch):
    """Name -> where a run of that name is; a checkpoint is written after every step, with one key."""
    monkeypatch.setattr(secrets, "token_bytes", lambda n: KEY[:n])
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    monkeypatch.setattr("velbo.training.privacy.spent_by", lambda *_: 1.0)  # which takes most of the time
    if request.param == "disk":
        return lambda name: tmp_path / name
    monkeypatch.setattr(mirror, "WAITS", ())
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    monkeypatch.setattr(MemoryFileSystem, "pseudo_dirs", [""])
    return lambda name: f"memory://box/{name}"


def is_there(place: Any) -> bool:
    """Whether a file of a run holds the key."""
    store, root = fsspec.core.url_to_fs(str(place))
    return any(KEY in store.cat_file(name) for name in store.find(root))


def elsewhere(place: Any) -> Run:
    """A run, to another process."""
    mirror._mirror_of.cache_clear()
    return Run(place)


def result(run: Run) -> Any:
    """All numbers that a run has left."""
    (folder,) = run.checkpoints.iterdir()
    tensors = read_tensors(folder / "tensors.safetensors") | read_tensors(run.model_file)
    return run.metrics(), {name: t.numpy().tobytes() for name, t in tensors.items()}


def test_killed_at_any_write_after_the_last_step_it_is_done_without_a_key_or_goes_on(place, monkeypatch):
    """At every call that writes or removes, on a disk and on a store; resumed, it ends with the bits of the others."""
    calls: dict[str, int | None] = {"left": None}

    def dying(call: Any) -> Any:
        def counted(*args: Any, **named: Any) -> Any:
            if calls["left"] == 0:
                raise Killed
            if calls["left"] is not None:
                calls["left"] -= 1
            return call(*args, **named)

        return counted

    for owner, name in (
        *((checkpoints, name) for name in ("remove_folder", "write_folder_atomically", "write_json")),
        *((MemoryFileSystem, name) for name in ("pipe_file", "rm_file")),
    ):
        monkeypatch.setattr(owner, name, dying(getattr(owner, name)))
    forget = Secret.forget
    training = TrainingConfig(Budget(epochs=1), Optimisation(batch_size=20), privacy=Privacy(epsilon=3.0))
    plan, results, kills, done = velbo.plan(ROWS, Recipe("mlp", 2, (4,)), training=training), [], 0, False
    while not done:

        def counting_from_now_on(secret: Secret) -> None:
            calls["left"] = kills if calls["left"] is None else calls["left"]  # noqa: B023
            forget(secret)

        at = place(f"run{kills}")
        run = elsewhere(at)
        run.create(plan.to_json())
        monkeypatch.setattr(Secret, "forget", counting_from_now_on)
        try:
            velbo.carry_out(plan, ROWS, run, report=False)
            done = True
        except Killed:
            kills += 1
        calls["left"] = None
        monkeypatch.setattr(Secret, "forget", forget)
        state = elsewhere(at).state()
        assert state is not None
        assert not (state.done and is_there(at))
        velbo.carry_out(plan, ROWS, elsewhere(at), report=False)
        assert not is_there(at)
        results.append(result(elsewhere(at)))
    assert kills >= 3
    assert all(each == results[0] for each in results)
