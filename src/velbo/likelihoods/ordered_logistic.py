"""Codes 0 .. C - 1 whose categories have an order: a logistic around eta with scale sigma, cut at k_1 < .. < k_{C-1}.

    p(c) = s(a_c) - s(b_c),   a_c = (k_{c+1} - eta) / sigma,   b_c = (k_c - eta) / sigma,   k_0 = -inf,  k_C = inf
    s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)),   without cancellation

The cuts are learned, one set a column; eta and sigma are predicted from the features. With a fixed sigma one row could
not be sure of a middle category and another unsure between its neighbours.

Source: Regression models for ordinal data, McCullagh, 1980, https://doi.org/10.1111/j.2517-6161.1980.tb01109.x
(sections 2 and 6: location and scale).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Self, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from ..nets import inverse_softplus
from ..rows import Field
from ..runtime import fixed_point as fixed
from .base import Factorised, Likelihood
from .coded import CodesCell, check_sizes, rounded_size
from .laws import Layer, Values

MIN_SCALE = 0.05
MIN_GAP = 1e-3


class OrderedLogistic(Likelihood):
    """Codes of ordered categories; every category begins as likely.

    Args:
        sizes: C of every output.
    """

    kinds = ("ordinal",)

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        return cls(n_in, [cell.n_categories for cell in cells[: len(cells) // positions]], positions)

    @classmethod
    def group(cls, cell: Field) -> int:
        return rounded_size(cell.n_categories)

    def __init__(self, n_in: int, sizes: Sequence[int], positions: int = 1) -> None:
        check_sizes(sizes, 2)
        super().__init__(n_in, len(sizes), 2, positions)
        self.begin(None, inverse_softplus(1 - MIN_SCALE))
        cuts = [[math.log(c / (size - c)) for c in range(1, size)] for size in sizes]
        self.first_cut = nn.Parameter(torch.tensor([k[0] for k in cuts]))
        gaps = [inverse_softplus(max(b - a - MIN_GAP, MIN_GAP)) for k in cuts for a, b in pairwise(k)]
        self.raw_gaps = nn.Parameter(torch.tensor(gaps))
        # where in raw_gaps each padded gap is; a padding's is behind the last
        n_gaps = torch.tensor(sizes) - 2
        places = (n_gaps.cumsum(0) - n_gaps)[:, None] + torch.arange(max(sizes) - 2)
        beyond = torch.arange(max(sizes) - 2) >= n_gaps[:, None]
        self.register_buffer("gap_places", places.masked_fill(beyond, len(gaps)), persistent=False)
        codes, size = torch.arange(max(sizes)), torch.tensor(sizes).repeat(positions)[:, None]
        self.register_buffer("last", codes == size - 1, persistent=False)
        self.register_buffer("padding", codes >= size, persistent=False)

    def cuts(self) -> tuple[Tensor, Tensor]:
        """k, (n_out, largest C - 1), and their distances, (n_out, largest C - 2); of any rising numbers in paddings."""
        gaps = torch.cat((MIN_GAP + softplus(self.raw_gaps), self.raw_gaps.new_ones(1)))
        gaps = gaps[cast(Tensor, self.gap_places)]
        first = self.first_cut[:, None]
        return torch.cat((first, first + gaps.cumsum(-1)), -1), gaps

    def forward(self, features: Tensor) -> Factorised:
        eta, raw = (t.unsqueeze(-1) for t in self.parameters_of_cells(features))
        scale = MIN_SCALE + softplus(raw)
        cuts, gaps = (t.repeat(self.positions, 1) for t in self.cuts())
        t, last = (cuts - eta) / scale, cast(Tensor, self.last)
        end = torch.zeros_like(eta)
        below = torch.cat((logsigmoid(t), end), -1).masked_fill(last, 0)
        above = torch.cat((end, logsigmoid(-t)), -1)
        width = torch.cat((end, torch.log(-torch.expm1(-gaps / scale)), end), -1).masked_fill(last, 0)
        return Factorised(CodesCell((below + above + width).masked_fill(cast(Tensor, self.padding), -torch.inf)))

    def law(self, layer: Layer) -> Values:
        eta, raw = (y[..., None] for y in self.whole_parameters(layer))
        first, gaps = (
            np.rint(t.detach().double().numpy() * 2.0**24) / 2.0**24 for t in (self.first_cut, self.raw_gaps)
        )
        # any rising numbers do for what is behind the last cut of a shorter column
        gaps = np.append(MIN_GAP + fixed.softplus(fixed.rounded(gaps) / fixed.ONE), 1.0)
        gaps = gaps[cast(Tensor, self.gap_places).numpy()]
        cuts = first[:, None] + np.concatenate((np.zeros((len(first), 1)), np.cumsum(gaps, -1)), -1)
        cuts = np.tile(cuts, (self.positions, 1))
        below = fixed.LOGISTIC.between((cuts - eta) / (MIN_SCALE + fixed.softplus(raw)))
        codes_left = ~(cast(Tensor, self.last) | cast(Tensor, self.padding)).numpy()[:, :-1]
        edges = np.where(codes_left, below, fixed.WHOLE)
        ends = np.broadcast_to(np.array([0, fixed.WHOLE]), (*edges.shape[:-1], 2))
        return Values(np.diff(np.concatenate((ends[..., :1], edges, ends[..., 1:]), -1), axis=-1))
