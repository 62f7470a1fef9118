"""What an encoder sees of names, by their codes x: numbers of a cell, 0 where it is missing.

BinaryView    2 x - 1                                        of two names; x of plain zeros and ones
OneHot        one of C features, and of categories that have an order 2 x / (C - 1) - 1
OfManyNames   16 numbers that are learned of each name
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .base import View

N_LEARNED = 16


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
