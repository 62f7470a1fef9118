"""One cell and its mask: p(x_d, observed or missing | z), and p(x_d | z, missing).

    log p(x_d, observed | z) = log p(x_d | z) + log(1 - m_d(x_d, z))
    log p(missing | z)       = log E_{x ~ p(x_d|z)} m_d(x, z)            by quadrature.py
    p(x_d | z, missing)      = p(x_d | z) m_d(x_d, z) / p(missing | z)

m_d is the probability that cell d is missing; how it comes about is missingness.py. Its logit is linear in a coordinate
c(x_d) that grows no faster than -log p(x_d|z), so that a far cell costs the mask no more than it costs the cell: c is x
for Normals, asinh x where tails are heavy, log x for positive cells, logit x for bounded ones, log(1 + x) for counts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, singledispatch
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution
from torch.nn.functional import logsigmoid

from .base import Factorised
from .beta import BetaCell
from .cell import Cell, within_unit
from .coded import CodesCell
from .discretized_logistic import LogisticBins
from .gamma import GammaCell
from .integers import IntegerCell
from .log_normal import LogNormalCell
from .logit_normal import LogitNormalCell
from .mixed import MixedCells
from .negative_binomial import NegativeBinomialCell, ZeroInflatedCell
from .poisson import PoissonCell
from .quadrature import Rule, quadrature
from .student_t import StudentTCell

TRIES = 32
"""Draws before a sampler that none was accepted of settles for the nodes of the rule."""

Mask = Callable[[Tensor], Tensor]
"""x (..., n) -> logit of m."""


@singledispatch
def coordinate(cell: Distribution, x: Tensor) -> Tensor:
    """c(x), on which the logit of m is linear."""
    return x


@coordinate.register
def _(cell: LogNormalCell | GammaCell, x: Tensor) -> Tensor:
    return x.clamp_min(torch.finfo(x.dtype).tiny).log()


@coordinate.register
def _(cell: LogitNormalCell | BetaCell, x: Tensor) -> Tensor:
    x = within_unit(x)
    return x.log() - torch.log1p(-x)


@coordinate.register
def _(cell: PoissonCell | NegativeBinomialCell | ZeroInflatedCell, x: Tensor) -> Tensor:
    return torch.log1p(x)


@coordinate.register
def _(cell: StudentTCell | IntegerCell, x: Tensor) -> Tensor:
    return torch.asinh(x)


@singledispatch
def restricted(cell: Distribution, at: Tensor) -> Distribution:
    """Some of the cells, by their places (n,)."""
    names = [name for name in cell.arg_constraints if name != "probs" or "logits" not in cell.arg_constraints]
    chosen: dict[str, Any] = {name: getattr(cell, name).index_select(-1, at) for name in names}
    return type(cell)(**chosen, validate_args=False)


@restricted.register
def _(cell: Cell, at: Tensor) -> Distribution:
    whole = cell.expand(cell.batch_shape)
    return type(cell)(*(p.index_select(p.dim() - 1 - cell.n_inner, at) for p in whole.parameters))


@restricted.register
def _(cell: LogisticBins, at: Tensor) -> Distribution:
    log_pi, loc, scale = (t.index_select(-2, at) for t in (cell.log_pi, cell.loc, cell.scale))
    return LogisticBins(log_pi, loc, scale, cell.n_levels)


class GivenMissing(Distribution):
    """p(x_d|z, cell d is missing) of numbers: batch shape (..., n).

    The mean, the variance and the mode are those of the rule's nodes. Draws are exact: x ~ p(x_d|z) is accepted with
    probability m(x) over the greatest m among the nodes (which, as m is monotone, only draws beyond the last node
    exceed). What TRIES draws leave open is drawn from the nodes; that matters where log p(missing|z) is below about -5.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore

    def __init__(self, joint: CellsAndMask) -> None:
        self.joint, self.cell = joint, joint.cell
        super().__init__(joint.cell.batch_shape, validate_args=False)

    @property
    def support(self) -> Any:
        return self.cell.support

    @property
    def inside(self) -> float:
        return self.joint.inside

    def expand(self, batch_shape: Any, _instance: Any = None) -> GivenMissing:
        return GivenMissing(self.joint.expand(batch_shape[:-1]))

    def log_prob(self, value: Tensor) -> Tensor:
        return self.cell.log_prob(value) + logsigmoid(self.joint.mask(value)) - self.joint.log_missing

    @cached_property
    def nodes(self) -> Rule:
        """Points and log-weights, (J, ..., n)."""
        points, log_w, log_m = self.joint.rule
        return torch.broadcast_tensors(points, log_w + log_m - self.joint.log_missing)  # type: ignore[return-value]

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
        return points.round() if cast(Any, self.support).is_discrete else points


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
        points, log_w = quadrature(self.cell, self.n_nodes)
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
        if not hasattr(self.cell, "log_masses"):
            return Factorised(GivenMissing(self))
        _, log_w, log_m = self.rule
        return Factorised(CodesCell((log_w + log_m - self.log_missing).movedim(0, -1)))

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
