"""Free bits: a latent (or a group of them) pays nothing for its first `nats` of information.

    rate' = sum over parts j of max( nats, mean over the batch of KL_j )

The mean over the batch is inside the maximum, so a part is free on average and not row by row. Surrogate only.

Source: Improved variational inference with inverse autoregressive flow, Kingma et al., 2016,
https://arxiv.org/abs/1606.04934 (eq. 15).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..errors import ConfigError
from ..terms import Terms


@dataclass(frozen=True)
class FreeBits:
    """Terms -> penalty, (B,).

    Args:
        nats: lambda, free nats of each part.
        per_group: parts are groups of latents instead of single latents.
    """

    nats: float
    per_group: bool = False

    def __post_init__(self) -> None:
        if not self.nats >= 0:
            raise ConfigError(f"free bits must be 0 or more nats, not {self.nats}")

    def __call__(self, terms: Terms) -> Tensor:
        if terms.kl is None:
            raise ConfigError("free bits need a closed-form KL, and this posterior and prior have none; use 0")
        kl = terms.kl
        if self.per_group:
            kl = terms.group_kl
        return kl.mean(0).clamp_min(self.nats).sum().expand(kl.shape[0])
