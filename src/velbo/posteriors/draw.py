"""How z is drawn from q(z|x), and which way the gradient flows back to the encoder.

    pathwise             z = mu + sigma * eps, eps ~ N(0, I)                      equation (7)
    sticking-the-landing z as above; log q(z|x) with phi held constant, which drops the score term: it has mean 0,
                         and without it the gradient's variance vanishes where q is the true posterior
    detached             z is a constant; the gradient must come from log q(z|x), as in the score function's

Sources: Auto-encoding variational Bayes, Kingma and Welling, 2013, https://arxiv.org/abs/1312.6114;
Sticking the landing, Roeder, Wu and Duvenaud, 2017, https://arxiv.org/abs/1703.09194.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Protocol, Self

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from ..errors import MissingMethodError


class Draw(Protocol):
    """Draws K samples from q and scores them under it.

    A model that draws groups of latents one after another, the second from a q that depends on the first, draws each by
    `sample` too; or all the noise first, and then z of it (`from_noise`).
    """

    def noise(self, q: Distribution, n_samples: int) -> Tensor:
        """Standard normal numbers, (K, *batch shape of q, *shape of the noise of one draw), all independent."""
        ...

    def sample(self, q: Distribution, n_samples: int) -> Tensor:
        """z ~ q, (K, *batch shape of q, Z)."""
        ...

    def log_prob(self, q: Distribution, z: Tensor) -> Tensor:
        """log q(z|x), (K, *batch shape of q)."""
        ...

    def onwards(self) -> Draw:
        """For further samples of the same rows."""
        ...


class Pathwise:
    """The reparameterization trick; the default everywhere."""

    def noise(self, q: Distribution, n_samples: int) -> Tensor:
        like = noise_like(q)
        return torch.randn(n_samples, *like.shape, dtype=like.dtype, device=like.device)

    def sample(self, q: Distribution, n_samples: int) -> Tensor:
        if not q.has_rsample:
            raise TypeError(
                f"{type(q).__name__} cannot be reparameterised (no rsample); use objective 'score-function'"
            )
        return q.rsample(torch.Size((n_samples,)))

    def log_prob(self, q: Distribution, z: Tensor) -> Tensor:
        return q.log_prob(z)

    def onwards(self) -> Self:
        return self


class StickingTheLanding(Pathwise):
    """Pathwise, with log q(z|x) scored under a q whose parameters are constants."""

    def log_prob(self, q: Distribution, z: Tensor) -> Tensor:
        return detach(q).log_prob(z)


class Detached(Pathwise):
    """z is a constant, of any q."""

    @torch.no_grad()
    def sample(self, q: Distribution, n_samples: int) -> Tensor:
        # a Normal's own asks the device whether its scales are positive
        return from_noise(q, self.noise(q, n_samples)) if of_noise(q) else q.sample(torch.Size((n_samples,)))


@singledispatch
def detach(q: Distribution) -> Distribution:
    """q with constant parameters. Register your own distribution with ``detach.register``."""
    raise MissingMethodError(
        f"no detached copy of {type(q).__name__} is known; add one with @velbo.posteriors.detach.register"
    )


@detach.register
def _(q: Normal) -> Normal:
    return Normal(q.loc.detach(), q.scale.detach(), validate_args=False)


@detach.register
def _(q: Independent) -> Independent:
    return Independent(detach(q.base_dist), q.reinterpreted_batch_ndims, validate_args=False)


@singledispatch
def from_noise(q: Distribution, eps: Tensor) -> Tensor:
    """A draw of q as a function of standard normal numbers, z = g(eps; q); equation (7) for a diagonal Normal.

    Args:
        q: any known distribution.
        eps: (..., *batch shape of q, *shape of the noise of one draw), see `noise_like`.

    Raises:
        NotImplementedError: if q is no known function of normal noise.
    """
    raise NotImplementedError(type(q).__name__)


@from_noise.register
def _(q: Normal, eps: Tensor) -> Tensor:
    return torch.addcmul(q.loc, q.scale, eps)


@from_noise.register
def _(q: Independent, eps: Tensor) -> Tensor:
    return from_noise(q.base_dist, eps)


def of_noise(q: Distribution) -> bool:
    """Whether `from_noise` knows the very class of q; one derived from it may draw in a way of its own."""
    return of_noise(q.base_dist) if type(q) is Independent else type(q) in from_noise.registry


@singledispatch
def noise_like(q: Distribution) -> Tensor:
    """A tensor of the shape, dtype and device of the noise of one draw by `from_noise`: z's, unless registered."""
    return q.mean


@singledispatch
def signal(q: Distribution) -> Tensor:
    """What rows move of q, (*batch shape of q, Z): its mean; of a law that begins with another, such as that of a group
    of latents below others, its mean less that of the other.
    """
    return q.mean


@singledispatch
def transport(q: Distribution, eps: Tensor) -> Tensor:
    """z = g(eps; q) with eps of the shape of z and g smooth in eps and in all parameters of q, to be differentiated
    twice at constant eps; `from_noise`, unless that is not smooth.
    """
    return from_noise(q, eps)
