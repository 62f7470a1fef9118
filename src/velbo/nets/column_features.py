"""What an encoder sees of a table's row: x (..., D), NaN where missing -> features (..., F).

    real, integer, datetime   f = x, beyond 3 growing as the logarithm, so that one far cell does not drown the rest
    positive                  f = log x, likewise
    bounded                   f = (x - 1/2) sqrt 12, the spread of a uniform column
    count                     f = 2 log(1 + x) / log(1 + high) - 1
    binary                    f = 2 x - 1
    categorical               one-hot
    ordinal                   one-hot, and the place 2 x / (C - 1) - 1

A missing cell is 0 in all of them, and with `mask` there is one more feature a column, 1 where it is observed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..data.columns import Column

NEAR = 3.0


def squashed(x: Tensor) -> Tensor:
    """x up to 3 in size, sign(x) 3 (1 + log |x| / 3) beyond."""
    size = x.abs()
    return torch.where(size <= NEAR, x, x.sign() * NEAR * (1 + (size.clamp_min(NEAR) / NEAR).log()))


class ColumnFeatures(nn.Module):
    """x of the modelled columns of a table -> features.

    Args:
        columns: one for each of the D dimensions of x.
        mask: append the mask of observed cells, (..., D).
        only: positions of the columns to see; all if not given. The rest of x is not looked at.

    Attributes:
        columns: as given.
        n_features: F.
    """

    def __init__(self, columns: Sequence[Column], mask: bool = False, only: Sequence[int] | None = None) -> None:
        super().__init__()
        self.columns = tuple(columns)
        seen = range(len(columns)) if only is None else only
        places = {kind: [d for d in seen if columns[d].kind == kind] for kind in {c.kind for c in columns}}

        def of(*kinds: str) -> list[int]:
            return [d for kind in kinds for d in places.get(kind, [])]

        self._keep("seen", list(seen))
        self._keep("numbers", of("real", "integer", "datetime"))
        self._keep("positive", of("positive"))
        self._keep("bounded", of("bounded"))
        self._keep("counts", of("count"))
        self._keep("ranked", of("binary", "ordinal"))
        self._keep("coded", of("categorical", "ordinal"))
        tops = [max(math.log1p(columns[d].high), 1.0) for d in of("count")]
        self.register_buffer("top_count", torch.tensor(tops), persistent=False)
        ranks = [max(columns[d].n_categories - 1, 1) for d in of("binary", "ordinal")]
        self.register_buffer("top_rank", torch.tensor(ranks, dtype=torch.float32), persistent=False)
        sizes = [columns[d].n_categories for d in of("categorical", "ordinal")]
        self.register_buffer("first", torch.tensor([0, *sizes]).cumsum(0)[:-1], persistent=False)
        self.mask, self.n_codes = mask, sum(sizes)
        n_plain = len(of("real", "integer", "datetime", "positive", "bounded", "count", "binary", "ordinal"))
        self.n_features = n_plain + self.n_codes + (len(seen) if mask else 0)

    def _keep(self, name: str, places: list[int]) -> None:
        self.register_buffer(f"at_{name}", torch.tensor(places, dtype=torch.long), persistent=False)

    def _at(self, x: Tensor, name: str) -> Tensor:
        return x.index_select(-1, getattr(self, f"at_{name}"))

    def forward(self, x: Tensor) -> Tensor:
        counts = self._at(x, "counts").log1p() / cast(Tensor, self.top_count).to(x.dtype)
        parts = [
            squashed(self._at(x, "numbers")),
            squashed(self._at(x, "positive").log()),
            (self._at(x, "bounded") - 0.5) * math.sqrt(12),
            2 * counts - 1,
            2 * self._at(x, "ranked") / cast(Tensor, self.top_rank).to(x.dtype) - 1,
        ]
        filled = torch.nan_to_num(torch.cat(parts, -1), nan=0.0)
        masks = [(~self._at(x, "seen").isnan()).to(x.dtype)] if self.mask else []
        return torch.cat([filled, self._one_hot(x), *masks], -1)

    def _one_hot(self, x: Tensor) -> Tensor:
        codes = self._at(x, "coded")
        places = torch.nan_to_num(codes, nan=0.0).long() + cast(Tensor, self.first)
        return x.new_zeros(*x.shape[:-1], self.n_codes).scatter(-1, places, (~codes.isnan()).to(x.dtype))
