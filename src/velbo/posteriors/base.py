"""Heads: features (..., F) -> q(z|x), by a linear layer and a map from its numbers to a distribution.

    y = A features + b,   q(z|x) = q(z; y)

y holds the parameters of q, P of them, each free to take any real value: they are what an optimisation row by row works
on, whatever the family.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import softplus

from ..errors import ConfigError
from ..nets import FullPrecisionLinear

MIN_SCALE = 1e-4


def positive(raw: Tensor) -> Tensor:
    """softplus(raw) + 1e-4: no exponential that overflows, no scale that reaches 0."""
    return softplus(raw) + MIN_SCALE


class Posterior(nn.Module, ABC):
    """Features (..., F) -> q(z|x), event shape (Z,).

    Args:
        n_in: F.
        n_latents: Z.
        n_params: P.
    """

    def __init__(self, n_in: int, n_latents: int, n_params: int) -> None:
        super().__init__()
        self.n_latents = n_latents
        self.linear = FullPrecisionLinear(n_in, n_params)

    @abstractmethod
    def distribution(self, parameters: Tensor) -> Distribution:
        """q of unconstrained numbers y, (..., P)."""

    def forward(self, features: Tensor) -> Distribution:
        return self.distribution(self.linear(features))


def body_and_head(encoder: nn.Module) -> tuple[nn.Module, Posterior]:
    """(x -> features, head) of an encoder, both sharing its weights.

    Raises:
        ConfigError: unless the encoder is an nn.Sequential that ends in a `Posterior`.
    """
    last = encoder[-1] if isinstance(encoder, nn.Sequential) and len(encoder) else encoder
    if not isinstance(encoder, nn.Sequential) or not isinstance(last, Posterior):
        raise ConfigError(
            f"the parameters of q(z|x) are found in an encoder nn.Sequential(..., head) whose head is a "
            f"velbo.posteriors.Posterior such as DiagonalNormal; this {type(encoder).__name__} ends in "
            f"{type(last).__name__}"
        )
    return encoder[:-1], last
