"""Rows drawn given any of their cells, x_a ~ p(x_a | x_g), for any model; the weights are of known.py.

    z among K draws z_k in proportion to w_k,   x_a ~ p(x_a|z),   then steps of Metropolis within Gibbs, which leave the
                                                                  exact law as it is (multiple_imputation.py)

The effective sample size of the weights, (sum w)^2 / sum w^2, says how many draws of p(z|x_g) they are worth. K grows
until it is enough; where it never is, nothing is drawn, and a sentence says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...checks import rows_for
from ...errors import ConfigError, DataError
from ...likelihoods import point_estimate
from ...rows import AnyRows
from ...rows.row_numbers import row_name
from ...runtime.generators import OwnGenerator
from ...runtime.memory import freed_memory_kept
from ...runtime.threads import threads
from ...terms import Model, View, device_of_model, view_of
from ..bounds.chunks import chunk_sizes, numbers_per_row
from ..bounds.importance import StreamingWeights
from .known import SHARE, Unmasked, defensive_draws
from .multiple_imputation import Fresh, refined
from .ordered import laws_at
from .weighted import check_weights, chunks_of, probe

LEAST_EFFECTIVE = 20.0
FIRST_SAMPLES, MOST_SAMPLES = 1_000, 64_000
MOST_ROUNDING = 0.1


@dataclass(frozen=True)
class Drawn:
    """Rows drawn given some of their cells.

    Attributes:
        x: (n, N, D) float64; cells that are given are those of the data, bit for bit.
        effective_samples: what the weights that z was drawn by are worth, (N,).
        samples: K, how many there were.
    """

    x: Tensor
    effective_samples: Tensor
    samples: int


@torch.no_grad()
def draw_given(
    model: Model, data: AnyRows, n: int, steps: int = 20, seed: int = 0, mean: bool = False, share: float = SHARE
) -> Drawn:
    """n draws of each row's other cells given those that are observed.

    K is 1,000 to begin with, and up to 64,000 where the weights are worth less than 20 draws, or than n.

    Args:
        model: in evaluation mode; its encoder takes NaN and p(x|z) tells of its cells.
        data: rows x, (N, D), NaN where nothing is known; see `velbo.checks.rows_for`.
        n: draws of each row.
        steps: of Metropolis within Gibbs.
        seed: of all noise.
        mean: point estimates of p(x|z) for each drawn z instead of draws.
        share: of the draws of z that are the prior's.

    Raises:
        ConfigError: for no draws or fewer than 0 steps, or a p(x|z) that tells nothing of its cells.
        DataError: if the weights of a row are worth less than 20 draws at any K.
    """
    if n < 1 or steps < 0:
        raise ConfigError(f"n must be at least 1 and steps at least 0, not {n} and {steps}")
    data = rows_for(model, data)
    probe(model, data)
    x, own = data.fixed(seed).cpu(), OwnGenerator(seed, "given")
    device, numbers = device_of_model(model), numbers_per_row(model, data)
    made, worth = x.double().repeat(n, 1, 1), x.new_zeros(len(x)).double()
    waiting, samples = torch.arange(len(x)), FIRST_SAMPLES
    with threads(), freed_memory_kept():
        while len(waiting):
            enough = max(LEAST_EFFECTIVE, n) if samples < MOST_SAMPLES else 0.0
            chunk, more = chunk_sizes(samples, numbers, None)[1], list[Tensor]()
            for rows in chunks_of(waiting, _rows_at_once(n, samples, numbers)):
                part = x[rows].to(device)
                view = Unmasked(view_of(model, part))
                z, weights = _resampled(view, part, n, (samples, chunk, share), own)
                check_weights(weights.log_sum, rows)
                worth[rows] = _worth(weights, x.dtype)
                done = worth[rows] >= enough
                more.append(rows[~done])
                if not enough:
                    _refuse_too_few(worth[rows], samples, rows)
                if done.any():
                    part, z = part[done], z[:, done]
                    view = Unmasked(view_of(model, part))
                    made[:, rows[done]] = _finished(view, part, z, steps, mean, own)
            waiting, samples = torch.cat(more), samples * 4
    return Drawn(made, worth, samples // 4)


def _worth(weights: StreamingWeights, dtype: torch.dtype) -> Tensor:
    """Effective sample sizes; 1 where log w is so far from 0 that its rounding alone is over a tenth of a nat."""
    rounding = torch.finfo(dtype).eps * weights.log_sum.abs()
    return torch.where(rounding < MOST_ROUNDING, weights.effective_samples, 1.0)


def _rows_at_once(n: int, samples: int, numbers: int) -> int:
    return min(chunk_sizes(max(n, 100), numbers, max(n, 100))[0], chunk_sizes(samples, numbers, samples)[0])


def _finished(view: View, x: Tensor, z: Tensor, steps: int, mean: bool, own: OwnGenerator) -> Tensor:
    """Rows (n, B, D) after the steps."""
    filled, z = refined(view, x, z, steps, own)
    made = point_estimate(laws_at(view, z)) if mean else filled
    return torch.where(x.isnan(), made, x).double().cpu()


def _resampled(
    view: View, x: Tensor, n: int, how: tuple[int, int, float], own: OwnGenerator
) -> tuple[Tensor, StreamingWeights]:
    """n of K draws of z in proportion to their weights, with replacement, (n, B, Z), and the weights."""
    weights, kept = StreamingWeights(how[0]), list[Tensor]()
    for z, p, log_ratio in defensive_draws(view, x, *how, Fresh(own), own):
        log_w = p.log_prob(x) + log_ratio
        weights.add(log_w)
        kept.append(torch.cat((log_w.unsqueeze(-1), z), -1))
    log_w, *latents = torch.cat(kept).unbind(-1)
    shares = (log_w - log_w.amax(0)).double().exp().T
    with own:
        chosen = torch.nan_to_num(shares, nan=1.0).multinomial(n, replacement=True).T
    z = torch.stack(latents, -1)
    return z.gather(0, chosen.unsqueeze(-1).expand(*chosen.shape, z.shape[-1])), weights


def _refuse_too_few(effective: Tensor, samples: int, rows: Tensor) -> None:
    """
    Raises:
        DataError: if the weights of a row, numbered in ``rows``, are worth too few draws.
    """
    worst = effective.argmin()
    if effective[worst] < LEAST_EFFECTIVE:
        raise DataError(
            f"{row_name(int(rows[worst]))}: {samples:,} draws are worth {float(effective[worst]):.1f} of rows with "
            f"what is given, and {LEAST_EFFECTIVE:g} are the least: to this model it is too rare. Give fewer fields, "
            "or values that are more usual, or fit a model with them as its condition, --condition"
        )
