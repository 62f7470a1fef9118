"""The folder of checkpoints: <step>-<lines>/ with state.json and tensors.safetensors, of which the last two are kept.

A checkpoint appears by one rename, so that a run killed at any moment has a whole one; a damaged one is passed over for
the one before it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, RunError, VelboWarning
from ..files import (
    read_json,
    read_tensors,
    remove_folder,
    write_folder_atomically,
    write_json,
    write_tensors,
)
from .state import State

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 2
STATE, TENSORS = "state.json", "tensors.safetensors"


def write(checkpoints: Path, state: State, tensors: dict[str, Tensor]) -> bool:
    """Drop all but the last checkpoints, and write a state.

    Returns:
        Whether it was not there already.
    """

    def fill(folder: Path) -> None:
        write_tensors(folder / TENSORS, tensors)
        write_json(folder / STATE, state.to_json())

    target = _folder_of(checkpoints, state)
    if target.exists():
        return False
    # before and not after: nothing is left to be done in a run whose last checkpoint is there
    for old in _folders(checkpoints)[: 1 - KEPT]:
        remove_folder(old)
    write_folder_atomically(target, fill)
    return True


def write_only(checkpoints: Path, state: State, tensors: dict[str, Tensor]) -> None:
    """Write a state, and drop all checkpoints but this one."""
    write(checkpoints, state, tensors)
    for old in _folders(checkpoints)[:-1]:
        remove_folder(old)


def rewrite_state(checkpoints: Path, state: State) -> None:
    """Of a checkpoint that is there."""
    write_json(_folder_of(checkpoints, state) / STATE, state.to_json())


def read(
    checkpoints: Path, not_finite: Callable[[dict[str, Tensor]], str | None]
) -> tuple[State, dict[str, Tensor]] | None:
    """The last whole checkpoint, or None if none was written; a damaged one is passed over with a warning, and removed.

    Args:
        checkpoints: the folder.
        not_finite: tensors -> the name of one that holds numbers which it must not hold, if there is one.

    Raises:
        RunError: if there are checkpoints and none is whole.
    """
    folders = _folders(checkpoints)[::-1]
    damage = ""
    for folder in folders:
        try:
            state, tensors = _state(folder), read_tensors(folder / TENSORS)
            if name := not_finite(tensors):
                raise RunError(f"{folder / TENSORS}: the tensor '{name}' holds a number that is not finite")
        except (RunError, ConfigError) as error:
            damage = damage or str(error)
            continue
        if damage:
            warnings.warn(
                f"{damage}; continuing from the checkpoint before it, {folder}",
                VelboWarning,
                stacklevel=2,
            )
            for later in folders[: folders.index(folder)]:
                remove_folder(later)
        return state, tensors
    if folders:
        raise RunError(f"no checkpoint of {checkpoints.parent} is whole: {damage}")
    return None


def last_state(checkpoints: Path) -> State | None:
    """Of the last checkpoint whose state can be read."""
    for folder in _folders(checkpoints)[::-1]:
        with suppress(RunError, ConfigError):
            return _state(folder)
    return None


def _folder_of(checkpoints: Path, state: State) -> Path:
    # the same step comes twice at the end of an epoch: before and after its evaluation
    return checkpoints / f"{state.step:09d}-{state.n_metrics:06d}"


def _state(folder: Path) -> State:
    file = folder / STATE
    return State.from_json(read_json(file), str(file))


def _folders(checkpoints: Path) -> list[Path]:
    if not checkpoints.is_dir():
        return []
    return sorted(p for p in checkpoints.iterdir() if p.is_dir() and not p.name.startswith("."))
