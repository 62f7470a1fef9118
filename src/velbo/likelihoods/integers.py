"""Whole numbers without bounds, on the grid of step w in x: a mixture of M logistics, each integrated over the bin.

    p(x) = sum_m pi_m [ s(a_m) - s(b_m) ],   a = (x + w/2 - mu) / sigma,  b = (x - w/2 - mu) / sigma,   s = sigmoid
    s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)),   without cancellation, as in discretized_logistic.py

so x is Y ~ Logistic(mu, sigma) rounded to the grid, and the masses sum to one over it. With w = 1 and e = round(Y) - Y,

    e = sum_n (-1)^n sin(2 pi n Y) / (pi n),        f(t) = E[cos t (Y - mu)] = pi sigma t / sinh(pi sigma t),

and as Y - mu is symmetric, with t = 2 pi n:

    E[e]      = sum_n (-1)^n sin(t mu) f(t) / (pi n)
    Cov(Y, e) = sum_n (-1)^n cos(t mu) (-f'(t)) / (pi n)
    E[e^2]    = 1/12 + sum_n (-1)^n cos(t mu) f(t) / (pi n)^2

The mean of the rounded variable is mu + E[e], its variance Var Y + 2 Cov(Y, e) + E[e^2] - E[e]^2. The terms fall as
exp(-2 pi^2 n sigma): from sigma = 1 on E[e] is below 1e-7 of a step.

Some numbers are frequent by themselves: 40 hours a week, no capital gain. No optimiser finds and keeps a place to
within 1e-5 of a column's range, so such numbers have components of their own, atoms, whose place is known, whose scale
is the least and whose weight alone is predicted.

A scale never falls below 0.05 w, where all but 1e-4 of the mass lies on one number, nor below the distance of float32
numbers in the range of x: numbers which share one x would each get its mass, and the masses sum to more than one.

Source of the likelihood: PixelCNN++, Salimans, Karpathy, Chen and Kingma, 2017, https://arxiv.org/abs/1701.05517
(eq. 2); the series of e is the sawtooth's Fourier series.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from ..nets import inverse_softplus
from ..rows import Field
from ..runtime import fixed_point as fixed
from .base import Factorised, Likelihood
from .laws import Components, Layer
from .log_softmax import log_softmax
from .mixture import MixtureCell
from .quadrature import DEPTH, Nodes, Rule, blocks, every_second, pooled, sinh_steps

LEAST_SCALE = 0.05
N_TERMS, FLOAT32_TERMS = 44, 20
"""With the first term that is left out below 1e-16 and 1e-8 of a step, at the least scale."""
INITIAL_LOGIT = -2.0
"""Of an atom."""


def n_terms(dtype: torch.dtype) -> int:
    """Of the series, that the precision has digits for."""
    return N_TERMS if dtype == torch.float64 else FLOAT32_TERMS


@dataclass(frozen=True)
class Grid:
    """The numbers low + k step for all whole k.

    Attributes:
        low: smallest observed x.
        high: largest observed x.
        step: w.
        atoms: numbers that are frequent by themselves.
    """

    low: float
    high: float
    step: float = 1.0
    atoms: tuple[float, ...] = ()

    @classmethod
    def of(cls, column: Field) -> Self:
        """Of x = (v - location) / scale for whole v; nothing and the most that is recorded are often frequent."""
        low, high, location, scale = (column.one(what) for what in ("low", "high", "location", "scale"))
        atoms = tuple((v - location) / scale for v in sorted({low, high, *column.frequent}))
        return cls((low - location) / scale, (high - location) / scale, 1 / scale, atoms)

    @property
    def width(self) -> float:
        """Of the observed range, a step at least."""
        return max(self.high - self.low, self.step)

    @property
    def least_scale(self) -> float:
        return max(LEAST_SCALE * self.step, torch.finfo(torch.float32).eps * max(abs(self.low), abs(self.high)))


class IntegerCell(MixtureCell):
    """Logistic components, rounded to the grid low + k step; low and step are (D, 1).

    Args:
        log_pi: (..., D, M + A) of the components and of the atoms behind them.
        loc: (..., D, M).
        scale: (..., D, M).
        low: (D, 1).
        step: (D, 1).
        atoms: their places (D, A) and scale (D, 1), or nothing. They do not depend on z, so that log p(x) under an atom
            is computed once a row and not once a sample.
    """

    def __init__(self, log_pi: Tensor, loc: Tensor, scale: Tensor, low: Tensor, step: Tensor, *atoms: Tensor) -> None:
        self.low, self.step, self.atoms = low, step, atoms
        super().__init__(log_pi, loc, scale, low, step, *atoms)

    @property
    def components(self) -> tuple[Tensor, Tensor]:
        """Atoms behind the others."""
        if not self.atoms:
            return self.loc, self.scale
        place, scale = (t.expand(*self.batch_shape, self.atoms[0].shape[-1]) for t in self.atoms)
        own = (t.expand(*self.batch_shape, t.shape[-1]) for t in (self.loc, self.scale))
        return torch.cat((next(own), place), -1), torch.cat((next(own), scale), -1)

    def log_prob(self, value: Tensor) -> Tensor:
        n = self.loc.shape[-1]
        log_p = self.log_pi[..., :n] + self._log_mass(value, self.loc, self.scale)
        if self.atoms:
            log_p = torch.cat((log_p, self.log_pi[..., n:] + self._log_mass(value, *self.atoms)), -1)
        return torch.logsumexp(log_p, -1)

    def _log_mass(self, value: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        # the distance first: a step may be lost in x, and is not in what is left near mu
        distance, width = (value.unsqueeze(-1) - loc) / scale, self.step / scale
        inside = logsigmoid(width / 2 + distance) + logsigmoid(width / 2 - distance)
        return inside + torch.log(-torch.expm1(-width))

    def nearest(self, x: Tensor) -> Tensor:
        """To the grid, for x (..., D)."""
        low, step = self.low.squeeze(-1), self.step.squeeze(-1)
        return low + step * ((x - low) / step).round()

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        loc, scale = self.chosen(sample_shape)
        u = torch.rand_like(loc).clamp_min(torch.finfo(loc.dtype).tiny)
        return self.nearest(loc + scale * (u.log() - torch.log1p(-u)))

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of every component. Those of atoms, which do not depend on z, are computed once."""
        own = self._exact(self.loc, self.scale)
        if not self.atoms:
            return own
        atoms = self._exact(*(t.expand_as(self.atoms[0]) for t in self.atoms))
        whole = [tuple(t.expand(*self.batch_shape, t.shape[-1]) for t in pair) for pair in zip(own, atoms, strict=True)]
        return torch.cat(whole[0], -1), torch.cat(whole[1], -1)

    def _exact(self, loc: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of components, exact; computed in steps from ``low``.

        With q = exp(-2 pi^2 sigma), 1 / sinh(pi sigma t) = 2 q^n / (1 - q^2n), and the powers, sines and cosines of the
        next term are products of those of the last.
        """
        mu, sigma = (loc - self.low) / self.step, scale / self.step
        # the sines ask for the distance to the grid alone, and float32 knows it best near 0
        turn = 2 * math.pi * (mu - mu.round())
        first_a, first_sine, first_cosine = 2 * math.pi**2 * sigma, turn.sin(), turn.cos()
        first_q = torch.exp(-first_a)
        bias, shared, square = torch.zeros_like(mu), torch.zeros_like(mu), torch.full_like(mu, 1 / 12)
        q, sine, cosine = first_q, first_sine, first_cosine
        for n in range(1, n_terms(mu.dtype) + 1):
            a, sign, rest = n * first_a, (-1) ** n / (math.pi * n), 1 - q.square()
            over_sinh = 2 * q / rest
            f = a * over_sinh
            bias = bias + sign * sine * f
            shared = shared + sign * cosine * math.pi * sigma * (f * (2 - rest) / rest - over_sinh)
            square = square + sign / (math.pi * n) * cosine * f
            q = q * first_q
            sine, cosine = sine * first_cosine + cosine * first_sine, cosine * first_cosine - sine * first_sine
        variance = (math.pi * sigma).square() / 3 + 2 * shared + square - bias.square()
        return loc + self.step * bias, self.step.square() * variance.clamp_min(0)

    def _means(self) -> Tensor:
        """Means of `_moments`, in few large operations."""
        loc, scale = self.components
        mu, sigma = ((t / self.step).unsqueeze(-1) for t in (loc - self.low, scale))
        n = torch.arange(1, n_terms(mu.dtype) + 1, dtype=mu.dtype, device=mu.device)
        a, sign = 2 * math.pi**2 * n * sigma, (1 - 2 * (n % 2)) / (math.pi * n)
        over_sinh = 2 * torch.exp(-a) / -torch.expm1(-2 * a)
        return loc + self.step * (sign * torch.sin(n * 2 * math.pi * (mu - mu.round())) * a * over_sinh).sum(-1)

    @cached_property
    def _of_all(self) -> tuple[Tensor, Tensor]:
        """Mean and variance."""
        return self.pooled(*self._moments)

    @property
    def mean(self) -> Tensor:
        if torch.compiler.is_compiling():  # which makes a small graph, and takes more memory
            return (self.log_pi.exp() * self._means()).sum(-1)
        return self._of_all[0]

    @property
    def mode(self) -> Tensor:
        """The component's rounded centre of greatest mass, which is at or near the mode."""
        return self.best(self.nearest(self.components[0].movedim(-1, 0)).movedim(0, -1))

    @property
    def variance(self) -> Tensor:
        return self._of_all[1]

    def below_and_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        loc, scale = self.components
        distance, half = (x.unsqueeze(-1) - loc) / scale, self.step / scale / 2
        return (self.log_pi.exp() * torch.sigmoid(distance - half)).sum(-1), self.log_prob(x).exp()

    def coordinate(self, x: Tensor) -> Tensor:
        return torch.asinh(x)

    def rule(self, nodes: Nodes) -> Rule:
        """Every component in blocks that are equal steps of asinh((x - mu) / sigma)."""
        loc, scale = self.components
        with torch.no_grad():
            size = scale / self.step
            reach = torch.full_like(size, DEPTH)
            edges = (size * sinh_steps(reach, reach, every_second(nodes))[0]).round()
            last = (DEPTH * size).ceil() + 1
            points, log_n = blocks(torch.cat((-last[None], edges[1:-1], last[None] + 1)))
            points = self.low + self.step * (((loc - self.low) / self.step).round() + points)
        distance, half = (points - loc) / scale, self.step / scale / 2
        log_p = logsigmoid(half + distance) + logsigmoid(half - distance)
        return pooled(points, self.log_pi + (log_p + log_n).log_softmax(0))


class DiscretizedMixture(Likelihood):
    """Whole numbers, negative ones too.

    Args:
        grids: of every output.
        n_components: M, atoms not counted.
    """

    kinds = ("integer", "count")

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        return cls(n_in, [Grid.of(cell) for cell in cells[: len(cells) // positions]], positions=positions)

    def __init__(self, n_in: int, grids: Sequence[Grid], n_components: int = 5, positions: int = 1) -> None:
        if n_components < 1:
            raise ValueError(f"a mixture has at least 1 component, not {n_components}")
        self.n_components, self.n_atoms = n_components, max(len(g.atoms) for g in grids)
        super().__init__(n_in, len(grids) * (3 * n_components + self.n_atoms), 1, positions)
        self.split = (n_components, n_components, n_components, self.n_atoms)
        # in float64, so that a model in float64 sums to one as exactly as it computes
        numbers = torch.tensor([(g.low, g.width, g.step, g.least_scale) for g in grids], dtype=torch.float64)
        self.register_buffer("grids", numbers.repeat(positions, 1), persistent=False)
        atoms = [[*g.atoms, *[math.nan] * (self.n_atoms - len(g.atoms))] for g in grids]
        self.register_buffer("atoms", torch.tensor(atoms, dtype=torch.float64).repeat(positions, 1), persistent=False)
        self._begin()

    def _begin(self) -> None:
        n = sum(self.split)
        start = torch.zeros(n)
        start[-self.n_atoms or n :] = INITIAL_LOGIT
        start[2 * self.n_components : 3 * self.n_components] = inverse_softplus(0.5 / self.n_components)
        self.begin(start.repeat(self.n_out // n))

    @property
    def n_cells(self) -> int:
        return self.n_out * self.positions // sum(self.split)

    def forward(self, features: Tensor) -> Factorised:
        (y,) = self.parameters_of_cells(features)
        logits, shift, raw, of_atoms = y.unflatten(-1, (self.n_cells, -1)).split(self.split, -1)
        low, width, step, least = cast(Tensor, self.grids).to(y.dtype).unsqueeze(-1).unbind(-2)
        atoms = cast(Tensor, self.atoms).to(y.dtype)
        # a step of the optimiser moves a component by a share of their distance
        centres = torch.arange(self.n_components, dtype=y.dtype, device=y.device) + 0.5
        loc, scale = low + width * (centres + shift / 2) / self.n_components, width * softplus(raw) + least
        log_pi = log_softmax(torch.cat((logits, of_atoms.masked_fill(atoms.isnan(), -torch.inf)), -1))
        of_all = (torch.where(atoms.isnan(), low, atoms), least) if self.n_atoms else ()
        return Factorised(IntegerCell(log_pi, loc, scale, low, step, *of_all))

    def law(self, layer: Layer) -> Components:
        (y,) = self.whole_parameters(layer)
        logits, shift, raw, of_atoms = np.split(y.reshape(len(y), self.n_cells, -1), np.cumsum(self.split)[:-1], -1)
        low, width, _, least = np.moveaxis(cast(Tensor, self.grids).double().numpy()[..., None], 1, 0)
        atoms = cast(Tensor, self.atoms).double().numpy()
        logits = np.concatenate((logits, np.where(np.isnan(atoms), -np.inf, of_atoms)), -1)
        loc = low + width * (np.arange(self.n_components) + 0.5 + shift / 2) / self.n_components
        loc = np.concatenate((loc, np.broadcast_to(np.where(np.isnan(atoms), low, atoms), of_atoms.shape)), -1)
        scale = np.concatenate((width * fixed.softplus(raw) + least, np.broadcast_to(least, of_atoms.shape)), -1)
        return Components(logits, loc, scale, fixed.LOGISTIC)
