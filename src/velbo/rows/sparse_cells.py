"""What a `Store` keeps of the rows of a sparse matrix: the way to them. Rows are made dense, and encoded, when they are
asked for, and nothing of them stays: a training on a matrix in memory takes a batch, and the rows that are held out.

    cells[index]  =  encoding.store(v of rows index)       as a tensor (n, D) would give them
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Read = Callable[[NDArray[np.int64]], Tensor]


class SparseCells:
    """In the place of a tensor (N, D).

    Args:
        read: numbers of rows (n,) -> what is kept of them, (n, D).
        n_rows: N.
        n_dims: D.
    """

    device = torch.device("cpu")
    nbytes = 0
    """Of what would be copied to another device."""

    def __init__(self, read: Read, n_rows: int, n_dims: int) -> None:
        self.read, self.shape = read, (n_rows, n_dims)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        index = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows.cpu().numpy()
        return self.read(index)

    def to(self, device: torch.device) -> SparseCells:
        """The same: rows are copied there when they are read."""
        return self
