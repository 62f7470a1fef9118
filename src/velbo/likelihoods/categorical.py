"""Cells that hold one of C codes: log p(x_d = c|z) = logit_dc - logsumexp_c' logit_dc'.

Values may be any C numbers in rising order (0..C-1 by default; k / (C-1) for levels scaled to [0, 1]).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import constraints

from .base import Factorised, Likelihood


class OnGrid(torch.distributions.Categorical):
    """Codes c = 0..C-1 stand for the values c * step."""

    def __init__(self, logits: Tensor, step: float) -> None:
        super().__init__(logits=logits, validate_args=False)
        self.step = step

    def expand(self, batch_shape: Any, _instance: Any = None) -> OnGrid:
        return OnGrid(self.logits.expand(*batch_shape, self._num_events), self.step)

    @property
    def support(self) -> Any:
        return constraints.interval(0, (self._num_events - 1) * self.step)

    def log_prob(self, value: Tensor) -> Tensor:
        codes = (value / self.step).round().long().unsqueeze(-1)
        shape = torch.broadcast_shapes(codes.shape[:-1], self.logits.shape[:-1])
        logits = self.logits.expand(*shape, self._num_events)
        return logits.gather(-1, codes.expand(*shape, 1)).squeeze(-1)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return super().sample(sample_shape).to(self.logits.dtype) * self.step

    @property
    def mode(self) -> Tensor:
        return self.logits.argmax(-1).to(self.logits.dtype) * self.step


class Categorical(Likelihood):
    """Codes 0..n_categories-1, times ``step``.

    Args:
        n_categories: C, at least 2.
        step: distance of neighbouring values; 1 for plain codes.
    """

    layer = nn.Linear

    def __init__(self, n_in: int, n_out: int, n_categories: int, step: float = 1.0, positions: int = 1) -> None:
        if n_categories < 2:
            raise ValueError(f"a categorical cell needs at least 2 categories, not {n_categories}")
        super().__init__(n_in, n_out * n_categories, 1, positions)
        self.n_categories, self.step = n_categories, step

    @property
    def n_cells(self) -> int:
        return self.n_out * self.positions // self.n_categories

    def forward(self, features: Tensor) -> Factorised:
        (logits,) = self.parameters_of_cells(features)
        return Factorised(OnGrid(logits.unflatten(-1, (self.n_cells, self.n_categories)), self.step))
