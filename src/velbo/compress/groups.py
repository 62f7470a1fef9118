"""A hierarchy in whole numbers: groups of latents from the top down, each given those above it.

    pop  z_L with q(z_L|x), then z_l with q(z_l|z_>l, x), down to z_1
    push x with p(x|z), then z_1 with p(z_1|z_>1), up to z_L with p(z_L)

The posterior goes the same way down as the prior, so no group can be pushed before the last one is popped, as Bit-Swap
does with posteriors that go up (Bit-Swap: recursive bits-back coding for lossless compression with hierarchical latent
variables, Kingma, Abbeel and Ho, 2019, https://arxiv.org/abs/1905.06845). What that saves, bits at the start, growing
chunks save as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from torch import nn

from ..errors import ConfigError
from ..hierarchy import Group, Hierarchy
from ..hierarchy.bottom_up import BottomUp
from ..likelihoods.laws import Below, Masses
from ..nets import inverse_softplus
from ..posteriors import Posterior
from ..posteriors.base import MIN_SCALE
from ..priors import VampPrior
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats, Ints
from .coder import Coder
from .latents import Law, Normals, Steps
from .model import heads_of, posterior_of, prior_of
from .networks import Function, limited, whole

REACH = 16
SHIFT = float(fixed.rounded(np.array(inverse_softplus(1 - MIN_SCALE)))) / fixed.ONE
"""What is added to raw scales."""


class WholeGroup:
    """A group below the top."""

    def __init__(self, group: Group, steps: Steps) -> None:
        self.steps, self.shape, self.n_latents = steps, group.shape, group.n_latents
        self.p, self.seen, self.q = whole(group.p), whole(group.seen), whole(group.q)
        self.into, self.block = whole(group.into), whole(group.block)

    def law(self, h: Floats, e: Floats | None) -> Normals:
        """p(z_l|z_>l) of the state h, or with features e of the rows q(z_l|z_>l, x)."""
        mean, scale = self._law(self.p(h))
        if e is None:
            return Normals(self.steps, mean, scale)
        d, r = self._law(self.q(limited(self.seen(h) + e)))
        return Normals(self.steps, mean + scale * d, scale * r, least=0)

    def _law(self, y: Floats) -> tuple[Floats, Floats]:
        mean, raw = np.split(y / fixed.ONE, 2, -1)
        return mean.reshape(len(y), -1), fixed.softplus(raw + SHIFT).reshape(len(y), -1) + MIN_SCALE

    def below(self, h: Floats, k: Ints) -> Floats:
        """State of the group below."""
        z = self.steps.values(k) * fixed.ONE
        if len(self.shape) > 1:
            c, height, width = self.shape
            z = z.reshape(-1, height, width, c)
        return self.block(limited(h + self.into(z)))


class Groups:
    """p(z) or q(z|x) of all groups.

    Args:
        top: of the first group.
        model: that they are of.
        features: e of every group below it; None for the prior.
    """

    def __init__(self, top: Law, model: WholeHierarchy, features: Sequence[Floats] | None) -> None:
        self.top, self.model, self.features = top, model, features

    def pop(self, coder: Coder, n: int) -> Ints:
        """Latents of n rows, (n, Z)."""
        parts = [self.top.pop(coder, n)]
        h = self.model.begin(parts[0])
        for group, e in self._groups():
            parts.append(group.law(h, e).pop(coder, n))
            h = group.below(h, parts[-1])
        return np.concatenate(parts, 1)

    def push(self, coder: Coder, k: Ints) -> None:
        """The inverse."""
        top, *below = self.model.parts(k)
        laws, h = list[Law](), self.model.begin(top)
        for (group, e), part in zip(self._groups(), below, strict=True):
            laws.append(group.law(h, e))
            h = group.below(h, part)
        for law, part in zip(reversed(laws), reversed(below), strict=True):
            law.push(coder, part)
        self.top.push(coder, top)

    def _groups(self) -> Sequence[tuple[WholeGroup, Floats | None]]:
        groups = self.model.groups
        return list(zip(groups, self.features or [None] * len(groups), strict=True))


class WholeHierarchy:
    """A hierarchy in whole numbers: to a coder of rows it is a model over one vector z.

    Args:
        model: a hierarchy.

    Raises:
        ConfigError: if a part of it has no such form.
        MissingMethodError: if a likelihood has none.
    """

    def __init__(self, model: Hierarchy) -> None:
        encoder, generator = model.encoder, model.generator
        if not isinstance(encoder, BottomUp) or not isinstance(encoder.head, Posterior):
            raise ConfigError(f"the encoder, a {type(encoder).__name__}, is none of velbo's hierarchies")
        if isinstance(generator.top, VampPrior):
            raise ConfigError("a VampPrior at the top of groups has no form in whole numbers; take prior mixture")
        self.steps = Steps(REACH)
        self.groups = [WholeGroup(cast(Group, group), self.steps) for group in generator.groups]
        self._sizes = [encoder.head.n_latents, *(group.n_latents for group in self.groups)]
        self.n_latents = sum(self._sizes)
        self._trunk, self._to_top = whole(encoder.trunk), whole(encoder.to_top)
        self._beside: Function | None = None if encoder.beside is None else whole(encoder.beside)
        self._reads = [whole(cast(nn.Module, read)) for read in encoder.reads]
        self._posterior, self._start = posterior_of(encoder.head), whole(generator.start)
        self.prior = Groups(prior_of(generator.top, self.steps, _nothing), self, None)
        self._heads = heads_of(model.decoder)
        self.heads(np.zeros((1, self.n_latents), np.int64))

    def parts(self, k: Ints) -> list[Ints]:
        """Latents k (B, Z) of each group, from the top."""
        return np.split(k, np.cumsum(self._sizes)[:-1], -1)

    def begin(self, k: Ints) -> Floats:
        """State below the top group."""
        return self._start(self.steps.values(k) * fixed.ONE)

    def posterior(self, x: Floats) -> Groups:
        """q(z|x) of rows x (B, D), NaN where missing."""
        features = self._trunk(x)
        top = self._to_top(features)
        if self._beside is not None:
            top = np.concatenate((top, self._beside(x)), -1)
        return Groups(self._posterior(top, self.steps), self, [read(features) for read in self._reads])

    def heads(self, k: Ints) -> list[tuple[Sequence[int], Masses | Below]]:
        """p(x|z) of latents k (B, Z)."""
        top, *below = self.parts(k)
        h = self.begin(top)
        for group, part in zip(self.groups, below, strict=True):
            h = group.below(h, part)
        return self._heads(h)


def _nothing(x: Floats) -> Law:
    raise AssertionError("no prior but a VampPrior asks for the posterior")
