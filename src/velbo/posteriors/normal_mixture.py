"""sum_c pi_c N(z; m_c, diag(s_c^2)): a distribution, and the posterior that is one.

Expanded, the C exponents are matrix products, which need neither C * Z numbers a sample nor as much time:

    sum_j (z_j - m_cj)^2 / s_cj^2  =  z^2 . s_c^-2  -  2 z . (m_c s_c^-2)  +  m_c^2 . s_c^-2

in float64, for the three terms cancel. Samples are differentiable in all parameters: see distributional_transform.py.

Source of mixtures as posteriors: Approximating posterior distributions in belief networks using mixtures, Bishop,
Lawrence, Jaakkola and Jordan, 1997, http://inverseprobability.com/publications/bishop-mixtures97.html.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from ..nets import inverse_softplus
from .base import Posterior, positive
from .distributional_transform import LOG_2_PI, Parameters, inverse, reparameterised
from .draw import detach, from_noise, noise_like, transport


class NormalMixture(Distribution):
    """A mixture of C Normals with independent coordinates, event shape (Z,).

    Args:
        logits: of the components, (..., C), in any normalisation.
        loc: (..., C, Z).
        scale: (..., C, Z).
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore
    support = constraints.real_vector  # pyright: ignore
    has_rsample = True  # pyright: ignore

    def __init__(self, logits: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.logits, self.loc, self.scale = logits.log_softmax(-1), loc, scale
        super().__init__(loc.shape[:-2], loc.shape[-1:], validate_args=False)

    @property
    def theta(self) -> Parameters:
        return Parameters(self.logits, self.loc, self.scale)

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
        if torch.compiler.is_compiling():  # ONNX takes no ellipses of unequal length
            return (z.unsqueeze(-2) * weights).sum(-1)
        return torch.einsum("...z,...cz->...c", z, weights)

    @property
    def mean(self) -> Tensor:
        return (self.logits.exp().unsqueeze(-1) * self.loc).sum(-2)

    @property
    def variance(self) -> Tensor:
        second = self.scale.square() + self.loc.square()
        return (self.logits.exp().unsqueeze(-1) * second).sum(-2) - self.mean.square()

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        shape = (*sample_shape, *self.batch_shape, self.event_shape[0] + 1)
        return self.from_noise(torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device))

    def _of_component(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Means and scales (..., Z) of chosen components (...)."""
        index = chosen[..., None, None].expand(*chosen.shape, 1, self.event_shape[0])
        loc, scale = (t.expand(*chosen.shape, *t.shape[-2:]).gather(-2, index) for t in (self.loc, self.scale))
        return loc.squeeze(-2), scale.squeeze(-2)

    @torch.no_grad()
    def from_noise(self, eps: Tensor) -> Tensor:
        """z (..., Z) of Z + 1 normal numbers: the last one chooses the component, by its cdf.

        Raises:
            ValueError: for another number of them, which would be broadcast and wrong.
        """
        if eps.shape[-1] != self.event_shape[0] + 1:
            raise ValueError(f"a draw takes {self.event_shape[0] + 1} numbers (see noise_like), not {eps.shape[-1]}")
        shares = self.logits.double().exp().cumsum(-1)[..., :-1]
        chosen = (torch.special.ndtr(eps[..., -1:].double()) > shares).sum(-1)
        loc, scale = self._of_component(chosen)
        return torch.addcmul(loc, scale, eps[..., :-1])

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """As `sample`, and differentiable."""
        return reparameterised(self.sample(sample_shape), self.theta)

    def expand(self, batch_shape: Any, _instance: Any = None) -> NormalMixture:
        parts = (self.logits, -1), (self.loc, -2), (self.scale, -2)
        return NormalMixture(*(t.expand(*batch_shape, *t.shape[n:]) for t, n in parts))


@detach.register
def _(q: NormalMixture) -> NormalMixture:
    return NormalMixture(q.logits.detach(), q.loc.detach(), q.scale.detach())


@noise_like.register
def _(q: NormalMixture) -> Tensor:
    return q.loc.new_empty(*q.batch_shape, q.event_shape[0] + 1)


@from_noise.register
def _(q: NormalMixture, eps: Tensor) -> Tensor:
    return reparameterised(q.from_noise(eps), q.theta)


@transport.register
def _(q: NormalMixture, eps: Tensor) -> Tensor:
    return reparameterised(inverse(eps, q.theta), q.theta)


class MixturePosterior(Posterior):
    """A mixture of C Normals; y = (logits, means, raw scales), scales = softplus(raw) + 1e-4.

    Components begin apart, by random biases of their means: equal ones would have equal gradients and stay equal.

    Args:
        n_in: F.
        n_latents: Z.
        n_components: C.
    """

    def __init__(self, n_in: int, n_latents: int, n_components: int = 4) -> None:
        super().__init__(n_in, n_latents, n_components * (1 + 2 * n_latents))
        self.n_components = n_components
        with torch.no_grad():
            logits, loc, raw = self._split(self.linear.bias)
            logits.zero_()
            loc.add_(0.5 * torch.randn_like(loc))
            raw.add_(inverse_softplus(0.7))

    def _split(self, parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        c, size = self.n_components, (self.n_components, self.n_latents)
        logits, loc, raw = parameters.split([c, c * self.n_latents, c * self.n_latents], -1)
        return logits, loc.unflatten(-1, size), raw.unflatten(-1, size)

    def distribution(self, parameters: Tensor) -> NormalMixture:
        logits, loc, raw = self._split(parameters)
        return NormalMixture(logits, loc, positive(raw))
