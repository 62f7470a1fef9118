"""The law of one cell of a row given any others, p(x_d | x_g), for any model and any cell; the weights are of known.py.

    p(x_d | x_g)  ~  sum_k w_k p(x_d|z_k) / sum_k w_k

It is a mixture of laws whose weights do not depend on x_d: masses sum to 1 and densities integrate to 1, whatever K.
Where the cells of p(x|z) depend on each other it is p(x_d, x_g) / p(x_g) instead, each by draws of what is missing
(ordered.py): masses of codes sum to 1 too, densities integrate to 1 as K grows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...checks import rows_for
from ...errors import ConfigError
from ...likelihoods import Cell
from ...likelihoods.autoregressive import cell_at
from ...likelihoods.coded import CodedCell
from ...posteriors import RowDraw
from ...rows import AnyRows
from ...runtime.generators import OwnGenerator
from ...runtime.memory import freed_memory_kept
from ...runtime.threads import threads
from ...terms import Model, device_of_model, view_of
from ..bounds.chunks import chunk_sizes, numbers_per_row
from ..bounds.importance import StreamingWeights
from .known import SHARE, Unmasked, defensive_draws
from .ordered import every_value, log_joint_of, n_drawn, z_of
from .weighted import WeightedMeans, check_weights, chunks_of, modelled, probe, weighted_moments, width


@dataclass(frozen=True)
class CellLaw:
    """The law of one cell of each of N rows given others, float64.

    Attributes:
        log_p: log p(x_d = value | x_g) at V values, nats of the data, (N, V): masses of codes and whole numbers, else
            densities.
        mean: E[x_d | x_g] in the units of x, (N,); NaN for names of categories.
        spread: the standard deviation, likewise.
        effective_samples: what the K weights of a row are worth, 1 to K, (N,).
        pareto_shape: k-hat of the weights' tail, (N,); above 0.7 the row is to be doubted. NaN for fewer than 25
            samples.
    """

    log_p: Tensor
    mean: Tensor
    spread: Tensor
    effective_samples: Tensor
    pareto_shape: Tensor


@torch.no_grad()
def cell_law(
    model: Model,
    data: AnyRows,
    cell: int,
    values: Tensor,
    samples: int = 1000,
    seed: int = 0,
    share: float = SHARE,
) -> CellLaw:
    """The law of one cell given the others that are observed, at values that it may have.

    The noise belongs to the row, and draws of the prior are the same for all rows: neither neighbours nor order matter,
    but for rounding. Masses of all codes sum to 1 and densities integrate to 1, whatever K.

    Args:
        model: in evaluation mode; its encoder takes NaN and p(x|z) tells of its cells.
        data: rows x, (N, D), NaN where nothing is known; see `velbo.checks.rows_for`. What they hold in the cell itself
            is not looked at.
        cell: d, its place in x.
        values: of x_d, (V,); of a code its place, in the numbers of x.
        samples: K, at least 1.
        seed: of all noise.
        share: s, in [0, 1); 0 where the prior's density is not known.

    Raises:
        ConfigError: for no samples, or a cell that has no likelihood.
        DataError: if the weights of a row are no numbers, or all 0.
    """
    if samples < 1 or not 0 <= share < 1:
        raise ConfigError(f"samples must be at least 1 and share in [0, 1), not {samples} and {share}")
    data = rows_for(model, data)
    p = probe(model, data)
    if not 0 <= cell < data.n_dims or not modelled(p)[cell]:
        raise ConfigError(f"cell {cell} has no likelihood: it is given to the model, or there is no such cell")
    x = data.fixed(seed).cpu().clone()  # the rows may be the caller's
    x[:, cell] = math.nan
    n_rows, chunk = chunk_sizes(samples, numbers_per_row(model, data) + width(p) // data.n_dims * len(values), None)
    found: list[tuple[Tensor, ...]] = [(x.new_empty(0, len(values)).double(), *[x.new_empty(0).double()] * 4)]
    with threads(), freed_memory_kept():
        for at in chunks_of(torch.arange(len(x)), n_rows):
            *law, log_sum = _law(model, x[at], cell, values, (samples, chunk, share), seed)
            check_weights(log_sum, at)
            found.append(tuple(law))
    log_p, *others = (torch.cat(parts) for parts in zip(*found, strict=True))
    return CellLaw(log_p + data.units.of_cells[cell], *others)


def _law(
    model: Model, x: Tensor, cell: int, values: Tensor, how: tuple[int, int, float], seed: int
) -> tuple[Tensor, ...]:
    """What a `CellLaw` holds of a chunk of rows, and log sum_k w_k."""
    draw, x = RowDraw(x, seed), x.to(device_of_model(model))
    view, own = Unmasked(view_of(model, x)), OwnGenerator(seed, "prior")
    weights, means = StreamingWeights(how[0]), WeightedMeans(len(x))
    every = every_value(view, x, cell)  # where masses are to sum to 1 by what is summed
    at_values = (values if every is None else every).to(x).view(-1, 1, 1, 1)
    log_joint = torch.full((len(x), len(at_values)), -math.inf, dtype=torch.float64)
    for state, p, log_ratio in defensive_draws(view, x, *how, draw, own):
        log_w, law = p.log_prob(x) + log_ratio, cell_at(p, cell)
        weights.add(log_w)
        if n_drawn(view, state):
            log_each = log_joint_of(view, x, z_of(view, state), cell, at_values.flatten(), own) + log_ratio
            law = cell_at(p.given_missing, cell)
        else:
            log_each = _log_p_at(law, at_values, log_w.shape) + log_w
        log_joint = torch.logaddexp(log_joint, log_each.double().cpu().logsumexp(1).T)
        if not law.is_coded:
            means.add(log_w, [weighted_moments(law)])
    mean = spread = torch.full((len(x),), math.nan, dtype=torch.float64)
    if means.sums:
        mean, square = means.values[0].squeeze(1).unbind(-1)
        spread = (square - mean.square()).clamp_min(0).sqrt()
    log_p = log_joint - weights.log_sum.unsqueeze(-1)
    if every is not None:
        log_p = log_joint.log_softmax(-1)[:, (values.to(x).unsqueeze(-1) - every).abs().argmin(-1).cpu()]
    return log_p, mean, spread, weights.effective_samples, weights.pareto_shape, weights.log_sum


def _log_p_at(law: Cell, values: Tensor, shape: torch.Size) -> Tensor:
    """log p of V values (V, 1, 1, 1) of the one cell of a law, (V, K, B). Masses of all codes are computed once."""
    if not isinstance(law, CodedCell) or values.isnan().any():
        return law.log_prob(values.expand(-1, *shape, 1)).squeeze(-1)
    log_p = law.log_masses().squeeze(-2)
    return log_p.expand(*shape, -1)[..., law.codes(values.flatten())].movedim(-1, 0)
