"""What a cell is worth in most rows: m_d = median over training rows of log p(x_d | x_-d), in nats (contributions.py);
where the score is one of latents of training rows, of what cell d adds to it (latents/reference.py).

Columns differ in it, by their units and by what the others tell of them. So the most anomalous cell of a row is the one
that is furthest below m_d, and the same one whether the row comes alone or in a file.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...rows import Store
from ...terms import Model
from ..bounds.chunks import chunk_sizes, numbers_per_row
from ..latents.reference import Reference, usual_cells
from .contributions import contributions_by
from .weighted import probe, width

ROWS, FEWEST, SAMPLES, ROWS_AT_ONCE = 100, 20, 20, 10
NUMBERS = 20_000_000
"""Of p(x|z) that are computed at most, about a second."""


@torch.no_grad()
def rows_that_pay(model: Model, data: Store) -> int:
    """Over how many of the rows a median is taken: 100, fewer where rows are wide, and none where under 20 are left."""
    each = SAMPLES * data.n_dims * width(probe(model, data))
    n = min(ROWS, len(data), NUMBERS // each)
    return n if n >= min(FEWEST, len(data)) else 0


def typical(model: Model, data: Store, known: Reference | None = None) -> Tensor | None:
    """m_d over the first rows that pay, (D,) float64 in the data's units; NaN for columns of which no cell counts.

    Args:
        model: as for `contributions`.
        data: encoded rows in random order.
        known: latents of training rows, where the score is one of those.

    Returns:
        None where rows are so wide that too few would pay.

    Raises:
        ConfigError: for a p(x|z) without independent cells.
        DataError: if the weights of a row are no numbers, or all 0.
    """
    if known is not None:
        some = data.subset(torch.arange(min(ROWS, len(data))))
        return usual_cells(model, some, known).nanmedian(0).values
    n = rows_that_pay(model, data)
    if not n:
        return None
    n_cells, chunk = chunk_sizes(SAMPLES, numbers_per_row(model, data), None)
    n_cells = min(n_cells, ROWS_AT_ONCE * data.n_dims)
    some = data.subset(torch.arange(n))
    return contributions_by(model, some, SAMPLES, 0, n_cells, chunk).nanmedian(0).values
