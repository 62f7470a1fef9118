"""Nodes of a rule that stand close where a mask turns.

A mask m(t) = sigmoid(l(t)), with l rising or falling through 0 at t_0 with the slope l', has poles at about
t_0 +- i delta, delta = pi / |l'|. The error of a trapezoidal rule with step h falls as exp(-2 pi d / h), d the distance
of the nearest pole from the line, and so a steep mask needs many equal steps. Here steps are equal in s, with

    dt / ds = 1 / ( 1 / (delta cosh s) + 1 / H ),    t(0) = t_0

    t = t_0 + H ( s - 2 / sqrt(1 - k^2) artanh( sqrt((1 - k) / (1 + k)) tanh(s / 2) ) ),    k = delta / H

Near t_0 this is delta sinh s, and the poles are at s = +- i pi / 2 however steep m is; far away it is H s, so that the
density has nodes enough too. H = 1 / (asinh((1 - t_0) / delta) + asinh(t_0 / delta)), for t from 0 to 1, gives each
half of the nodes: no step is larger than twice an equal one. For a flat mask s is proportional to t.

Source of the first half: The numerical evaluation of nearly singular boundary element integrals using the sinh
transformation, Johnston and Elliott, 2005, https://doi.org/10.1002/nme.1208.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .cell import Cell
from .quadrature import Places, steps

STEEPEST, FLATTEST = 1e-5, 10.0
"""Of delta, as a share of the range of the rule."""
NEWTON_STEPS = 5
FIRST_LOOK = 25
"""Nodes at which a mask is seen before its own are placed."""


@torch.no_grad()
def around_turn(cell: Cell, logit: Callable[[Tensor], Tensor], nodes: int) -> Places:
    """Places for `Cell.rule` of so many nodes, for every cell, and for every component where a cell has several.

    Args:
        cell: numbers, with a rule.
        logit: x (..., n) -> logit of m, monotone in x.
        nodes: J.
    """
    points, log_w = cell.rule(FIRST_LOOK)
    points, _ = torch.broadcast_tensors(points, log_w)
    seen = logit(points).unflatten(0, (cell.n_components, -1)).movedim(0, -1)
    places = _turn_of(seen if cell.n_inner else seen.squeeze(-1)).places(nodes)
    return Places(places.at.to(points), places.log_slope.to(points))


def _turn_of(seen: Tensor) -> Turn:
    """Where logits that were seen at equal steps of the range (K, ...) are 0."""
    last = len(seen) - 1
    rising = seen.double() * torch.where(seen[-1] < seen[0], -1, 1)
    before = ((rising < 0).sum(0, keepdim=True) - 1).clamp(0, last - 1)
    low, high = (rising.gather(0, before + i).squeeze(0) for i in (0, 1))
    slope = (last * (high - low)).clamp_min(torch.finfo(torch.float64).tiny)
    # a turn far outside of the range is as good as none
    at = (before.squeeze(0) / last - low / slope).clamp(-1, 2)
    return Turn(at, (math.pi / slope).clamp(STEEPEST, FLATTEST))


@dataclass(frozen=True)
class Turn:
    """Where a mask turns, t_0 and delta, as shares of the range of a rule; float64."""

    at: Tensor
    delta: Tensor

    def places(self, nodes: int) -> Places:
        low, high = -self.at, 1 - self.at
        widest = 1 / ((high / self.delta).asinh() - (low / self.delta).asinh())
        # k stays below 1, where the formula ends
        widest = torch.maximum(widest, 2 * self.delta)
        s, _ = steps(self._s(low, widest), self._s(high, widest), nodes)
        return Places((self.at + self._t(s, widest)).clamp(0, 1), -self._ds_dt(s, widest).log())

    def _ds_dt(self, s: Tensor, widest: Tensor) -> Tensor:
        return 1 / (self.delta * s.cosh()) + 1 / widest

    def _t(self, s: Tensor, widest: Tensor) -> Tensor:
        """t - t_0."""
        k = self.delta / widest
        inner = ((1 - k) / (1 + k)).sqrt() * (s / 2).tanh()
        return widest * (s - 2 * (1 - k.square()).rsqrt() * inner.atanh())

    def _s(self, t: Tensor, widest: Tensor) -> Tensor:
        """The inverse, from far enough outside for Newton's steps to come from one side."""
        s = (t / self.delta).asinh() + t / widest
        for _ in range(NEWTON_STEPS):
            s = s - (self._t(s, widest) - t) * self._ds_dt(s, widest)
        return s
