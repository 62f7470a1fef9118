"""From the values of the data to the numbers that a model sees, and back.

    store     once, when data come in: values -> what is kept in memory (8 bits a cell where that is enough)
    present   for every batch: kept -> x, drawing fresh noise where the encoding has some
    restore   x -> values
    log_det   what to add for every observed cell to log p(x) to have the log-density (or log-mass) of the values,
              in nats, (D,)

| encoding    | x                             | noise          | log_det of a cell                        |
|-------------|-------------------------------|----------------|------------------------------------------|
| Levels      | v / top                       |                | 0 (x has a mass, not a density)          |
| Unit        | v, in [0, 1]                  |                | 0                                        |
| Standardise | (v - location) / scale        |                | -log scale, for densities                |
| Dequantise  | (v + u) / L, u ~ U[0, 1)      | afresh, always | -log L; a lower bound                    |
| Binarise    | 1 if u < v / top else 0       | afresh, always | 0                                        |

Dequantisation bounds the mass from below: log P(v) >= E_u log p(v + u) (A note on the evaluation of generative
models, Theis, van den Oord and Bethge, 2016, https://arxiv.org/abs/1511.01844).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ConfigError, SchemaError
from .arrays import blocks
from .schema import Schema


class Encoding(Protocol):
    """How one schema's values become x; see the module's table."""

    @property
    def is_random(self) -> bool: ...

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor: ...

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor: ...

    def restore(self, x: Tensor) -> Tensor: ...

    def log_det(self, n_dims: int) -> Tensor: ...


def _keep(rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
    """Whole numbers in 8 bits a cell where they fit and none is missing."""
    whole = rows.dtype.kind != "f" or not any(np.isnan(part).any() for _, part in blocks(rows))
    if whole and rows.max() <= 255:
        return torch.from_numpy(rows.astype(np.uint8))
    return torch.from_numpy(np.ascontiguousarray(rows)).to(dtype)


def _zeros(n_dims: int) -> Tensor:
    return torch.zeros(n_dims, dtype=torch.float64)


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

    def log_det(self, n_dims: int) -> Tensor:
        return _zeros(n_dims)


@dataclass(frozen=True)
class Standardise:
    """x = (v - location) / scale, computed in float64 when data come in."""

    location: tuple[float, ...]
    scale: tuple[float, ...]
    is_random: bool = False
    density: tuple[bool, ...] = ()
    """Which dimensions have a density; all, if empty. The mass of a number does not depend on its unit."""

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

    def log_det(self, n_dims: int) -> Tensor:
        log_scale = torch.tensor(self.scale, dtype=torch.float64).log()
        return -log_scale * torch.tensor(self.density) if self.density else -log_scale


@dataclass(frozen=True)
class Unit:
    """x = v, for real numbers in [0, 1]."""

    is_random: bool = False

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
        refuse_outside(rows, 1.0)
        return torch.from_numpy(np.ascontiguousarray(rows)).to(dtype)

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor:
        return kept.to(dtype)

    def restore(self, x: Tensor) -> Tensor:
        return x

    def log_det(self, n_dims: int) -> Tensor:
        return _zeros(n_dims)


@dataclass(frozen=True)
class Dequantise:
    """x = (v + u) / n_levels with u uniform, so that a density may be fitted to whole numbers."""

    n_levels: int
    is_random: bool = True

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
        return _keep(rows, dtype)

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor:
        x = kept.to(dtype)
        return (x + fresh(x, uniform)) / self.n_levels

    def restore(self, x: Tensor) -> Tensor:
        return x * self.n_levels - 0.5

    def log_det(self, n_dims: int) -> Tensor:
        return torch.full((n_dims,), -math.log(self.n_levels), dtype=torch.float64)


@dataclass(frozen=True)
class Binarise:
    """x ~ Bernoulli(v / top), drawn afresh for every batch: dynamic binarisation of grey images."""

    top: float
    is_random: bool = True

    def store(self, rows: NDArray[Any], dtype: torch.dtype) -> Tensor:
        refuse_outside(rows, self.top)
        if rows.dtype.kind == "f":
            return torch.from_numpy(np.ascontiguousarray(rows)).to(dtype)
        return _keep(rows, dtype)

    def present(self, kept: Tensor, uniform: Tensor | None, dtype: torch.dtype) -> Tensor:
        p = kept.to(torch.float32) / self.top
        x = (fresh(p, uniform) < p).to(dtype)
        return x.masked_fill(kept.isnan(), math.nan) if kept.is_floating_point() else x

    def restore(self, x: Tensor) -> Tensor:
        return x

    def log_det(self, n_dims: int) -> Tensor:
        return _zeros(n_dims)


def refuse_outside(rows: NDArray[Any], top: float) -> None:
    """Raise SchemaError if a cell lies outside [0, top]."""
    for start, part in blocks(rows):
        bad = (part < 0) | (part > top)
        if bad.any():
            row, column = (int(i) for i in np.argwhere(bad)[0])
            raise SchemaError(
                f"row {start + row}, dimension {column} holds {part[row, column]:g}; this likelihood needs values from "
                f"0 to {top:g}"
            )


def fresh(like: Tensor, uniform: Tensor | None) -> Tensor:
    """The given uniform noise, or new numbers from the global generator."""
    return torch.rand_like(like) if uniform is None else uniform.to(like)


def for_bernoulli(schema: Schema) -> Encoding:
    """Binary data as they are; grey images and probabilities are binarised afresh."""
    if schema.kind == "binary":
        return Levels(1)
    if schema.kind == "byte":
        return Binarise(schema.levels - 1)
    if schema.low < 0 or schema.high > 1:
        raise ConfigError(
            "a Bernoulli likelihood needs binary data, 8-bit images or probabilities in [0, 1]; these data run from "
            f"{schema.low:g} to {schema.high:g}: use likelihood 'normal'"
        )
    return Binarise(1.0)


def for_unit_interval(schema: Schema) -> Encoding:
    """Densities on [0, 1]."""
    if schema.kind == "byte":
        return Dequantise(schema.levels)
    if schema.kind == "binary" or schema.low < 0 or schema.high > 1:
        raise ConfigError(
            "a density on [0, 1] needs real numbers in [0, 1] or 8-bit images; use 'bernoulli' for "
            "binary data, 'normal' for other numbers"
        )
    return Unit()


def for_reals(schema: Schema) -> Encoding:
    """Densities on the real line."""
    if schema.kind == "byte":
        return Dequantise(schema.levels)
    if schema.kind == "binary":
        raise ConfigError("a density of binary data has no finite optimum; use 'bernoulli', or kind 'real'")
    return Standardise(schema.location, schema.scale)


def for_levels(schema: Schema) -> Encoding:
    """Masses on a grid of levels."""
    if schema.kind == "real":
        raise ConfigError("this likelihood is for levels (whole numbers from 0); use 'normal', or kind 'byte'")
    return Levels(1 if schema.kind == "binary" else schema.levels - 1)


def for_table(schema: Schema) -> Encoding:
    """Every column of a table by itself."""
    if not schema.columns:
        raise ConfigError(
            "likelihood 'mixed' is for tables, with a kind for each column; these data are an array: use 'auto', or "
            "give a data frame"
        )
    modelled = schema.modelled
    return Standardise(
        tuple(c.location for c in modelled),
        tuple(c.scale for c in modelled),
        density=tuple(c.is_density for c in modelled),
    )
