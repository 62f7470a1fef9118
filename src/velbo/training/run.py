"""A run is a folder.

    config.json                 what to build, the schema, the objective, the training, versions, the data's fingerprint
    model.safetensors           the best weights so far (by the validation bound), averaged
    metrics.jsonl               one line an evaluation; the same bits for the same seed, interrupted or not
    clock.jsonl                 seconds of training at each of those lines; differs from run to run
    typical.json                what cells are worth in most training rows; see velbo.evaluation.typical
    checkpoint/<step>-<lines>/  training state: state.json + tensors.safetensors; the last two are kept

A checkpoint is a folder that appears by one rename, so a run killed at any moment finds a whole one.
"""

from __future__ import annotations

import json
import math
import shutil
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..errors import RunError, VelboWarning
from ..files import from_json, read_json, read_tensors, write_folder_atomically, write_json, write_tensors, write_text

KEPT_CHECKPOINTS = 2


@dataclass(frozen=True)
class Typical:
    """What typical.json holds."""

    log_p: tuple[float | None, ...]


class Run:
    """The files of one run.

    Args:
        path: of the folder, which need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.json"
        self.model_file = self.path / "model.safetensors"
        self.typical_file = self.path / "typical.json"
        self.metrics_file = self.path / "metrics.jsonl"
        self.clock_file = self.path / "clock.jsonl"
        self.checkpoints = self.path / "checkpoint"

    def create(self, config: dict[str, Any]) -> None:
        """Start the folder.

        Raises:
            RunError: if there is a run in it already, or it cannot be written.
        """
        self.refuse_if_taken()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{self.path}: cannot be made a run folder: {error}") from error
        write_json(self.config_file, config)

    def refuse_if_taken(self) -> None:
        """Raise RunError if there is a run in the folder."""
        if self.config_file.exists():
            raise RunError(
                f"{self.path} holds a run already; continue it with 'velbo resume {self.path}', or give another folder"
            )

    def config(self) -> Any:
        """
        Raises:
            RunError: if this is no run folder.
        """
        if not self.config_file.exists():
            raise RunError(f"{self.path} is no run folder: there is no config.json in it; make one with 'velbo fit'")
        return read_json(self.config_file)

    def write_model(self, weights: dict[str, Tensor]) -> None:
        write_tensors(self.model_file, weights)

    def read_model(self) -> dict[str, Tensor]:
        if self.config_file.exists() and not self.model_file.exists():
            raise RunError(f"{self.path} has no trained model yet; continue it with 'velbo resume {self.path}'")
        return read_tensors(self.model_file)

    def write_typical(self, log_p: Sequence[float]) -> None:
        """What a cell of each column is worth in most training rows, nats; NaN where it is not known."""
        write_json(self.typical_file, asdict(Typical(tuple(None if v != v else v for v in log_p))))

    def read_typical(self) -> tuple[float, ...]:
        """The same; nothing, if nothing was written.

        Raises:
            ConfigError: if the file holds something else.
        """
        if not self.typical_file.exists():
            return ()
        found = from_json(Typical, read_json(self.typical_file), str(self.typical_file))
        return tuple(math.nan if v is None else v for v in found.log_p)

    # checkpoints

    def write_checkpoint(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Write a state and drop all but the last checkpoints."""

        def write(folder: Path) -> None:
            write_tensors(folder / "tensors.safetensors", tensors)
            write_json(folder / "state.json", state)

        # the same step comes twice at the end of an epoch: before and after its evaluation
        target = self.checkpoints / f"{state['step']:09d}-{state['n_metrics']:06d}"
        if not target.exists():
            write_folder_atomically(target, write)
        for old in self._checkpoint_folders()[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(old, ignore_errors=True)

    def read_checkpoint(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """The last whole checkpoint, or None if none was written; a damaged one is passed over with a warning.

        Raises:
            RunError: if there are checkpoints and none is whole.
        """
        folders = self._checkpoint_folders()[::-1]
        damage = ""
        for folder in folders:
            try:
                state, tensors = (
                    read_json(folder / "state.json"),
                    read_tensors(folder / "tensors.safetensors"),
                )
            except RunError as error:
                damage = damage or str(error)
                continue
            if damage:
                warnings.warn(
                    f"{damage}; continuing from the checkpoint before it, {folder}",
                    VelboWarning,
                    stacklevel=2,
                )
                for later in folders[: folders.index(folder)]:
                    shutil.rmtree(later, ignore_errors=True)
            return state, tensors
        if folders:
            raise RunError(f"no checkpoint of {self.path} is whole: {damage}")
        return None

    def _checkpoint_folders(self) -> list[Path]:
        if not self.checkpoints.is_dir():
            return []
        return sorted(p for p in self.checkpoints.iterdir() if p.is_dir() and not p.name.startswith("."))

    # metrics

    def append_metrics(self, metrics: dict[str, Any], seconds: float) -> None:
        _append(self.metrics_file, metrics)
        _append(self.clock_file, {"step": metrics["step"], "seconds": round(seconds, 3)})

    def metrics(self) -> list[dict[str, Any]]:
        """Every line of metrics.jsonl."""
        if not self.metrics_file.exists():
            return []
        lines = self.metrics_file.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def truncate_metrics(self, n_lines: int) -> None:
        """Keep the first lines: what a killed run wrote after its last checkpoint is written again."""
        for file in (self.metrics_file, self.clock_file):
            if file.exists():
                kept = "".join(file.read_text(encoding="utf-8").splitlines(keepends=True)[:n_lines])
                write_text(file, kept)


def _append(file: Path, record: dict[str, Any]) -> None:
    try:
        with file.open("a", encoding="utf-8") as f:
            f.write(json.dumps(record, allow_nan=False) + "\n")
    except OSError as error:
        raise RunError(f"{file}: cannot be written: {error}") from error
