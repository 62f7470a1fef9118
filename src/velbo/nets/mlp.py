"""Trunks of fully connected layers: (..., n_in) -> (..., n_features).

Weights of an MLP begin as w ~ N(0, 1 / n_in), so that a layer hands on the variance of what it is given; by torch's own
default every layer would leave a third of it, and a deep trunk begins by saying next to nothing of its input.

Source: Efficient BackProp, LeCun, Bottou, Orr and Müller, 1998, http://yann.lecun.com/exdb/publis/pdf/lecun-98b.pdf
(eq. 16).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn


class MLP(nn.Sequential):
    """Linear layers, each followed by an activation.

    Args:
        n_in: numbers per row.
        hidden: width of each layer; the last is the number of features. None gives the identity.
        activation: module class, made anew after every layer.
    """

    def __init__(self, n_in: int, *hidden: int, activation: Callable[[], nn.Module] = nn.SiLU) -> None:
        layers = [m for a, b in pairwise((n_in, *hidden)) for m in (_linear(a, b), activation())]
        super().__init__(*layers)
        self.n_features = hidden[-1] if hidden else n_in


def _linear(n_in: int, n_out: int) -> nn.Linear:
    layer = nn.Linear(n_in, n_out)
    nn.init.normal_(layer.weight, std=1 / math.sqrt(n_in))
    return layer


class ResidualBlock(nn.Module):
    """x + f(x), f = linear, activation, linear of the normalised x."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class ResidualMLP(nn.Sequential):
    """A residual block for each entry of ``hidden``, behind a linear layer wherever the width changes.

    Nothing follows the last block, so a linear path leads from the data to the latents and back: it is learned first,
    as in PCA, and a VAE of such trunks does not linger where the latents say nothing.

    Args:
        n_in: numbers per row.
        hidden: width of each block, at least one.
        dropout: share of a block's inner units that is dropped in training.
    """

    def __init__(self, n_in: int, *hidden: int, dropout: float = 0.0) -> None:
        if not hidden:
            raise ValueError("a residual MLP needs the width of at least one block")
        layers: list[nn.Module] = []
        width = 0
        for entry in hidden:
            if entry != width:
                layers.append(nn.Linear(width or n_in, entry))
            layers.append(ResidualBlock(entry, dropout))
            width = entry
        super().__init__(*layers)
        self.n_features = width
