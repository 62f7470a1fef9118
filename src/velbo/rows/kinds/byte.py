"""Arrays of whole numbers 0 .. levels - 1, as 8-bit images have: 256 levels. An encoder sees x as it is.

What x is depends on the likelihood (encodings.py): a level on a grid in [0, 1], a number within it, or 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...errors import ConfigError
from ..field import Field
from ..statistics import ArrayStatistics, Statistics
from .base import Measured, Misfit

if TYPE_CHECKING:
    from .views import View

MAX_LEVELS = 65_536


class Byte(Measured):
    """Levels of pixels."""

    name = "byte"
    likelihood = "discretized-logistic"
    is_whole = True

    def claims(self, found: Statistics) -> str:
        if not isinstance(found, ArrayStatistics) or not found.whole or "negative" in found.first:
            return ""
        if found.value_type == pa.uint8():
            return "arrays of 8-bit numbers"
        is_image = len(found.shape) > 1 and np.max(found.high) <= 255
        return "images of whole numbers" if is_image else ""

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        self.require_numbers(found)
        if not found.whole:
            raise self.refused(found.name, f"{self.at(found, 'fraction')}, which is not whole")
        if "negative" in found.first:
            raise self.refused(found.name, f"{self.at(found, 'negative')}, which is below 0")
        high = float(np.max(found.high))
        levels = about.pop("levels", None) or _levels(found, high)
        if not 2 <= levels <= MAX_LEVELS:
            raise ConfigError(f"levels must be between 2 and {MAX_LEVELS}, not {levels}")
        if high >= levels:
            raise self.refused(found.name, f"it holds {high:g}, and {levels} levels end at {levels - 1}; give --levels")
        return Field(**about, levels=levels, low=float(np.min(found.low)), high=high, decimals=0)

    def misfits(self, v: NDArray[Any], field: Field) -> list[Misfit]:
        if v.dtype == np.uint8 and field.levels == 256:
            return []
        bad = (v < 0) | (v >= field.levels) | (v % 1 > 0)
        return [Misfit(bad, f"is no whole number from 0 to {field.levels - 1}", "real")]

    def view(self, cells: Sequence[Field]) -> View:
        from .views import Elementwise

        return Elementwise(len(cells))

    def shown(self, field: Field) -> str:
        return f"{super().shown(field)}, {field.levels} levels"


def _levels(found: Statistics, high: float) -> int:
    """8-bit files have 256 levels however dark they are; whole numbers of a wider type tell their own range."""
    is_8_bit = isinstance(found, ArrayStatistics) and found.value_type == pa.uint8()
    return 256 if is_8_bit or 64 <= high < 256 else max(int(high) + 1, 2)
