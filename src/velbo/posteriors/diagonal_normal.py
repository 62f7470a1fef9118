"""q(z|x) = N(z; mu(x), diag(sigma(x)^2)): equation (4)."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Independent, Normal

from .base import MIN_SCALE, Posterior, positive

__all__ = ["MIN_SCALE", "DiagonalNormal"]


class DiagonalNormal(Posterior):
    """A Normal with independent latents; y = (mu, raw), sigma = softplus(raw) + 1e-4."""

    def __init__(self, n_in: int, n_latents: int) -> None:
        super().__init__(n_in, n_latents, 2 * n_latents)

    def distribution(self, parameters: Tensor) -> Independent:
        mean, raw = parameters.chunk(2, -1)
        return Independent(Normal(mean, positive(raw), validate_args=False), 1, validate_args=False)
