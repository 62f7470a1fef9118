"""Whole numbers: integers, standardised and without bounds, and counts from 0, as they are.

An encoder sees of integers what it sees of reals, of counts 2 log(1 + x) / log(1 + high) - 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..column_statistics import ColumnStatistics
from ..field import Field
from ..statistics import Statistics
from .base import Measured, Misfit, between
from .reals import too_far

if TYPE_CHECKING:
    from .views import View

MAX_COUNT = 1000
MOST_TIMES_TYPICAL = 1e30
FREQUENT_SHARE, MOST_FREQUENT = 0.05, 8
HEAPED_CELLS, HEAPED_SHARE, HEAPED_TIMES, MOST_HEAPED = 5, 0.001, 3.0, 56


def _frequent(found: Statistics) -> tuple[float, ...]:
    if not isinstance(found, ColumnStatistics):
        return ()
    least = max(HEAPED_CELLS, math.ceil(HEAPED_SHARE * found.n))
    heaped = found.heaped(least, HEAPED_TIMES, MOST_HEAPED)
    return tuple(sorted({*found.frequent(FREQUENT_SHARE, MOST_FREQUENT), *heaped}))


class Integer(Measured):
    """Whole numbers without bounds."""

    name = "integer"
    likelihood = "discretized-mixture"
    is_whole = True

    def claims(self, found: Statistics) -> str:
        is_whole = isinstance(found, ColumnStatistics) and found.whole and found.holds_numbers
        return f"whole numbers from {between(found.low, found.high)}" if is_whole else ""

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        self.require_numbers(found)
        if not found.whole:
            raise self.refused(found.name, f"{self.at(found, 'fraction')}, which is not whole")
        return self.measured(found, about, np.round(found.moments.mean), found.spread, _frequent(found))

    def misfits(self, v: NDArray[Any], field: Field) -> list[Misfit]:
        return [Misfit(v % 1 > 0, "is not whole", "real"), too_far(v, field)]

    def view(self, cells: Sequence[Field]) -> View:
        from .views import Squashed

        return Squashed(len(cells))


class Count(Measured):
    """Whole numbers from 0."""

    name = "count"
    likelihood = "negative-binomial"
    is_whole = True

    def claims(self, found: Statistics) -> str:
        is_whole = isinstance(found, ColumnStatistics) and found.whole and found.holds_numbers
        if not is_whole or found.low != 0 or found.high >= MAX_COUNT:
            return ""
        return f"whole numbers from {between(0, found.high)}"

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        self.require_numbers(found)
        if not found.whole:
            raise self.refused(found.name, f"{self.at(found, 'fraction')}, which is not whole")
        if "negative" in found.first:
            raise self.refused(found.name, f"{self.at(found, 'negative')}; take kind integer")
        return self.measured(found, about, 0.0, 1.0, _frequent(found))

    def misfits(self, v: NDArray[Any], field: Field) -> list[Misfit]:
        return [
            Misfit((v % 1 > 0) | (v < 0), "is no whole number from 0", "real" if (v % 1 > 0).any() else "integer"),
            Misfit(v > MOST_TIMES_TYPICAL, f"is over {MOST_TIMES_TYPICAL:g}"),
        ]

    def view(self, cells: Sequence[Field]) -> View:
        from .views import CountView

        return CountView([max(math.log1p(float(np.max(c.high))), 1.0) for c in cells])
