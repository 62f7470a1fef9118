"""Missing cells filled by what the model believes of them given the row's observed cells, p(x_mis | x_obs).

    w_k = p(x_obs|z_k) p(z_k) / q(z_k|x_obs),   z_k ~ q(z|x_obs)

    numbers     E[x_d | x_obs]  ~  sum_k w_k E[x_d|z_k] / sum_k w_k
    categories  the code c of the greatest sum_k w_k p(c|z_k)

Where cells are missing not at random, p(x_obs|z) stands for that of the mask too and E[x_d|z] for the mean of a cell
that is known to be missing.

K grows until the weights of a row are worth 100 draws, (sum w)^2 / sum w^2 >= 100: the mean of 100 draws of x_d given
x_obs has 1 % more squared error than the conditional mean itself.

Source: MIWAE: deep generative modelling and imputation of incomplete data sets, Mattei and Frellsen, 2019,
https://arxiv.org/abs/1812.02633.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from ...checks import rows_for
from ...errors import ConfigError
from ...likelihoods import Factorised
from ...likelihoods.base import at_positions
from ...likelihoods.coded import CodedCell
from ...posteriors import RowDraw
from ...rows import AnyRows, Store
from ...runtime.generators import OwnGenerator
from ...runtime.memory import freed_memory_kept
from ...runtime.threads import threads
from ...terms import Model, device_of_model, view_of
from ..bounds.chunks import chunk_sizes, numbers_per_row
from ..bounds.importance import StreamingWeights
from .known import importance_draws
from .weighted import (
    Cells,
    WeightedMeans,
    cells_with_holes,
    check_weights,
    chunks_of,
    modelled,
    probe,
    weighted_moments,
)

ROUNDS = 250, 1_000, 4_000
"""K, while a row's weights are not worth enough."""
ENOUGH = 100.0
"""Draws that they are to be worth."""


@dataclass(frozen=True)
class Imputed:
    """Filled rows, float64 in the units of x.

    Attributes:
        x: (N, D); observed cells are those of the data, bit for bit. A missing cell of a column that is given to a
            conditional model has no likelihood, and stays NaN.
        spread: of what was filled, (N, D): the standard deviation of a number given the observed cells, 1 minus the
            mass of the code that was chosen; 0 for observed cells.
        effective_samples: what the K weights of a row are worth, 1 to K, (N,); NaN for rows with nothing to fill.
        pareto_shape: k-hat of the weights' tail, (N,); above 0.7 the row is to be doubted. NaN for rows with nothing to
            fill, and for fewer than 25 samples.
        samples: K, how many there were of a row, (N,); 0 for rows with nothing to fill.
    """

    x: Tensor
    spread: Tensor
    effective_samples: Tensor
    pareto_shape: Tensor
    samples: Tensor


@torch.no_grad()
def impute(model: Model, data: AnyRows, samples: int | None = None, seed: int = 0, chunk: int | None = None) -> Imputed:
    """Fill every missing cell with its conditional mean, or its likeliest code, by K importance samples.

    The noise belongs to the row: neither its neighbours nor the chunks matter, but for rounding. Where the cells of
    p(x|z) depend on each other, missing ones are drawn by one generator, and both matter.

    Args:
        model: in evaluation mode; its encoder takes NaN and p(x|z) tells of its cells.
        data: rows x, (N, D), of any container; see `velbo.checks.rows_for`.
        samples: K of every row, at least 1. If not given, 250, and 1,000 and then 4,000 for rows whose weights are
            worth less than 100 draws.
        seed: of all noise.
        chunk: samples at a time.

    Raises:
        ConfigError: for no samples, or a p(x|z) that tells nothing of its cells.
        DataError: if the weights of a row are no numbers, or all 0.
    """
    rounds = ROUNDS if samples is None else (samples,)
    if rounds[0] < 1 or (chunk is not None and chunk < 1):
        raise ConfigError(f"samples and chunk must be at least 1, not {samples} and {chunk}")
    data = rows_for(model, data)
    x = data.fixed(seed).double().cpu().clone()  # the rows may be the caller's
    spread, of_rows = torch.zeros_like(x), x.new_full((2, len(x)), math.nan)
    drawn = torch.zeros(len(x), dtype=torch.int64)
    p = probe(model, data)
    missing, numbers = x.isnan() & modelled(p), max(numbers_per_row(model, data), n_moments(p))
    waiting = missing.any(-1).nonzero().squeeze(-1)
    with threads(), freed_memory_kept():
        for k in rounds:
            n_rows, n_samples = chunk_sizes(k, numbers, chunk)
            for at in chunks_of(waiting, n_rows):
                mean, deviation, weights = _filling(model, data.subset(at), k, n_samples, seed)
                check_weights(weights.log_sum, at)
                x[at] = torch.where(missing[at], mean, x[at])
                spread[at] = torch.where(missing[at], deviation, spread[at])
                of_rows[:, at], drawn[at] = torch.stack((weights.effective_samples, weights.pareto_shape)), k
            waiting = waiting[of_rows[0, waiting] < ENOUGH]
    return Imputed(x, spread, of_rows[0], of_rows[1], drawn)


def _filling(model: Model, data: Store, samples: int, chunk: int, seed: int) -> tuple[Tensor, Tensor, StreamingWeights]:
    """(conditional means or codes, spreads, weights) of a chunk of rows, (B, D) float64."""
    x = data.fixed(seed).to(device_of_model(model))
    weights, means = StreamingWeights(samples), WeightedMeans(len(x))
    parts: list[tuple[Tensor, Factorised]] = []
    draw, own = RowDraw(data.kept, seed), OwnGenerator(seed, "missing cells")
    for _, p, log_ratio in importance_draws(view_of(model, x), x, samples, chunk, draw, own):
        log_w, parts = p.log_prob(x) + log_ratio, cells_with_holes(p, x)
        weights.add(log_w)
        means.add(log_w, [_weighted(part) for _, part in parts])
    ends = [_end(part, mean) for (_, part), mean in zip(parts, means.values, strict=True)]
    places = [at.cpu() for at, _ in parts]
    value, spread = (at_positions(places, each, data.n_dims, math.nan) for each in zip(*ends, strict=True))
    return value, spread, weights


def n_moments(p: Cells) -> int:
    """Numbers that are averaged of one z."""
    return sum(len(at) * (part.cell.n_codes if isinstance(part.cell, CodedCell) else 2) for at, part in p.parts)


def _weighted(part: Factorised) -> Callable[[Tensor], Tensor]:
    """w -> the sum over z of what is averaged, (B, n, C): masses of codes, or mean and mean square of a number."""
    return cast(CodedCell, part.cell).weighted_masses if part.is_coded else weighted_moments(part)


def _end(part: Factorised, average: Tensor) -> tuple[Tensor, Tensor]:
    """(value, spread), (B, n), of averaged moments (B, n, C)."""
    if part.is_coded:
        mass, code = average.max(-1)
        return cast(CodedCell, part.cell).values(code.double()), (1 - mass).clamp_min(0)
    mean, square = average.unbind(-1)
    return mean, (square - mean.square()).clamp_min(0).sqrt()
