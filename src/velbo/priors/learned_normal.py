"""p(z) = N(z; m, diag(s^2)), m and s learned.

A decoder's first linear layer can undo m and s, so inside the ELBO this prior gains little; for a refit to the
aggregated posterior of a trained model it is the first step.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.distributions import Independent, Normal

from ..nets import Positive


class LearnedNormal(nn.Module):
    """() -> Normal with independent latents, event shape (Z,); standard at first."""

    def __init__(self, n_latents: int) -> None:
        super().__init__()
        self.loc, self.scale = nn.Parameter(torch.zeros(n_latents)), Positive(n_latents)

    def forward(self) -> Independent:
        return Independent(Normal(self.loc, self.scale(), validate_args=False), 1, validate_args=False)
