"""What a path holds: a trained model, where it is a run folder, else rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigError
from .formats.builtin import BUILTIN
from .formats.loading import load as load_rows
from .formats.reading import Reading

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from .build import Maker
    from .trained_model import TrainedModel


def load(
    name: str | Path, reading: Reading | None = None, *, model: Maker | str | None = None
) -> NDArray[Any] | dict[str, NDArray[Any]] | pa.Table | TrainedModel:
    """Read what a user names.

    Args:
        name: a run folder, which holds a config.json; or rows, as for `velbo.open_source`.
        reading: how a text is to be read, where that shall not be found out.
        model: what makes the model of a run with parts of your own; see `TrainedModel.load`.

    Returns:
        A `TrainedModel`, if it is a run folder. Else an array (N, *shape) where there is one array and nothing else, a
        mapping of arrays where there are arrays and columns beside each other, else a pyarrow table; `velbo.fit` takes
        all three.

    Raises:
        DataError: if there is nothing of that name, or it cannot be read.
        RunError: if the run is damaged.
        ConfigError: if its parts come from elsewhere and ``model`` does not give them, or if ``model`` is given for
            rows.
    """
    if name not in BUILTIN and os.path.isfile(os.path.join(name, "config.json")):
        from .trained_model import TrainedModel  # which loads torch, and rows do not

        return TrainedModel.load(name, model)
    if model is not None:
        raise ConfigError(f"{name} is no run folder, as there is no config.json in it, and only a run takes a model")
    return load_rows(name, reading)
