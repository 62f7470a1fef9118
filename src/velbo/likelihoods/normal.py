"""Real cells: log p(x_d|z) = -1/2 ((x_d - mu_d) / sigma_d)^2 - log sigma_d - 1/2 log 2 pi.

Where sigma comes from is a part of its own, a scale: features -> sigma.

    normal-fixed        FixedScale(s)            sigma = s
    normal-narrow       FixedScale(1/4)          the same, where quantiles tell a column's unit (build/anomalies.py)
    normal-scalar       LearnedScale()           one sigma for all cells, learned
    normal              LearnedScale(D)          one sigma a cell, learned
    normal-predicted    PredictedScale(F, n)     sigma = sigma(z), from the features
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import constraints
from torch.nn.functional import softplus

from ..nets import FullPrecisionLinear, inverse_softplus
from ..rows import Field
from ..rows.encodings import dequantised
from ..runtime import fixed_point as fixed
from .base import Factorised, Likelihood, at_least_float32
from .cell import MIN_SCALE, Cell
from .laws import Below, Layer, Located
from .quadrature import Nodes, Rule


class NormalCell(Cell):
    """Mean mu and standard deviation sigma, which broadcast to (..., D)."""

    support = constraints.real  # pyright: ignore
    has_rsample = True  # pyright: ignore
    least_scale = MIN_SCALE

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = loc, scale
        super().__init__(loc, scale)

    def log_prob(self, value: Tensor) -> Tensor:
        # a sigma of all rows is squared, and its logarithm taken, once
        square = (value - self.loc) ** 2 / (2 * self.scale**2)
        return -square - self.scale.log() - math.log(math.sqrt(2 * math.pi))

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        shape = self.shape_of(sample_shape)
        return torch.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self.loc + self.scale * self.standard_normal(sample_shape)

    @property
    def mean(self) -> Tensor:
        return self.loc.expand(self.batch_shape)

    @property
    def mode(self) -> Tensor:
        return self.mean

    @property
    def variance(self) -> Tensor:
        return self.scale.square().expand(self.batch_shape)

    def cdf(self, value: Tensor) -> Tensor:
        return torch.special.ndtr((value - self.loc) / self.scale)

    def rule(self, nodes: Nodes) -> Rule:
        t, log_w = self.normal_rule(nodes)
        return self.loc + self.scale * t, log_w


class FixedScale(nn.Module):
    """sigma = ``scale``, not learned."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        if not scale > 0:
            raise ValueError(f"a scale must be positive, not {scale}")
        self.scale = float(scale)

    def forward(self, features: Tensor) -> Tensor:
        return at_least_float32(features.new_ones(())) * self.scale

    def whole(self, layer: Layer) -> fixed.Floats:
        """sigma in whole numbers, for coding; see `Likelihood.law`."""
        return np.array([self.scale])


class LearnedScale(nn.Module):
    """sigma is learned: one number for all cells, or one for each of ``n_cells``; (1,) or (D,)."""

    def __init__(self, n_cells: int = 1, initial: float = 1.0) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.full((n_cells,), inverse_softplus(initial - MIN_SCALE)))

    def forward(self, features: Tensor) -> Tensor:
        return MIN_SCALE + softplus(self.raw)

    def whole(self, layer: Layer) -> fixed.Floats:
        """sigma in whole numbers, for coding; see `Likelihood.law`."""
        raw = fixed.rounded(self.raw.detach().double().numpy()) / fixed.ONE
        return MIN_SCALE + fixed.softplus(raw)


class PredictedScale(nn.Module):
    """sigma(z), predicted from the features: (..., D)."""

    def __init__(self, n_in: int, n_out: int, positions: int = 1) -> None:
        super().__init__()
        self.linear = FullPrecisionLinear(n_in, n_out)
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias, inverse_softplus(1.0 - MIN_SCALE))
        self.positions = positions

    def forward(self, features: Tensor) -> Tensor:
        raw = self.linear(features)
        return MIN_SCALE + softplus(raw.flatten(-2) if self.positions > 1 else raw)

    def whole(self, layer: Layer) -> fixed.Floats:
        """sigma in whole numbers, for coding; see `Likelihood.law`."""
        raw = layer(self.linear)
        return MIN_SCALE + fixed.softplus(raw.reshape(len(raw), -1))


class Normal(Likelihood):
    """Real data.

    Args:
        scale: a number (fixed), or a module features -> sigma that broadcasts to (..., D);
            None learns one sigma a cell.
    """

    kinds = ("real", "datetime")
    encodes = {"byte": dequantised}  # noqa: RUF012

    def __init__(self, n_in: int, n_out: int, scale: float | nn.Module | None = None, positions: int = 1) -> None:
        super().__init__(n_in, n_out, 1, positions)
        if scale is None:
            scale = LearnedScale(self.n_cells)
        self.scale = scale if isinstance(scale, nn.Module) else FixedScale(scale)

    def forward(self, features: Tensor) -> Factorised:
        (mean,) = self.parameters_of_cells(features)
        return Factorised(NormalCell(mean, self.scale(features).to(mean.dtype)))

    def law(self, layer: Layer) -> Below:
        if not isinstance(self.scale, FixedScale | LearnedScale | PredictedScale):
            return super().law(layer)  # pyright: ignore[reportReturnType] (it refuses)
        (mean,) = self.whole_parameters(layer)
        return Located(mean, self.scale.whole(layer), fixed.NORMAL)


class NormalFixed(Normal):
    """With sigma = 1: of standardised data, the spread of all that z does not tell."""

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        return cls(n_in, len(cells) // positions, FixedScale(1.0), positions)


class NormalNarrow(Normal):
    """With sigma = 1/4: latents have to tell most of a column's spread, and a cell off what they tell counts."""

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        return cls(n_in, len(cells) // positions, FixedScale(0.25), positions)


class NormalScalar(Normal):
    """With one learned sigma for all cells."""

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        return cls(n_in, len(cells) // positions, LearnedScale(), positions)


class NormalPredicted(Normal):
    """With a sigma of every cell that depends on z."""

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        n_out = len(cells) // positions
        return cls(n_in, n_out, PredictedScale(n_in, n_out, positions), positions)
