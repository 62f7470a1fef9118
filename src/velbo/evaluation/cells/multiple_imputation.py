"""Draws of the missing cells from p(x_mis | x_obs), which keep what is not known.

z^(i) is resampled among z_k ~ q(z|x_obs) in proportion to their weights, x_mis ~ p(x_mis|z), and then come steps of
Metropolis within Gibbs, which leave the exact p(x_mis, z | x_obs) as it is, whatever q:

    z' ~ q(z | x_obs, x_mis),  accepted with probability min(1, r),
    r  = p(x_obs, x_mis|z') p(z') q(z|x_obs, x_mis) / ( p(x_obs, x_mis|z) p(z) q(z'|x_obs, x_mis) )
    x_mis ~ p(x_mis|z)

Where cells are missing not at random, p(x_obs|z) stands for that of the mask too and p(x_mis|z) for the law of a cell
that is known to be missing, here and in r.

Source: Leveraging the exact likelihood of deep latent variable models, Mattei and Frellsen, 2018,
https://arxiv.org/abs/1802.04826 (the sampler).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from ...checks import rows_for
from ...errors import ConfigError
from ...likelihoods.base import at_positions
from ...posteriors import Pathwise
from ...rows import AnyRows
from ...rows.noise import key_values
from ...runtime.generators import OwnGenerator
from ...runtime.memory import freed_memory_kept
from ...runtime.threads import threads
from ...terms import Model, View, device_of_model, log_weight_of, view_of
from ..bounds.chunks import chunk_sizes, numbers_per_row
from ..bounds.importance import StreamingWeights
from .known import importance_draws
from .ordered import moved, n_drawn
from .weighted import (
    Cells,
    cells_of,
    check_weights,
    chunks_of,
    modelled,
    parts_with_holes,
    probe,
)


@torch.no_grad()
def multiple_imputations(
    model: Model, data: AnyRows, n: int, samples: int = 100, steps: int = 20, seed: int = 0
) -> Tensor:
    """n draws of the missing cells given the observed ones.

    Rows are taken in the order of their bytes, so the order in which they come does not matter, and equal rows have
    draws of their own. Which rows come together does: cells are drawn from one generator.

    Args:
        model: in evaluation mode; its encoder takes NaN and p(x|z) tells of its cells.
        data: rows x, (N, D), of any container; see `velbo.checks.rows_for`.
        n: draws of each row.
        samples: K of the resampling that starts the chains.
        steps: of Metropolis within Gibbs; 0 for resampling alone.
        seed: of all noise.

    Returns:
        (n, N, D) float64 in the units of x; observed cells are those of the data, bit for bit.

    Raises:
        ConfigError: for no draws, no samples or fewer than 0 steps, or a p(x|z) that tells nothing of its cells.
        DataError: if the weights of a row are no numbers, or all 0.
    """
    if n < 1 or samples < 1 or steps < 0:
        raise ConfigError(f"n and samples must be at least 1 and steps at least 0, not {n}, {samples} and {steps}")
    device = device_of_model(model)
    data = rows_for(model, data)
    x = data.fixed(seed).double().cpu()
    filled = x.repeat(n, 1, 1)
    p = probe(model, data)
    rows = (x.isnan() & modelled(p)).any(-1).nonzero().squeeze(-1)
    rows = rows[order_of_bytes(data.kept[rows.to(data.kept.device)])]
    numbers = numbers_per_row(model, data)
    n_rows, n_samples = chunk_sizes(samples, max(n, numbers), None)
    n_rows = min(n_rows, chunk_sizes(n, numbers, n)[0])
    own = OwnGenerator(seed, "multiple imputation")
    with threads(), freed_memory_kept():
        for at in chunks_of(rows, n_rows):
            part = data.subset(at).fixed(seed).to(device)
            view = view_of(model, part)
            z, log_sum = resampled(view, part, n, samples, n_samples, own)
            check_weights(log_sum, at)
            draws = refined(view, part, z, steps, own)[0].double().cpu()
            filled[:, at] = torch.where(x[at].isnan(), draws, x[at])
    return filled


class Fresh(Pathwise):
    """Draws by a generator from any q, also one that cannot be reparameterised."""

    def __init__(self, own: OwnGenerator) -> None:
        self.own = own

    def noise(self, q: Distribution, n_samples: int) -> Tensor:
        with self.own:
            return super().noise(q, n_samples)

    def sample(self, q: Distribution, n_samples: int) -> Tensor:
        with self.own:
            return super().sample(q, n_samples) if q.has_rsample else q.sample(torch.Size((n_samples,)))


def resampled(view: View, x: Tensor, n: int, samples: int, chunk: int, own: OwnGenerator) -> tuple[Tensor, Tensor]:
    """n of K draws z ~ q(z|x) in proportion to their weights, with replacement, (n, B, Z), and log sum_k w_k, (B,).

    The largest of log w_k + g_k, g_k Gumbel noise, falls on k with probability w_k / sum w: a maximum, which streams.
    """
    best, chosen, weights = x.new_full((n, len(x)), -math.inf), x.new_zeros(()), StreamingWeights()
    for z, p, log_ratio in importance_draws(view, x, samples, chunk, Fresh(own), own):
        log_w = p.log_prob(x) + log_ratio
        weights.add(log_w)
        with own:
            gumbel = -torch.empty(n, *log_w.shape, dtype=log_w.dtype, device=log_w.device).exponential_().log()
        height, k = (log_w + gumbel).max(1)
        found = z.gather(0, k.unsqueeze(-1).expand(-1, -1, z.shape[-1]))
        chosen = torch.where((height > best).unsqueeze(-1), found, chosen)
        best = torch.maximum(best, height)
    return chosen, weights.log_sum


def refined(view: View, x: Tensor, z: Tensor, steps: int, own: OwnGenerator) -> tuple[Tensor, Tensor]:
    """x (n, B, D) with its missing cells drawn, after Metropolis-within-Gibbs steps that begin at z (n, B, Z), and the
    z that they were drawn from; of states, where missing cells were drawn with z, steps of ordered.py and the states.

    Where p(z) is known by estimates, that of z is kept as long as z is: a chain over z and its estimate together, whose
    law of z is right.
    """
    if n_drawn(view, z):
        return moved(view, x, z, steps, Fresh(own), own)
    prior, p, draw = view.prior(), cells_of(view.decode(z)), Fresh(own)
    filled, log_pz = _drawn(p, x, own), log_weight_of(prior, z, draw)
    for _ in range(steps):
        q = view.encode(filled)
        with own:
            proposal = q.sample()
        p_new = cells_of(view.decode(proposal))
        log_pz_new = log_weight_of(prior, proposal, draw)
        new = _log_p_filled(p_new, x, filled) + log_pz_new - q.log_prob(proposal)
        old = _log_p_filled(p, x, filled) + log_pz - q.log_prob(z)
        with own:
            chance = torch.rand_like(new).log()
        taken = chance < new - old
        z, log_pz = torch.where(taken.unsqueeze(-1), proposal, z), torch.where(taken, log_pz_new, log_pz)
        p = cells_of(view.decode(z))
        filled = _drawn(p, x, own)
    return filled, z


def order_of_bytes(rows: Tensor) -> Tensor:
    """Places of rows (N, D), sorted by the bytes of their values (see `key_values`)."""
    array = np.ascontiguousarray(key_values(rows))
    whole = array.view(np.dtype((np.void, array.itemsize * array.shape[1]))).ravel()
    return torch.from_numpy(np.argsort(whole, kind="stable"))


def _drawn(p: Cells, x: Tensor, own: OwnGenerator) -> Tensor:
    """x with its missing cells drawn from p(x|z), (..., B, D)."""
    parts = parts_with_holes(p, x)
    with own:
        found = [part.sample() for _, part in parts]
    draws = at_positions([at for at, _ in parts], found, x.shape[-1], math.nan)
    return torch.where(x.isnan(), draws, x)


def _log_p_filled(p: Cells, x: Tensor, filled: Tensor) -> Tensor:
    """log p(x_obs, x_mis|z), (..., B)."""
    of_missing = filled.masked_fill(~x.isnan(), math.nan)
    parts = [part.log_prob(of_missing.index_select(-1, at.to(x.device))) for at, part in parts_with_holes(p, x)]
    return p.log_prob(x) + torch.stack(parts).sum(0)
