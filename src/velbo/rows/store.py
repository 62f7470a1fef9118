"""Rows in memory, encoded: one tensor, no loader.

A batch is an index-select of the kept rows (8 bits a cell where that is enough) and the encoding's arithmetic on the
device; random encodings draw afresh each time. For scoring, the noise belongs to the row instead (see noise.py).
Rows live on the device that computes. Where they would take more than half of a GPU's free memory they stay with the
host, and batches are gathered into pinned memory and copied while the GPU is still busy with the last one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from .encodings import Encoding, Standardise
from .noise import RowNoise
from .sparse_cells import SparseCells
from .units import Units


class Store:
    """Encoded rows.

    Args:
        kept: (N, D), as the encoding stores them; or what makes them so, a few rows at a time.
        encoding: kept -> x.
        dtype: of x.
        device: of batches; that of the kept rows, if not given.
        units: from nats of x to nats of the data; those of the encoding, if not given.

    Attributes:
        weight: how often each row counts in training, (N,) float64; None where all count once.
    """

    weight: Tensor | None = None

    def __init__(
        self,
        kept: Tensor | SparseCells,
        encoding: Encoding,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
        units: Units | None = None,
    ) -> None:
        self._kept, self.encoding, self.dtype, self.device = kept, encoding, dtype, device or kept.device
        self.units = units or encoding.units(kept.shape[1])

    @classmethod
    def from_rows(cls, rows: NDArray[Any], encoding: Encoding, dtype: torch.dtype = torch.float32) -> Store:
        """Encode values (N, D), as `Schema.numbers` gives them."""
        return cls(encoding.store(rows, dtype), encoding, dtype)

    @classmethod
    def from_tensor(cls, x: Tensor, units: Units | None = None) -> Store:
        """Rows that are x already, (N, D) floating point; without ``units``, nats of x are those of the data."""
        n_dims = x.shape[1]
        return cls(x, Standardise((0.0,) * n_dims, (1.0,) * n_dims), x.dtype, units=units)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def kept(self) -> Tensor:
        """(N, D), as the encoding stores them."""
        return self._kept if isinstance(self._kept, Tensor) else self._kept[:]

    @property
    def place(self) -> torch.device:
        """Where numbers of rows are looked for."""
        return self._kept.device

    @property
    def n_dims(self) -> int:
        """D."""
        return self._kept.shape[1]

    def to(self, device: torch.device) -> Store:
        """The same rows, with batches on ``device``."""
        fits = device.type != "cuda" or 2 * self._kept.nbytes <= torch.cuda.mem_get_info(device)[0]
        there = Store(self._kept.to(device) if fits else self._kept, self.encoding, self.dtype, device, self.units)
        return there.weighted(self.weight)

    def weighted(self, weight: Tensor | None) -> Store:
        """These rows, which count so often, (N,) float64; once each if None."""
        self.weight = weight
        return self

    def subset(self, index: Tensor) -> Store:
        some = Store(self._kept[index.to(self.place)], self.encoding, self.dtype, units=self.units)
        return some.weighted(None if self.weight is None else self.weight[index.cpu()])

    def batch(self, index: Tensor) -> Tensor:
        """x of the given rows, with fresh noise, (len(index), D)."""
        if isinstance(self._kept, SparseCells):
            return self.encoding.present(self._kept[index].to(self.device), None, self.dtype)
        if self.device == self._kept.device:
            return self.encoding.present(self._kept.index_select(0, index), None, self.dtype)
        shape, pinned = (len(index), self.n_dims), self.device.type == "cuda"
        rows = torch.empty(shape, dtype=self._kept.dtype, pin_memory=pinned)
        torch.index_select(self._kept, 0, index, out=rows)
        return self.encoding.present(rows.to(self.device, non_blocking=True), None, self.dtype)

    def fixed(self, seed: int) -> Tensor:
        """x of every row, any noise in it fixed by row and seed, (N, D)."""
        uniform = None
        if self.encoding.is_random:
            uniform = RowNoise(self.kept, seed, "encoding").uniform((self.n_dims,))
        return self.encoding.present(self.kept, uniform, self.dtype)

    def chunks(self, size: int) -> Iterator[Store]:
        """The rows in order, ``size`` at a time, the last chunk as short as it is."""
        for start in range(0, len(self), size):
            some = Store(self._kept[start : start + size], self.encoding, self.dtype, units=self.units)
            yield some.weighted(None if self.weight is None else self.weight[start : start + size])

    def log_det(self) -> Tensor:
        """What every row adds to log p(x) to make it nats of the data, (N,) float64 on the CPU."""
        return self.units.log_det(self.kept.cpu())

    def n_cells(self) -> int:
        """Observed cells that have a likelihood, of all rows."""
        return int(self.units.n_dims(self.kept.cpu()).sum())
