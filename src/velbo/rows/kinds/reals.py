"""Numbers without bounds: reals, and dates, which are seconds since 1970.

x = (v - location) / scale, standardised; an encoder sees x, beyond 3 growing as the logarithm, so that one far cell
does not drown the rest
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import SchemaError
from ..arrow import missing_of, numbers, sort_of, times_of_text, type_of
from ..column_statistics import ColumnStatistics
from ..field import Field
from ..statistics import Statistics
from .base import MAX_STANDARD_DEVIATIONS, Measured, Misfit, refuse_other_sort

if TYPE_CHECKING:
    from .views import View


def too_far(v: NDArray[Any], field: Field) -> Misfit:
    """Cells of a wrong unit, more likely than not."""
    far = abs((v - field.each("location")) / field.each("scale")) > MAX_STANDARD_DEVIATIONS
    return Misfit(
        far,
        f"is over {MAX_STANDARD_DEVIATIONS:g} standard deviations from the training data's mean, as in a wrong unit",
    )


class Real(Measured):
    """Numbers without bounds."""

    name = "real"
    likelihood = "student-t"  # a column may have heavy tails of its own
    likelihood_of_arrays = "normal"  # their cells are of one sort
    is_density = True

    def claims(self, found: Statistics) -> str:
        if isinstance(found, ColumnStatistics):
            return "durations, in seconds" if found.is_duration else "numbers"
        return "arrays of numbers"

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        self.require_numbers(found)
        return self.measured(found, about, found.moments.mean, found.spread)

    def misfits(self, v: NDArray[Any], field: Field) -> list[Misfit]:
        return [too_far(v, field)]

    def view(self, cells: Sequence[Field]) -> View:
        from .views import Squashed

        return Squashed(len(cells))


class Datetime(Measured):
    """Dates, and times of dates."""

    name = "datetime"
    likelihood = "normal-mixture"
    is_density = True

    def claims(self, found: Statistics) -> str:
        return "dates" if isinstance(found, ColumnStatistics) and found.is_time else ""

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        if not (isinstance(found, ColumnStatistics) and found.is_time):
            raise self.refused(found.name, "its cells are no dates; convert them first")
        if not found.n:
            raise self.refused(found.name, "every cell is missing; leave the kind to be guessed")
        return self.measured(found, about, found.moments.mean, found.spread)

    def column(self, cells: Any, field: Field, what: str) -> NDArray[np.float64]:
        refuse_other_sort(cells, field, what, "dates")
        sort, zone = sort_of(cells.type), getattr(type_of(field.dtype), "tz", None)
        if sort == "text":
            return numbers(times_of_text(cells, field.name, zone, what), field.name, what)
        if sort != "dates" and not missing_of(cells).all():
            raise SchemaError(f"{what}: column '{field.name}' holds {sort}, and held dates in training; convert them")
        if sort == "dates" and (getattr(cells.type, "tz", None) is None) != (zone is None):
            had, advice = ("none", "remove theirs") if zone is None else (zone, "give these one")
            raise SchemaError(
                f"{what}: column '{field.name}' holds times of type {cells.type}, and in training their zone was "
                f"{had}; {advice}"
            )
        return numbers(cells, field.name, what)

    def misfits(self, v: NDArray[Any], field: Field) -> list[Misfit]:
        return [too_far(v, field)]

    def view(self, cells: Sequence[Field]) -> View:
        from .views import Squashed

        return Squashed(len(cells))

    def shown(self, field: Field) -> str:
        ends = (np.datetime64(int(v), "s").astype("datetime64[D]") for v in (field.low, field.high))  # type: ignore[arg-type]
        return " to ".join(map(str, ends))
