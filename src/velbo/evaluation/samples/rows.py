"""Two sets of rows, real and fake, checked and brought to one scale: what every measure begins with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from ...errors import DataError
from ...rows.arrays import CELLS_PER_BLOCK, as_rows

Floats = NDArray[np.float64]


def as_matrix(x: Any, what: str) -> Floats:
    """Rows without missing cells, (N, ...) -> (N, D) float64.

    Raises:
        DataError: if ``x`` is no array of numbers, or has missing or infinite cells; ``what`` names it.
    """
    # NumPy has no bfloat16
    array = x.detach().cpu().double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x
    rows = as_rows(array, what)
    rows = rows.reshape(len(rows), -1).astype(np.float64, copy=False)
    missing = np.isnan(rows)
    if missing.any():
        row, column = np.argwhere(missing)[0]
        raise DataError(
            f"{what}: {int(missing.any(1).sum())} of {len(rows)} rows have missing cells, first row {row}, column "
            f"{column}; impute them, or leave those rows out: x[~np.isnan(x.reshape(len(x), -1)).any(1)]"
        )
    return rows


def pair(real: Any, fake: Any, least: int, advice: str) -> tuple[Floats, Floats]:
    """Both as matrices, of one width and with at least ``least`` rows."""
    x, y = as_matrix(real, "real"), as_matrix(fake, "fake")
    if x.shape[1] != y.shape[1]:
        raise DataError(
            f"real has {x.shape[1]} numbers a row, fake has {y.shape[1]}; give both the same columns in the same order"
        )
    for rows, what in ((x, "real"), (y, "fake")):
        if len(rows) < least:
            raise DataError(f"{what} has too few rows, {len(rows)}: {advice}")
    return x, y


def scaled(x: Floats, y: Floats) -> tuple[Floats, Floats, float]:
    """Both centred on their common mean and divided by a power of 2 (that is exact) near the largest cell; the power.

    Otherwise squares would lose digits far from zero, and overflow for huge cells.
    """
    largest = max(np.abs(x).max(), np.abs(y).max())
    scale = math.ldexp(1.0, min(math.frexp(largest)[1], 1023)) if largest > 0 else 1.0
    x, y = x / scale, y / scale
    mean = (x.sum(0) + y.sum(0)) / (len(x) + len(y))
    return x - mean, y - mean, scale


def row_blocks(n: int, width: int) -> Iterator[slice]:
    return gen_batches(n, max(1, CELLS_PER_BLOCK // width))
