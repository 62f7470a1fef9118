"""Rows x of whatever holds them -> one store, in the order in which they come.

| given                                   | read                                                     |
|-----------------------------------------|----------------------------------------------------------|
| `Store`                                 | as it is                                                 |
| `Stream`                                | all of its rows, into memory                             |
| tensor, array, what NumPy makes one of  | (N, D), checked: finite numbers, NaN where missing       |
| torch `Dataset`                         | every row once, in its order                             |
| torch `DataLoader`                      | every batch once, in its order                           |

Whoever scores wants to know which score is of which row, and the same figures twice. So a loader that shuffles or drops
rows is refused, and so are rows that come with a label: whether it is a part of x is not for velbo to guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, SequentialSampler, TensorDataset

from ..errors import DataError
from ..runtime.generators import OwnGenerator
from .arrays import as_rows
from .store import Store
from .stream import Stream

AnyRows = Tensor | NDArray[Any] | Store | Stream | Dataset[Any] | DataLoader[Any]
"""What functions that take rows x take; a Store and a Stream hold rows that velbo encoded."""

ROWS_AT_ONCE = 1024


def store_of(x: AnyRows, dtype: torch.dtype = torch.float32) -> Store:
    """The rows in memory.

    Args:
        x: see the table.
        dtype: of x, but for a store and a stream, which have their own.

    Raises:
        DataError: if there are no rows, cells that are not finite real numbers, labels beside them, or a loader that
            shuffles or drops rows.
    """
    if isinstance(x, Store):
        return x
    if isinstance(x, Stream):
        return next(x.chunks(len(x)))
    array = as_rows(_of_torch(x) if isinstance(x, Dataset | DataLoader) else x, "x")
    # torch shares no memory with arrays that cannot be written to
    return Store.from_tensor(torch.from_numpy(array if array.flags.writeable else array.copy()).to(dtype))


def _of_torch(x: Dataset[Any] | DataLoader[Any]) -> Tensor:
    if isinstance(x, TensorDataset):
        return _alone(x.tensors)
    loader: DataLoader[Any] = x if isinstance(x, DataLoader) else DataLoader(x, batch_size=ROWS_AT_ONCE)
    _refuse_another_order(loader)
    with OwnGenerator(0):  # a loader draws a seed for its workers
        batches = list(_batches(loader))
    if not batches:
        raise DataError("x: there are no rows in it (a loader that was read once may be empty); give some")
    return torch.cat(batches)


def _batches(loader: DataLoader[Any]) -> Iterator[Tensor]:
    for batch in loader:
        x = torch.as_tensor(_alone(batch))
        yield x if loader.batch_size is not None or x.dim() > 1 else x.unsqueeze(0)


def _alone(batch: Any) -> Any:
    """x of a batch that is x, or (x,).

    Raises:
        DataError: for anything else.
    """
    if isinstance(batch, tuple | list) and len(batch) == 1:
        return batch[0]
    if isinstance(batch, Tensor | np.ndarray):
        return batch
    what = f"tuples of {len(batch)}" if isinstance(batch, tuple | list) else f"{type(batch).__name__}s"
    raise DataError(
        f"x: its rows come as {what}, such as (x, label), and x alone is taken; give the rows, "
        "torch.stack([row[0] for row in dataset])"
    )


def _refuse_another_order(loader: DataLoader[Any]) -> None:
    """
    Raises:
        DataError: for a loader whose rows are not those of its data set, in the same order.
    """
    if isinstance(loader.dataset, IterableDataset):
        return
    own = loader.batch_sampler is None or type(loader.batch_sampler) is BatchSampler
    if not own or type(loader.sampler) is not SequentialSampler:
        raise DataError(
            "x: this DataLoader shuffles or chooses its rows, so that nobody can tell whose the figures are; give the "
            "data set itself, loader.dataset, or DataLoader(dataset, shuffle=False)"
        )
    if loader.drop_last and len(loader.dataset) % (loader.batch_size or 1):  # type: ignore[arg-type]
        raise DataError(
            "x: this DataLoader drops its last rows (drop_last=True); give the data set itself, loader.dataset"
        )
