"""A table as numbers that any classifier, kernel or neighbour search can take.

code    C columns of 0 and 1, all 0 where missing
number  (v - mean) / standard deviation, 0 where missing, and a column that is 1 where missing
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...rows import Field
from ..samples import Floats
from .table import as_table, deviation


def features(codes: Any, columns: Sequence[Field], reference: Any = None) -> Floats:
    """Numbers without holes, (N, F), F = sum of C over coded columns + 2 for each other.

    Args:
        codes: (N, D), NaN missing.
        columns: the D modelled ones.
        reference: codes (M, D) whose known cells give means and standard deviations; give the same one for tables that
            are to be compared. None takes ``codes``.

    Raises:
        ConfigError: for columns that are not modelled.
        DataError: for codes that do not fit the columns.
    """
    table = as_table(codes, columns, "codes")
    scale_by = table.codes if reference is None else as_table(reference, columns, "reference").codes
    parts = []
    for j, (column, coded) in enumerate(zip(columns, table.is_coded, strict=True)):
        cells = table.codes[:, j]
        if coded:
            parts.append((cells[:, None] == np.arange(column.n_categories)).astype(np.float64))
        else:
            mean, scale = moments(scale_by[:, j])
            missing = np.isnan(cells)
            parts.append(np.stack((np.where(missing, 0.0, cells / scale - mean), missing), 1))
    return np.concatenate(parts, 1)


def moments(cells: Floats) -> tuple[float, float]:
    """(mean / s, s) of the known cells, s their standard deviation, or 1 if they are equal; (0, 1) without any."""
    known = cells[~np.isnan(cells)]
    if not len(known):
        return 0.0, 1.0
    if known.min() == known.max():
        return float(known[0]), 1.0
    scale = deviation(known)
    return float((known / scale).mean()), scale
