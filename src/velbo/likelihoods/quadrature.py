"""Expectations of a cell without sampling: points x_j and weights w_j with E f(x) ~ sum_j w_j f(x_j).

Codes are summed exactly. For a density, x = g(t) with t in equal steps: the trapezoidal rule, whose error falls
exponentially with their number for analytic integrands, and faster than Gauss-Hermite's. For Normals of scale sigma
and f a sigmoid of slope b it is about exp(-2 pi^2 / (|b| sigma h)) with step h = 14 / (nodes - 1). Steps reach to where
p is exp(-DEPTH) of its greatest. Whole numbers are summed one by one where there are nodes enough, and in blocks where
not. Weights sum to 1, so the expectation of a constant is exact.

Sources: Exactness of quadrature formulas, Trefethen, 2022, https://arxiv.org/abs/2101.09501 (section 5, on
Gauss-Hermite); Concentration inequalities, Boucheron, Lugosi and Massart, 2013 (section 2.4, tails of counts).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import singledispatch

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Normal
from torch.nn.functional import logsigmoid

from .beta import BetaCell
from .cell import Cell, saturated_exp, within_unit
from .discretized_logistic import LogisticBins
from .gamma import GammaCell
from .integers import IntegerCell
from .log_normal import LogNormalCell
from .logit_normal import LogitNormalCell
from .mixture import NormalMixtureCell
from .negative_binomial import NegativeBinomialCell, ZeroInflatedCell
from .poisson import PoissonCell
from .stirling import excess
from .student_t import StudentTCell

DEPTH = 24.0
"""Nats below the greatest density where a rule ends; for counts, 2 exp(-DEPTH) bounds the mass that it leaves out."""

Rule = tuple[Tensor, Tensor]
"""Points and log-weights."""


def steps(low: Tensor, high: Tensor, nodes: int) -> Tensor:
    """Equal ones from low (..., n) to high, (nodes, ..., n)."""
    t = torch.linspace(0, 1, nodes, dtype=low.dtype, device=low.device)
    return torch.lerp(low, high, t.view(-1, *[1] * low.dim()))


def normal_rule(like: Tensor, nodes: int) -> Rule:
    """Of N(0, 1); (nodes, 1, ..., 1) with as many axes as ``like`` behind the first."""
    reach = torch.full([1] * like.dim(), math.sqrt(2 * DEPTH), dtype=like.dtype, device=like.device)
    t = steps(-reach, reach, nodes)
    return t, (-t.square() / 2).log_softmax(0)


@torch.no_grad()
def sinh_steps(below: Tensor, above: Tensor, nodes: int) -> tuple[Tensor, Tensor]:
    """sinh u from -below to above, in equal steps of u, and log d(sinh u) / du: fine near 0, and far-reaching."""
    u = steps(-below.asinh(), above.asinh(), nodes)
    return u.sinh(), u.cosh().log()


def pooled(points: Tensor, log_w: Tensor) -> Rule:
    """Nodes of components, (J, ..., n, M), as those of one rule, (M J, ..., n)."""
    points, log_w = torch.broadcast_tensors(points, log_w)
    return points.movedim(-1, 0).flatten(0, 1), log_w.movedim(-1, 0).flatten(0, 1)


def of_masses(points: Tensor, log_p: Tensor) -> Rule:
    """Values (C,), with log-masses (..., n, C)."""
    return points.to(log_p).view(-1, *[1] * (log_p.dim() - 1)), log_p.movedim(-1, 0)


@singledispatch
def quadrature(cell: Distribution, nodes: int) -> Rule:
    """Points x_j and log-weights with E f(x) ~ sum_j w_j f(x_j), sum_j w_j = 1; both broadcast to (J, ..., n).

    By the cell's masses or by its quantiles, where it has no rule of its own.

    Raises:
        NotImplementedError: if it has neither; register a rule with ``quadrature.register``.
    """
    if isinstance(masses := getattr(cell, "log_masses", None), Callable):
        log_p = masses()
        return of_masses(torch.arange(log_p.shape[-1]), log_p)
    t, log_w = normal_rule(cell.mean, nodes)
    return cell.icdf(within_unit(torch.special.ndtr(t))), log_w


@quadrature.register
def _(cell: Bernoulli, nodes: int) -> Rule:
    return of_masses(torch.arange(2), torch.stack((logsigmoid(-cell.logits), logsigmoid(cell.logits)), -1))


@quadrature.register
def _(cell: LogisticBins, nodes: int) -> Rule:
    levels = torch.linspace(0, 1, cell.n_levels, dtype=cell.loc.dtype, device=cell.loc.device)
    points = levels.view(-1, *[1] * len(cell.batch_shape))
    return points, cell.log_prob(points)


@quadrature.register
def _(cell: Normal, nodes: int) -> Rule:
    t, log_w = normal_rule(cell.loc, nodes)
    return cell.loc + cell.scale * t, log_w


@quadrature.register
def _(cell: NormalMixtureCell, nodes: int) -> Rule:
    t, log_w = normal_rule(cell.loc, nodes)
    return pooled(cell.loc + cell.scale * t, cell.log_pi + log_w)


@quadrature.register
def _(cell: LogNormalCell, nodes: int) -> Rule:
    t, log_w = normal_rule(cell.loc, nodes)
    return saturated_exp(cell.loc + cell.scale * t), log_w


@quadrature.register
def _(cell: LogitNormalCell, nodes: int) -> Rule:
    t, log_w = normal_rule(cell.loc, nodes)
    return within_unit(torch.sigmoid(cell.loc + cell.scale * t)), log_w


@quadrature.register
def _(cell: StudentTCell, nodes: int) -> Rule:
    """x = mu + sigma sinh u; log p falls by (nu + 1) / 2 log(1 + sinh^2 u / nu)."""
    df = cell.df
    reach = (df * torch.expm1(2 * DEPTH / (df + 1))).sqrt()
    z, log_dz = sinh_steps(reach, reach, nodes)
    return cell.loc + cell.scale * z, (log_dz - (df + 1) / 2 * torch.log1p(z.square() / df)).log_softmax(0)


@quadrature.register
def _(cell: GammaCell, nodes: int) -> Rule:
    """log x = log m + t, t = sinh u / sqrt(1 + a); log p of t falls by a (e^t - 1 - t)."""
    a, far = cell.shape, _depth_reach(cell.shape)
    size = (1 + a).rsqrt().detach()
    z, log_dz = sinh_steps(far / size, torch.log1p(far) / size, nodes)
    t = size * z
    return saturated_exp(cell.log_mean + t), (log_dz - a * excess(t)).log_softmax(0)


@quadrature.register
def _(cell: BetaCell, nodes: int) -> Rule:
    """logit x = logit m + t; log p of t falls by at least h (e^-|t| - 1 + |t|), h = alpha beta / (alpha + beta)."""
    h = cell.alpha * torch.sigmoid(-cell.logit)
    size = (1 + h).rsqrt().detach()
    far = _depth_reach(h) / size
    z, log_dz = sinh_steps(far, far, nodes)
    logit = cell.logit + size * z
    above = cell.alpha * (logsigmoid(logit) - logsigmoid(cell.logit))
    below = cell.beta * (logsigmoid(-logit) - logsigmoid(-cell.logit))
    return within_unit(torch.sigmoid(logit)), (above + below + log_dz).log_softmax(0)


def _depth_reach(h: Tensor) -> Tensor:
    """t > 0 with h (e^-t - 1 + t) >= DEPTH; so is h (e^t - 1 - t) at log(1 + t)."""
    y = DEPTH / h
    return y + (2 * y).sqrt()


@quadrature.register
def _(cell: IntegerCell, nodes: int) -> Rule:
    """Every component in blocks that are equal steps of asinh((x - mu) / sigma)."""
    with torch.no_grad():
        size = cell.scale / cell.step
        reach = torch.full_like(size, DEPTH)
        edges = (size * sinh_steps(reach, reach, nodes // 2 + 1)[0]).round()
        last = (DEPTH * size).ceil() + 1
        points, log_n = blocks(torch.cat((-last[None], edges[1:-1], last[None] + 1)))
        points = cell.low + cell.step * (((cell.loc - cell.low) / cell.step).round() + points)
    distance, half = (points - cell.loc) / cell.scale, cell.step / cell.scale / 2
    log_p = logsigmoid(half + distance) + logsigmoid(half - distance)
    return pooled(points, cell.log_pi + (log_p + log_n).log_softmax(0))


@quadrature.register
def _(cell: NegativeBinomialCell, nodes: int) -> Rule:
    return _by_blocks(cell, cell.rate, cell.log_r.exp(), nodes)


@quadrature.register
def _(cell: PoissonCell, nodes: int) -> Rule:
    return _by_blocks(cell, cell.mean, torch.full_like(cell.mean, 1e18), nodes)


@quadrature.register
def _(cell: ZeroInflatedCell, nodes: int) -> Rule:
    points, log_w = quadrature(cell.counts, nodes)
    log_w = logsigmoid(-cell.logit) + log_w
    log_zero = logsigmoid(cell.logit).expand(log_w.shape[1:])
    return torch.cat((torch.zeros_like(points[:1]), points)), torch.cat((log_zero[None], log_w))


def blocks(edges: Tensor) -> tuple[Tensor, Tensor]:
    """Nodes and the logs of their weights for a sum over whole numbers, in blocks from one edge to below the next.

    The sum of f over n numbers around c is n / 2 (f(c - s) + f(c + s)), s^2 = (n^2 - 1) / 12, which is exact for n = 1,
    for n = 2 and for cubic f.

    Args:
        edges: whole, (K + 1, ..., n).
    """
    n = edges.diff(dim=0).clamp_min(0)
    spread, centre = ((n.square() - 1).clamp_min(0) / 12).sqrt(), edges[:-1] + (n - 1).clamp_min(0) / 2
    return torch.cat((centre - spread, centre + spread)), n.log().repeat(2, *[1] * (n.dim() - 1))


def _by_blocks(cell: Cell, mean: Tensor, r: Tensor, nodes: int) -> Rule:
    """Of mean m and variance v = m + m^2 / r, in blocks that are equal steps of asinh sqrt(k / r).

    They reach from m - sqrt(2 v E) to m + sqrt(2 v E) + (1 + m / r) E with E = DEPTH, beyond which the mass is at most
    exp(-E) on either side (Bernstein).
    """
    with torch.no_grad():
        spread, tail = (2 * DEPTH * mean * (1 + mean / r)).sqrt(), DEPTH * (1 + mean / r)
        first, last = (mean - spread).clamp_min(0).floor(), (mean + spread + tail).ceil()
        low, high = ((k / r).sqrt().asinh() for k in (first, last))
        edges = (r * steps(low, high, nodes // 2 + 1).sinh().square()).round()
        # at 0 the masses may fall steeply: the first number has a block of its own
        points, log_n = blocks(torch.cat((first[None], torch.maximum(edges[1:], first + 1))))
    return points, (cell.log_prob(points) + log_n).log_softmax(0)
