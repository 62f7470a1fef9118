"""Latents as whole numbers: z_j is the middle of a step of 2^-8 between -R and R, and laws over them.

    F_k = l k + floor( sum_c w_c Phi((edge_k - m_cj) / s_cj) (2^b - l n) )     w_c given z_1 .. z_j-1

p(z) has to have a place for every z, so l = 1. What is pushed with q(z|x) has been popped with it, so l = 0: with
l = 1, one z of 4,096 would be anywhere, where p(x|z) is of another row and takes some 70 bits more.

A law over z is coded one latent after another, each given those before it: of a mixture, the weights w_c are moved by
what the latents before say of the components; of a Normal with a full covariance, the mean is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import DataError
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats, Ints
from .coder import Coder

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


class Law(ABC):
    """A law over z (B, Z).

    Args:
        steps: of every z_j.
        n_latents: Z.
        least: l, the least frequency of a step.
    """

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
            intervals.append(self.interval(j, k[:, j]))
            if not self.least and (intervals[-1].freq < 1).any():
                raise DataError("its code is that of no rows")
            self.move(j, k[:, j])
        for interval in reversed(intervals):
            coder.push(*interval)

    def interval(self, j: int, k: Ints) -> Interval:
        start = self.below(j, k)
        return Interval(start, self.below(j, k + 1) - start, BITS)

    def below(self, j: int, k: Ints) -> Ints:
        p = self.probability(j, self.steps.edges(k))
        p = np.where(k <= 0, 0, np.where(k >= self.steps.n, fixed.WHOLE, p))
        return k * self.least + ((p * ((1 << BITS) - self.steps.n * self.least)) >> fixed.CDF_BITS)

    def find(self, j: int, at: Ints) -> tuple[Ints, Interval]:
        """By halving."""
        low, high = np.zeros_like(at), np.full_like(at, self.steps.n)
        first, after = np.zeros_like(at), np.full_like(at, 1 << BITS)
        while (high - low).max() > 1:
            middle = (low + high) >> 1
            edge = self.below(j, middle)
            is_open = high - low > 1
            up, down = (edge <= at) & is_open, (edge > at) & is_open
            low, first = np.where(up, middle, low), np.where(up, edge, first)
            high, after = np.where(down, middle, high), np.where(down, edge, after)
        return low, Interval(first, after - first, BITS)


class Normals(Law):
    """Independent Normals; mean and standard deviation (B, Z)."""

    def __init__(self, steps: Steps, mean: Floats, scale: Floats, least: int = 1) -> None:
        super().__init__(steps, mean.shape[-1], least)
        self.mean, self.scale = mean, scale

    def begin(self, n: int) -> None:
        """Nothing depends on the latents before."""

    def probability(self, j: int, edges: Floats) -> Ints:
        return fixed.NORMAL.between(np.clip((edges - self.mean[:, j]) / self.scale[:, j], -1e6, 1e6))

    def move(self, j: int, k: Ints) -> None:
        """Nothing moves."""


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

    def __init__(self, steps: Steps, mean: Floats, lower: Floats, least: int = 1) -> None:
        super().__init__(steps, mean.shape[-1], least)
        self.mean, self.lower = mean, lower

    def begin(self, n: int) -> None:
        self._mean = self.mean.copy()

    def probability(self, j: int, edges: Floats) -> Ints:
        t = (edges - self._mean[:, j]) / self.lower[:, j, j]
        return fixed.NORMAL.between(np.clip(t, -1e6, 1e6))

    def move(self, j: int, k: Ints) -> None:
        eps = np.clip((self.steps.values(k) - self._mean[:, j]) / self.lower[:, j, j], -40.0, 40.0)
        self._mean[:, j + 1 :] += self.lower[:, j + 1 :, j] * eps[:, None]


class Mixture(Law):
    """A mixture of Normals; logits (B, C), mean and scale (B, C, Z), or all with B = 1 for the same in all rows."""

    def __init__(self, steps: Steps, logits: Floats, mean: Floats, scale: Floats, least: int = 1) -> None:
        super().__init__(steps, mean.shape[-1], least)
        self.start, self.mean, self.scale = fixed.shares(fixed.weights(logits)), mean, scale

    def begin(self, n: int) -> None:
        self._shares = np.broadcast_to(self.start, (n, self.start.shape[-1]))

    def _of_components(self, j: int, edges: Floats) -> Ints:
        t = (edges[:, None] - self.mean[:, :, j]) / self.scale[:, :, j]
        return fixed.NORMAL.between(np.clip(t, -1e6, 1e6))

    def probability(self, j: int, edges: Floats) -> Ints:
        return (self._of_components(j, edges) * self._shares).sum(-1) >> fixed.CDF_BITS

    def move(self, j: int, k: Ints) -> None:
        first, after = (self._of_components(j, self.steps.edges(i)) for i in (k, k + 1))
        # a step in no component's reach says nothing of them
        moved = self._shares * np.maximum(after - first, 1)
        moved >>= np.maximum(0, _bit_length(moved.max(-1)) - 30)[:, None]
        self._shares = fixed.shares(moved)


def _bit_length(x: Ints) -> Ints:
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)
