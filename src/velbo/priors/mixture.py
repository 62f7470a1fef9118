"""p(z) = sum_c pi_c N(z; m_c, diag(s_c^2)), C components learned."""

from __future__ import annotations

import math

import torch
from torch import nn

from ..nets import Positive
from ..posteriors import NormalMixture


class MixturePrior(nn.Module):
    """() -> `NormalMixture` with C learned components; together they begin with variance one.

    Source: Deep unsupervised clustering with Gaussian mixture variational autoencoders, Dilokthanakul et al., 2016,
    https://arxiv.org/abs/1611.02648, of which this is the marginal p(z).
    """

    def __init__(self, n_latents: int, n_components: int = 100) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(n_components))
        self.loc = nn.Parameter(math.sqrt(0.5) * torch.randn(n_components, n_latents))
        self.scale = Positive(n_components, n_latents, initial=math.sqrt(0.5))

    def forward(self) -> NormalMixture:
        return NormalMixture(self.logits, self.loc, self.scale())
