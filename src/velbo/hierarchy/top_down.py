"""The generator of a hierarchy: what it begins with, and the groups of latents on its way down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn
from torch.distributions import Distribution

from ..nets import Given
from ..priors import Estimated
from .chain import Chain, EstimatedChain
from .group import Group


class TopDown(nn.Module):
    """() -> p(z) of all groups, a `Chain`.

    Args:
        top: () -> p(z_L), any prior.
        start: z_L (..., Z_L) -> h (..., *state).
        groups: those below the top, from the top.
    """

    def __init__(self, top: nn.Module, start: nn.Module, groups: Sequence[Group]) -> None:
        super().__init__()
        self.top, self.start, self.groups = top, start, nn.ModuleList(groups)

    def forward(self) -> Chain:
        top = self.top()
        kind = EstimatedChain if isinstance(top, Estimated) else Chain
        return kind(top, self.start, self._groups)

    def given(self, q: Distribution, features: Sequence[Tensor]) -> Chain:
        """q(z|x) of the same groups, of q(z_L|x) and the features of the rows for the others."""
        return Chain(q, self.start, self._groups, features)

    def state(self, z: Tensor) -> Tensor:
        """h below the last group, (..., *state), of z (..., Z)."""
        sizes = [group.n_latents for group in self._groups]
        top, *below = z.split([z.shape[-1] - sum(sizes), *sizes], -1)
        h = self.start(top)
        for group, part in zip(self._groups, below, strict=True):
            h = group.below(h, part)
        return h

    def with_given(self, c: Tensor) -> TopDown:
        """The generator that takes c (B, F) beside z_L, for rows whose c is fixed."""
        return TopDown(self.top, Given(self.start, c), self._groups)

    @property
    def _groups(self) -> Sequence[Group]:
        return cast(Sequence[Group], self.groups)
