"""typical.json: what a cell of each column is worth in most training rows, nats; null where it is not known, as JSON
has no NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..files import from_json, read_json


@dataclass(frozen=True)
class Typical:
    """What the file holds."""

    log_p: tuple[float | None, ...]


def to_json(log_p: Sequence[float]) -> dict[str, Any]:
    """What is written of numbers, of which some may be NaN."""
    return asdict(Typical(tuple(None if v != v else v for v in log_p)))


def read(file: Path) -> tuple[float, ...]:
    """The numbers; none, if there is no such file.

    Raises:
        ConfigError: if the file holds something else.
    """
    if not file.exists():
        return ()
    found = from_json(Typical, read_json(file), str(file))
    return tuple(math.nan if v is None else v for v in found.log_p)
