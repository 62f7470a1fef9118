"""From the values v of a field to the numbers x that a model sees, and back.

    store     once, when data come in: values -> what is kept in memory (8 bits a cell where that is enough)
    present   for every batch: kept -> x, drawing fresh noise where the encoding has some
    restore   x -> values
    units     from nats of x to nats of the values (units.py)

| encoding    | x                             | noise          | what a cell adds to log p(x), nats       |
|-------------|-------------------------------|----------------|------------------------------------------|
| Levels      | v / top                       |                | 0 (x has a mass, not a density)          |
| Unit        | v, in [0, 1]                  |                | 0                                        |
| Inside      | (v + m) / (1 + 2 m), in (0, 1)|                | -log(1 + 2 m)                            |
| Standardise | (v - location) / scale        |                | -log scale, for densities                |
| Dequantise  | (v + u) / L, u ~ U[0, 1)      | afresh, always | -log L; a lower bound                    |
| Binarise    | 1 if u < v / top else 0       | afresh, always | 0                                        |

A row has those of its fields, side by side (joined.py). Which one a field has follows from its kind and its likelihood:
`native`, where the likelihood is one of its kind, else the one that the likelihood names for arrays of that kind
(`Likelihood.encodes`).
Dequantisation bounds the mass from below: log P(v) >= E_u log p(v + u) (A note on the evaluation of generative
models, Theis, van den Oord and Bethge, 2016, https://arxiv.org/abs/1511.01844).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ConfigError, SchemaError
from .arrays import blocks
from .field import Field
from .kinds import kind_of
from .kinds.positive import MARGIN
from .row_numbers import row_name
from .units import Units

BOUNDED = "this likelihood needs numbers in [0, 1] or 8-bit images"


class Encoding(Protocol):
    """How values become x; see the module's table."""

    @property
    def is_random(self) -> bool: ...

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor: ...

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor: ...

    def restore(self, x: Tensor) -> Tensor: ...

    def units(self, n_dims: int) -> Units: ...


def _keep(rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
    """Whole numbers in 8 bits a cell where they fit and none is missing."""
    whole = rows.dtype.kind != "f" or not any(np.isnan(part).any() for _, part in blocks(rows))
    return _copied(rows, torch.uint8 if whole and rows.max(initial=0) <= 255 else dtype)


def _copied(rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
    """A tensor of its own: rows may be the caller's, or not to be written to."""
    kept = torch.empty(rows.shape, dtype=dtype)
    np.copyto(kept.numpy(), rows, casting="unsafe")
    return kept


@dataclass(frozen=True)
class Levels:
    """x = v / top, exactly on a grid."""

    top: int
    is_random: bool = False

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
        return _keep(rows, dtype)

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor:
        return kept.to(dtype) if self.top == 1 else kept.to(dtype) / self.top

    def restore(self, x: Tensor) -> Tensor:
        return x * self.top

    def units(self, n_dims: int) -> Units:
        return Units.own(n_dims)


@dataclass(frozen=True)
class Standardise:
    """x = (v - location) / scale, computed in float64 when data come in."""

    location: tuple[float, ...]
    scale: tuple[float, ...]
    is_random: bool = False
    density: tuple[bool, ...] = ()
    """Which cells have a density; all, if empty. The mass of a number does not depend on its unit."""
    given: tuple[bool, ...] = ()
    """Which cells are given, and have no likelihood; none, if empty."""

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
        kept, location, scale = torch.empty(rows.shape, dtype=dtype), np.asarray(self.location), np.asarray(self.scale)
        for start, part in blocks(rows):
            kept[start : start + len(part)] = torch.from_numpy((part.astype(np.float64) - location) / scale)
        return kept

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor:
        return kept.to(dtype)

    def restore(self, x: Tensor) -> Tensor:
        location, scale = (torch.tensor(t, dtype=torch.float64) for t in (self.location, self.scale))
        return x.double() * scale + location

    def units(self, n_dims: int) -> Units:
        log_scale = torch.tensor(self.scale, dtype=torch.float64).log()
        density = torch.tensor(self.density or (True,) * len(self.scale))
        given = torch.tensor(self.given or (False,) * len(self.scale))
        return Units(torch.where(density & ~given, -log_scale, 0.0), ~given)


@dataclass(frozen=True)
class Unit:
    """x = v, for real numbers in [0, 1]."""

    is_random: bool = False

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
        refuse_outside(rows, 1.0)
        return _copied(rows, dtype)

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor:
        return kept.to(dtype)

    def restore(self, x: Tensor) -> Tensor:
        return x

    def units(self, n_dims: int) -> Units:
        return Units.own(n_dims)


@dataclass(frozen=True)
class Inside:
    """x = (v + m) / (1 + 2 m), for real numbers in [0, 1], ends included: m as of the kind `bounded`."""

    is_random: bool = False

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
        refuse_outside(rows, 1.0)
        return _copied(rows, dtype).add_(MARGIN).div_(1 + 2 * MARGIN)

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor:
        return kept.to(dtype)

    def restore(self, x: Tensor) -> Tensor:
        return (x.double() * (1 + 2 * MARGIN) - MARGIN).clamp(0, 1)

    def units(self, n_dims: int) -> Units:
        of_cells = torch.full((n_dims,), -math.log1p(2 * MARGIN), dtype=torch.float64)
        return replace(Units.own(n_dims), of_cells=of_cells)


@dataclass(frozen=True)
class Dequantise:
    """x = (v + u) / n_levels with u uniform, so that a density may be fitted to whole numbers; u = 0, which a generator
    gives once in 2^24 draws of float32, counts as half its smallest step.
    """

    n_levels: int
    is_random: bool = True

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
        return _keep(rows, dtype)

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor:
        x = kept.to(dtype)
        return (x + fresh(x, uniform)).clamp_min_(torch.finfo(dtype).eps / 4) / self.n_levels

    def restore(self, x: Tensor) -> Tensor:
        return x * self.n_levels - 0.5

    def units(self, n_dims: int) -> Units:
        of_cells = torch.full((n_dims,), -math.log(self.n_levels), dtype=torch.float64)
        return replace(Units.own(n_dims), of_cells=of_cells)


@dataclass(frozen=True)
class Binarise:
    """x ~ Bernoulli(v / top), drawn afresh for every batch: dynamic binarisation of grey images."""

    top: float
    is_random: bool = True

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
        refuse_outside(rows, self.top)
        return _copied(rows, dtype) if rows.dtype.kind == "f" else _keep(rows, dtype)

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor:
        p = kept.to(torch.float32) / self.top
        x = (fresh(p, uniform) < p).to(dtype)
        return x.masked_fill(kept.isnan(), math.nan) if kept.is_floating_point() else x

    def restore(self, x: Tensor) -> Tensor:
        return x * self.top

    def units(self, n_dims: int) -> Units:
        return Units.own(n_dims)


def refuse_outside(rows: NDArray[Any], top: float) -> None:
    """Raise SchemaError if a cell lies outside [0, top]."""
    for start, part in blocks(rows):
        bad = (part < 0) | (part > top)
        if bad.any():
            row, column = (int(i) for i in np.argwhere(bad)[0])
            raise SchemaError(
                f"{row_name(start + row)}, dimension {column} holds {part[row, column]:g}; this likelihood needs "
                f"values from 0 to {top:g}"
            )


def fresh(like: Tensor, uniform: Tensor | None) -> Tensor:
    """The given uniform noise, or new numbers from the global generator."""
    return torch.rand_like(like) if uniform is None else uniform.to(like)


def standardised(field: Field, given: bool = False) -> Encoding:
    """x in the unit of the field's kind."""
    location, scale = (tuple(field.each(what).tolist()) for what in ("location", "scale"))
    density = (kind_of(field).is_density,) * field.size
    return Standardise(location, scale, density=density, given=(given,) * field.size)


def native(field: Field) -> Encoding:
    """x in the unit of the field's kind, which its likelihoods are of: levels on a grid in [0, 1], arrays of zeros and
    ones as they are, all others standardised.
    """
    if field.kind == "byte":
        return Levels(field.levels - 1)
    return Levels(1) if field.kind == "binary" and field.shape else standardised(field)


def binarised(field: Field) -> Encoding:
    """Grey images and probabilities as zeros and ones, drawn afresh for every batch."""
    if field.kind == "byte":
        return Binarise(field.levels - 1)
    _require_unit(field, "a Bernoulli likelihood needs binary data, 8-bit images or probabilities in [0, 1]")
    return Binarise(1.0)


def dequantised(field: Field) -> Encoding:
    """Levels as real numbers in [0, 1]."""
    return Dequantise(field.levels)


def unit(field: Field) -> Encoding:
    """Numbers in [0, 1] as they are."""
    _require_unit(field, BOUNDED)
    return Unit()


def inside_unit(field: Field) -> Encoding:
    """Numbers in [0, 1], moved inside (0, 1)."""
    _require_unit(field, BOUNDED)
    return Inside()


def _require_unit(field: Field, what: str) -> None:
    low, high = float(np.min(field.low)), float(np.max(field.high))
    if low < 0 or high > 1:
        raise ConfigError(f"{what}; '{field.name}' runs from {low:g} to {high:g}: use likelihood 'normal'")
