"""Why a row is odd: how likely each of its cells is given the others, in nats.

    log p(x_d | x_-d)  ~  log sum_k w_k p(x_d|z_k) - log sum_k w_k
    w_k = p(x_-d|z_k) p(z_k) / q(z_k|x_-d),   z_k ~ q(z|x_-d)

with x_-d the observed cells of the row but d. The encoder sees a copy of the row in which cell d is missing, one copy
for each cell, so a row costs D encodings and D K decodings, and z knows nothing of x_d. Where the mask is modelled, the
weights count which cells are missing, and that d is not, and p(x_d|z_k, observed) stands for p(x_d|z_k).

What is computed is itself a law of x_d, a mixture of the p(x_d|z_k) whose weights and z_k do not depend on x_d: masses
sum to 1, densities integrate to 1, whatever K. It is consistent, not unbiased, and no bound. To first order in 1 / K
the bias is

    -1/2 ( Var[w p(x_d|z)] / E[w p(x_d|z)]^2 - Var[w] / E[w]^2 ) / K

which is negative where q(z|x_-d) is near the posterior, most for odd cells: few z_k explain them. Over x_d of the
model's own law the mean is too low by KL( p(x_d|x_-d) || its estimate ).

Where the cells of p(x|z) depend on each other, the two sums are of p(x) and of p(x_-d), each by draws of what is
missing (ordered.py); their difference is consistent, and sums to 1 over x_d in expectation.

Source of the weights: Importance weighted autoencoders, Burda, Grosse and Salakhutdinov, 2015,
https://arxiv.org/abs/1509.00519.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...checks import rows_for
from ...errors import ConfigError
from ...posteriors import RowDraw
from ...rows import AnyRows, Store
from ...runtime.generators import OwnGenerator
from ...runtime.memory import freed_memory_kept
from ...runtime.threads import threads
from ...terms import Model, device_of_model, view_of
from ..bounds.chunks import chunk_sizes, numbers_per_row
from ..bounds.importance import StreamingWeights
from .known import importance_draws
from .ordered import completed, n_drawn, z_of
from .weighted import check_weights, chunks_of, modelled, probe


@torch.no_grad()
def contributions(model: Model, data: AnyRows, samples: int = 100, seed: int = 0) -> Tensor:
    """log p of every observed cell given the other observed cells of its row; low is odd.

    The noise belongs to the row without the cell: neither neighbours nor order matter, but for rounding, and values of
    one cell are compared by the same z. What is given to a conditional model, a library size included, stays as the
    whole row has it.

    Args:
        model: in evaluation mode; its encoder takes NaN and p(x|z) tells of its cells.
        data: rows x, (N, D), of any container; see `velbo.checks.rows_for`.
        samples: K, at least 1.
        seed: of all noise.

    Returns:
        (N, D) float64, nats of the data (rows/units.py); NaN for missing cells, and for columns that are given and have
        no likelihood.

    Raises:
        ConfigError: for no samples, or a p(x|z) that tells nothing of its cells.
        DataError: if the weights of a row are no numbers, or all 0.
    """
    if samples < 1:
        raise ConfigError(f"samples must be at least 1, not {samples}")
    data = rows_for(model, data)
    return contributions_by(model, data, samples, seed, *chunk_sizes(samples, numbers_per_row(model, data), None))


@torch.no_grad()
def contributions_by(model: Model, data: Store, samples: int, seed: int, n_cells: int, chunk: int) -> Tensor:
    """The same of rows that were checked, so many cells and samples at a time."""
    x = data.fixed(seed).cpu()
    p = probe(model, data)
    found = torch.full(x.shape, math.nan, dtype=torch.float64)
    with threads(), freed_memory_kept():
        for cells in chunks_of((~x.isnan() & modelled(p)).nonzero(), n_cells):
            row, d = cells.unbind(-1)
            joint, rest = _log_sums(model, x[row], d, samples, chunk, seed)
            check_weights(rest, row)
            found[row, d] = joint - rest
    return found + data.units.of_cells


def _log_sums(model: Model, x: Tensor, d: Tensor, samples: int, chunk: int, seed: int) -> tuple[Tensor, Tensor]:
    """(log sum_k w_k p(x_d|z_k), log sum_k w_k) of rows x (B, D), each without its cell d (B,), (B,) float64."""
    at, device = d.unsqueeze(-1), device_of_model(model)
    hidden = x.scatter(-1, at, math.nan)
    draw = RowDraw(hidden, seed)
    x, hidden, at = x.to(device), hidden.to(device), at.to(device)
    joint, rest = StreamingWeights(), StreamingWeights()
    view, own = view_of(model, x), OwnGenerator(seed, "missing cells")
    for state, p, log_ratio in importance_draws(view, hidden, samples, chunk, draw, own):
        if n_drawn(view, state):
            # the laws of cells behind d depend on x_d: on what was drawn, and on what it is
            rest.add(p.log_prob(hidden) + log_ratio)
            joint.add(completed(view, x, z_of(view, state), own)[1].log_prob(x) + log_ratio)
            continue
        cells, observed = p.log_prob_cells(x), p.log_observed
        place = at.expand(*cells.shape[:-1], 1)
        others = cells.scatter(-1, place, 0.0).sum(-1) + log_ratio
        # log p(x_d, observed | z) = log p(observed | z) + log p(x_d | z, observed)
        rest.add(others + observed.expand_as(cells).gather(-1, place).squeeze(-1))
        joint.add(others + cells.gather(-1, place).squeeze(-1))
    return joint.log_sum, rest.log_sum
