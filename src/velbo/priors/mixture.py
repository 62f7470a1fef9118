"""p(z) = sum_c pi_c N(z; m_c, diag(s_c^2)).

Expanded, the C exponents are matrix products, which need neither C * Z numbers a sample nor as much time:

    sum_j (z_j - m_cj)^2 / s_cj^2  =  z^2 . s_c^-2  -  2 z . (m_c s_c^-2)  +  m_c^2 . s_c^-2

in float64, for the three terms cancel.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, constraints

from ..nets import Positive

LOG_2_PI = math.log(2 * math.pi)


class NormalMixture(Distribution):
    """A mixture of C Normals with independent coordinates, event shape (Z,).

    Args:
        logits: of the components, (..., C), in any normalisation.
        loc: (..., C, Z).
        scale: (..., C, Z).
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore
    support = constraints.real_vector  # pyright: ignore

    def __init__(self, logits: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.logits, self.loc, self.scale = logits.log_softmax(-1), loc, scale
        super().__init__(loc.shape[:-2], loc.shape[-1:], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats, (...,) for z of shape (..., Z)."""
        with torch.autocast(value.device.type, enabled=False):
            z, loc, precision = value.double(), self.loc.double(), self.scale.double() ** -2
            square = self._products(z.square(), precision) - 2 * self._products(z, loc * precision)
            exponent = -0.5 * (square + (loc.square() * precision).sum(-1))
        log_height = self.logits - self.scale.log().sum(-1) - 0.5 * LOG_2_PI * self.event_shape[0]
        return (log_height + exponent.to(log_height.dtype)).logsumexp(-1)

    @staticmethod
    def _products(z: Tensor, weights: Tensor) -> Tensor:
        """(..., C): every component's sum over Z of z times its weights."""
        return (z.unsqueeze(-2) @ weights.mT).squeeze(-2)

    @property
    def mean(self) -> Tensor:
        return (self.logits.exp().unsqueeze(-1) * self.loc).sum(-2)

    @property
    def variance(self) -> Tensor:
        second = self.scale.square() + self.loc.square()
        return (self.logits.exp().unsqueeze(-1) * second).sum(-2) - self.mean.square()

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        chosen = Categorical(logits=self.logits, validate_args=False).sample(torch.Size(sample_shape))
        index = chosen[..., None, None].expand(*chosen.shape, 1, self.event_shape[0])
        loc, scale = (
            t.expand(*chosen.shape, *t.shape[-2:]).gather(-2, index).squeeze(-2) for t in (self.loc, self.scale)
        )
        return torch.normal(loc, scale)

    def expand(self, batch_shape: Any, _instance: Any = None) -> NormalMixture:
        parts = (self.logits, -1), (self.loc, -2), (self.scale, -2)
        return NormalMixture(*(t.expand(*batch_shape, *t.shape[n:]) for t, n in parts))


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
