"""Inequalities and sums of columns, for values v_1 .. v_C of a row:

    g = sum_j a_j v_j - b,    g <= 0,  g < 0  or  g = 0

What is nearest: if g = 0 is asked for and one column stands alone on its side (c in a + b = c), that one follows from
the others. Else the free columns give way together, each by the variance s_j^2 that it has in the data, which for
independent Normal noise is their mean given that g = 0,

    v_j  <-  v_j - g a_j s_j^2 / sum_k a_k^2 s_k^2

within the ranges that the data have, and on the grid that the column's values lie on; the column of the largest
variance takes what rounding leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..field import Field

Floats = NDArray[np.float64]
RELATIONS = ("<=", "<", "=")
ROUNDING, ROUNDING_OF_TWO, ROUNDING_OF_SINGLES = 1e-12, 1e-15, 1e-6
"""Of g, as a share of its terms: sums of decimals are not exact in floats; differences of two nearly are."""
LEAST_STEP = 1e-9
"""By which a float is below another one, in units of scales."""


@dataclass(frozen=True)
class Linear:
    """One inequality or sum.

    Attributes:
        text: as it was declared.
        columns: names.
        coefficients: a_j.
        relation: of g and 0.
        constant: b.
    """

    text: str
    columns: tuple[str, ...]
    coefficients: tuple[float, ...]
    relation: str
    constant: float = 0.0

    def gap(self, v: Floats) -> Floats:
        """g of values (N, C)."""
        return v @ np.array(self.coefficients) - self.constant

    def broken(self, v: Floats, fields: Sequence[Field]) -> NDArray[np.bool_]:
        """Which rows of v (N, C) do not keep it, (N,); none with a missing cell."""
        g = self.gap(v)
        tolerance, step = self._tolerance(v, fields), self._step(fields)
        if self.relation == "=":
            return np.abs(g) > tolerance
        return g > tolerance if self.relation == "<=" else g >= -np.minimum(tolerance, step / 2)

    def nearest(self, v: Floats, free: NDArray[np.bool_], fields: Sequence[Field]) -> Floats:
        """Values near v (N, C) that keep it, if those of free cells can; the other cells are as they were."""
        a, v = np.array(self.coefficients), v.copy()
        g = self.gap(v)
        if self.relation == "<":
            least = LEAST_STEP * np.array([f.one("scale") for f in fields]) @ np.abs(a)
            g = g + (self._step(fields) or np.maximum(least, 2 * self._tolerance(v, fields)))
        alone = self._alone()
        follows = free[:, alone] if alone is not None else np.zeros(len(v), dtype=bool)
        if alone is not None:
            v[follows, alone] -= g[follows] / a[alone]
        rest = ~follows & free.any(1)
        v[rest] = _given_way(v[rest], free[rest], a, g[rest], fields, self.relation == "=")
        return v

    def _alone(self) -> int | None:
        """Which column follows from the others: of a sum, the one that stands alone on its side, the last of two."""
        sides = [[j for j, a in enumerate(self.coefficients) if a * sign > 0] for sign in (1, -1)]
        single = [side[0] for side in sides if len(side) == 1]
        return max(single) if single and self.relation == "=" else None

    def _tolerance(self, v: Floats, fields: Sequence[Field]) -> Floats:
        """What g may miss by, (N,): less than the distance of values on a grid."""
        size = np.abs(v) @ np.abs(np.array(self.coefficients)) + abs(self.constant)
        if any(f.dtype in ("float", "halffloat") for f in fields):
            return ROUNDING_OF_SINGLES * size
        few = len(self.columns) + (self.constant != 0) <= 2
        return np.minimum((ROUNDING_OF_TWO if few else ROUNDING) * size, self._step(fields) / 2 or np.inf)

    def _step(self, fields: Sequence[Field]) -> float:
        """The least distance of values on the grid that all columns lie on; 0 if there is none."""
        steps = [step_of(f) for f in fields]
        return min(steps) if all(steps) else 0.0


def step_of(field: Field) -> float:
    """Distance of the values that a column may have; 0 for any floats."""
    if field.categories:
        return 0.0 if np.any(np.array(field.categories, np.float64) % 1) else 1.0
    if field.kind in ("integer", "count", "byte"):
        return 1.0
    return field.step or (0.0 if field.decimals is None else 10.0**-field.decimals)


def _ends(field: Field) -> tuple[float, float]:
    """The least and the greatest number that a column had."""
    values = np.array(field.categories or (field.one("low"), field.one("high")), np.float64)
    return float(values.min()), float(values.max())


def _given_way(
    v: Floats, free: NDArray[np.bool_], a: Floats, g: Floats, fields: Sequence[Field], is_sum: bool
) -> Floats:
    low, high = np.array([_ends(f) for f in fields]).T
    scale = np.array([f.one("scale") for f in fields])
    low, high = np.minimum(low, v), np.maximum(high, v)
    weight = np.where(free, scale**2, 0.0)
    for _ in fields:  # a column that meets the end of its range leaves the rest to the others
        total = (weight * a**2).sum(1)
        share = np.divide(g, total, out=np.zeros_like(g), where=total > 0)
        moved = np.clip(v - share[:, None] * weight * a, low, high)
        g = g + (moved - v) @ a
        weight = np.where((moved > low) & (moved < high), weight, 0.0)
        v = moved
    step = np.array([step_of(f) for f in fields])
    steps = np.where(step, step, 1.0)
    written = v.copy()
    if is_sum:
        written = np.where(free & (step > 0), np.rint(v / steps) * steps, v)
        g = g + (written - v) @ a
    room = np.where(free, scale, 0.0) * np.where((written > low) & (written < high), 1.0, 1e-9)
    last = (np.arange(len(v)), room.argmax(1))
    written[last] -= (g if is_sum else np.maximum(g, 0.0)) / a[last[1]]
    if is_sum:
        return written
    # an inequality is kept by the value on the grid that lies beyond its end
    beyond = np.where(a > 0, np.floor(written / steps + 1e-6), np.ceil(written / steps - 1e-6)) * steps
    return np.where(free & (step > 0), beyond, written)
