"""p(z) = 1/C sum_c q(z | u_c): the encoder's own posteriors of C learned pseudo-inputs.

It approximates the prior that maximises the ELBO for a given encoder, the aggregated posterior 1/N sum_n q(z | x_n).

Source: VAE with a VampPrior, Tomczak and Welling, 2018, https://arxiv.org/abs/1705.07120 (eqs. 8, 9).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from ..errors import ConfigError
from ..posteriors import NormalMixture


class VampPrior(nn.Module):
    """() -> `NormalMixture` of the posteriors of the pseudo-inputs.

    Args:
        encoder: x (C, D) -> q(z|x), a diagonal Normal; shared with the model, which owns its weights.
        n_dims: D.
        n_components: C.
    """

    def __init__(self, encoder: nn.Module, n_dims: int, n_components: int = 500) -> None:
        super().__init__()
        self.pseudo_inputs = nn.Parameter(torch.randn(n_components, n_dims))
        self._encoder = (encoder,)  # in a tuple, so that its weights are not this module's too

    @torch.no_grad()
    def start_from(self, x: Tensor) -> None:
        """Pseudo-inputs begin as rows of the data, missing cells as zeros; again from the first where they run out."""
        rows = torch.arange(len(self.pseudo_inputs)) % len(x)
        self.pseudo_inputs.copy_(torch.nan_to_num(x[rows.to(x.device)], nan=0.0))

    def forward(self) -> NormalMixture:
        q = self._encoder[0](self.pseudo_inputs)
        if not (isinstance(q, Independent) and isinstance(q.base_dist, Normal)):
            raise ConfigError(
                f"a VampPrior mixes diagonal Normal posteriors, this encoder gives {type(q).__name__}; take prior "
                "'mixture' or a flow"
            )
        return NormalMixture(q.base_dist.loc.new_zeros(len(self.pseudo_inputs)), q.base_dist.loc, q.base_dist.scale)
