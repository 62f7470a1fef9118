"""q(z|x) = law of z = mu + sigma * T(eps; c),  eps ~ N(0, I):  an invertible network T, told of x by a context c(x).

    log q(z|x) = log N(eps; 0, I) - log |det dT/deps| - sum_j log sigma_j,   eps = T^-1((z - mu) / sigma; c)

    inverse autoregressive flow  T scales and shifts eps_j by functions of eps_1 .. eps_{j-1}, a few layers in turns:
                                 a sample and its density take one pass, the density of another z takes Z passes
    neural spline, coupling      T moves one half by monotone rational-quadratic splines on [-5, 5] whose knots are
                                 functions of the other half, in turns: both ways take a few passes

Sources: Improved variational inference with inverse autoregressive flow, Kingma et al., 2016,
https://arxiv.org/abs/1606.04934 (eqs. 8-12); Neural spline flows, Durkan et al., 2019,
https://arxiv.org/abs/1906.04032; Variational inference with normalizing flows, Rezende and Mohamed, 2015,
https://arxiv.org/abs/1505.05770.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
import zuko
from torch import Tensor, nn
from torch.distributions import Distribution, constraints
from torch.func import functional_call

from ..nets import inverse_softplus
from ..runtime.precision import in_full
from ..runtime.shapes import broadcast_shapes
from .base import Posterior, positive
from .draw import detach, from_noise, noise_like
from .points import normal_points
from .spline import spline_flow

LOG_2_PI = math.log(2 * math.pi)
N_POINTS = 64
ROWS_AT_ONCE = 2**15
SMALL = 0.1


class ContextFlow(nn.Module):
    """T(.; c), both ways, its networks multiplied in full: they give parameters of a distribution.

    Args:
        flow: a lazy flow of zuko with context, whose transformation is taken as the map from noise.
    """

    def __init__(self, flow: zuko.flows.Flow) -> None:
        super().__init__()
        self.transform = flow.transform
        for layer in flow.transform.modules():
            if isinstance(layer, nn.Sequential):
                with torch.no_grad():
                    for p in layer[-1].parameters():
                        p.mul_(SMALL)

    def forward(self, value: Tensor, context: Tensor, backwards: bool = False) -> tuple[Tensor, Tensor]:
        """(T(value), log |det dT|), or backwards (T^-1(value), log |det dT| there)."""
        with in_full(value.device.type):
            transform = self.transform(context)
            if not backwards:
                return transform.call_and_ladj(value)
            eps, log_det = transform.inv.call_and_ladj(value)
            return eps, -log_det


class NormalFlow(Distribution):
    """mu + sigma * T(eps; c), event shape (Z,).

    The last sample that was drawn here is remembered with its log-density, so that scoring it costs nothing; any other
    z, and a copy of that sample, is taken back through T.

    ``mean`` and ``variance`` have no closed form. They are estimated by 64 fixed quasi-random points (`normal_points`),
    exact where T is the identity, and the same at every call.

    Args:
        loc: mu, (..., Z).
        scale: sigma, (..., Z).
        context: c, (..., C).
        flow: T.
        frozen: the weights of T are constants.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore
    support = constraints.real_vector  # pyright: ignore
    has_rsample = True  # pyright: ignore

    def __init__(self, loc: Tensor, scale: Tensor, context: Tensor, flow: ContextFlow, frozen: bool = False) -> None:
        self.loc, self.scale, self.context, self.flow, self.frozen = loc, scale, context, flow, frozen
        self._drawn: tuple[Tensor, int, Tensor, bool] | None = None
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

    def _through(self, value: Tensor, backwards: bool = False) -> tuple[Tensor, Tensor]:
        value = value.expand(broadcast_shapes(value.shape, self.loc.shape))
        if not self.frozen:
            return self.flow(value, self.context, backwards)
        weights = {name: p.detach() for name, p in self.flow.named_parameters()}
        return functional_call(self.flow, weights, (value, self.context, backwards))

    def _log_density(self, eps: Tensor, log_det: Tensor) -> Tensor:
        log_n = -0.5 * (eps.square().sum(-1) + LOG_2_PI * self.event_shape[0])
        return log_n - log_det - self.scale.log().sum(-1)

    def from_noise(self, eps: Tensor) -> Tensor:
        """z of eps, both (..., Z)."""
        u, log_det = self._through(eps)
        z = torch.addcmul(self.loc, self.scale, u)
        self._drawn = z, z._version, self._log_density(eps, log_det), torch.is_grad_enabled()
        return z

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        return self.from_noise(torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device))

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats, (...,) for z of shape (..., Z)."""
        if self._drawn is not None:
            z, version, log_q, differentiable = self._drawn
            if z is value and value._version == version and (differentiable or not torch.is_grad_enabled()):
                return log_q
        return self._log_density(*self._through((value - self.loc) / self.scale, backwards=True))

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of T(eps), each (..., Z)."""
        points = normal_points(N_POINTS, self.event_shape[0]).to(self.loc)
        first, second = torch.zeros_like(self.loc).double(), torch.zeros_like(self.loc).double()
        # a graph is for any number of rows
        at_once = N_POINTS if torch.compiler.is_compiling() else ROWS_AT_ONCE // max(1, self.batch_shape.numel())
        for some in points.split(max(1, at_once)):
            u, _ = self._through(some.view(len(some), *[1] * len(self.batch_shape), -1))
            first, second = first + u.double().sum(0), second + u.double().square().sum(0)
        mean, square = first / N_POINTS, second / N_POINTS
        return mean.to(self.loc), (square - mean.square()).to(self.loc)

    @property
    def mean(self) -> Tensor:
        return torch.addcmul(self.loc, self.scale, self._moments()[0])

    @property
    def variance(self) -> Tensor:
        return self.scale.square() * self._moments()[1]

    def expand(self, batch_shape: Any, _instance: Any = None) -> NormalFlow:
        loc, scale, context = (t.expand(*batch_shape, t.shape[-1]) for t in (self.loc, self.scale, self.context))
        return NormalFlow(loc, scale, context, self.flow, self.frozen)


@detach.register
def _(q: NormalFlow) -> NormalFlow:
    """All that was learned is constant, the network too. It knows no samples: scoring z takes T backwards, Z + 1
    passes a layer for an inverse autoregressive flow and three for coupling.
    """
    return NormalFlow(q.loc.detach(), q.scale.detach(), q.context.detach(), q.flow, frozen=True)


@noise_like.register
def _(q: NormalFlow) -> Tensor:
    return q.loc


@from_noise.register
def _(q: NormalFlow, eps: Tensor) -> Tensor:
    return q.from_noise(eps)


class FlowPosterior(Posterior):
    """A `NormalFlow`; y = (mu, raw, c), sigma = softplus(raw) + 1e-4. Nearly a diagonal Normal at first.

    Args:
        n_in: F.
        n_latents: Z.
        flow: a lazy flow of zuko over Z numbers, with context.
        context: C.
    """

    def __init__(self, n_in: int, n_latents: int, flow: zuko.flows.Flow, context: int) -> None:
        super().__init__(n_in, n_latents, 2 * n_latents + context)
        self.sizes, self.flow = [n_latents, n_latents, context], ContextFlow(flow)
        with torch.no_grad():
            self.linear.bias[n_latents : 2 * n_latents] += inverse_softplus(0.7)

    def distribution(self, parameters: Tensor) -> NormalFlow:
        loc, raw, context = parameters.split(self.sizes, -1)
        return NormalFlow(loc, positive(raw), context, self.flow)


def inverse_autoregressive(
    n_in: int, n_latents: int, n_layers: int = 2, hidden: tuple[int, ...] = (128, 128), context: int = 32
) -> FlowPosterior:
    """Inverse autoregressive flow; of a single latent, which has no earlier ones, it is a Normal."""
    flow = zuko.flows.MAF(n_latents, context, transforms=n_layers, hidden_features=hidden, activation=nn.SiLU)
    return FlowPosterior(n_in, n_latents, flow, context)


def spline_coupling(
    n_in: int, n_latents: int, n_layers: int = 2, hidden: tuple[int, ...] = (128, 128), context: int = 32
) -> FlowPosterior:
    """Neural spline by coupling; an even number of layers moves every latent as often."""
    flow = spline_flow(n_latents, context, transforms=n_layers, passes=2, hidden_features=hidden, activation=nn.SiLU)
    return FlowPosterior(n_in, n_latents, flow, context)
