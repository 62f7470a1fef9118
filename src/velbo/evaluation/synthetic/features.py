"""A table as numbers that any classifier, kernel or neighbour search can take.

code    C columns of 0 and 1, all 0 where missing; where C is over 1,000, a number: how many rows of the reference hold
        the same code
number  (v - mean) / standard deviation, 0 where missing, and a column that is 1 where missing
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...rows import Field
from ...rows.kinds.coded import MANY
from ..samples import Floats
from .table import as_table, deviation


def features(codes: Any, columns: Sequence[Field], reference: Any = None) -> Floats:
    """Numbers without holes, (N, F), F = sum of C over columns of up to 1,000 codes + 2 for each other.

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
        cells, own = table.codes[:, j], scale_by[:, j]
        if coded and column.n_categories > MANY:
            cells, own = (_frequencies(of, own, column.n_categories) for of in (cells, own))
        if coded and column.n_categories <= MANY:
            parts.append((cells[:, None] == np.arange(column.n_categories)).astype(np.float64))
        else:
            mean, scale = moments(own)
            missing = np.isnan(cells)
            parts.append(np.stack((np.where(missing, 0.0, cells / scale - mean), missing), 1))
    return np.concatenate(parts, 1)


def _frequencies(codes: Floats, reference: Floats, n_categories: int) -> Floats:
    """How many rows of the reference hold the same code, (N,); NaN where missing."""
    counts = np.bincount(reference[~np.isnan(reference)].astype(np.int64), minlength=n_categories)
    missing = np.isnan(codes)
    return np.where(missing, np.nan, counts[np.where(missing, 0, codes).astype(np.int64)])


def moments(cells: Floats) -> tuple[float, float]:
    """(mean / s, s) of the known cells, s their standard deviation, or 1 if they are equal; (0, 1) without any."""
    known = cells[~np.isnan(cells)]
    if not len(known):
        return 0.0, 1.0
    if known.min() == known.max():
        return float(known[0]), 1.0
    scale = deviation(known)
    return float((known / scale).mean()), scale
