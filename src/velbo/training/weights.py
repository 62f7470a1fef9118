"""Rows that count more or less often than once.

    loss = - sum_b w_b surrogate_b / sum over b of 1,     sum of w over the N rows of the set = N

So over the batches of an epoch the expected loss is sum_i w_i surrogate_i / sum_i w_i: that of data in which row i is
there w_i times. Penalties that look at a whole batch (the total correlation, the MMD) see each of its rows once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..rows import Store
from ..rows.stream import Stream


def mean_one(weight: Tensor) -> Tensor:
    """The same in proportion, of mean 1; all 1 where all are 0."""
    mean = weight.mean()
    return weight / mean if mean > 0 else torch.ones_like(weight)


def of_training(data: Store | Stream, held_out: Tensor) -> Tensor | None:
    """How often each row of the data counts, (N,) float64, of mean 1 over those that are not held out; None where all
    count once.
    """
    weight = data.weight if isinstance(data, Store) else None
    if weight is None:
        return None
    trained = torch.ones(len(weight), dtype=torch.bool)
    trained[held_out] = False
    found = torch.zeros_like(weight)
    found[trained] = mean_one(weight[trained])
    return found
