"""What rows may come in; see base.py."""

from __future__ import annotations

from typing import Any

from ...errors import DataError
from .arrays import NAME, ArrayRows, MappingRows
from .arrow import ArrowRows, OtherFrames
from .base import Change, Column, Container, as_arrow
from .pandas import PandasRows
from .polars import PolarsRows

CONTAINERS: tuple[Container, ...] = (ArrayRows(), ArrowRows(), PandasRows(), PolarsRows(), MappingRows(), OtherFrames())


def container_of(x: Any, what: str = "data") -> Container:
    """What x is.

    Raises:
        DataError: if it is nothing that holds rows.
    """
    found = next((container for container in CONTAINERS if container.holds(x)), None)
    if found is None:
        lazy = "; collect it first" if hasattr(x, "collect") else ""
        array_like = "; give numpy.asarray(...) of it" if hasattr(x, "__array__") else ""
        raise DataError(f"{what}: a data frame or an array is needed, not {type(x).__name__}{lazy or array_like}")
    return found


def container_named(name: str) -> Container:
    """The container in which new rows are given."""
    return next(container for container in CONTAINERS if container.name == name)


__all__ = ["CONTAINERS", "NAME", "Change", "Column", "Container", "as_arrow", "container_named", "container_of"]
