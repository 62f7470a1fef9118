"""Cells that hold one of C codes without order, C different from cell to cell:

    log p(x_d = c|z) = logit_dc - logsumexp_c' logit_dc'

The cells of one head are one linear layer of sum C outputs. Where C differs they are padded to the largest with masses
of 0; a row has a head for each rounded size, so that one wide cell does not pad all others.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Self, cast

import torch
from torch import Tensor, nn

from ..rows import Field
from ..runtime import fixed_point as fixed
from .base import Factorised, Likelihood
from .coded import CodesCell, check_sizes, rounded_size
from .laws import Layer, Values
from .log_softmax import log_softmax


def _n_values(cell: Field) -> int:
    """Two, if a binary cell has no names for them."""
    return cell.levels if cell.kind == "byte" else cell.n_categories or 2


def _step(cell: Field) -> float:
    """Distance of neighbouring values."""
    return 1 / (cell.levels - 1) if cell.kind == "byte" else 1.0


class Categorical(Likelihood):
    """Codes 0 .. C - 1, times ``step``.

    Args:
        sizes: C of every output.
        step: distance of neighbouring values; 1 for plain codes, 1 / (L - 1) for L levels in [0, 1].
    """

    layer = nn.Linear
    kinds = ("categorical", "ordinal", "binary", "byte")

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        sizes = [_n_values(cell) for cell in cells[: len(cells) // positions]]
        return cls(n_in, sizes, _step(cells[0]), positions)

    @classmethod
    def group(cls, cell: Field) -> Hashable:
        """Cells of one step and rounded size."""
        return _step(cell), rounded_size(_n_values(cell))

    def __init__(self, n_in: int, sizes: Sequence[int], step: float = 1.0, positions: int = 1) -> None:
        check_sizes(sizes, 1)
        super().__init__(n_in, sum(sizes), 1, positions)
        self.sizes, self.step = tuple(sizes), step
        self.is_padded = len(set(sizes)) > 1
        # where in the layer's output each padded logit is; a padding's is any
        first = torch.tensor([0, *sizes]).cumsum(0)[:-1, None]
        codes = torch.arange(max(sizes)).expand(len(sizes), -1)
        padding = codes >= torch.tensor(sizes)[:, None]
        self.register_buffer("places", (first + codes).masked_fill(padding, 0).flatten(), persistent=False)
        self.register_buffer("padding", padding.repeat(positions, 1), persistent=False)

    @property
    def n_cells(self) -> int:
        return len(self.sizes) * self.positions

    @property
    def owners(self) -> list[int]:
        return [cell for cell, size in enumerate(self.sizes) for _ in range(size)]

    def forward(self, features: Tensor) -> Factorised:
        (y,) = self.parameters_of_cells(features)
        return Factorised(CodesCell(log_softmax(self._logits(y)), self.step))

    def _logits(self, y: Tensor) -> Tensor:
        """(..., n_cells, largest C) of the layer's output, positions one after the other."""
        if not self.is_padded:
            return y.unflatten(-1, (self.n_cells, self.sizes[0]))
        y = y.unflatten(-1, (self.positions, -1)).index_select(-1, cast(Tensor, self.places)).flatten(-2)
        padding = cast(Tensor, self.padding)
        return y.unflatten(-1, tuple(padding.shape)).masked_fill(padding, -torch.inf)

    def law(self, layer: Layer) -> Values:
        (y,) = self.whole_parameters(layer)
        return Values(fixed.weights(self._logits(torch.from_numpy(y)).numpy()))
