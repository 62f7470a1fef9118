"""Numbers above 0: x = v / scale, scale the geometric mean; an encoder sees log x, far ones squashed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..column_statistics import ColumnStatistics
from ..field import Field
from ..statistics import Statistics
from .base import Measured, Misfit

if TYPE_CHECKING:
    from .views import View

SKEWED, WIDE = 2.0, 100.0
MOST_TIMES_TYPICAL = 1e30
MARGIN = 1e-3
"""Of bounded numbers, in widths of their interval: a density on (0, 1) says nothing of 0 and of 1."""


class Positive(Measured):
    """Numbers above 0, skewed unless in logarithms."""

    name = "positive"
    likelihood = "log-normal"
    is_density = True

    def claims(self, found: Statistics) -> str:
        if not isinstance(found, ColumnStatistics) or not found.holds_numbers or found.whole or not found.low > 0:
            return ""
        if found.high > MOST_TIMES_TYPICAL * found.low:
            return ""  # no unit suits both ends
        skew, log_skew = found.moments.skewness, found.logs.skewness
        if skew > SKEWED and abs(log_skew) < skew:
            return f"numbers above 0, skewed ({skew:.1f}; {log_skew:.1f} in logarithms)"
        if found.high > WIDE * found.low and abs(log_skew) < abs(skew):
            powers = math.log10(found.high / found.low)
            return f"numbers from {found.low:g} to {found.high:g}, over {powers:.0f} powers of ten"
        return ""

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        self.require_numbers(found)
        if "not positive" in found.first:
            why = f"{self.at(found, 'not positive')}; take kind real, or count for whole numbers from 0"
            raise self.refused(found.name, why)
        return self.measured(found, about, 0.0, np.exp(found.log_mean))

    def misfits(self, v: NDArray[Any], field: Field) -> list[Misfit]:
        scale = field.each("scale")
        usual = (v <= MOST_TIMES_TYPICAL * scale) & (v * MOST_TIMES_TYPICAL >= scale)
        return [
            Misfit(v <= 0, "is not above 0", "real"),
            Misfit(~usual & ~np.isnan(v), f"differs from what is usual by a factor of over {MOST_TIMES_TYPICAL:g}"),
        ]

    def view(self, cells: Sequence[Field]) -> View:
        from .views import LogView

        return LogView(len(cells))


class Bounded(Measured):
    """Numbers that fill [0, 1], or another interval: x = (v - location) / scale in (0, 1). An encoder sees
    (x - 1/2) sqrt 12, which has the spread of a uniform column.
    """

    name = "bounded"
    likelihood = "logit-normal"
    is_density = True

    def claims(self, found: Statistics) -> str:
        if not isinstance(found, ColumnStatistics) or not found.holds_numbers or found.whole or len(found.counts) <= 12:
            return ""
        fills = found.low >= 0 and found.high <= 1 and found.low <= 0.05 and found.high >= 0.95
        return "numbers that fill [0, 1]" if fills else ""

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        self.require_numbers(found)
        if np.min(found.low) > 0 and np.max(found.high) < 1:
            return self.measured(found, about, 0.0, 1.0)
        unit = np.min(found.low) >= 0 and np.max(found.high) <= 1
        low, high = (0.0, 1.0) if unit else (found.low, found.high)
        width = np.asarray(high) - np.asarray(low)
        margin = MARGIN * np.where(width > 0, width, 1.0)
        return self.measured(found, about, low - margin, width + 2 * margin)

    def misfits(self, v: NDArray[Any], field: Field) -> list[Misfit]:
        low, high = field.each("location"), field.each("location") + field.each("scale")
        ends = f"between {np.min(low):g} and {np.max(high):g}"
        return [Misfit((v <= low) | (v >= high), f"does not lie {ends}", "real")]

    def view(self, cells: Sequence[Field]) -> View:
        from .views import Elementwise

        return Elementwise(len(cells), math.sqrt(12), -math.sqrt(12) / 2)
