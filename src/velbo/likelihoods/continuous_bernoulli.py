"""Cells in [0, 1] with a density: p(x_d|z) = C(p_d) p_d^x_d (1 - p_d)^(1 - x_d).

The normaliser C is what peers forget when they score grey images with the Bernoulli's formula.

Source: The continuous Bernoulli: fixing a pervasive error in variational autoencoders,
Loaiza-Ganem and Cunningham, 2019, https://arxiv.org/abs/1907.06845 (eq. 8).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Factorised, Likelihood


class ContinuousBernoulli(Likelihood):
    """Real data in [0, 1]."""

    def __init__(self, n_in: int, n_out: int, positions: int = 1) -> None:
        super().__init__(n_in, n_out, 1, positions)

    def forward(self, features: Tensor) -> Factorised:
        (logits,) = self.parameters_of_cells(features)
        return Factorised(torch.distributions.ContinuousBernoulli(logits=logits, validate_args=False))
