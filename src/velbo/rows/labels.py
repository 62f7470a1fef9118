"""What rows are told apart by where they are shown: one name or number a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ConfigError, DataError, unknown
from .arrow import decoded
from .containers import container_of
from .tensors import shape_of


def labels_of(rows: Any, labels: Any) -> tuple[list[Any] | None, str]:
    """(a label for each row, None where it is missing; what they are called); (None, "") where none are asked for.

    Args:
        rows: of any container.
        labels: the name of one of their fields, or one value a row.

    Raises:
        ConfigError: for a name that they do not have, or a field of arrays.
        DataError: if there are not as many values as rows, or they are no numbers or names.
    """
    if labels is None:
        return None, ""
    columns = {c.name: c for c in container_of(rows).columns(rows, "data")}
    if not isinstance(labels, str):
        values, n = np.asarray(labels), len(next(iter(columns.values())).cells())
        if values.ndim != 1:
            raise DataError(f"labels: one number or name a row is needed, not an array of shape {values.shape}")
        if len(values) != n:
            raise DataError(f"labels: {n} are needed, one a row, not {len(values)}")
        return values.tolist(), "label"
    if labels not in columns:
        raise unknown("field of labels", labels, columns)
    cells = columns[labels].cells()
    if shape_of(cells.type):
        raise ConfigError(f"'{labels}' holds arrays, and a label is one name or number a row")
    return [_plain(v) for v in decoded(cells).to_pylist()], labels


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
