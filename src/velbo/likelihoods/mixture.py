"""Real cells with several modes: log p(x) = log sum_m pi_m N(x; mu_m, sigma_m^2), M components a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.distributions import Categorical, constraints
from torch.nn.functional import softplus

from ..nets import inverse_softplus
from ..rows import Field
from ..rows.encodings import dequantised
from ..runtime import fixed_point as fixed
from .base import Factorised, Likelihood
from .cell import MIN_SCALE, Cell
from .laws import Components, Layer
from .log_softmax import log_softmax
from .quadrature import Nodes, Rule, pooled
from .stirling import HALF_LOG_2_PI

FARTHEST_START = 3.0
"""Standard deviations from the mean, beyond which no component begins."""


class MixtureCell(Cell):
    """One cell with M components; log weights, locations and scales (..., D, M)."""

    support = constraints.real  # pyright: ignore
    n_inner = 1

    def __init__(self, log_pi: Tensor, loc: Tensor, scale: Tensor, *more: Tensor) -> None:
        self.log_pi, self.loc, self.scale = log_pi, loc, scale
        super().__init__(log_pi, loc, scale, *more)

    @property
    def components(self) -> tuple[Tensor, Tensor]:
        """Locations and scales of all, as many as ``log_pi`` has weights."""
        return self.loc, self.scale

    def chosen(self, sample_shape: Any) -> tuple[Tensor, Tensor]:
        """Locations and scales of drawn components, in the shape of a sample."""
        shape = self.shape_of(sample_shape)
        which = Categorical(logits=self.log_pi, validate_args=False).sample(torch.Size(sample_shape)).unsqueeze(-1)
        loc, scale = (t.expand(*shape, t.shape[-1]).gather(-1, which).squeeze(-1) for t in self.components)
        return loc, scale

    def pooled(self, means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the mixture from those of its components."""
        weights = self.log_pi.exp()
        mean = (weights * means).sum(-1)
        return mean, (weights * (variances + (means - mean.unsqueeze(-1)).square())).sum(-1)

    def best(self, candidates: Tensor) -> Tensor:
        """Of candidates (..., D, M), that of greatest log p."""
        heights = self.log_prob(candidates.movedim(-1, 0))
        return candidates.gather(-1, heights.argmax(0).unsqueeze(-1)).squeeze(-1)


class NormalMixtureCell(MixtureCell):
    """Normal components."""

    def log_prob(self, value: Tensor) -> Tensor:
        z = (value.unsqueeze(-1) - self.loc) / self.scale
        return torch.logsumexp(self.log_pi - 0.5 * z.square() - self.scale.log(), -1) - HALF_LOG_2_PI

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        loc, scale = self.chosen(sample_shape)
        return loc + scale * torch.randn_like(loc)

    @property
    def mean(self) -> Tensor:
        return (self.log_pi.exp() * self.loc).sum(-1)

    @property
    def mode(self) -> Tensor:
        """The component's centre where the density is greatest, which is near the mode."""
        return self.best(self.loc)

    @property
    def variance(self) -> Tensor:
        return self.pooled(self.loc, self.scale.square())[1]

    def cdf(self, value: Tensor) -> Tensor:
        return (self.log_pi.exp() * torch.special.ndtr((value.unsqueeze(-1) - self.loc) / self.scale)).sum(-1)

    def rule(self, nodes: Nodes) -> Rule:
        t, log_w = self.normal_rule(nodes)
        return pooled(self.loc + self.scale * t, self.log_pi + log_w)


class MixtureOfNormals(Likelihood):
    """Real data, several modes a cell.

    Args:
        low: where the components begin, one number or one an output: they are spread evenly from ``low`` ...
        high: ... to ``high``; they would start, and tend to stay, equal otherwise.
        n_components: M.
    """

    kinds = ("real", "datetime")
    encodes = {"byte": dequantised}  # noqa: RUF012

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        of_one = cells[: len(cells) // positions]
        low = [max((c.one("low") - c.one("location")) / c.one("scale"), -FARTHEST_START) for c in of_one]
        high = [min((c.one("high") - c.one("location")) / c.one("scale"), FARTHEST_START) for c in of_one]
        return cls(n_in, len(of_one), low, high, positions=positions)

    def __init__(
        self,
        n_in: int,
        n_out: int,
        low: float | Sequence[float] = -2.0,
        high: float | Sequence[float] = 2.0,
        n_components: int = 5,
        positions: int = 1,
    ) -> None:
        if n_components < 1:
            raise ValueError(f"a mixture has at least 1 component, not {n_components}")
        super().__init__(n_in, n_out * n_components, 3, positions)
        self.n_components = n_components
        start, width = torch.as_tensor(low).expand(n_out), (torch.as_tensor(high) - torch.as_tensor(low)).expand(n_out)
        places = (torch.arange(n_components) + 0.5) / n_components
        loc = start.unsqueeze(-1) + width.unsqueeze(-1) * places
        scale = [inverse_softplus(max(float(w) / 2 / n_components, 2 * MIN_SCALE)) for w in width]
        self.begin(None, loc.flatten(), torch.tensor(scale).repeat_interleave(n_components))

    @property
    def n_cells(self) -> int:
        return self.n_out * self.positions // self.n_components

    def forward(self, features: Tensor) -> Factorised:
        parts = self.parameters_of_cells(features)
        logits, loc, raw = (t.unflatten(-1, (self.n_cells, self.n_components)) for t in parts)
        return Factorised(NormalMixtureCell(log_softmax(logits), loc, MIN_SCALE + softplus(raw)))

    def law(self, layer: Layer) -> Components:
        logits, loc, raw = (y.reshape(len(y), self.n_cells, -1) for y in self.whole_parameters(layer))
        return Components(logits, loc, MIN_SCALE + fixed.softplus(raw), fixed.NORMAL)
