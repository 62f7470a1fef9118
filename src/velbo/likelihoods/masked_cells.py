"""One cell and its mask: p(x_d, observed or missing | z), p(x_d | z, missing) and p(x_d | z, observed).

    log p(x_d, observed | z) = log p(x_d | z) + log(1 - m_d(x_d, z))
    log p(missing | z)       = log E_{x ~ p(x_d|z)} m_d(x, z)            by the cell's own rule
    p(x_d | z, missing)      = p(x_d | z) m_d(x_d, z) / p(missing | z)
    p(x_d | z, observed)     = p(x_d | z) (1 - m_d(x_d, z)) / (1 - p(missing | z))

Observed cells are to be held against the last of these, and not against p(x_d | z).
m_d is the probability that cell d is missing; how it comes about is missingness.py. Its logit is linear in the cell's
coordinate c(x_d), which grows no faster than -log p(x_d|z), so that a far cell costs the mask no more than it costs the
cell: c is x for Normals, asinh x where tails are heavy, log x for positive cells, logit x for bounded ones, log(1 + x)
for counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, constraints
from torch.nn.functional import logsigmoid

from ..runtime.devices import may_look_at
from ..runtime.shapes import broadcast_shapes
from .base import Factorised
from .cell import Cell
from .coded import CodedCell
from .quadrature import Nodes, Rule
from .turning import around_turn

CLOSE = 97
"""Nodes of a distribution function, of all components together."""
TRIES = 32
"""Draws before a sampler that none was accepted of settles for the nodes of the rule."""

Mask = Callable[[Tensor], Tensor]
"""x (..., n) -> logit of m."""


class Tilted(Cell):
    """p(x_d|z) k(x_d) / E[k] of numbers, where k is the probability that a value is kept: batch shape (..., n).

    With k = m it is the law of a missing cell, with k = 1 - m that of an observed one. The mean, the variance and the
    mode are those of the rule's nodes. Draws are exact: x ~ p(x_d|z) is accepted with probability k(x) over the
    greatest k among the nodes (which, as k is monotone, only draws beyond the last node exceed). What TRIES draws leave
    open is drawn from the nodes; that matters where log E[k] is below about -5.

    Args:
        joint: whose cells and rule they are.
        logit: x (..., n) -> logit of k.
    """

    def __init__(self, joint: CellsAndMask, logit: Mask) -> None:
        self.joint, self.cell, self.inside, self.logit = joint, joint.cell, joint.inside, logit
        super().__init__(shape=joint.cell.batch_shape)

    @property
    def support(self) -> constraints.Constraint:
        return self.cell.support

    @property
    def numbers_per_cell(self) -> int:
        return self.joint.numbers_per_cell

    def expand(self, batch_shape: Any, _instance: Any = None) -> Tilted:
        return Tilted(self.joint.expand(batch_shape[:-1]), self.logit)

    @property
    def dtype(self) -> torch.dtype:
        return self.cell.dtype

    @property
    def device(self) -> torch.device:
        return self.cell.device

    def at(self, places: Tensor) -> Tilted:
        raise self.lacks("at(places)", "the mask of all cells is one function")

    def nearest(self, x: Tensor) -> Tensor:
        return self.cell.nearest(x)

    @cached_property
    def log_kept(self) -> Tensor:
        """log k at the nodes."""
        return logsigmoid(self.logit(self.joint.rule[0]))

    @cached_property
    def log_total(self) -> Tensor:
        """log E[k], (..., n)."""
        return torch.logsumexp(self.joint.rule[1] + self.log_kept, 0)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.cell.log_prob(value) + logsigmoid(self.logit(value)) - self.log_total

    @cached_property
    def nodes(self) -> Rule:
        """Points and log-weights, (J, ..., n)."""
        points, log_w = self.joint.rule
        return torch.broadcast_tensors(points, log_w + self.log_kept - self.log_total)  # type: ignore[return-value]

    def rule(self, nodes: Nodes) -> Rule:
        """The joint's own nodes, however many are asked for."""
        return self.nodes

    @property
    def mean(self) -> Tensor:
        points, log_w = self.nodes
        return (log_w.exp() * points).sum(0)

    @property
    def variance(self) -> Tensor:
        points, log_w = self.nodes
        most = torch.finfo(points.dtype).max ** 0.5
        return (log_w.exp() * (points - self.mean).clamp(-most, most).square()).sum(0)

    @property
    def mode(self) -> Tensor:
        """The best of the nodes, which is near the mode."""
        points = self.nearest(self.nodes[0])
        return points.gather(0, self.log_prob(points).argmax(0, keepdim=True)).squeeze(0)

    def below_and_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """From P(X < y) of the cell and k at nodes y_0 <= y_1 <= ... near each other:

            E[k(X); y_j < X < y_j+1]  ~  P(y_j < X < y_j+1) (k(y_j) + k(y_j+1)) / 2

        which is exact where no value is between two nodes. The error is below 1e-3.
        """
        nodes = max(self.joint.n_nodes, CLOSE // self.cell.n_components)
        y = torch.broadcast_tensors(*self.joint.rule_of(nodes))[0]
        y = self.nearest(y).sort(0).values
        (below, at), (below_x, at_x) = self.cell.below_and_at(y), self.cell.below_and_at(x)
        kept, kept_x = torch.sigmoid(self.logit(y)), torch.sigmoid(self.logit(x))
        between = (below[1:] - below[:-1] - at[:-1]) * (kept[1:] + kept[:-1]) / 2
        up_to = below[:1] * kept[:1] + torch.cat((torch.zeros_like(at[:1]), (at[:-1] * kept[:-1] + between).cumsum(0)))
        total = up_to[-1] + at[-1] * kept[-1] + (1 - below[-1] - at[-1]) * kept[-1]
        # rows of x that share a law
        shape = (len(y), *[1] * (x.dim() - y.dim() + 1), *y.shape[1:])
        y, below, at, kept, up_to = (t.expand_as(y).reshape(shape) for t in (y, below, at, kept, up_to))
        place = ((y < x).sum(0, keepdim=True) - 1).clamp_min(0)
        b, a, k, u = (t.expand(-1, *place.shape[1:]).gather(0, place).squeeze(0) for t in (below, at, kept, up_to))
        found = u + a * k + (below_x - b - a) * (k + kept_x) / 2
        found = torch.where(y[0] < x, found, below_x * kept_x)
        return found / total, at_x * kept_x / total

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        points, log_w = self.nodes
        which = Categorical(logits=log_w.movedim(0, -1), validate_args=False).sample(torch.Size(sample_shape))
        x = self.nearest(points.movedim(0, -1).expand(*which.shape, -1).gather(-1, which.unsqueeze(-1)).squeeze(-1))
        greatest, waiting = self.log_kept.amax(0), torch.ones_like(which, dtype=torch.bool)
        for _ in range(TRIES):
            proposal = self.cell.sample(torch.Size(sample_shape))
            chance = logsigmoid(self.logit(proposal)) - greatest
            accepted = waiting & (torch.rand_like(proposal).log() < chance)
            x, waiting = torch.where(accepted, proposal, x), waiting & ~accepted
            if not waiting.any():
                break
        return x


class CellsAndMask(Factorised):
    """n independent cells and whether each is missing: a NaN cell counts with its log-probability to be missing.

    Samples, moments, mode and support are those of the cells alone, whether observed or not.

    Args:
        cell: as in `Factorised`.
        mask: x (..., n) -> logit of m.
        nodes: of the rules.
    """

    def __init__(self, cell: Distribution, mask: Mask, nodes: int) -> None:
        super().__init__(cell)
        self.mask, self.n_nodes = mask, nodes

    def rule_of(self, nodes: int) -> Rule:
        """Of p(x_d|z), with points that stand close where the mask turns; both broadcast to (J, ..., n)."""
        cell = self.cell.expand(self.cell.batch_shape)
        return cell.rule(nodes if cell.is_enumerated else around_turn(cell, self.mask, nodes))

    @cached_property
    def rule(self) -> Rule:
        return self.rule_of(self.n_nodes)

    @cached_property
    def missing(self) -> Tilted:
        """p(x_d | z, missing); its total is p(missing | z)."""
        return Tilted(self, self.mask)

    @cached_property
    def observed(self) -> Tilted:
        """p(x_d | z, observed); its total is p(observed | z)."""
        return Tilted(self, lambda x: -self.mask(x))

    @property
    def numbers_per_cell(self) -> int:
        """J of the rule: how often the memory of a cell a batch with missing cells takes."""
        return broadcast_shapes(*(t.shape for t in self.rule))[0]

    def log_prob_cells(self, value: Tensor) -> Tensor:
        """log p(x_d, observed | z), and log p(missing | z) for NaN cells, (..., n)."""
        missing = value.isnan()
        x = value.masked_fill(missing, self.inside)
        log_p = self.cell.log_prob(x) + logsigmoid(-self.mask(x))
        if may_look_at(missing) and not missing.any():
            return log_p
        return torch.where(missing, self.missing.log_total, log_p)

    @property
    def log_observed(self) -> Tensor:
        return self.observed.log_total

    @property
    def given_missing(self) -> Factorised:
        return self._given(self.missing)

    @property
    def given_observed(self) -> Factorised:
        return self._given(self.observed)

    def _given(self, law: Tilted) -> Factorised:
        """Codes have their masses reweighted."""
        if not isinstance(self.cell, CodedCell) or not self.cell.is_coded:
            return Factorised(law)
        return Factorised(self.cell.with_masses(law.nodes[1].movedim(0, -1)))

    def masked(self, x: Tensor, u: Tensor) -> Tensor:
        return torch.where(u < torch.sigmoid(self.mask(x)), math.nan, x)

    def expand(self, batch_shape: Any, _instance: Any = None) -> CellsAndMask:
        return CellsAndMask(self.cell.expand(torch.Size((*batch_shape, *self.event_shape))), self.mask, self.n_nodes)
