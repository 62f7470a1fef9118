"""Expectations of a cell without sampling: points x_j and weights w_j with E f(x) ~ sum_j w_j f(x_j).

Codes are summed exactly. For a density, x = g(t) with t in equal steps: the trapezoidal rule, whose error falls
exponentially with their number for analytic integrands, and faster than Gauss-Hermite's. For Normals of scale sigma
and f a sigmoid of slope b it is about exp(-2 pi^2 / (|b| sigma h)) with step h = 14 / (nodes - 1). Steps reach to where
p is exp(-DEPTH) of its greatest. Whole numbers are summed one by one where there are nodes enough, and in blocks where
not. Weights sum to 1, so the expectation of a constant is exact.

Every cell says its own rule, `Cell.rule`, of what is here. Steps need not be equal in t: with t = t(s) and equal steps
of s a weight has the factor dt/ds, and nodes stand close where f changes fast (turning.py). Blocks need no such factor.

Sources: Exactness of quadrature formulas, Trefethen, 2022, https://arxiv.org/abs/2101.09501 (section 5, on
Gauss-Hermite); Concentration inequalities, Boucheron, Lugosi and Massart, 2013 (section 2.4, tails of counts).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

DEPTH = 24.0
"""Nats below the greatest density where a rule ends; for counts, 2 exp(-DEPTH) bounds the mass that it leaves out."""

Rule = tuple[Tensor, Tensor]
"""Points and log-weights."""


@dataclass(frozen=True)
class Places:
    """Where nodes stand between the ends of a rule, 0 and 1, in equal steps of some s.

    Attributes:
        at: (J, ...), with an axis for every axis of the ends.
        log_slope: log of d at / ds up to a constant, of the same shape.
    """

    at: Tensor
    log_slope: Tensor


Nodes = int | Places
"""How many nodes, in equal steps, or where they stand."""


def steps(low: Tensor, high: Tensor, nodes: Nodes) -> tuple[Tensor, Tensor]:
    """t from low (...) to high, (J, ...), and log dt/ds up to a constant, which broadcasts to it."""
    if isinstance(nodes, Places):
        return torch.lerp(low, high, nodes.at), nodes.log_slope
    t = torch.linspace(0, 1, nodes, dtype=low.dtype, device=low.device)
    return torch.lerp(low, high, t.view(-1, *[1] * low.dim())), low.new_zeros(())


def every_second(nodes: Nodes) -> Nodes:
    """Both ends and half of the nodes between them: the edges of blocks, of which each has two nodes."""
    if isinstance(nodes, int):
        return nodes // 2 + 1
    n = len(nodes.at)
    chosen = torch.linspace(0, n - 1, n // 2 + 1, device=nodes.at.device).round().long()
    return Places(nodes.at[chosen], nodes.log_slope[chosen])


def normal_rule(n_axes: int, nodes: Nodes, dtype: torch.dtype, device: torch.device) -> Rule:
    """Of N(0, 1); (J, 1, ..., 1) with ``n_axes`` behind the first, or (J, ...) as the places are."""
    reach = torch.full([1] * n_axes, math.sqrt(2 * DEPTH), dtype=dtype, device=device)
    t, log_dt = steps(-reach, reach, nodes)
    return t, (log_dt - t.square() / 2).log_softmax(0)


@torch.no_grad()
def sinh_steps(below: Tensor, above: Tensor, nodes: Nodes) -> tuple[Tensor, Tensor]:
    """sinh u from -below to above, in steps of u, and log d(sinh u) / ds: fine near 0, and far-reaching."""
    u, log_du = steps(-below.asinh(), above.asinh(), nodes)
    return u.sinh(), u.cosh().log() + log_du


def pooled(points: Tensor, log_w: Tensor) -> Rule:
    """Nodes of components, (J, ..., n, M), as those of one rule, (M J, ..., n)."""
    points, log_w = torch.broadcast_tensors(points, log_w)
    return points.movedim(-1, 0).flatten(0, 1), log_w.movedim(-1, 0).flatten(0, 1)


def of_masses(points: Tensor, log_p: Tensor) -> Rule:
    """Values (C,), with log-masses (..., n, C)."""
    return points.to(log_p).view(-1, *[1] * (log_p.dim() - 1)), log_p.movedim(-1, 0)


def depth_reach(h: Tensor) -> Tensor:
    """t > 0 with h (e^-t - 1 + t) >= DEPTH; so is h (e^t - 1 - t) at log(1 + t)."""
    y = DEPTH / h
    return y + (2 * y).sqrt()


def blocks(edges: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes in order, and the logs of their weights, for a sum over whole numbers, in blocks from one edge to below the
    next.

    The sum of f over n numbers around c is n / 2 (f(c - s) + f(c + s)), s^2 = (n^2 - 1) / 12, which is exact for n = 1,
    for n = 2 and for cubic f.

    Args:
        edges: whole, (K + 1, ..., n).
    """
    n = edges.diff(dim=0).clamp_min(0)
    # n may be so large that its square is infinite
    spread = n * ((1 - n.clamp_min(1) ** -2) / 12).sqrt()
    centre = edges[:-1] + (n - 1).clamp_min(0) / 2
    return torch.stack((centre - spread, centre + spread), 1).flatten(0, 1), n.log().repeat_interleave(2, 0)


def by_blocks(log_prob: Callable[[Tensor], Tensor], mean: Tensor, r: Tensor, nodes: Nodes) -> Rule:
    """Of counts of mean m and variance v = m + m^2 / r, in blocks that are steps of asinh sqrt(k / r).

    They reach from m - sqrt(2 v E) to m + sqrt(2 v E) + (1 + m / r) E with E = DEPTH, beyond which the mass is at most
    exp(-E) on either side (Bernstein).
    """
    with torch.no_grad():
        spread, tail = (2 * DEPTH * mean * (1 + mean / r)).sqrt(), DEPTH * (1 + mean / r)
        first, last = (mean - spread).clamp_min(0).floor(), (mean + spread + tail).ceil()
        low, high = ((k / r).sqrt().asinh() for k in (first, last))
        edges = (r * steps(low, high, every_second(nodes))[0].sinh().square()).round()
        # at 0 the masses may fall steeply: the first number has a block of its own
        points, log_n = blocks(torch.cat((first[None], torch.maximum(edges[1:], first + 1))))
    return points, (log_prob(points) + log_n).log_softmax(0)
