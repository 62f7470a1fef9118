"""The unit of a likelihood: nats of x become nats of the data.

    log p(v) = log p(x) + log_det,     log_det = sum over observed cells d of log |dx_d / dv_d|

v are the values of the data and x the numbers that a model sees of them (encodings.py). log_det does not depend on z:
it is added once to all that holds log p(x|z) once, and to nothing else.

| figure                                                         | in nats of the data |
|----------------------------------------------------------------|---------------------|
| log p(x), every bound of it, reconstruction E_q[log p(x|z)]     | + log_det           |
| distortion -E[log p(x|z)]                                       | - log_det           |
| log p of one cell given others                                 | + its own summand   |
| rate, KL, differences of bounds, worth and tail of the weights | as it is            |

A mass has no unit, and a given field no likelihood: the cells of both add 0. Given cells are no dimensions either:

    bits per dimension = -log p(v) / (n log 2),    n the observed cells that have a likelihood

A `velbo.rows.Store` knows its units. Functions that take one give nats of the data; functions that take a tensor x give
nats of x.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Units:
    """Of the D cells of a row.

    Attributes:
        of_cells: log |dx_d / dv_d|, nats, (D,) float64.
        has_likelihood: which cells are not given, (D,).
    """

    of_cells: Tensor
    has_likelihood: Tensor

    @classmethod
    def own(cls, n_dims: int) -> Units:
        """Of x whose nats are those of the data."""
        return cls(torch.zeros(n_dims, dtype=torch.float64), torch.ones(n_dims, dtype=torch.bool))

    @classmethod
    def joined(cls, parts: Sequence[Units]) -> Units:
        """Of cells side by side."""
        return cls(torch.cat([p.of_cells for p in parts]), torch.cat([p.has_likelihood for p in parts]))

    @cached_property
    def _adds(self) -> bool:
        """Whether any cell adds something; where none does, a training step need not look for missing ones."""
        return bool(self.of_cells.any())

    def to(self, device: torch.device) -> Units:
        return Units(self.of_cells.to(device), self.has_likelihood.to(device))

    def log_det(self, rows: Tensor) -> Tensor:
        """What rows (N, D), NaN where missing, add to log p(x), nats, (N,) float64."""
        return _sums(self.of_cells, rows) if self._adds else self.of_cells.new_zeros(len(rows))

    def n_dims(self, rows: Tensor) -> Tensor:
        """Observed cells that have a likelihood, (N,) float64."""
        return _sums(self.has_likelihood.double(), rows)


def _sums(of_cells: Tensor, rows: Tensor) -> Tensor:
    """Over the observed cells of each row."""
    if rows.is_floating_point():
        return (~rows.isnan()).double() @ of_cells
    return of_cells.sum().expand(len(rows))
