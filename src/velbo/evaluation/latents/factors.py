"""Codes z (N, Z) and the known factors v (N, V) of the same rows, checked and brought to [0, 1], and their bins.

A factor of whole numbers has classes; any other is real (a count or an age becomes real when divided by 100). Codes and
real factors are cut into bins of equal width between their extremes; a column of no more distinct values than bins
keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ConfigError, DataError
from ..samples import Floats, as_matrix

ROWS_PER_CLASS = 5
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Factor:
    """Classes 0 .. C - 1, or a real quantity on [0, 1]; (N,)."""

    values: Floats
    has_classes: bool

    def labels(self, bins: int) -> Labels:
        return self.values.astype(np.int64) if self.has_classes else bins_of(self.values, bins)


def checked(codes: Any, factors: Any) -> tuple[Floats, list[Factor]]:
    """Codes mapped onto [0, 1], constant ones to 0, and the factors of the same rows.

    Raises:
        DataError: for missing cells, different numbers of rows, constant factors, or too few rows for the classes.
    """
    z, v = as_matrix(codes, "codes"), factors_of(factors)
    if len(z) != len(v[0].values):
        raise DataError(
            f"codes have {len(z)} rows, factors {len(v[0].values)}; give both of the same rows, in the same order"
        )
    return np.stack([_unit(c) for c in z.T], 1), v


def factors_of(factors: Any) -> list[Factor]:
    return [_factor(column, j) for j, column in enumerate(as_matrix(factors, "factors").T)]


def _factor(column: Floats, j: int) -> Factor:
    classes, labels = np.unique(column, return_inverse=True)
    unit = _unit(column)
    if not unit.any():
        raise DataError(
            f"factors: column {j} is constant, so no code can find it; leave it out: np.delete(factors, {j}, axis=1)"
        )
    whole = bool((column == np.round(column)).all())
    needed = ROWS_PER_CLASS * (len(classes) if whole else 2)
    if len(column) < needed:
        raise DataError(
            f"factors: column {j} has {len(classes)} values in {len(column)} rows; {needed} rows are needed"
            + (", or, if it is a quantity rather than a class, real numbers: divide it by 100" if whole else "")
        )
    return Factor(labels.astype(np.float64) if whole else unit, whole)


def _unit(column: Floats) -> Floats:
    """Onto [0, 1]; by halves, for the span of huge numbers to be a number."""
    low, span = column.min() / 2, column.max() / 2 - column.min() / 2
    return (column / 2 - low) / span if span > 0 else np.zeros_like(column)


def bins_of(column: Floats, bins: int) -> Labels:
    """Labels of a column on [0, 1]."""
    if bins < 2:
        raise ConfigError(f"bins = {bins}: at least 2 are needed; give bins=20")
    values, labels = np.unique(column, return_inverse=True)
    return labels if len(values) <= bins else np.minimum((column * bins).astype(np.int64), bins - 1)
