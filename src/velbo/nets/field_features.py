"""What an encoder sees of a row: x (..., D), NaN where missing -> features (..., F).

Every kind of field says what is seen of its cells (rows/kinds); a missing cell is 0 in all of it, and with `mask` there
is one more feature a cell, 1 where it is observed, so that q(z|x) can tell a 0 from a missing value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..rows import KINDS, Field, kind_of
from ..rows.kinds.views import View


class FieldFeatures(nn.Module):
    """x of the modelled fields -> features. The cells of one kind are one computation.

    Args:
        cells: one field of shape () for each of the D dimensions of x.
        mask: append the mask of observed cells.
        only: positions of the cells to see; all if not given. The rest of x is not looked at.

    Attributes:
        cells: as given.
        n_features: F.

    Raises:
        ConfigError: for a cell of an unknown kind.
    """

    def __init__(self, cells: Sequence[Field], mask: bool = False, only: Sequence[int] | None = None) -> None:
        super().__init__()
        self.cells, self.mask = tuple(cells), mask
        seen = list(range(len(cells)) if only is None else only)
        places = {name: [d for d in seen if kind_of(cells[d]).name == name] for name in KINDS}
        groups = {name: at for name, at in places.items() if at}
        self.views = nn.ModuleDict({name: KINDS[name].view([cells[d] for d in at]) for name, at in groups.items()})
        for name, at in groups.items():
            self.register_buffer(f"at_{name}", torch.tensor(at, dtype=torch.long), persistent=False)
        self.register_buffer("seen", torch.tensor(seen, dtype=torch.long), persistent=False)
        self._is_whole = len(groups) == 1 and seen == list(range(len(cells)))
        self.n_features = sum(cast(int, view.n_features) for view in self.views.values()) + (len(seen) if mask else 0)

    @property
    def owners(self) -> list[int]:
        """Which cell of x each feature is of, without those of the mask."""
        places = (cast(Tensor, getattr(self, f"at_{name}")).tolist() for name in self.views)
        return [at[i] for at, view in zip(places, self.views.values(), strict=True) for i in cast(View, view).owners]

    def forward(self, x: Tensor) -> Tensor:
        if self._is_whole:
            parts = [view(x) for view in self.views.values()]
        else:
            parts = [view(x.index_select(-1, getattr(self, f"at_{name}"))) for name, view in self.views.items()]
        if self.mask:
            cells = x if self._is_whole else x.index_select(-1, cast(Tensor, self.seen))
            parts.append((~cells.isnan()).to(x.dtype))
        return parts[0] if len(parts) == 1 else torch.cat([x[..., :0], *parts], -1)
