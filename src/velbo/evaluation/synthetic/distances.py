"""Gower's distance of rows with numbers, codes and holes, and who is nearest to whom.

    d(a, b) = 1/D sum_j d_j,     d_j = |a_j - b_j| / range_j for numbers,  1[a_j != b_j] for codes
                                 a missing cell is a value of its own: 0 from another one, 1 from a number or code

So real rows are at 0 from copies alone, holes included. Ranges are those of real rows. A number x in units of its range
has coordinates (x/2, (1-x)/2, 0), a hole (0, 0, 1/2): the city-block distances of these are |x - y| and, for x in
[0, 1], 1. Numbers outside the range by more than its width count as outside by its width.

Source: A general coefficient of similarity and some of its properties, Gower, 1971, https://doi.org/10.2307/2528823
(equation 2, here without leaving out missing cells, for then a row full of holes would be close to all).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from ..samples import Floats
from ..samples.rows import row_blocks
from .table import Table

MOST_COUNTED = 255


@dataclass(frozen=True)
class Coordinates:
    """Rows whose city-block distance, plus the number of codes that differ, is D times Gower's.

    Attributes:
        numbers: (N, P), at least one for each column of numbers.
        codes: (Q, N), -1 where missing.
        width: D.
    """

    numbers: Floats
    codes: NDArray[np.int32]
    width: int

    def to(self, other: Coordinates) -> Floats:
        """Gower's distances, (N, M)."""
        shape = len(self.numbers), len(other.numbers)
        found = cdist(self.numbers, other.numbers, "cityblock") if self.numbers.shape[1] else np.zeros(shape)
        differs = np.empty(shape, np.bool_)
        # sums of bytes are several times faster than those of floats
        for first in range(0, len(self.codes), MOST_COUNTED):
            count, some = np.zeros(shape, np.uint8), slice(first, first + MOST_COUNTED)
            for a, b in zip(self.codes[some], other.codes[some], strict=True):
                count += np.not_equal(a[:, None], b, out=differs).view(np.uint8)
            found += count
        return found / self.width

    def block(self, rows: slice) -> Coordinates:
        return Coordinates(self.numbers[rows], self.codes[:, rows], self.width)


def coordinates(tables: Sequence[Table], reference: Table) -> list[Coordinates]:
    """Of each table, with the ranges of ``reference``; all have the same columns."""
    coded = reference.is_coded
    holes = np.any([np.isnan(t.codes).any(0) for t in tables], axis=0)[~coded]
    low, width = _ranges(reference.codes[:, ~coded])
    found = []
    for table in tables:
        # halves, for a range may be larger than any float; what a narrow one sends to infinity is clipped
        with np.errstate(over="ignore"):
            unit = np.clip((table.codes[:, ~coded] / 2 - low) / width, -1, 2)
        missing = np.isnan(unit)
        x = np.where(missing, 0.0, unit)
        triples = np.stack((x / 2, np.where(missing, 0.0, (1 - x) / 2), missing / 2), 2)[:, holes]
        numbers = np.concatenate((x[:, ~holes], triples.reshape(len(x), -1)), 1)
        codes = np.nan_to_num(table.codes[:, coded], nan=-1.0).astype(np.int32)
        found.append(Coordinates(numbers, np.ascontiguousarray(codes.T), len(coded)))
    return found


def _ranges(values: Floats) -> tuple[Floats, Floats]:
    """Halves of the smallest known cell and of the range of each column; the smallest float where there is no range."""
    known = ~np.isnan(values)
    some = known.any(0)
    low = np.where(some, np.where(known, values, np.inf).min(0), 0.0) / 2
    high = np.where(some, np.where(known, values, -np.inf).max(0), 0.0) / 2
    return low, np.maximum(high - low, np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Nearest:
    """Nearest rows of M synthetic rows among n training and n held-out ones, and back, by Gower's distance.

    Attributes:
        training: of each synthetic row to the two nearest training rows, (M, 2).
        holdout: to the two nearest held-out rows, (M, 2).
        claims: how many synthetic rows have this real row as the nearest, (2n,), training first; a synthetic row with
            several nearest ones gives each an equal part.
        synthetic: of each real row to the nearest synthetic one, (2n,).
    """

    training: Floats
    holdout: Floats
    claims: Floats
    synthetic: Floats


def nearest(synthetic: Coordinates, training: Coordinates, holdout: Coordinates) -> Nearest:
    """In blocks of rows: time is quadratic, memory is not."""
    n, m = len(training.numbers), len(synthetic.numbers)
    to_training, to_holdout = np.empty((m, 2)), np.empty((m, 2))
    claims, back = np.zeros(2 * n), np.full(2 * n, np.inf)
    for rows in row_blocks(m, 2 * n):
        block = synthetic.block(rows)
        d = np.concatenate((block.to(training), block.to(holdout)), 1)
        to_training[rows], to_holdout[rows] = _two_least(d[:, :n]), _two_least(d[:, n:])
        np.minimum(back, d.min(0), out=back)
        least = np.minimum(to_training[rows, 0], to_holdout[rows, 0])
        who, whom = np.nonzero(d == least[:, None])
        ties = np.bincount(who, minlength=len(d))
        claims += np.bincount(whom, 1 / ties[who], 2 * n)
    return Nearest(to_training, to_holdout, claims, back)


def _two_least(d: Floats) -> Floats:
    return np.partition(d, 1, axis=1)[:, :2]
