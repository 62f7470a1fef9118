"""Latents as whole numbers: z_j is the middle of a step of 2^-8 between -R and R, and laws over them.

    F_k = l k + floor( sum_c w_c Phi((edge_k - m_cj) / s_cj) (2^b - l n) )     w_c given z_1 .. z_j-1

p(z) has to have a place for every z, so l = 1. What is pushed with q(z|x) has been popped with it, so l = 0: with
l = 1, one z of 4,096 would be anywhere, where p(x|z) is of another row and takes some 70 bits more.

A law over z is coded one latent after another, each given those before it: of a mixture, the weights w_c are moved by
what the latents before say of the components; of a Normal with a full covariance, the mean is.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats, Ints
from .coder import Coder
from .search import interval_with

STEP_BITS = 8
BITS = 24
LEAST_REACH, MOST_REACH = 8, 64


class Interval(NamedTuple):
    """[start, start + freq) of 2^bits, (B,) each."""

    start: Ints
    freq: Ints
    bits: int


@dataclass(frozen=True)
class Steps:
    """Steps of 2^-8 between -reach and reach."""

    reach: int = LEAST_REACH

    @property
    def n(self) -> int:
        return 2 * self.reach << STEP_BITS

    def values(self, k: Ints) -> Floats:
        """The middles."""
        return (k + 0.5) / (1 << STEP_BITS) - self.reach

    def edges(self, k: Ints) -> Floats:
        return k / (1 << STEP_BITS) - self.reach

    def near(self, z: Floats) -> Ints:
        """In which step z is; infinite ones are at the ends."""
        return np.clip(np.floor((z + self.reach) * (1 << STEP_BITS)), 0, self.n - 1).astype(np.int64)


class Law(ABC):
    """A law over z (B, Z).

    Args:
        steps: of every z_j.
        n_latents: Z.
        least: l, the least frequency of a step.

    Attributes:
        of_rows: names of the attributes that hold something of each row, (B, ...) or (1, ...).
    """

    of_rows: ClassVar[tuple[str, ...]] = ()

    def __init__(self, steps: Steps, n_latents: int, least: int = 1) -> None:
        self.steps, self.n_latents, self.least = steps, n_latents, least

    @abstractmethod
    def begin(self, n: int) -> None:
        """Before the first latent of n rows."""

    @abstractmethod
    def probability(self, j: int, edges: Floats) -> Ints:
        """P(z_j < edge | the latents before) times 2^28, (B,)."""

    @abstractmethod
    def move(self, j: int, k: Ints) -> None:
        """z_j is known."""

    def quantile(self, j: int, p: Floats) -> Floats | None:
        """About where P(z_j < z | the latents before) = p, (B,), which no bit depends on; none if that is not known."""
        return None

    def pop(self, coder: Coder, n: int) -> Ints:
        """Latents of n rows, (n, Z)."""
        k = np.zeros((n, self.n_latents), np.int64)
        self.begin(n)
        for j in range(self.n_latents):
            at = coder.peek(n, BITS)
            k[:, j], interval = self.find(j, at)
            coder.pop(at, *interval)
            self.move(j, k[:, j])
        return k

    def push(self, coder: Coder, k: Ints) -> None:
        """The inverse.

        Raises:
            DataError: if this law never gives such latents.
        """
        intervals = []
        self.begin(len(k))
        for j in range(self.n_latents):
            intervals.append(self.taken(j, k[:, j]))
            if not self.least and (intervals[-1].freq < 1).any():
                raise DataError("its code is that of no rows")
        for interval in reversed(intervals):
            coder.push(*interval)

    def taken(self, j: int, k: Ints) -> Interval:
        """The interval of z_j, which is known from then on."""
        found = self.interval(j, k)
        self.move(j, k)
        return found

    def interval(self, j: int, k: Ints) -> Interval:
        start = self.below(j, k)
        return Interval(start, self.below(j, k + 1) - start, BITS)

    def below(self, j: int, k: Ints) -> Ints:
        """F_k."""
        return self.whole(k, self.probability(j, self.steps.edges(k)))

    def whole(self, k: Ints, p: Ints) -> Ints:
        """F_k of what `probability` says."""
        p = np.where(k <= 0, 0, np.where(k >= self.steps.n, fixed.WHOLE, p))
        return k * self.least + ((p * ((1 << BITS) - self.steps.n * self.least)) >> fixed.CDF_BITS)

    def find(self, j: int, at: Ints) -> tuple[Ints, Interval]:
        """(the steps in whose intervals ``at`` is, these)."""
        # the least frequencies of half of the steps are below the middle
        spare = self.steps.n * self.least
        p = np.clip((at + 0.5 - spare / 2) / ((1 << BITS) - spare), 0.0, 1.0)
        near = self.quantile(j, p)
        guess = None if near is None else self.steps.near(near)
        k, first, after = interval_with(OfLatent(self, j), at, self.steps.n, 1 << BITS, guess)
        return k, Interval(first, after - first, BITS)

    def some(self, rows: NDArray[np.intp]) -> Self:
        """Of some of the rows."""
        found = copy.copy(self)
        for name in self.of_rows:
            numbers = getattr(self, name)
            setattr(found, name, numbers if len(numbers) == 1 else numbers[rows])
        return found


class OfLatent(NamedTuple):
    """F_k of z_j."""

    law: Law
    j: int

    def inside(self, k: Ints) -> Ints:
        """F_k."""
        return self.law.below(self.j, k)

    def some(self, which: NDArray[np.intp]) -> OfLatent:
        return OfLatent(self.law.some(which), self.j)


class Normals(Law):
    """Independent Normals; mean and standard deviation (B, Z)."""

    of_rows = ("mean", "scale")

    def __init__(self, steps: Steps, mean: Floats, scale: Floats, least: int = 1) -> None:
        super().__init__(steps, mean.shape[-1], least)
        self.mean, self.scale = mean, scale

    def begin(self, n: int) -> None:
        """Nothing depends on the latents before."""

    def probability(self, j: int, edges: Floats) -> Ints:
        return fixed.NORMAL.between(standard(edges, self.mean[:, j], self.scale[:, j]))

    def move(self, j: int, k: Ints) -> None:
        """Nothing moves."""

    def quantile(self, j: int, p: Floats) -> Floats:
        return self.mean[:, j] + self.scale[:, j] * fixed.ndtri(p)


class SameNormals(Normals):
    """Normals that are the same for all rows, mean and standard deviation (1, Z): every F_k is known beforehand."""

    def __init__(self, steps: Steps, mean: Floats, scale: Floats) -> None:
        super().__init__(steps, mean, scale)
        k = np.arange(steps.n + 1)
        _, self._which = np.unique(np.concatenate((mean, scale)), axis=1, return_inverse=True)
        self._tables = {
            int(w): super(SameNormals, self).below(int(np.argmax(self._which == w)), k) for w in set(self._which)
        }

    def below(self, j: int, k: Ints) -> Ints:
        return self._tables[int(self._which[j])][k]

    def find(self, j: int, at: Ints) -> tuple[Ints, Interval]:
        k = np.searchsorted(self._tables[int(self._which[j])], at, side="right") - 1
        return k, self.interval(j, k)


class Correlated(Law):
    """A Normal with a full covariance: z = mean + L eps, mean (B, Z), L (B, Z, Z) lower triangular."""

    of_rows = ("_mean", "lower")

    def __init__(self, steps: Steps, mean: Floats, lower: Floats, least: int = 1) -> None:
        super().__init__(steps, mean.shape[-1], least)
        self.mean, self.lower = mean, lower

    def begin(self, n: int) -> None:
        self._mean = self.mean.copy()

    def probability(self, j: int, edges: Floats) -> Ints:
        return fixed.NORMAL.between(standard(edges, self._mean[:, j], self.lower[:, j, j]))

    def move(self, j: int, k: Ints) -> None:
        eps = np.clip((self.steps.values(k) - self._mean[:, j]) / self.lower[:, j, j], -40.0, 40.0)
        self._mean[:, j + 1 :] += self.lower[:, j + 1 :, j] * eps[:, None]

    def quantile(self, j: int, p: Floats) -> Floats:
        return self._mean[:, j] + self.lower[:, j, j] * fixed.ndtri(p)


class Mixture(Law):
    """A mixture of Normals; logits (B, C), mean and scale (B, C, Z), or all with B = 1 for the same in all rows."""

    of_rows = ("_shares", "mean", "scale")

    def __init__(self, steps: Steps, logits: Floats, mean: Floats, scale: Floats, least: int = 1) -> None:
        super().__init__(steps, mean.shape[-1], least)
        self.start, self.mean, self.scale = fixed.shares(fixed.weights(logits)), mean, scale

    def begin(self, n: int) -> None:
        self._shares = np.broadcast_to(self.start, (n, self.start.shape[-1]))

    def taken(self, j: int, k: Ints) -> Interval:
        # what the interval takes of the components, the move takes as well
        parts = [self._of_components(j, self.steps.edges(i)) for i in (k, k + 1)]
        start, end = (self.whole(k + i, self._mixed(part)) for i, part in enumerate(parts))
        self._move(*parts)
        return Interval(start, end - start, BITS)

    def probability(self, j: int, edges: Floats) -> Ints:
        return self._mixed(self._of_components(j, edges))

    def move(self, j: int, k: Ints) -> None:
        self._move(*(self._of_components(j, self.steps.edges(i)) for i in (k, k + 1)))

    def _of_components(self, j: int, edges: Floats) -> Ints:
        return fixed.NORMAL.between(standard(edges[:, None], self.mean[:, :, j], self.scale[:, :, j]))

    def _mixed(self, parts: Ints) -> Ints:
        return (parts * self._shares).sum(-1) >> fixed.CDF_BITS

    def _move(self, first: Ints, after: Ints) -> None:
        # a step in no component's reach says nothing of them
        moved = self._shares * np.maximum(after - first, 1)
        moved >>= np.maximum(0, _bit_length(moved.max(-1)) - 30)[:, None]
        self._shares = fixed.shares(moved)


def standard(z: Floats, mean: Floats, scale: Floats) -> Floats:
    """(z - mean) / scale, limited."""
    return np.clip((z - mean) / scale, -1e6, 1e6)


def _bit_length(x: Ints) -> Ints:
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)
