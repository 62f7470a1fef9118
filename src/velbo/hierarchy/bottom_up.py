"""What the groups of a hierarchy see of a row: x -> q(z_L|x) of the top group and e_l of every other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution


class BottomUp(nn.Module):
    """x (..., D) -> (q(z_L|x), features of each group below the top).

    Args:
        trunk: x -> features, a vector or a map.
        to_top: features -> (..., F).
        head: (..., F + G) -> q(z_L|x).
        reads: features -> e of one group, one for each group below the top.
        beside: x -> (..., G), what the top group sees besides; None for nothing.
    """

    def __init__(
        self,
        trunk: nn.Module,
        to_top: nn.Module,
        head: nn.Module,
        reads: Sequence[nn.Module],
        beside: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.trunk, self.to_top, self.head, self.reads = trunk, to_top, head, nn.ModuleList(reads)
        self.beside = beside

    def forward(self, x: Tensor) -> tuple[Distribution, list[Tensor]]:
        features = self.trunk(x)
        top = self.to_top(features)
        if self.beside is not None:
            top = torch.cat((top, self.beside(x)), -1)
        return self.head(top), [read(features) for read in self.reads]


class OfTop(nn.Module):
    """x -> q(z_L|x) alone, for what needs the posterior of the top group; the weights stay the encoder's.

    Args:
        encoder: as `BottomUp`.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self._encoder = (encoder,)  # in a tuple, so that its weights are not this module's too

    def forward(self, x: Tensor) -> Distribution:
        return self._encoder[0](x)[0]
