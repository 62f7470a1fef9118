"""What an encoder sees of x, kind by kind: numbers of a cell, 0 where it is missing. Only a model has views: whoever
reads a schema loads no torch.

Elementwise   a x + b
Squashed      x, beyond 3 growing as the logarithm           LogView  log x, squashed
CountView     2 log(1 + x) / log(1 + high) - 1
BinaryView    2 x - 1                                        of two names; x of plain zeros and ones
OneHot        one of C features, and of categories that have an order 2 x / (C - 1) - 1
OfManyNames   16 numbers that are learned of each name
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

NEAR = 3.0
N_LEARNED = 16


class View(nn.Module):
    """What an encoder sees of the cells of one kind: x (..., n) -> (..., F), NaN becomes 0.

    Attributes:
        n_features: F.
    """

    n_features: int

    @property
    def owners(self) -> list[int]:
        """Which cell each feature is of: one feature a cell, unless a view says otherwise."""
        return list(range(self.n_features))


class Elementwise(View):
    """One feature a cell: a x + b of each."""

    def __init__(self, n: int, slope: float = 1.0, intercept: float = 0.0) -> None:
        super().__init__()
        self.n_features, self.slope, self.intercept = n, slope, intercept

    def forward(self, x: Tensor) -> Tensor:
        moved = x if self.slope == 1 and self.intercept == 0 else self.slope * x + self.intercept
        return torch.nan_to_num(moved, nan=0.0)


class Squashed(View):
    """x up to 3 in size, sign(x) 3 (1 + log |x| / 3) beyond."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n_features = n

    def forward(self, x: Tensor) -> Tensor:
        return torch.nan_to_num(squashed(x), nan=0.0)


def squashed(x: Tensor) -> Tensor:
    size = x.abs()
    return torch.where(size <= NEAR, x, x.sign() * NEAR * (1 + (size.clamp_min(NEAR) / NEAR).log()))


class LogView(Squashed):
    """log x, squashed."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.log())


class CountView(View):
    """2 log(1 + x) / log(1 + high) - 1."""

    def __init__(self, tops: Sequence[float]) -> None:
        super().__init__()
        self.n_features = len(tops)
        self.register_buffer("tops", torch.tensor(tops), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.nan_to_num(2 * x.log1p() / cast(Tensor, self.tops).to(x.dtype) - 1, nan=0.0)


class BinaryView(View):
    """2 x - 1 of names, x of plain zeros and ones."""

    def __init__(self, is_named: Sequence[bool]) -> None:
        super().__init__()
        self.n_features = len(is_named)
        self.plain = not any(is_named)
        named = torch.tensor(is_named, dtype=torch.float32)
        self.register_buffer("slope", 1 + named, persistent=False)
        self.register_buffer("intercept", -named, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if not self.plain:
            x = cast(Tensor, self.slope).to(x.dtype) * x + cast(Tensor, self.intercept).to(x.dtype)
        return torch.nan_to_num(x, nan=0.0)


class OneHot(View):
    """C features a cell, and with ``ranked`` its place between -1 and 1 too.

    Args:
        sizes: C of every cell.
        ranked: whether the categories have an order.
    """

    def __init__(self, sizes: Sequence[int], ranked: bool = False) -> None:
        super().__init__()
        self.ranked, self.n_codes, self.sizes = ranked, sum(sizes), tuple(sizes)
        self.n_features = self.n_codes + (len(sizes) if ranked else 0)
        self.register_buffer("first", torch.tensor([0, *sizes]).cumsum(0)[:-1], persistent=False)
        tops = torch.tensor([max(size - 1, 1) for size in sizes], dtype=torch.float32)
        self.register_buffer("tops", tops, persistent=False)

    @property
    def owners(self) -> list[int]:
        hot = [cell for cell, size in enumerate(self.sizes) for _ in range(size)]
        return [*range(len(self.sizes)), *hot] if self.ranked else hot

    def forward(self, x: Tensor) -> Tensor:
        at = torch.nan_to_num(x, nan=0.0).long() + cast(Tensor, self.first)
        hot = x.new_zeros(*x.shape[:-1], self.n_codes).scatter(-1, at, (~x.isnan()).to(x.dtype))
        if not self.ranked:
            return hot
        rank = torch.nan_to_num(2 * x / cast(Tensor, self.tops).to(x.dtype) - 1, nan=0.0)
        return torch.cat((rank, hot), -1)


class OfManyNames(View):
    """16 numbers for each category of a cell that has very many, which are learned; one-hot for all other cells.

    Args:
        sizes: C of every cell.
        are_many: which cells have very many.
    """

    def __init__(self, sizes: Sequence[int], are_many: Sequence[bool]) -> None:
        super().__init__()
        few = [d for d, is_of_many in enumerate(are_many) if not is_of_many]
        many = [d for d, is_of_many in enumerate(are_many) if is_of_many]
        self.one_hot = OneHot([sizes[d] for d in few]) if few else None
        self.learned = nn.Embedding(sum(sizes[d] for d in many), N_LEARNED)
        self.n_features = (self.one_hot.n_features if self.one_hot else 0) + N_LEARNED * len(many)
        self._owners = [few[i] for i in (self.one_hot.owners if self.one_hot else ())]
        self._owners += [d for d in many for _ in range(N_LEARNED)]
        self.register_buffer("few", torch.tensor(few, dtype=torch.long), persistent=False)
        self.register_buffer("many", torch.tensor(many, dtype=torch.long), persistent=False)
        first = torch.tensor([0, *(sizes[d] for d in many)]).cumsum(0)[:-1]
        self.register_buffer("first", first, persistent=False)

    @property
    def owners(self) -> list[int]:
        return self._owners

    def forward(self, x: Tensor) -> Tensor:
        of_many = x.index_select(-1, cast(Tensor, self.many))
        at = torch.nan_to_num(of_many, nan=0.0).long() + cast(Tensor, self.first)
        known = (~of_many.isnan()).to(x.dtype)
        learned = (self.learned(at).to(x.dtype) * known.unsqueeze(-1)).flatten(-2)
        if self.one_hot is None:
            return learned
        return torch.cat((self.one_hot(x.index_select(-1, cast(Tensor, self.few))), learned), -1)
