"""Whether a cell holds a certain number: x (..., D) -> 1 or 0 for each of F (cell, number), 0 where x is missing.

Of whole numbers, those of a narrow range are names as much as numbers (years of schooling), and those that many rows
hold mean what no other does (no capital gain). A network that sees x alone needs a unit at both sides of each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..rows import Field

WHOLE = ("integer", "count")
"""Kinds of whole numbers whose x is (v - location) / scale."""
MOST_VALUES = 32
"""Of a range that counts as narrow."""


class CertainValues(nn.Module):
    """x -> which certain numbers its whole cells hold: all of a narrow range, else those that are frequent.

    Args:
        cells: one field of shape () for each of the D dimensions of x.
        only: positions of the cells to see.

    Attributes:
        owners: which cell of x each feature is of.
        n_features: F.
    """

    def __init__(self, cells: Sequence[Field], only: Sequence[int]) -> None:
        super().__init__()
        found = [(d, x, 0.5 / cells[d].one("scale")) for d in only for x in certain_values(cells[d])]
        self.owners = [d for d, _, _ in found]
        self.n_features = len(found)
        self.register_buffer("at", torch.tensor(self.owners, dtype=torch.long), persistent=False)
        for name, place in (("values", 1), ("reach", 2)):
            numbers = torch.tensor([entry[place] for entry in found], dtype=torch.float64)
            self.register_buffer(name, numbers, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        distance = x.index_select(-1, cast(Tensor, self.at)) - cast(Tensor, self.values).to(x.dtype)
        return (distance.abs() < cast(Tensor, self.reach).to(x.dtype)).to(x.dtype)


def certain_values(cell: Field) -> list[float]:
    """Of a cell of whole numbers, in the numbers of x; none of others."""
    if cell.kind not in WHOLE:
        return []
    low, high, location, scale = (cell.one(what) for what in ("low", "high", "location", "scale"))
    is_narrow = high - low < MOST_VALUES
    values = [low + k for k in range(int(high - low) + 1)] if is_narrow else sorted({low, high, *cell.frequent})
    return [(v - location) / scale for v in values]
