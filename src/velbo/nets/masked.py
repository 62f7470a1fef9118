"""A trunk whose features know of their cell's predecessors alone: linear layers with masks.

    r(f) in 1..D     rank of the cell that feature f is of, its place in the order
    m(u) in 0..D-1   degree of unit u
    u sees           all of z, features with r(f) <= m(u), units v of the layer before with m(v) <= m(u)

So unit u is a function of z and of the cells of rank m(u) or less, and parameters of the cell of rank d may be made of
all units with m(u) < d. Nothing is normalised over units, which would tell each of all.

Sources: MADE: masked autoencoder for distribution estimation, Germain, Gregor, Murray and Larochelle, 2015,
https://arxiv.org/abs/1502.03509 (eq. 12 and 13); Autoregressive energy machines, Nash and Durkan, 2019,
https://arxiv.org/abs/1904.05626 (residual blocks, ResMADE).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ..runtime.precision import FullPrecisionLinear, in_full
from ..runtime.shapes import broadcast_shapes


class MaskedLinear(nn.Linear):
    """y = (W * mask) x + b.

    Args:
        mask: (n_out, n_in), 1 where an output sees an input.
        full: multiply in the precision of the weights, whatever is around it.
    """

    def __init__(self, mask: Tensor, full: bool = False) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.full = full
        self.register_buffer("mask", mask.to(self.weight), persistent=False)
        with torch.no_grad():
            # as many inputs as there are count, or a unit that sees few begins by saying next to nothing
            self.weight *= (mask.shape[1] / mask.sum(-1, keepdim=True).clamp_min(1)).sqrt()

    @classmethod
    def of(cls, layer: nn.Linear, mask: Tensor) -> Self:
        """The layer with a mask; its weights and bias are the layer's own, as they are."""
        masked = cls(mask, isinstance(layer, FullPrecisionLinear))
        masked.weight, masked.bias = layer.weight, layer.bias
        return masked

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight * cast(Tensor, self.mask)
        if not self.full:
            return linear(input, weight, self.bias)
        with in_full(input.device.type):
            return linear(input.to(weight.dtype), weight, self.bias)


class MaskedBlock(nn.Module):
    """h + f(h), f = activation, linear, activation, linear, by units of the same degrees."""

    def __init__(self, degrees: Tensor, dropout: float = 0.0) -> None:
        super().__init__()
        mask = degrees[:, None] >= degrees
        self.branch = nn.Sequential(
            nn.SiLU(), MaskedLinear(mask), nn.SiLU(), nn.Dropout(dropout), last := MaskedLinear(mask)
        )
        with torch.no_grad():
            last.weight *= 0.5  # nothing normalises what the blocks add up to

    def forward(self, h: Tensor) -> Tensor:
        return h + self.branch(h)


class MaskedResidualMLP(nn.Module):
    """(z, features of cells) -> features for the cells' parameters, by masked residual blocks.

    Behind the units come the cells' features and z themselves, so that the first cells, for which few units remain, can
    be told by these.

    Args:
        n_free: numbers of z, which all may see.
        ranks: r of every feature of the cells.
        n_cells: D.
        hidden: width of each block, at least one.
        dropout: share of a block's inner units that is dropped in training.

    Attributes:
        degrees: of what comes out, (n_features,): m(u) of units, r(f) of features, 0 of z.
        n_features: how many these are.
    """

    def __init__(
        self, n_free: int, ranks: Sequence[int], n_cells: int, hidden: Sequence[int], dropout: float = 0.0
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("a masked residual MLP needs the width of at least one block")
        of_features = torch.tensor(ranks, dtype=torch.long)
        degrees = _degrees(hidden[0], n_cells)
        self.enter = MaskedLinear(degrees[:, None] >= of_features)
        self.free = nn.Linear(n_free, hidden[0], bias=False) if n_free else None
        layers: list[nn.Module] = []
        for width in hidden:
            if width != len(degrees):
                before, degrees = degrees, _degrees(width, n_cells)
                layers.append(MaskedLinear(degrees[:, None] >= before))
            layers.append(MaskedBlock(degrees, dropout))
        self.blocks = nn.Sequential(*layers)
        self.degrees = torch.cat((degrees, of_features, torch.zeros(n_free, dtype=torch.long)))
        self.n_features = len(self.degrees)

    def forward(self, z: Tensor, features: Tensor) -> Tensor:
        """(..., n_features).

        Args:
            z: (..., n_free).
            features: of cells, (..., F); leading dimensions broadcast.
        """
        h = self.enter(features)
        h = self.blocks(h if self.free is None else h + self.free(z))
        lead = broadcast_shapes(h.shape[:-1], z.shape[:-1])
        # units may come in half precision; what stands beside them is not rounded to it
        return torch.cat([t.expand(*lead, t.shape[-1]).to(features.dtype) for t in (h, features, z)], -1)


def _degrees(width: int, n_cells: int) -> Tensor:
    """m of every unit: all of 0..D-1 as often, or as evenly as there are units."""
    return torch.arange(width) * n_cells // width
