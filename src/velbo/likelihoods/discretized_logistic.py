"""Cells with L ordered levels (8-bit images: L = 256), x_d = k / (L-1) in [0, 1]: a mixture of M logistics,
each integrated over the level's bin; the first and last bins hold the tails, so that the masses sum to one.

    p(k) = sum_m pi_m [ s(a_m) - s(b_m) ],   a = (x + h - mu) / sigma,  b = (x - h - mu) / sigma,
    h = 1 / (2 (L-1)),   s = sigmoid,   s(a) = 1 where k = L-1,   s(b) = 0 where k = 0.

The difference is computed without cancellation and without the usual switch to a density, from

    s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)).

Source: PixelCNN++, Salimans, Karpathy, Chen and Kingma, 2017, https://arxiv.org/abs/1701.05517 (eq. 2);
here every cell is independent given z, colour channels too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import logsigmoid, softplus

from ..nets import inverse_softplus
from ..rows import Field
from ..runtime import fixed_point as fixed
from .base import Factorised, Likelihood
from .laws import Components, Layer
from .log_softmax import log_softmax
from .mixture import MixtureCell
from .quadrature import Nodes, Rule

LEVELS_AT_ONCE = 16
NUMBERS_IN_CACHE, NUMBERS_AT_ONCE = 2**18, 2**26
"""Of all levels of some cells: what a processor's cache holds, and what a device takes that has many processors."""


def least_scale(n_levels: int) -> float:
    """A twentieth of the distance of two levels."""
    return 0.05 / (n_levels - 1)


class LevelsCell(MixtureCell):
    """M discretised logistics over L levels; log weights, locations and scales (..., D, M)."""

    support = constraints.unit_interval  # pyright: ignore
    is_enumerated = True

    def __init__(self, log_pi: Tensor, loc: Tensor, scale: Tensor, n_levels: int) -> None:
        self.n_levels, self.least_scale = n_levels, least_scale(n_levels)
        super().__init__(log_pi, loc, scale)

    def rebuilt(self, *parameters: Tensor) -> LevelsCell:
        return LevelsCell(*parameters, n_levels=self.n_levels)

    def log_prob(self, value: Tensor) -> Tensor:
        top = self.n_levels - 1
        x, half = value.unsqueeze(-1), 0.5 / top
        log_below = logsigmoid((x + half - self.loc) / self.scale)
        log_above = logsigmoid(-(x - half - self.loc) / self.scale)
        log_width = torch.log(-torch.expm1(-2 * half / self.scale))
        first, last = x < half, x > 1 - half
        inner = log_below + log_above + log_width
        log_mass = torch.where(first, log_below, torch.where(last, log_above, inner))
        return torch.logsumexp(self.log_pi + log_mass, -1)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        loc, scale = self.chosen(sample_shape)
        u = torch.rand_like(loc).clamp_min(torch.finfo(loc.dtype).tiny)
        x = loc + scale * (u.log() - torch.log1p(-u))
        top = self.n_levels - 1
        return (x.clamp(0, 1) * top).round() / top

    def _below(self, k: Tensor) -> Tensor:
        """P(K < k)."""
        edge = (k.unsqueeze(-1) - 0.5) / (self.n_levels - 1)
        inner = (self.log_pi.exp() * torch.sigmoid((edge - self.loc) / self.scale)).sum(-1)
        return torch.where(k > 0, inner, 0.0)

    def _moments(self, centre: Tensor) -> tuple[Tensor, Tensor]:
        """E[K - c] and E[(K - c)^2] of a whole c (..., D), from the tails on both sides, so that nothing cancels:

        E[K - c]     = sum over k > c of P(K >= k) - sum over k < c of P(K <= k)
        E[(K - c)^2] = the same with + for -, every term times 2 |k - c| - 1
        """
        blocks = [*self._blocks(self.log_pi.exp(), self.loc, self.scale)]
        centres = centre.flatten().split(len(blocks[0][0]) or 1)
        found = torch.cat([self._moments_of(*block) for block in zip(*blocks, centres, strict=True)], -1)
        return found[0].view(centre.shape), found[1].view(centre.shape)

    def _moments_of(self, weights: Tensor, loc: Tensor, scale: Tensor, centre: Tensor) -> Tensor:
        """Both of n cells, (2, n), for parameters (n, M)."""
        k = torch.arange(self.n_levels, dtype=loc.dtype, device=loc.device)
        distance = k - centre.unsqueeze(-1)
        side = distance.sign()
        edge = (k - side / 2) / (self.n_levels - 1)
        t = side.unsqueeze(1) * (loc.unsqueeze(-1) - edge.unsqueeze(1)) / scale.unsqueeze(-1)
        # no matrix product: it would be rounded to half precision where those are
        tail = (weights.unsqueeze(-1) * torch.sigmoid(t)).sum(1)
        return torch.stack(((side * tail).sum(-1), ((2 * distance.abs() - 1).clamp_min(0) * tail).sum(-1)))

    @cached_property
    def _around_the_mean(self) -> tuple[Tensor, Tensor, Tensor]:
        """A whole number c near the mean, E[K - c] and E[(K - c)^2]: the mean and the variance are made of one sum."""
        near = (self.log_pi.exp() * self.loc.clamp(0, 1)).sum(-1) * (self.n_levels - 1)
        return near.round(), *self._moments(near.round())

    @property
    def mean(self) -> Tensor:
        if torch.compiler.is_compiling():  # which takes no blocks whose number follows from the batch
            return self._mean_by_tails()
        centre, first, _ = self._around_the_mean
        return (centre + first) / (self.n_levels - 1)

    def _mean_by_tails(self) -> Tensor:
        """E[K] = sum over k > 0 of P(K >= k)."""
        top, total = self.n_levels - 1, torch.zeros_like(self.loc)
        edges = (torch.arange(top, dtype=self.loc.dtype, device=self.loc.device) + 0.5) / top
        for some in edges.split(LEVELS_AT_ONCE):
            tails = torch.sigmoid((self.loc.unsqueeze(-1) - some) / self.scale.unsqueeze(-1))
            total = total + tails.sum(-1)
        return (self.log_pi.exp() * total).sum(-1) / top

    @property
    def mode(self) -> Tensor:
        found = [self._highest(*block) for block in zip(*self._blocks(*self.parameters), strict=True)]
        return torch.cat(found).view(self.batch_shape) if found else self.loc.new_empty(self.batch_shape)

    def _highest(self, log_pi: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """The first of the likeliest levels of n cells, (n,), for parameters (n, M)."""
        levels = [k / (self.n_levels - 1) for k in range(self.n_levels)]
        x = torch.tensor(levels, dtype=loc.dtype, device=loc.device)
        cell = self.rebuilt(*(t.unsqueeze(-2) for t in (log_pi, loc, scale)))
        return x[cell.log_prob(x.expand(len(loc), -1)).max(-1).indices]

    def _blocks(self, *of_components: Tensor) -> Iterator[Sequence[Tensor]]:
        """Parameters of all cells, (n, M), of so many at a time that all their levels fit the cache."""
        n = NUMBERS_IN_CACHE if self.device.type == "cpu" else NUMBERS_AT_ONCE
        size = max(1, n // (self.n_components * self.n_levels))
        return (t.flatten(0, -2).split(size) for t in torch.broadcast_tensors(*of_components))

    @property
    def variance(self) -> Tensor:
        _, first, second = self._around_the_mean
        return (second - first.square()) / (self.n_levels - 1) ** 2

    def below_and_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        k = (x * (self.n_levels - 1)).round()
        return self._below(k), self.log_prob(x).exp()

    def rule(self, nodes: Nodes) -> Rule:
        """Every level."""
        levels = torch.linspace(0, 1, self.n_levels, dtype=self.loc.dtype, device=self.loc.device)
        points = levels.view(-1, *[1] * len(self.batch_shape))
        return points, self.log_prob(points)


class DiscretizedLogistic(Likelihood):
    """Levels k / (L-1) in [0, 1]; 8-bit images have L = 256.

    Args:
        n_levels: L.
        n_components: M.
    """

    kinds = ("byte",)

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        return cls(n_in, len(cells) // positions, cells[0].levels, positions=positions)

    @classmethod
    def group(cls, cell: Field) -> int:
        return cell.levels

    def __init__(self, n_in: int, n_out: int, n_levels: int = 256, n_components: int = 5, positions: int = 1) -> None:
        if n_levels < 2:
            raise ValueError(f"a discretised cell needs at least 2 levels, not {n_levels}")
        super().__init__(n_in, n_out * n_components, 3, positions)
        self.n_levels, self.n_components = n_levels, n_components
        # spread the components over the range, or they start, and tend to stay, equal
        with torch.no_grad():
            bias = self.linear.bias.view(3, n_out, n_components)
            bias[1] = (torch.arange(n_components) + 0.5) / n_components
            bias[2] = inverse_softplus(0.5 / n_components)
            # pixels of a map share their biases, so their features alone say where they are
            gain = 0.1 if positions == 1 else 0.5
            self.linear.weight.view(3, n_out * n_components, n_in)[1:] *= gain

    @property
    def n_cells(self) -> int:
        return self.n_out * self.positions // self.n_components

    def forward(self, features: Tensor) -> Factorised:
        parts = self.parameters_of_cells(features)
        logits, loc, raw = (t.unflatten(-1, (self.n_cells, self.n_components)) for t in parts)
        scale = softplus(raw) + least_scale(self.n_levels)
        return Factorised(LevelsCell(log_softmax(logits), loc, scale, self.n_levels))

    def law(self, layer: Layer) -> Components:
        logits, loc, raw = (y.reshape(len(y), self.n_cells, -1) for y in self.whole_parameters(layer))
        return Components(logits, loc, fixed.softplus(raw) + least_scale(self.n_levels), fixed.LOGISTIC)
