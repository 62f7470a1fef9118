"""The files of a model in a run's folder, as they are read; a run writes them, see run.py.

    config.json             what to build, and what it was trained with
    model.safetensors       the weights
    reference.safetensors   of a model of anomalies, latents of training rows
    typical.json            what cells are worth in most training rows

A model that was saved by itself may lie in the folder .saved still, which goes before what is beside it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RunError
from ..files import read_json, read_tensors
from . import typical

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, MODEL, TYPICAL, REFERENCE = "config.json", "model.safetensors", "typical.json", "reference.safetensors"


class ModelFiles:
    """Where the files of a model are, and what is in them.

    Attributes:
        path: of the folder.
        place: the same, or the URL that it is a copy of.
    """

    path: Path
    place: str | Path
    _saved: Path

    def file(self, name: str) -> Path:
        """Where a file of a model is now."""
        saved = self._saved / name
        return saved if os.path.exists(saved) else self.path / name

    @property
    def config_file(self) -> Path:
        """The plan."""
        return self.file(CONFIG)

    @property
    def model_file(self) -> Path:
        """The weights."""
        return self.file(MODEL)

    @property
    def typical_file(self) -> Path:
        """What cells are worth; the last file that training writes."""
        return self.file(TYPICAL)

    @property
    def reference_file(self) -> Path:
        """Latents of training rows. It counts where the plan says so: it may be there from a model before."""
        return self.file(REFERENCE)

    def config(self) -> Any:
        """
        Raises:
            RunError: if this is no run folder.
        """
        if not os.path.lexists(self.config_file):
            raise RunError(f"{self.place} is no run folder: there is no config.json in it; make one with 'velbo fit'")
        return read_json(self.config_file)

    def read_model(self) -> dict[str, Tensor]:
        """
        Raises:
            RunError: if there is no model, or its file is damaged.
        """
        if self.config_file.exists() and not self.model_file.exists():
            raise RunError(f"{self.place} has no trained model yet; continue it with 'velbo resume {self.place}'")
        return read_tensors(self.model_file)

    def read_reference(self) -> dict[str, Tensor] | None:
        """None, if nothing was written.

        Raises:
            RunError: if the file is damaged.
        """
        return read_tensors(self.reference_file) if self.reference_file.exists() else None

    def read_typical(self) -> tuple[float, ...]:
        """What a cell of each column is worth in most training rows, nats; nothing, if nothing was written."""
        return typical.read(self.typical_file)
