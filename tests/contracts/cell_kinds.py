"""What valid cells of every kind of field are: three columns of it, draws, and sums over all their values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from velbo.rows import Field

D = 3


def levels(n: int) -> tuple[Tensor, Tensor]:
    """The levels of [0, 1], and weights of 1."""
    return torch.arange(n, dtype=torch.float64) / (n - 1), torch.ones(n, dtype=torch.float64)


def gauss_legendre(low: float, high: float, n: int, pieces: int = 1) -> tuple[Tensor, Tensor]:
    """Points and weights of an integral over (low, high), n points in each of equal pieces."""
    points, weights = np.polynomial.legendre.leggauss(n)
    width = (high - low) / pieces
    starts = low + width * np.arange(pieces)
    x = (starts[:, None] + width * (points + 1) / 2).ravel()
    return torch.from_numpy(x), torch.from_numpy(np.tile(weights * width / 2, pieces))


@dataclass(frozen=True)
class Sums:
    """Points and weights, (n, D), whose weighted sum is the sum or the integral over a cell's values. Of a density,
    ``edges`` (m + 1, D) are the ends of m pieces, each of n / m points.
    """

    points: Tensor
    weights: Tensor
    edges: Tensor | None = None


@dataclass(frozen=True)
class Line:
    """The values of a density as numbers u of the real line: x = back(u), dx = slope(x) du, u from low to high where
    numbers in float32 are fine enough to integrate over.
    """

    to: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    low: float
    high: float


REALS = Line(lambda x: x, lambda u: u, torch.ones_like, -1e37, 1e37)
POSITIVES = Line(torch.log, torch.exp, lambda x: x, math.log(1e-37), math.log(1e38))
UNIT = Line(torch.logit, torch.sigmoid, lambda x: x * (1 - x), math.log(1e-37), math.log(1e4 - 1))


def _density(g: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor], low: float, high: float) -> Sums:
    """Over x = g(t), in pieces of a tenth of t."""
    pieces = round(10 * (high - low))
    t, weights = gauss_legendre(low, high, 20, pieces)
    edges = torch.linspace(low, high, pieces + 1, dtype=torch.float64)
    return Sums(*(v[:, None].expand(-1, D) for v in (g(t), weights * slope(t), g(edges))))


def _masses(points: Tensor) -> Sums:
    return Sums(points, torch.ones_like(points))


@dataclass(frozen=True)
class Kind:
    """A kind of field.

    Attributes:
        columns: D of them.
        sums: over all values of the D cells; so many, where there is no end of them.
        draw: n valid rows, (n, D).
        into_support: any numbers (..., D) to the nearest valid ones.
        ends: the least and the greatest value, or numbers as good as that.
        line: of a density.
    """

    columns: tuple[Field, ...]
    sums: Callable[[int], Sums]
    draw: Callable[[int], Tensor]
    into_support: Callable[[Tensor], Tensor] = lambda x: x
    ends: tuple[float, float] = (-1e30, 1e30)
    line: Line | None = None

    def of(self, positions: int = 1, **changes: object) -> tuple[Field, ...]:
        """The columns, one position after the other."""
        return tuple(replace(c, **changes) for c in self.columns) * positions  # type: ignore[arg-type]


def _real(kind: str) -> Kind:
    columns = tuple(Field("c", kind, low=-2, high=high) for high in (2, 2.5, 1.5))
    sums = _density(torch.sinh, torch.cosh, -40, 40)
    return Kind(columns, lambda n: sums, lambda n: torch.randn(n, D).double(), line=REALS)


def _positive() -> Kind:
    sums = _density(torch.exp, torch.exp, -60, 60)
    return Kind(
        (Field("c", "positive", low=0.1, high=10),) * D,
        lambda n: sums,
        lambda n: torch.randn(n, D).double().exp(),
        lambda x: x.clamp_min(1e-30),
        (0.0, 1e30),
        POSITIVES,
    )


def _bounded() -> Kind:
    sums = _density(torch.sigmoid, lambda t: torch.sigmoid(t) * torch.sigmoid(-t), -36, 36)
    return Kind(
        (Field("c", "bounded"),) * D,
        lambda n: sums,
        lambda n: torch.rand(n, D).double(),
        lambda x: x.clamp(1e-30, 1 - torch.finfo(torch.float32).eps),
        (0.0, 1.0),
        UNIT,
    )


def _integer() -> Kind:
    columns = (
        Field("c", "integer", low=0, high=60, location=30, scale=15),
        Field("c", "integer", low=17, high=90, location=38.6, scale=13.7, frequent=(40.0, 50.0)),
        Field("c", "integer", low=-5, high=4),
    )
    location, scale = torch.tensor([(c.location, c.scale) for c in columns], dtype=torch.float64).T

    def x_of(v: Tensor) -> Tensor:
        return (v - location) / scale

    return Kind(
        columns,
        lambda n: _masses(x_of(torch.arange(-n // 2, n // 2).double()[:, None])),
        lambda n: x_of(torch.randint(0, 40, (n, D)).double()),
        lambda x: x_of((x.double() * scale + location).round()).to(x.dtype),
    )


def _count() -> Kind:
    return Kind(
        tuple(Field("c", "count", high=60, mean=mean) for mean in (0.5, 2.0, 4.0)),
        # one of its likelihoods is of all whole numbers
        lambda n: _masses(torch.arange(-n // 2, n // 2).double()[:, None].expand(-1, D)),
        lambda n: torch.randint(0, 12, (n, D)).double(),
        lambda x: x.clamp_min(0).round(),
    )


def _coded(kind: str, *sizes: int) -> Kind:
    top = torch.tensor(sizes, dtype=torch.float64) - 1
    return Kind(
        tuple(Field("c", kind, categories=tuple("abcde"[:size])) for size in sizes),
        # codes beyond a cell's own have no mass, so that sums may run over all
        lambda n: _masses(torch.arange(max(sizes)).double()[:, None].expand(-1, D)),
        lambda n: (torch.rand(n, D).double() * (top + 1)).floor(),
        lambda x: torch.minimum(x.round().clamp_min(0), top.to(x.dtype)),
        (0.0, float(max(sizes) - 1)),
    )


def _byte(n_levels: int = 17) -> Kind:
    return Kind(
        (Field("c", "byte", levels=n_levels),) * D,
        lambda n: _masses(levels(n_levels)[0][:, None].expand(-1, D)),
        lambda n: torch.randint(0, n_levels, (n, D)).double() / (n_levels - 1),
        lambda x: (x.clamp(0, 1) * (n_levels - 1)).round() / (n_levels - 1),
        (0.0, 1.0),
    )


KINDS: dict[str, Kind] = {
    "real": _real("real"),
    "datetime": _real("datetime"),
    "positive": _positive(),
    "bounded": _bounded(),
    "integer": _integer(),
    "count": _count(),
    "binary": _coded("binary", 2, 2, 2),
    "categorical": _coded("categorical", 2, 5, 3),
    "ordinal": _coded("ordinal", 2, 5, 3),
    "byte": _byte(),
}
