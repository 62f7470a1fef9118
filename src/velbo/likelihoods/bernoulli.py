"""Binary cells: log p(x_d|z) = x_d log p_d + (1 - x_d) log(1 - p_d),  p_d = sigmoid(logit_d)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .base import Factorised, Likelihood


class Bernoulli(Likelihood):
    """Binary data in {0, 1}. For grey images as probabilities, binarise: the data encodings do."""

    layer = nn.Linear

    def __init__(self, n_in: int, n_out: int, positions: int = 1) -> None:
        super().__init__(n_in, n_out, 1, positions)

    def forward(self, features: Tensor) -> Factorised:
        (logits,) = self.parameters_of_cells(features)
        return Factorised(torch.distributions.Bernoulli(logits=logits, validate_args=False))
