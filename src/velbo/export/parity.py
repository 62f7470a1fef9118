"""How far an exported file is from what it was made of, on rows that cover the range of every field.

    mean, standard deviation    |a - b| / max(1, |b|)
    values, in units of x       the same: in standard deviations where the model sees these
    log-likelihood, nats        |a - b| / max(1, |b| / 100), as float32 has seven digits

NaN must stand where NaN stands.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..build import Plan
from ..rows import Field
from ..rows.kinds import kind_of
from ..rows.kinds.base import Measured
from .graphs import Graph, Score

N_ROWS = 32
"""That are made for a check, beside the lowest and the highest."""
MISSING = 0.2
REACH = 3.0
"""Of latents, in standard deviations of the prior, where the second half of them lies."""


def rows_within(plan: Plan, n: int = N_ROWS, seed: int = 0) -> Tensor:
    """Values (n + 2, D): every cell between the least and the greatest of its field in training, by chance; the last
    two rows have the least and the greatest of all. Of fields that had missing cells some are missing.
    """
    own, columns = np.random.default_rng(seed), []
    for field in plan.schema.modelled:
        low, high = (field.each(what) for what in ("low", "high"))
        cells = np.concatenate((own.uniform(low, high, (n, field.size)), low[None], high[None]))
        cells = np.clip(np.rint(cells), low, high) if is_whole(field) else cells
        cells[own.random(cells.shape) < (MISSING if field.has_missing else 0)] = np.nan
        columns.append(cells)
    return torch.from_numpy(np.concatenate(columns, 1))


def is_whole(field: Field) -> bool:
    kind = kind_of(field)
    return bool(field.categories) or kind.name in ("byte", "binary") or (isinstance(kind, Measured) and kind.is_whole)


def inputs_of(graph: Graph, n_latents: int, seed: int = 0) -> tuple[Tensor, ...]:
    """What a graph is tried with, by the names of its inputs."""
    values, plan = rows_within(graph.plan, seed=seed), graph.plan
    z = torch.randn(len(values), n_latents, generator=torch.Generator().manual_seed(seed))
    z[len(z) // 2 :] *= REACH
    counts = [d for d, cell in enumerate(plan.schema.cells) if cell.kind == "count"]
    known = {
        "values": values,
        "z": z.to(graph.dtype),
        "given": values[:, plan.schema.dims(plan.recipe.condition)],
        "library_size": values[:, counts].nansum(-1, keepdim=True),
    }
    return tuple(known[name] for name in graph.inputs)


def difference(graph: Graph, found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """The largest; infinite where only one of the two is a number."""
    if found.shape != expected.shape or (np.isnan(found) != np.isnan(expected)).any():
        return float("inf")
    if graph.outputs == ("values",):
        zero = torch.zeros(1, graph.plan.schema.n_dims)
        restore = graph.plan.encoding.restore
        unit = (restore(zero + 1) - restore(zero)).double().numpy()
        found, expected = found / unit, expected / unit
    least = 100.0 if isinstance(graph, Score) else 1.0
    with np.errstate(invalid="ignore"):
        apart = np.abs(found - expected) / np.maximum(1.0, np.abs(expected) / least)
    apart[(found == expected) | np.isnan(expected)] = 0.0
    return float(apart.max(initial=0.0))
