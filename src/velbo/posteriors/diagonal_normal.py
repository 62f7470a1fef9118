"""q(z|x) = N(z; mu(x), diag(sigma(x)^2)): equation (4)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributions import Independent, Normal
from torch.nn.functional import softplus

from ..nets import FullPrecisionLinear

MIN_SCALE = 1e-4


class DiagonalNormal(nn.Module):
    """A linear layer from features (..., F) to a Normal with independent latents, event shape (Z,).

    sigma = softplus(raw) + 1e-4: no exponential that overflows, no scale that reaches 0.
    """

    def __init__(self, n_in: int, n_latents: int) -> None:
        super().__init__()
        self.n_latents = n_latents
        self.linear = FullPrecisionLinear(n_in, 2 * n_latents)

    def forward(self, features: Tensor) -> Independent:
        mean, raw = self.linear(features).chunk(2, -1)
        return Independent(Normal(mean, softplus(raw) + MIN_SCALE, validate_args=False), 1, validate_args=False)
