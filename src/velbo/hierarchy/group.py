"""One group of latents below others: its law in the generator, its law given a row, and what it hands on.

    h_l = state of the generator, a function of z_>l alone       e_l = features of x for this group

    p(z_l | z_>l)     = N( mu_p(h_l), sigma_p(h_l)^2 )                                                    equation (8)
    q(z_l | z_>l, x)  = N( mu_p + sigma_p d, (sigma_p r)^2 ),   (d, r) = f(h_l, e_l)                      equation (9)
    h_{l-1}           = g(h_l, z_l)

q is written relative to p, so that KL( q || p ) = 1/2 sum_j [ d_j^2 + r_j^2 - 1 - log r_j^2 ] is a function of d and r
alone, and 0 where the row says nothing: f need not follow p about. And q sees the state of the generator that p sees,
so it has only to add what x says beyond it. e_l is a function of the row alone, and costs nothing a sample.

Sources: Ladder variational autoencoders, Sønderby et al., 2016, https://arxiv.org/abs/1602.02282 (top-down inference);
NVAE: a deep hierarchical variational autoencoder, Vahdat and Kautz, 2020, https://arxiv.org/abs/2007.03898 (section
3.2: q relative to p).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from ..nets import (
    AnyLead,
    ConvBlock,
    FullPrecisionConv2d,
    FullPrecisionLinear,
    ResidualBlock,
    inverse_softplus,
)
from ..posteriors.base import MIN_SCALE, positive

SMALL = 0.1
"""Of the weights that parameters of distributions begin with, so that the groups begin near N(0, I), and q near p."""
BLOCKS = 2
"""Of convolutions between two groups of maps."""


class Group(nn.Module):
    """h -> p(z_l|z_>l);  (h, e) -> q(z_l|z_>l, x);  (h, z_l) -> h of the group below.

    Args:
        shape: of z_l: (n,) for vectors, (c, height, width) for maps, which are flattened with channels last.
        p: h -> (mean, raw scale), stacked along the first axis of ``shape``.
        seen: h -> what q sees of it, to which e is added.
        q: of that sum -> (d, raw r), as p.
        into: z_l in its shape -> what it adds to h.
        block: that sum -> h of the group below.

    Attributes:
        n_latents: numbers of z_l.
    """

    def __init__(
        self, shape: Sequence[int], p: nn.Module, seen: nn.Module, q: nn.Module, into: nn.Module, block: nn.Module
    ) -> None:
        super().__init__()
        self.shape, self.n_latents = tuple(shape), math.prod(shape)
        self.p, self.seen, self.q, self.into, self.block = p, seen, q, into, block

    def prior(self, h: Tensor) -> Independent:
        """p(z_l|z_>l), batch shape (...), event shape (n_latents,), of h (..., *state)."""
        mean, scale = self._law(self.p(h))
        return Independent(Normal(mean, scale, validate_args=False), 1, validate_args=False)

    def posterior(self, h: Tensor, e: Tensor, p: Independent) -> Independent:
        """q(z_l|z_>l, x).

        Args:
            h: (..., B, *state).
            e: features of the rows, (B, *what q sees).
            p: of the same h.
        """
        base = p.base_dist
        assert isinstance(base, Normal)
        d, r = self._law(self.q(self.seen(h) + e))
        mean = torch.addcmul(base.loc, base.scale, d)
        return Independent(Normal(mean, base.scale * r, validate_args=False), 1, validate_args=False)

    def below(self, h: Tensor, z: Tensor) -> Tensor:
        """State of the group below, of h (..., *state) and z_l (..., n_latents)."""
        return self.block(h + self.into(self._shaped(z)))

    def _shaped(self, z: Tensor) -> Tensor:
        if len(self.shape) == 1:
            return z
        c, height, width = self.shape
        return z.unflatten(-1, (height, width, c)).movedim(-1, -3)

    def _law(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """(location, scale), (..., n_latents) each; the scale is 1 where its raw number is 0."""
        first, raw = y.chunk(2, -len(self.shape))
        parts = (first, raw) if len(self.shape) == 1 else (t.movedim(-3, -1).flatten(-3) for t in (first, raw))
        location, raw = parts
        return location, positive(raw + inverse_softplus(1 - MIN_SCALE))


def dense_group(width: int, n_latents: int) -> Group:
    """Vectors: h (..., width), e (..., width), z_l (..., n_latents)."""
    return Group(
        (n_latents,),
        p=nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), _small(FullPrecisionLinear(width, 2 * n_latents))
        ),
        seen=nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width)),
        q=nn.Sequential(nn.SiLU(), _small(FullPrecisionLinear(width, 2 * n_latents))),
        into=nn.Linear(n_latents, width),
        block=ResidualBlock(width),
    )


def conv_group(map_shape: Sequence[int], n_channels: int) -> Group:
    """Maps: h and e (..., *map_shape), z_l of ``n_channels`` at every place of the map."""
    width, height, breadth = map_shape
    return Group(
        (n_channels, height, breadth),
        p=AnyLead(nn.Sequential(nn.GroupNorm(1, width), nn.SiLU(), _small(_to_law(width, n_channels)))),
        seen=AnyLead(nn.Conv2d(width, width, 1)),
        q=AnyLead(nn.Sequential(nn.SiLU(), _to_law(width, n_channels))),
        into=AnyLead(nn.Conv2d(n_channels, width, 1)),
        block=AnyLead(nn.Sequential(*(ConvBlock(width) for _ in range(BLOCKS)))),
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _to_law(width: int, n_channels: int) -> nn.Conv2d:
    return FullPrecisionConv2d(width, 2 * n_channels, 3, padding=1)


def _small(layer: nn.Linear | nn.Conv2d) -> nn.Module:
    with torch.no_grad():
        layer.weight.mul_(SMALL)
        assert layer.bias is not None
        layer.bias.zero_()
    return layer
