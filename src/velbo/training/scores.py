"""Scores of training rows, computed once and kept in the run folder as training_scores.json.

    threshold of a share s  =  s-quantile of log p(x) over rows that the model was trained on

What is kept counts for the model, the rows, the number of samples and the seed that it was computed with, and for this
version of velbo; anything else is computed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .. import __version__
from ..errors import ConfigError, RunError
from ..files import from_json, read_json, write_json
from .run import Run


@dataclass(frozen=True)
class Origin:
    """What scores follow from.

    Attributes:
        model: see `identity`.
        rows: which rows; "" for those that the plan names.
        samples: of the bound.
        seed: of all noise, and of the choice of rows.
        version: of velbo.
    """

    model: str
    rows: str
    samples: int
    seed: int
    version: str = __version__


@dataclass(frozen=True)
class Kept:
    """What the file holds.

    Attributes:
        origin: of the scores.
        log_p: the scores, nats, the lowest first.
    """

    origin: Origin
    log_p: tuple[float, ...]


def identity(config: Any, weights: Mapping[str, Tensor]) -> str:
    """Of a model, by its plan as JSON and its weights: another model has another one."""
    digest = hashlib.blake2b(json.dumps(config, sort_keys=True).encode(), digest_size=16)
    for name, tensor in sorted(weights.items()):
        digest.update(f"\0{name} {tuple(tensor.shape)} {tensor.dtype}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def kept_or_computed(
    run: Run, origin: Origin, compute: Callable[[], NDArray[np.float64]]
) -> tuple[NDArray[np.float64], bool]:
    """(scores in order, whether they were kept). New ones are kept where the folder can be written.

    Args:
        run: whose folder it is.
        origin: of the scores that are wanted.
        compute: gives them.
    """
    with suppress(RunError, ConfigError):
        found = from_json(Kept, read_json(run.scores_file), str(run.scores_file))
        if found.origin == origin:
            return np.asarray(found.log_p), True
    scores = np.sort(compute())
    if np.isfinite(scores).all():
        with suppress(RunError), run.locked():
            write_json(run.scores_file, asdict(Kept(origin, tuple(scores.tolist()))))
    return scores, False
