"""Angles and other numbers on a circle: x in radians, from -pi to pi.

    v   the number, moved by whole turns to where training data are: between 0 and a turn, or half a turn about 0
    x   2 pi (v - location) / turn, location the middle of that
    p   a density on the circle, whose value at x and x + 2 pi is one

A turn is 360 if a number is beyond 2 pi, else 2 pi; scale is turn / (2 pi). An encoder sees sin x and cos x. No field
is guessed to be an angle: `--column wind=angle`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..field import Field
from ..statistics import Statistics
from .base import Measured, Misfit, View
from .restoring import restored_numbers

DEGREES = 360.0
MOST_TURNS = 1e6
"""Beyond them a float has too few digits left for the place on the circle."""


class Angle(Measured):
    """Numbers on a circle."""

    name = "angle"
    is_density = True

    def claims(self, found: Statistics) -> str:
        return ""

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        self.require_numbers(found)
        low, high = float(np.min(found.low)), float(np.max(found.high))
        turn = DEGREES if max(-low, high) > 2 * math.pi else 2 * math.pi
        middle = turn / 2 if low >= 0 else 0.0
        return Field(
            **about,
            low=middle - turn / 2,
            high=middle + turn / 2,
            mean=middle,
            location=middle,
            scale=turn / (2 * math.pi),
            decimals=found.decimals if found.decimals <= 8 else None,
        )

    def numbers(self, cells: Any, field: Field, what: str) -> NDArray[Any]:
        return _turned(super().numbers(cells, field, what), field)

    def misfits(self, v: NDArray[Any], field: Field) -> list[Misfit]:
        return [Misfit(np.abs(v) > MOST_TURNS * _turn(field), f"is over {MOST_TURNS:g} turns of {_turn(field):g}")]

    def restored(self, v: NDArray[np.float64], field: Field) -> pa.Array:
        return restored_numbers(_turned(v, field), field)

    def view(self, cells: Sequence[Field]) -> View:
        return _Circle(len(cells))


def _turn(field: Field) -> float:
    return 2 * math.pi * float(field.each("scale")[0])


def _turned(v: NDArray[Any], field: Field) -> NDArray[Any]:
    """Numbers within half a turn of the field's middle; those that are there already stay as they are."""
    turn, away = _turn(field), v - field.each("location")[0]
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(away) > turn / 2, v - turn * np.rint(away / turn), v)


class _Circle(View):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.n_features = 2 * n

    def forward(self, x: Tensor) -> Tensor:
        return torch.nan_to_num(torch.cat((x.sin(), x.cos()), -1), nan=0.0)
