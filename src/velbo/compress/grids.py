"""Which values a cell can have, as whole numbers: v <-> (k, rest).

    k      0 .. n - 1, what the model's law is asked about
    rest   which of the values that share k, all as likely

    Lattice   v = (first + j) times / over, j = k width + rest       codes, whole numbers, decimals, days
    Floats    v any float of the column's type between two ends      k in equal steps of v, or of log v

A value that is none of these is left to what is kept beside the model. Edges are given in x, the model's own unit,
x = (v - location) / scale; the first and the last k hold the tails of a law.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..likelihoods import LIKELIHOODS
from ..rows import Field
from ..rows.encodings import Dequantise, Encoding, Inside, Levels, Standardise, Unit
from ..rows.kinds.positive import MARGIN
from ..runtime.fixed_point import Floats, Ints

MOST_PLACES = 1 << 16
"""Of n, where values are many: more would cost room by their least frequencies."""
MOST_INTEGERS = 1 << 20
MOST_COUNTS = 1 << 12
MOST_JS = 2**52


class Placed(NamedTuple):
    """Cells as whole numbers: k and rest, and whether a cell is one of the grid's values; (N,) each."""

    k: Ints
    rest: Ints
    fits: NDArray[np.bool_]


class Grid(ABC):
    """The values of a cell.

    Attributes:
        n: how many k.
    """

    n: int
    location: float
    scale: float

    @abstractmethod
    def placed(self, v: Floats) -> Placed:
        """Where values v (N,) are; NaN fits nowhere."""

    @abstractmethod
    def values(self, k: Ints, rest: Ints) -> Floats:
        """The inverse."""

    @abstractmethod
    def sizes(self, k: Ints) -> Ints:
        """How many values share k."""

    @abstractmethod
    def edges(self, k: Ints) -> Floats:
        """The lower edges in x, for k from 0 to n."""

    def near(self, x: Floats) -> Ints:
        """About which k there is at x."""
        first, last, end = self.edges(np.array([0, self.n - 1, self.n]))
        v = np.clip(x, first, (last + end) / 2) * self.scale + self.location
        return self.placed(self._narrow(v)).k

    def _narrow(self, v: Floats) -> Floats:
        return v

    @cached_property
    def known_edges(self) -> Floats:
        """All edges, (n + 1,)."""
        return self.edges(np.arange(self.n + 1))

    @property
    def is_plain(self) -> bool:
        """Whether no two values share k."""
        return False


@dataclass(frozen=True)
class Lattice(Grid):
    """v = (first + j) times / over for j below ``n_js``.

    Attributes:
        n: of k.
        width: js that share k.
        single: whether v is rounded to single precision.
    """

    first: int
    n_js: int
    n: int
    times: float = 1.0
    over: float = 1.0
    width: int = 1
    single: bool = False
    location: float = 0.0
    scale: float = 1.0

    @property
    def is_plain(self) -> bool:
        return self.width == 1

    def placed(self, v: Floats) -> Placed:
        j = np.rint(np.nan_to_num(v, nan=0.0) * self.over / self.times) - self.first
        inside = (j >= 0) & (j < self.n_js)
        whole = np.where(inside, j, 0.0).astype(np.int64)
        fits = inside & same(self._value(whole), v)
        return Placed(whole // self.width, whole % self.width, fits)

    def values(self, k: Ints, rest: Ints) -> Floats:
        return self._value(k * self.width + rest)

    def _value(self, j: Ints) -> Floats:
        v: Floats = np.asarray((self.first + j) * self.times / self.over, np.float64)
        return v.astype(np.float32).astype(np.float64) if self.single else v

    def sizes(self, k: Ints) -> Ints:
        return np.minimum(self.n_js - k * self.width, self.width)

    def edges(self, k: Ints) -> Floats:
        v = (self.first + k * float(self.width) - 0.5) * self.times / self.over
        return np.asarray((v - self.location) / self.scale, np.float64)


@dataclass(frozen=True)
class FloatGrid(Grid):
    """Floats v of which k tells the step between edges.

    Attributes:
        low: the first edge.
        step: of v; 0 if the edges are equally many floats apart, which is about equal steps of log v.
        single: whether floats are of single precision.
    """

    low: float
    step: float
    n: int
    single: bool
    apart: int = 0
    location: float = 0.0
    scale: float = 1.0

    def placed(self, v: Floats) -> Placed:
        ends = self._edges(np.array([0, self.n]))
        inside = (v >= ends[0]) & (v < ends[1]) & same(v, self._narrow(v)) & ~((v == 0) & np.signbit(v))
        safe = np.where(inside, v, self.low)
        if self.step:
            k = np.clip(np.floor((safe - self.low) / self.step), 0, self.n - 1).astype(np.int64)
            k -= self._edges(k) > safe
            k += self._edges(k + 1) <= safe
        else:
            k = (self.order(safe) - self.order(self.low)) // self.apart
        k = np.clip(k, 0, self.n - 1)
        return Placed(k, self.order(safe) - self._first(k), inside)

    def values(self, k: Ints, rest: Ints) -> Floats:
        return self.float_of(self._first(k) + rest)

    def sizes(self, k: Ints) -> Ints:
        return np.maximum(self._first(k + 1) - self._first(k), 1)

    def edges(self, k: Ints) -> Floats:
        return (self._edges(k) - self.location) / self.scale

    def _edges(self, k: Ints) -> Floats:
        if self.step:
            return np.asarray(self.low + k * self.step, np.float64)
        return self.float_of(self.order(self.low) + k * self.apart)

    def _first(self, k: Ints) -> Ints:
        """The order of the first float that is not below an edge."""
        edge = self._edges(k)
        near = self._narrow(edge)
        return self.order(near) + (near < edge)

    def _narrow(self, v: Floats) -> Floats:
        if not self.single:
            return v
        with np.errstate(over="ignore"):
            return v.astype(np.float32).astype(np.float64)

    def order(self, v: Floats | float) -> Ints:
        """Whole numbers in the order of floats, 0 for 0."""
        if self.single:
            bits = np.asarray(v, np.float32).view(np.int32).astype(np.int64)
            return np.where(bits >= 0, bits, -(bits & 0x7FFFFFFF))
        bits = np.asarray(v, np.float64).view(np.int64)
        return np.where(bits >= 0, bits, -(bits & 0x7FFFFFFFFFFFFFFF))

    def float_of(self, order: Ints) -> Floats:
        """The inverse of `order`."""
        if self.single:
            size = np.abs(order).astype(np.int32).view(np.float32).astype(np.float64)
        else:
            size = np.abs(order).view(np.float64)
        return np.where(order < 0, -size, size)


def same(a: Floats, b: Floats) -> NDArray[np.bool_]:
    """Equal, of one sign, and no NaN."""
    return (a == b) & (np.signbit(a) == np.signbit(b))


def grids_of(field: Field) -> list[Grid]:
    """Of every cell of a modelled field, equal ones the same.

    Raises:
        ConfigError: if the model does not say what values a cell has.
    """
    encoding = LIKELIHOODS[field.likelihood].encoding(field)
    locations, scales = unit_of(field, encoding)
    made: dict[tuple[float, ...], Grid] = {}
    found = []
    for place, (location, scale) in enumerate(zip(locations, scales, strict=True)):
        low, high = field.each("low")[place], field.each("high")[place]
        key = float(low), float(high), float(location), float(scale)
        if key not in made:
            made[key] = _grid(field, *key)
        found.append(made[key])
    return found


def unit_of(field: Field, encoding: Encoding) -> tuple[Floats, Floats]:
    """(location, scale) of x = (v - location) / scale, (size,) each.

    Raises:
        ConfigError: if x is drawn afresh and v cannot be told from it.
    """
    match encoding:
        case Levels():
            location, scale = 0.0, float(encoding.top)
        case Unit():
            location, scale = 0.0, 1.0
        case Inside():
            location, scale = -MARGIN, 1 + 2 * MARGIN
        case Standardise():
            location, scale = np.array(encoding.location), np.array(encoding.scale)
        case Dequantise():
            location, scale = -0.5, float(encoding.n_levels)
        case _:
            raise ConfigError(
                f"'{field.name}': the model sees zeros and ones that are drawn afresh of each cell, and has no law of "
                "the cells themselves; train with another likelihood, such as discretized-logistic"
            )
    return np.broadcast_to(location, (field.size,)), np.broadcast_to(scale, (field.size,))


def _grid(field: Field, low: float, high: float, location: float, scale: float) -> Grid:
    single = field.dtype in ("float", "halffloat")
    if field.n_categories or (field.kind == "binary" and field.shape):
        n = field.n_categories or 2
        return Lattice(0, n, n, location=location, scale=scale)
    if field.kind == "byte":
        return Lattice(0, field.levels, field.levels, location=location, scale=scale)
    if field.kind == "count":
        n = int(min(2 * high + 16, MOST_COUNTS))
        return Lattice(0, n, n, location=location, scale=scale)
    width = max(high - low, abs(high) * 1e-9, 1e-9)
    times, over = (field.step, 1.0) if field.step else (1.0, 10.0 ** (field.decimals or 0))
    is_lattice = field.kind == "integer" or field.step or field.decimals is not None
    first, last = (round(end * over / times) for end in (low - width, high + width))
    if field.kind == "positive":
        first = max(first, 1)
    if field.kind == "bounded":
        first, last = (round(end * over / times) for end in (low, high))
    if is_lattice and last - first < MOST_JS and max(abs(first), abs(last)) < MOST_JS:
        n_js = last - first + 1
        # whole numbers may be frequent by themselves, and are to share no k with others
        share = -(-n_js // (MOST_INTEGERS if field.kind == "integer" else MOST_PLACES))
        return Lattice(first, n_js, -(-n_js // share), times, over, share, single, location, scale)
    if field.kind == "positive":
        return _by_order(low / 4, high * 4, single, location, scale)
    step = 3 * width / (MOST_PLACES // 4)
    # 0 is an edge: half of all floats are below 1 in size, and 2^63 of them on both sides of 0 are too many for one k
    start = math.floor((low - width) / step) * step
    return FloatGrid(start, step, MOST_PLACES // 4 + 1, single, 0, location, scale)


def _by_order(low: float, high: float, single: bool, location: float, scale: float) -> Grid:
    """For numbers above 0."""
    one = FloatGrid(float(np.float32(low)) if single else low, 0.0, 1, single, 1)
    first, last = (int(one.order(end)) for end in (low, high))
    first = max(first, 1)
    apart = max(1, (last - first) // (MOST_PLACES // 4))
    low = float(one.float_of(np.array([first]))[0])
    return FloatGrid(low, 0.0, (last - first) // apart + 1, single, apart, location, scale)
