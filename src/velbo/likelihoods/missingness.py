"""Cells that are missing not at random: the mask is modelled too, and p(x, mask | z) still factorises over cells.

    m_d(x_d, z) = sigmoid( a_d + b_d c(x_d) + f_d(z) )                   probability that cell d is missing
    log p(x_d, observed | z) = log p(x_d | z) + log(1 - m_d(x_d, z))
    log p(missing | z)       = log E_{x ~ p(x_d|z)} m_d(x, z)            one sum or integral a cell
    p(x_d | z, missing)      = p(x_d | z) m_d(x_d, z) / p(missing | z)   what a hole is filled with

b = 0 is missingness by the latents alone, f = 0 self-masking alone, both 0 missing completely at random. Codes have a
logit a_dc for every category. Numbers have one slope b_d, within +-STEEPEST, on a coordinate c that grows no faster
than -log p(x_d|z), so that a far cell costs the mask no more than it costs the cell: c is x for Normals, asinh x where
tails are heavy, log x for positive cells, logit x for bounded ones, log(1 + x) for counts.

Codes are summed exactly. For a density, x = g(t) with t in equal steps: the trapezoidal rule, whose error falls
exponentially with their number for analytic integrands, and faster than Gauss-Hermite's. For Normals of scale sigma
it is about exp(-2 pi^2 / (|b| sigma h)) with step h = 14 / (nodes - 1). Steps reach to where p is exp(-DEPTH) of its
greatest. Whole numbers are summed one by one where there are nodes enough, and in blocks where not.
Weights sum to 1, so a constant m is exact.

Sources: not-MIWAE: Deep generative modelling with missing not at random data, Ipsen, Mattei and Frellsen, 2021,
https://arxiv.org/abs/2006.12871 (there E is one more Monte Carlo sum); Exactness of quadrature formulas, Trefethen,
2022, https://arxiv.org/abs/2101.09501 (section 5, on Gauss-Hermite); Concentration inequalities, Boucheron, Lugosi and
Massart, 2013 (section 2.4, tails of counts).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, singledispatch
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Distribution, Normal
from torch.nn.functional import logsigmoid

from ..errors import ConfigError
from ..nets import FullPrecisionLinear
from .base import Factorised
from .beta import BetaCell
from .by_kind import CELLS
from .cell import Cell, inverse_limited, limited, saturated_exp, within_unit
from .coded import CodesCell
from .discretized_logistic import LogisticBins
from .gamma import GammaCell
from .integers import IntegerCell
from .log_normal import LogNormalCell
from .logit_normal import LogitNormalCell
from .mixed import MixedCells, Part
from .mixture import NormalMixtureCell
from .negative_binomial import NegativeBinomialCell, ZeroInflatedCell
from .poisson import PoissonCell
from .stirling import excess
from .student_t import StudentTCell

DEPTH = 24.0
"""Nats below the greatest density where a rule ends; for counts, 2 exp(-DEPTH) bounds the mass that it leaves out."""
STEEPEST = 10.0
"""Of a slope b. A rule with few nodes does not see where a steeper mask turns."""
FEWEST = 15
"""Nodes: steps of one standard deviation, for Normals."""
TRIES = 32
"""Draws before a sampler that none was accepted of settles for the nodes of the rule."""

Rule = tuple[Tensor, Tensor]
Mask = Callable[[Tensor], Tensor]
"""x (..., n) -> logit of m."""


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


class MissingNotAtRandom(nn.Module):
    """Features (..., F) -> p(x, mask | z), by a head for x and a mechanism for the mask.

    The library's rule that a NaN cell counts 0 is replaced on purpose: in a column of ``missing`` it counts
    log p(missing|z), and an observed one log p(x_d|z) + log(1 - m_d). Log-likelihoods are those of row and mask, not to
    be compared with a model of the row alone. In all other columns nothing changes; NaN there is missing at random.

    NaN must mean missing, then. Who hides a cell for a purpose of his own (a held-out cell, log p of a cell given the
    rest) must not put NaN for it here, or that counts as evidence on what it holds: leave its column out of
    ``log_prob_cells`` instead.

    A slope is told from a shift of p(x_d|z) by the shape of p(x_d|z) alone: another likelihood finds another mechanism
    in the same data. Compare fits, and what they fill in; no data can prove that cells are missing at random.

    Args:
        head: features -> distribution with ``parts``, such as `Mixed`, `Normal` or any other `Likelihood`.
        n_in: F.
        missing: positions of the columns that have missing cells; those that the head gives no likelihood are ignored.
        names: of all D columns, for messages.
        depends_on_latents: whether f is learned, a linear layer of the features, or 0: self-masking alone.
        slope: where slopes begin, one number or one for each of ``missing`` (codes have none). Around 0 the likelihood
            is nearly flat, as a shift of p(x_d|z) makes up for a slope, and training may stay there: begin at 1 if it
            is known that large values are missing more often, at -1 for small ones, or try both and compare.
        nodes: of the rules, for every component of a mixture; more are needed where p(x_d|z) is wide and m steep.

    Raises:
        ConfigError: if a position is none, no column is left, a column's cells have no rule, or a slope is too steep.
    """

    def __init__(
        self,
        head: nn.Module,
        n_in: int,
        missing: Sequence[int],
        names: Sequence[str] = (),
        depends_on_latents: bool = True,
        slope: float | Sequence[float] = 0.0,
        nodes: int = 49,
    ) -> None:
        super().__init__()
        if nodes < FEWEST:
            raise ConfigError(f"a rule of {nodes} nodes is wrong for any mask; take some 50, and {FEWEST} at least")
        if getattr(head, "positions", 1) != 1:
            raise ConfigError("the mask is modelled for rows of cells, not for positions after a convolution")
        self.head, self.n_nodes = head, nodes
        with torch.no_grad():
            p: Any = head(next(head.parameters()).new_zeros(1, n_in))
        slopes = _slopes(missing, slope, p.event_shape[0])
        self.effects, self.sizes = nn.ParameterList(), []
        for i, (at, part) in enumerate(p.parts):
            is_missing = torch.tensor([int(d) in slopes for d in at])
            self.register_buffer(f"with{i}", is_missing.nonzero().squeeze(-1), persistent=False)
            self.register_buffer(f"without{i}", (~is_missing).nonzero().squeeze(-1), persistent=False)
            chosen = [int(d) for d in at[is_missing]]
            self.sizes.append(len(chosen))
            if chosen:
                labels = [names[d] if names else str(d) for d in chosen]
                self.effects.append(_effects(part.cell, labels, [slopes[d] for d in chosen]))
        if not sum(self.sizes):
            raise ConfigError("no column that is modelled has missing cells, so no mechanism is needed; leave it out")
        self.intercept = nn.Parameter(torch.zeros(sum(self.sizes)))
        self.latents = FullPrecisionLinear(n_in, sum(self.sizes), bias=False) if depends_on_latents else None
        if self.latents is not None:
            nn.init.zeros_(self.latents.weight)

    def forward(self, features: Tensor, library: Tensor | None = None) -> RowAndMask:
        """p(x, mask | z) with event shape (D,).

        Args:
            features: (..., F).
            library: (..., 1), for a head that takes the library size.
        """
        p: Any = self.head(features) if library is None else self.head(features, library)
        offsets = self.intercept if self.latents is None else self.intercept + self.latents(features)
        parts: list[Part] = []
        effects = iter(self.effects)
        for i, ((at, part), offset) in enumerate(zip(p.parts, offsets.split(self.sizes, -1), strict=True)):
            with_mask, without = getattr(self, f"with{i}"), getattr(self, f"without{i}")
            if not len(with_mask):
                parts.append((at, part))
                continue
            at = at.to(with_mask.device)
            if len(without):
                parts.append((at[without], Factorised(restricted(part.cell, without))))
            cell = restricted(part.cell, with_mask) if len(without) else part.cell
            mask = _mask(cell, offset, cast(Tensor, next(effects)))
            parts.append((at[with_mask], CellsAndMask(cell, mask, self.n_nodes)))
        return RowAndMask(parts, p.event_shape[0])


def _slopes(missing: Sequence[int], slope: float | Sequence[float], n_cells: int) -> dict[int, float]:
    """Position of a column -> where its slope begins."""
    if not set(missing) <= set(range(n_cells)):
        raise ConfigError(f"columns with missing cells are places from 0 to {n_cells - 1}, not {list(missing)}")
    slopes = list(slope) if isinstance(slope, Sequence) else [slope] * len(missing)
    if len(slopes) != len(missing) or not all(abs(b) < STEEPEST for b in slopes):
        raise ConfigError(
            f"slopes begin at one number for all, or at one for each of the {len(missing)} columns with missing cells, "
            f"between -{STEEPEST:g} and {STEEPEST:g}, not at {slope}"
        )
    return {int(d): b for d, b in zip(missing, slopes, strict=True)}


def _effects(cell: Distribution, names: Sequence[str], slopes: Sequence[float]) -> nn.Parameter:
    """What begins at 0 for every category, (n, C), or at a slope, (n,)."""
    try:
        points, _ = quadrature(cell, 2)
    except NotImplementedError as error:
        raise ConfigError(
            f"column {', '.join(names)}: the mask cannot be modelled, because {type(cell).__name__} has no rule for "
            f"expectations; use one of the likelihoods of tables ({', '.join(CELLS)}) or normal, bernoulli, "
            "continuous-bernoulli and discretized-logistic for arrays, or register a rule with "
            "velbo.likelihoods.missingness.quadrature.register"
        ) from error
    if hasattr(cell, "log_masses"):
        return nn.Parameter(torch.zeros(len(names), len(points)))
    return nn.Parameter(torch.tensor([inverse_limited(b, STEEPEST) for b in slopes]))


def _mask(cell: Distribution, offset: Tensor, effects: Tensor) -> Mask:
    if hasattr(cell, "log_masses"):
        places = torch.arange(len(effects), device=effects.device)
        return lambda x: offset + effects[places, x.round().long()]
    slope = limited(effects, STEEPEST)
    return lambda x: offset + slope * coordinate(cell, x)
