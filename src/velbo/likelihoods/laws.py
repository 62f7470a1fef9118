"""A likelihood's law in whole numbers, for coding: the same bits on every machine (see runtime/fixed_point.py).

    Masses      few values: whole numbers in the proportions of their probabilities
    Counts      0, 1, 2, ...: the same for the first n, by p(k + 1) / p(k)
    Below       P(X < x) times 2^28, of numbers on a grid or between two numbers

A coder makes intervals of them; that they are a little wrong costs a little room and never a wrong value. So they may
round what the likelihood itself computes as well as floating point can.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats, Ints

Layer = Callable[[nn.Linear], Floats]
"""The outputs of a linear layer at the features of B rows, (B, n_out) or (B, P, n_out): multiples of 2^-12."""

FAR = 1e6
"""Standard scores are limited to it."""


class Masses(ABC):
    """The law of cells (B, D) of few values."""

    @abstractmethod
    def masses(self, places: Ints, n: int) -> Ints:
        """Of the values 0 .. n - 1 of some cells, (B, len(places), n); 2^30 at most each."""


class Values(Masses):
    """Masses that are known, (B, D, C)."""

    def __init__(self, all_masses: Ints) -> None:
        self.all_masses = all_masses

    def masses(self, places: Ints, n: int) -> Ints:
        """Those of the first n."""
        return self.all_masses[:, places, :n]


class Counts(Masses):
    """Counts whose p(k + 1) / p(k) = (k + r) / (k + 1) q with 0 < q: negative binomials, and with r q = m, q -> 0
    Poissons.

    Args:
        slope: q, (B, D).
        start: r q, (B, D).
        zeros: logit of the probability of a zero beyond these, (B, D); none if not given.
    """

    def __init__(self, slope: Floats, start: Floats, zeros: Floats | None = None) -> None:
        self.slope, self.start, self.zeros = slope, start, zeros

    def masses(self, places: Ints, n: int) -> Ints:
        """By the ratio, from 0 up, every number as mantissa and exponent: they span thousands of powers of 2."""
        q, m = self.slope[:, places], self.start[:, places]
        mantissas, exponents = np.empty((n, *q.shape)), np.empty((n, *q.shape), np.int32)
        mantissas[0], exponents[0] = 0.5, 1
        for k in range(n - 1):
            part, more = np.frexp(mantissas[k] * ((k * q + m) / (k + 1)))
            mantissas[k + 1], exponents[k + 1] = part, exponents[k] + more
        shift = np.maximum(exponents - exponents.max(0), -60)
        found = np.floor(np.ldexp(mantissas, shift + fixed.WEIGHT_BITS - 1)).astype(np.int64).transpose(1, 2, 0)
        if self.zeros is not None:
            beyond = fixed.LOGISTIC.between(self.zeros[:, places])[..., None]
            found = (fixed.shares(found) * (fixed.WHOLE - beyond)) >> fixed.CDF_BITS
            found[..., :1] += beyond
        return found


class Below(ABC):
    """The law of cells (B, D) with a distribution function.

    Attributes:
        parameters: names of the attributes that hold something of each cell, (B, D) or (M, B, D).
    """

    parameters: ClassVar[tuple[str, ...]] = ("loc", "scale")

    @abstractmethod
    def below(self, place: int | slice, x: Floats) -> Ints:
        """P(X < x) times 2^28 of one cell of each row, x (B,), or of several, x (B, n); never falling in x."""

    def likely(self) -> Floats | None:
        """Where a search begins, (B, D); none if no place is better than another."""
        return None

    def of(self, row: slice | Ints, place: slice | Ints) -> Self:
        """The law of some cells: a rectangle of them by two slices, or of one list of them and a slice."""
        return self._changed(lambda t: t[..., row, place])

    def turned(self) -> Self:
        """That of cells (D, B)."""
        return self._changed(lambda t: np.ascontiguousarray(t.swapaxes(-1, -2)))

    def in_one_row(self) -> Self:
        """That of cells (1, B D)."""
        return self._changed(lambda t: t.reshape(*t.shape[:-2], 1, -1))

    def _changed(self, by: Callable[[NDArray[Any]], NDArray[Any]]) -> Self:
        found = copy.copy(self)
        for name in self.parameters:
            setattr(found, name, by(getattr(self, name)))
        return found


class Located(Below):
    """F((c(x) - mu) / sigma).

    Args:
        loc: mu, (B, D).
        scale: sigma, broadcasts to it.
        table: F.
        coordinate: c, if it is not x.
    """

    def __init__(
        self, loc: Floats, scale: Floats, table: fixed.Table, coordinate: Callable[[Floats], Floats] | None = None
    ) -> None:
        self.loc, self.scale, self.table = loc, np.broadcast_to(scale, loc.shape), table
        self.coordinate = coordinate

    def below(self, place: int | slice, x: Floats) -> Ints:
        """By the table."""
        at = x if self.coordinate is None else self.coordinate(x)
        return self.table.between(standard(at, self.loc[:, place], self.scale[:, place]))


class Student(Below):
    """S((x - mu) / sigma, nu), (B, D) each."""

    parameters = ("degrees", "loc", "scale")

    def __init__(self, degrees: Floats, loc: Floats, scale: Floats) -> None:
        self.degrees, self.loc, self.scale = degrees, loc, scale

    def below(self, place: int | slice, x: Floats) -> Ints:
        """By the tables of all nu."""
        t = np.clip((x - self.loc[:, place]) / self.scale[:, place], -1e9, 1e9)
        return fixed.student_below(t, self.degrees[:, place])


class Components(Below):
    """sum_m pi_m F((x - mu_m) / sigma_m).

    Args:
        logits: of the components, (B, D, M).
        loc: mu, (B, D, M).
        scale: sigma, (B, D, M).
        table: F.
    """

    parameters = ("pi", "loc", "scale")

    def __init__(self, logits: Floats, loc: Floats, scale: Floats, table: fixed.Table) -> None:
        pi = fixed.shares(fixed.weights(logits))
        # components first: what is computed of each cell stands together
        self.pi, self.loc, self.scale = (np.ascontiguousarray(np.moveaxis(t, -1, 0)) for t in (pi, loc, scale))
        self.table = table

    def below(self, place: int | slice, x: Floats) -> Ints:
        """A weighted sum of the table."""
        t = x - self.loc[..., place]
        t /= self.scale[..., place]
        found = self.table.between(t)
        found *= self.pi[..., place]
        return found.sum(0) >> fixed.CDF_BITS

    def likely(self) -> Floats:
        """The middle of the component of most weight."""
        return np.take_along_axis(self.loc, self.pi.argmax(0)[None], 0)[0]


def standard(x: Floats, loc: Floats, scale: Floats) -> Floats:
    """(x - mu) / sigma, limited."""
    return np.clip((x - loc) / scale, -FAR, FAR)
