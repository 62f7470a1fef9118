"""One cell and its mask: p(x_d, observed or missing | z), and p(x_d | z, missing).

    log p(x_d, observed | z) = log p(x_d | z) + log(1 - m_d(x_d, z))
    log p(missing | z)       = log E_{x ~ p(x_d|z)} m_d(x, z)            by the cell's own rule
    p(x_d | z, missing)      = p(x_d | z) m_d(x_d, z) / p(missing | z)

m_d is the probability that cell d is missing; how it comes about is missingness.py. Its logit is linear in the cell's
coordinate c(x_d), which grows no faster than -log p(x_d|z), so that a far cell costs the mask no more than it costs the
cell: c is x for Normals, asinh x where tails are heavy, log x for positive cells, logit x for bounded ones, log(1 + x)
for counts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution, constraints
from torch.nn.functional import logsigmoid

from .base import Factorised
from .cell import Cell
from .coded import CodedCell
from .mixed import MixedCells
from .quadrature import Rule

TRIES = 32
"""Draws before a sampler that none was accepted of settles for the nodes of the rule."""

Mask = Callable[[Tensor], Tensor]
"""x (..., n) -> logit of m."""


class GivenMissing(Cell):
    """p(x_d|z, cell d is missing) of numbers: batch shape (..., n).

    The mean, the variance and the mode are those of the rule's nodes. Draws are exact: x ~ p(x_d|z) is accepted with
    probability m(x) over the greatest m among the nodes (which, as m is monotone, only draws beyond the last node
    exceed). What TRIES draws leave open is drawn from the nodes; that matters where log p(missing|z) is below about -5.
    """

    def __init__(self, joint: CellsAndMask) -> None:
        self.joint, self.cell, self.inside = joint, joint.cell, joint.inside
        super().__init__(shape=joint.cell.batch_shape)

    @property
    def support(self) -> constraints.Constraint:
        return self.cell.support

    @property
    def numbers_per_cell(self) -> int:
        return self.joint.numbers_per_cell

    def expand(self, batch_shape: Any, _instance: Any = None) -> GivenMissing:
        return GivenMissing(self.joint.expand(batch_shape[:-1]))

    def at(self, places: Tensor) -> GivenMissing:
        raise self.lacks("at(places)", "the mask of all cells is one function")

    def log_prob(self, value: Tensor) -> Tensor:
        return self.cell.log_prob(value) + logsigmoid(self.joint.mask(value)) - self.joint.log_missing

    @cached_property
    def nodes(self) -> Rule:
        """Points and log-weights, (J, ..., n)."""
        points, log_w, log_m = self.joint.rule
        return torch.broadcast_tensors(points, log_w + log_m - self.joint.log_missing)  # type: ignore[return-value]

    def rule(self, nodes: int) -> Rule:
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
        points = self._valid(self.nodes[0])
        return points.gather(0, self.log_prob(points).argmax(0, keepdim=True)).squeeze(0)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        points, log_w = self.nodes
        which = Categorical(logits=log_w.movedim(0, -1), validate_args=False).sample(torch.Size(sample_shape))
        x = self._valid(points.movedim(0, -1).expand(*which.shape, -1).gather(-1, which.unsqueeze(-1)).squeeze(-1))
        greatest, waiting = self.joint.rule[2].amax(0), torch.ones_like(which, dtype=torch.bool)
        for _ in range(TRIES):
            proposal = self.cell.sample(torch.Size(sample_shape))
            chance = logsigmoid(self.joint.mask(proposal)) - greatest
            accepted = waiting & (torch.rand_like(proposal).log() < chance)
            x, waiting = torch.where(accepted, proposal, x), waiting & ~accepted
            if not waiting.any():
                break
        return x

    def _valid(self, points: Tensor) -> Tensor:
        # blocks of counts have their nodes between the numbers
        return points.round() if self.support.is_discrete else points


class CellsAndMask(Factorised):
    """n independent cells and whether each is missing: a NaN cell counts with its log-probability to be missing.

    Samples, moments, mode and support are those of the cells alone, all observed.

    Args:
        cell: as in `Factorised`.
        mask: x (..., n) -> logit of m.
        nodes: of the rules.
    """

    def __init__(self, cell: Distribution, mask: Mask, nodes: int) -> None:
        super().__init__(cell)
        self.mask, self.n_nodes = mask, nodes

    @cached_property
    def rule(self) -> tuple[Tensor, Tensor, Tensor]:
        """Points, log-weights and log m at the points; each broadcasts to (J, ..., n)."""
        points, log_w = self.cell.expand(self.cell.batch_shape).rule(self.n_nodes)
        return points, log_w, logsigmoid(self.mask(points))

    @cached_property
    def log_missing(self) -> Tensor:
        """log p(missing | z), (..., n)."""
        _, log_w, log_m = self.rule
        return torch.logsumexp(log_w + log_m, 0)

    @property
    def numbers_per_cell(self) -> int:
        """J of the rule: how often the memory of a cell a batch with holes takes."""
        return torch.broadcast_shapes(*(t.shape for t in self.rule))[0]

    def log_prob_cells(self, value: Tensor) -> Tensor:
        """log p(x_d, observed | z), and log p(missing | z) for NaN cells, (..., n)."""
        missing = value.isnan()
        x = value.masked_fill(missing, self.inside)
        log_p = self.cell.log_prob(x) + logsigmoid(-self.mask(x))
        if not torch.compiler.is_compiling() and not missing.any():
            return log_p
        return torch.where(missing, self.log_missing, log_p)

    @property
    def given_missing(self) -> Factorised:
        """p(x_d|z, cell d is missing); codes have their masses reweighted."""
        if not isinstance(self.cell, CodedCell) or not self.cell.is_coded:
            return Factorised(GivenMissing(self))
        _, log_w, log_m = self.rule
        return Factorised(self.cell.with_masses((log_w + log_m - self.log_missing).movedim(0, -1)))

    def expand(self, batch_shape: Any, _instance: Any = None) -> CellsAndMask:
        return CellsAndMask(self.cell.expand(torch.Size((*batch_shape, *self.event_shape))), self.mask, self.n_nodes)


class RowAndMask(MixedCells):
    """D cells of several sorts, of which some may be missing not at random."""

    def expand(self, batch_shape: Any, _instance: Any = None) -> RowAndMask:
        return RowAndMask([(at, part.expand(batch_shape)) for at, part in self.parts], self.event_shape[0])

    @property
    def given_missing(self) -> MixedCells:
        """p(x_d|z, cell d is missing) of every cell."""
        return MixedCells([(at, cast(Factorised, part.given_missing)) for at, part in self.parts], self.event_shape[0])
