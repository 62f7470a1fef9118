"""A law over z = (z_L, .., z_1), one group after another, each given those above it.

    p(z) = p(z_L) prod_l p(z_l | z_>l)                                                                    equation (8)
    q(z|x) = q(z_L | x) prod_l q(z_l | z_>l, x)                                                           equation (9)

Both go down the same generator, whose state h_l is what the groups above have made of their z:

    h_{L-1} = start(z_L),   h_{l-1} = g_l(h_l, z_l)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from ..posteriors import Draw
from ..posteriors.draw import detach, from_noise, noise_like, signal, transport
from ..priors import Estimated
from .group import Group


@dataclass(frozen=True)
class Path:
    """One way down, of B rows with K samples each.

    Attributes:
        z: of every group, from the top; (..., n) each.
        laws: of every group given those above it, in the chain that was gone down.
        priors: p(z_l|z_>l) of every group but the top.
        h: state that is left below the last group, (..., *state).
    """

    z: tuple[Tensor, ...]
    laws: tuple[Distribution, ...]
    priors: tuple[Distribution, ...]
    h: Tensor


class Chain(Distribution):
    """p(z), or with features of the rows q(z|x), over all groups; event shape (Z,).

    Args:
        top: of the first group, event shape (Z_L,), batch shape () or (B,).
        start: z_L -> h.
        groups: those below, from the top.
        features: e of every such group for B rows, (B, ...) each; None makes it the prior.
        constant: log_prob takes parameters of the laws for constants.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore
    support = constraints.real_vector  # pyright: ignore

    def __init__(
        self,
        top: Distribution,
        start: nn.Module,
        groups: Sequence[Group],
        features: Sequence[Tensor] | None = None,
        constant: bool = False,
    ) -> None:
        self.top, self.start, self.groups, self.features, self.constant = top, start, groups, features, constant
        self.sizes = top.event_shape[0], *(group.n_latents for group in groups)
        super().__init__(top.batch_shape, torch.Size((sum(self.sizes),)), validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.top.has_rsample

    def path(self, choose: Callable[[Distribution], Tensor]) -> Path:
        """The way down on which ``choose`` takes z of each group's law, in order."""
        z = choose(self.top)
        chosen, laws, priors, h = [z], [self.top], list[Distribution](), cast(Tensor, self.start(z))
        for i, group in enumerate(self.groups):
            p = group.prior(h)
            law = p if self.features is None else group.posterior(h, self.features[i], p)
            z = choose(law)
            h = group.below(h, z)
            chosen.append(z)
            laws.append(law)
            priors.append(p)
        return Path(tuple(chosen), tuple(laws), tuple(priors), h)

    def of(self, z: Tensor) -> Path:
        """The way down on which z (..., Z) lies."""
        parts = iter(z.split(self.sizes, -1))
        return self.path(lambda law: next(parts))

    def _joined(self, choose: Callable[[Distribution], Tensor]) -> Tensor:
        return torch.cat(self.path(choose).z, -1)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self._joined(_first(lambda top: top.rsample(sample_shape), lambda law: law.rsample()))

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self._joined(_first(lambda top: top.sample(sample_shape), lambda law: law.sample()))

    def log_prob(self, value: Tensor) -> Tensor:
        """Nats, (...,) for z of shape (..., Z)."""
        path = self.of(value)
        laws = (detach(law) if self.constant else law for law in path.laws)
        return sum_of([law.log_prob(z) for law, z in zip(laws, path.z, strict=True)])

    @property
    def mean(self) -> Tensor:
        """The path of means: of every group its mean given the means above it. It is no mean over paths."""
        return self._joined(lambda law: law.mean)

    @property
    def variance(self) -> Tensor:
        """Of every latent given those above it, on the path of means."""
        return torch.cat([law.variance for law in self.path(lambda law: law.mean).laws], -1)

    def redrawn(self, z: Tensor, n_kept: int) -> Tensor:
        """z (..., Z), of which all but the first groups, from the top, are drawn anew given those above them.

        Args:
            z: of all groups.
            n_kept: how many groups stay.
        """
        if not n_kept:
            return self.sample(z.shape[: z.dim() - 1 - len(self.batch_shape)])
        kept = iter(z.split(self.sizes, -1)[:n_kept])

        def choose(law: Distribution) -> Tensor:
            found = next(kept, None)
            return law.sample() if found is None else found

        return self._joined(choose)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Chain:
        top = self.top.expand(torch.Size(batch_shape))
        return Chain(top, self.start, self.groups, self.features, self.constant)


class EstimatedChain(Chain, Estimated):
    """p(z) over all groups whose top one is known by estimates."""

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore
    top: Estimated

    @property
    def is_weight(self) -> bool:  # type: ignore[override]
        return self.top.is_weight

    @property
    def numbers(self) -> int:
        return self.top.numbers

    def estimate(self, value: Tensor, draw: Draw) -> Tensor:
        """That of the top group, and log p of the others given those above."""
        path = self.of(value)
        below = [law.log_prob(z) for law, z in zip(path.priors, path.z[1:], strict=True)]
        return sum_of([self.top.estimate(path.z[0], draw), *below])


def _first(
    take: Callable[[Distribution], Tensor], then: Callable[[Distribution], Tensor]
) -> Callable[[Distribution], Tensor]:
    """``take`` for the first law, ``then`` for all others."""
    functions = iter([take])
    return lambda law: next(functions, then)(law)


def sum_of(parts: Sequence[Tensor]) -> Tensor:
    """Of tensors that broadcast against each other."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


@detach.register
def _(q: Chain) -> Chain:
    """Group by group: given those above, E[ d log q_l ] = 0 whatever the parameters of q_l depend on."""
    return Chain(q.top, q.start, q.groups, q.features, constant=True)


@noise_like.register
def _(q: Chain) -> Tensor:
    top = noise_like(q.top)
    return torch.cat((top, top.new_zeros(*top.shape[:-1], sum(q.sizes[1:]))), -1)


@signal.register
def _(q: Chain) -> Tensor:
    """On the path of means."""
    path = q.path(lambda law: law.mean)
    moved = [law.mean - p.mean for law, p in zip(path.laws[1:], path.priors, strict=True)]
    return torch.cat([path.laws[0].mean, *moved], -1)


def _of_noise(q: Chain, eps: Tensor, function: Callable[[Distribution, Tensor], Tensor]) -> Tensor:
    below = sum(q.sizes[1:])
    parts = iter(eps.split([eps.shape[-1] - below, *q.sizes[1:]], -1))
    return torch.cat(q.path(lambda law: function(law, next(parts))).z, -1)


@from_noise.register
def _(q: Chain, eps: Tensor) -> Tensor:
    return _of_noise(q, eps, from_noise)


@transport.register
def _(q: Chain, eps: Tensor) -> Tensor:
    return _of_noise(q, eps, transport)
