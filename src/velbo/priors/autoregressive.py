"""p(z) = prod_j p(z_j | z_1 .. z_{j-1}), every factor a mixture of C Normals, by one masked network.

    (logits, m, log s)_j = network(z)_j, which sees z_1 .. z_{j-1} alone

One pass gives the density of a sample, Z passes a sample.

Source: MADE: masked autoencoder for distribution estimation, Germain et al., 2015, https://arxiv.org/abs/1502.03509;
RNADE: the real-valued neural autoregressive density-estimator, Uria et al., 2013, https://arxiv.org/abs/1306.0186.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
import zuko
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, MixtureSameFamily, Normal, constraints
from torch.nn.functional import softplus

from ..errors import ConfigError
from ..nets import inverse_softplus
from ..runtime.precision import in_full

MIN_SCALE = 1e-3


class Autoregressive(Distribution):
    """z_j given the earlier ones, a mixture of Normals; event shape (Z,).

    Args:
        network: z (..., Z) -> (..., Z, 3, C), masked.
        n_latents: Z.
        like: any tensor of the dtype and device of z.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore
    support = constraints.real_vector  # pyright: ignore

    def __init__(self, network: nn.Module, n_latents: int, like: Tensor) -> None:
        self.network, self.like = network, like
        super().__init__(torch.Size(), torch.Size((n_latents,)), validate_args=False)

    def _factors(self, z: Tensor) -> MixtureSameFamily:
        with in_full(z.device.type):
            logits, loc, raw = self.network(z).unbind(-2)
        scale = MIN_SCALE + softplus(raw)
        return MixtureSameFamily(
            Categorical(logits=logits, validate_args=False),
            Normal(loc, scale, validate_args=False),
            validate_args=False,
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats, (...,) for z of shape (..., Z)."""
        return self._factors(value).log_prob(value).sum(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        z = self.like.new_zeros(*sample_shape, *self.event_shape)
        for j in range(self.event_shape[0]):
            z[..., j] = self._factors(z).sample()[..., j]
        return z


class AutoregressivePrior(nn.Module):
    """() -> `Autoregressive`; nearly a standard Normal at first.

    Args:
        n_latents: Z, at least 2.
        n_components: C, of each factor.
        hidden: widths of the masked network.

    Raises:
        ConfigError: for a single latent.
    """

    def __init__(self, n_latents: int, n_components: int = 5, hidden: tuple[int, ...] = (256, 256)) -> None:
        super().__init__()
        if n_latents < 2:
            raise ConfigError("one latent has no earlier ones; take prior 'mixture', or 2 latents and more")
        self.n_latents, n_out = n_latents, 3 * n_components
        earlier: Any = torch.ones(n_latents, n_latents, dtype=torch.bool).tril(-1)
        masked = zuko.nn.MaskedMLP(earlier.repeat_interleave(n_out, 0), hidden_features=hidden, activation=nn.SiLU)
        last = cast(nn.Linear, masked[-1])
        with torch.no_grad():
            last.weight.mul_(0.1)
            bias = last.bias.view(n_latents, 3, n_components).zero_()
            bias[:, 1] = torch.linspace(-1, 1, n_components) if n_components > 1 else 0.0
            bias[:, 2] = inverse_softplus(0.7 if n_components > 1 else 1.0)
        self.network = nn.Sequential(masked, nn.Unflatten(-1, (n_latents, 3, n_components)))

    def forward(self) -> Autoregressive:
        return Autoregressive(self.network, self.n_latents, next(self.network.parameters()))
