"""p(z) = N(f(z); 0, I) |det df/dz|, f an invertible network: zuko's flows as priors.

    real NVP                    affine coupling: half of z scales and shifts the other half, in turns
    neural spline               monotone rational-quadratic splines on [-5, 5], autoregressive, the identity outside
    masked autoregressive flow  z_j is scaled and shifted by a function of z_1 .. z_{j-1}; samples take Z steps

Sources: Density estimation using real NVP, Dinh et al., 2016, https://arxiv.org/abs/1605.08803; Neural spline flows,
Durkan et al., 2019, https://arxiv.org/abs/1906.04032; Masked autoregressive flow for density estimation, Papamakarios
et al., 2017, https://arxiv.org/abs/1705.07057.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, cast

import torch
import zuko
from torch import BoolTensor, Tensor, nn
from torch.distributions import Distribution, Transform, constraints
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.transforms import CouplingTransform

from ..posteriors.spline import spline_flow
from ..runtime.precision import in_full


class Flow(Distribution):
    """A flow's density, its networks multiplied in full: they give parameters of a distribution.

    Args:
        flow: of event shape (Z,).
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore
    support = constraints.real_vector  # pyright: ignore
    has_rsample = True  # pyright: ignore

    def __init__(self, flow: Distribution) -> None:
        self.flow = flow
        super().__init__(flow.batch_shape, flow.event_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats, (...,) for z of shape (..., Z)."""
        with in_full(value.device.type):
            return self.flow.log_prob(value)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self.flow.rsample(torch.Size(sample_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Flow:
        return Flow(self.flow.expand(torch.Size(batch_shape)))


class FlowPrior(nn.Module):
    """() -> `Flow`.

    Args:
        flow: a lazy flow of zuko without context.
    """

    def __init__(self, flow: nn.Module) -> None:
        super().__init__()
        self.flow = flow

    def forward(self) -> Flow:
        return Flow(self.flow())


class Coupling(GeneralCouplingTransform):
    """zuko's, which knows the places of the two halves from the start: a device is not asked for them at every call."""

    def __init__(self, features: int, *, mask: BoolTensor, **more: Any) -> None:
        super().__init__(features, mask=mask, **more)
        for name, half in (("fixed", mask), ("moved", ~mask)):
            self.register_buffer(name, half.nonzero().squeeze(-1), persistent=False)

    def forward(self, c: Tensor | None = None) -> Transform:
        # zuko passes None on, though its annotation has none
        return HalvesAt(partial(self.meta, cast(Tensor, c)), cast(Tensor, self.fixed), cast(Tensor, self.moved))


class HalvesAt(CouplingTransform):
    """
    Args:
        meta: x_a -> the transformation of x_b.
        fixed: places of x_a.
        moved: places of x_b.
    """

    def __init__(self, meta: Callable[[Tensor], Transform], fixed: Tensor, moved: Tensor) -> None:
        Transform.__init__(self)
        self.meta, self.idx_a, self.idx_b = meta, fixed, moved


def real_nvp(n_latents: int, n_layers: int = 6, hidden: tuple[int, ...] = (128, 128)) -> FlowPrior:
    """Real NVP prior: fast both ways."""
    halves = (cast(BoolTensor, torch.arange(n_latents) % 2 == i % 2) for i in range(n_layers))
    layers = [Coupling(n_latents, mask=half, hidden_features=hidden, activation=nn.SiLU) for half in halves]
    return FlowPrior(zuko.flows.Flow(layers, zuko.flows.RealNVP(n_latents, transforms=1).base))


def neural_spline(n_latents: int, n_layers: int = 3, hidden: tuple[int, ...] = (128, 128)) -> FlowPrior:
    """Neural spline prior: the most flexible a layer; slow to sample."""
    return FlowPrior(spline_flow(n_latents, transforms=n_layers, hidden_features=hidden, activation=nn.SiLU))


def masked_autoregressive(n_latents: int, n_layers: int = 4, hidden: tuple[int, ...] = (128, 128)) -> FlowPrior:
    """Masked autoregressive prior; slow to sample."""
    return FlowPrior(zuko.flows.MAF(n_latents, transforms=n_layers, hidden_features=hidden, activation=nn.SiLU))
