"""What rows may come in; see base.py."""

from __future__ import annotations

from typing import Any

from ...errors import DataError
from .arrays import NAME, ArrayRows, MappingRows
from .arrow import ArrowRows, OtherFrames
from .base import Change, Column, Container
from .pandas import PandasRows
from .polars import PolarsRows

CONTAINERS: tuple[Container, ...] = (ArrowRows(), PandasRows(), PolarsRows(), MappingRows(), OtherFrames(), ArrayRows())


def container_of(x: Any, what: str = "data") -> Container:
    """What x is.

    Raises:
        DataError: if it is nothing that holds rows.
    """
    found = next((container for container in CONTAINERS if container.holds(x)), None)
    if found is None:
        raise DataError(f"{what}: a data frame or an array is needed, not {type(x).__name__}{_advice(x)}")
    return found


def _advice(x: Any) -> str:
    ways = {
        "collect": "collect it first",
        "compute": "compute it first",
        "to_frame": "give .to_frame() of it",
        "toarray": "give .toarray() of it",
    }
    return next((f"; {advice}" for method, advice in ways.items() if hasattr(x, method)), "")


def container_named(name: str) -> Container:
    """The container in which new rows are given."""
    return next(container for container in CONTAINERS if container.name == name)


__all__ = ["CONTAINERS", "NAME", "Change", "Column", "Container", "container_named", "container_of"]
