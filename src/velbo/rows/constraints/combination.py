"""Fixed combinations: of some columns a row has values that some training row has together, and no others.

What is nearest: among the combinations that agree with the cells that are not free, the one of the least

    sum_j 2^-j d_j,    d_j = whether names differ, or min(1, |difference| / scale) of numbers

so that the columns that were named first stay as they are; of several, the most frequent in training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..field import Field

Floats = NDArray[np.float64]
MOST = 10_000


@dataclass(frozen=True)
class Combination:
    """One of them.

    Attributes:
        text: as it was declared.
        columns: names.
        values: v of every combination that training rows have, most frequent first.
    """

    text: str
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...] = ()

    def broken(self, v: Floats, fields: Sequence[Field]) -> NDArray[np.bool_]:
        """Which rows of v (N, C) do not keep it, (N,); none with a missing cell."""
        return ~_isin(v, np.array(self.values)) & ~np.isnan(v).any(1)

    def nearest(self, v: Floats, free: NDArray[np.bool_], fields: Sequence[Field]) -> Floats:
        """Values near v (N, C) that keep it, if those of free cells can; the other cells are as they were."""
        known = np.array(self.values)
        unit = np.array([1e-9 if f.categories else f.one("scale") for f in fields])
        weight = 0.5 ** np.arange(len(fields))
        rows, which = np.unique(np.concatenate((v, free.astype(float)), 1), axis=0, return_inverse=True)
        found = rows[:, : len(fields)].copy()
        for place, row in enumerate(rows):
            values, is_free = row[: len(fields)], row[len(fields) :] > 0
            agrees = (known[:, ~is_free] == values[~is_free]).all(1)
            if agrees.any():
                cost = np.minimum(np.abs(known[agrees] - values) / unit, 1.0) @ weight
                found[place] = known[agrees][cost.argmin()]
        return found[which.ravel()]


def _isin(v: Floats, known: Floats) -> NDArray[np.bool_]:
    """Which rows of v (N, C) are among the known ones (M, C)."""

    def whole(rows: Floats) -> NDArray[np.void]:
        exact = np.ascontiguousarray(rows + 0.0)  # of two zeros, one
        return exact.view(np.dtype((np.void, exact.itemsize * exact.shape[1]))).ravel()

    return np.isin(whole(v), whole(known))


def counted(v: Floats, seen: Counter[tuple[float, ...]]) -> None:
    """Count the combinations of whole rows of v (N, C)."""
    whole = v[~np.isnan(v).any(1)]
    if len(whole):
        values, n = np.unique(whole, axis=0, return_counts=True)
        seen.update(dict(zip(map(tuple, values.tolist()), n.tolist(), strict=True)))
