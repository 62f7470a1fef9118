"""Missing cells filled by what the model believes of them given the row's observed cells, p(x_mis | x_obs).

    w_k = p(x_obs|z_k) p(z_k) / q(z_k|x_obs),   z_k ~ q(z|x_obs)

    numbers     E[x_d | x_obs]  ~  sum_k w_k E[x_d|z_k] / sum_k w_k
    categories  the code c of the greatest sum_k w_k p(c|z_k)

and draws, which keep what is not known: z^(i) resampled among the z_k in proportion to w, x_mis ~ p(x_mis|z), and then
Metropolis within Gibbs, which leaves the exact p(x_mis, z | x_obs) as it is, whatever q:

    z' ~ q(z | x_obs, x_mis),  accepted with probability min(1, r),
    r  = p(x_obs, x_mis|z') p(z') q(z|x_obs, x_mis) / ( p(x_obs, x_mis|z) p(z) q(z'|x_obs, x_mis) )
    x_mis ~ p(x_mis|z)

Where cells are missing not at random, p(x_obs|z) stands for that of the mask too and p(x_mis|z) for the law of a cell
that is known to be missing, here and in r.

Sources: MIWAE: deep generative modelling and imputation of incomplete data sets, Mattei and Frellsen, 2019,
https://arxiv.org/abs/1812.02633; Leveraging the exact likelihood of deep latent
variable models, Mattei and Frellsen, 2018, https://arxiv.org/abs/1802.04826 (the sampler).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from ..conditional import ConditionalVAE
from ..data import Store
from ..errors import ConfigError, DataError
from ..likelihoods import Factorised, MixedCells
from ..likelihoods.base import at_positions
from ..memory import freed_memory_kept
from ..model import VAE
from ..posteriors import Draw, Pathwise, RowDraw
from ..threads import threads
from .importance import StreamingWeights
from .log_likelihood import chunk_sizes

Cells = Factorised | MixedCells


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
    """

    x: Tensor
    spread: Tensor
    effective_samples: Tensor
    pareto_shape: Tensor


@torch.no_grad()
def impute(
    model: VAE | ConditionalVAE, data: Store, samples: int = 1000, seed: int = 0, chunk: int | None = None
) -> Imputed:
    """Fill every missing cell with its conditional mean, or its likeliest code, by K = ``samples`` importance samples.

    The noise belongs to the row: neither its neighbours nor the chunks matter, but for rounding.

    Args:
        model: in evaluation mode; its encoder takes NaN and p(x|z) has independent cells.
        data: encoded rows, (N, D).
        samples: K, at least 1.
        seed: of all noise.
        chunk: samples at a time.

    Raises:
        ConfigError: for no samples, or a p(x|z) without independent cells.
        DataError: if the weights of a row are no numbers, or all 0.
    """
    if samples < 1 or (chunk is not None and chunk < 1):
        raise ConfigError(f"samples and chunk must be at least 1, not {samples} and {chunk}")
    x = data.fixed(seed).double().cpu().clone()  # the rows may be the caller's
    spread, of_rows = torch.zeros_like(x), x.new_full((2, len(x)), math.nan)
    p = probe(model, data)
    missing = x.isnan() & modelled(p)
    rows = missing.any(-1).nonzero().squeeze(-1)
    n_rows, n_samples = chunk_sizes(samples, width(p), chunk)
    with threads(), freed_memory_kept():
        for at in chunks_of(rows, n_rows):
            mean, deviation, weights = _filling(model, data.subset(at), samples, n_samples, seed)
            check_weights(weights.log_sum, at)
            x[at] = torch.where(missing[at], mean, x[at])
            spread[at] = torch.where(missing[at], deviation, spread[at])
            of_rows[:, at] = torch.stack((weights.effective_samples, weights.pareto_shape))
    return Imputed(x, spread, *of_rows)


@torch.no_grad()
def multiple_imputations(
    model: VAE | ConditionalVAE, data: Store, n: int, samples: int = 100, steps: int = 20, seed: int = 0
) -> Tensor:
    """n draws of the missing cells given the observed ones.

    Rows are taken in the order of their bytes, so the order in which they come does not matter, and equal rows have
    draws of their own. Which rows come together does: cells are drawn from torch's generator, seeded once.

    Args:
        model: in evaluation mode; its encoder takes NaN and p(x|z) has independent cells.
        data: encoded rows, (N, D).
        n: draws of each row.
        samples: K of the resampling that starts the chains.
        steps: of Metropolis within Gibbs; 0 for resampling alone.
        seed: of all noise.

    Returns:
        (n, N, D) float64 in the units of x; observed cells are those of the data, bit for bit.

    Raises:
        ConfigError: for no draws, no samples or fewer than 0 steps, or a p(x|z) without independent cells.
        DataError: if the weights of a row are no numbers, or all 0.
    """
    if n < 1 or samples < 1 or steps < 0:
        raise ConfigError(f"n and samples must be at least 1 and steps at least 0, not {n}, {samples} and {steps}")
    device = next(model.parameters()).device
    x = data.fixed(seed).double().cpu()
    filled = x.repeat(n, 1, 1)
    p = probe(model, data)
    rows = (x.isnan() & modelled(p)).any(-1).nonzero().squeeze(-1)
    rows = rows[order_of_bytes(data.kept[rows.to(data.kept.device)])]
    n_rows, n_samples = chunk_sizes(samples, max(n, width(p)), None)
    n_rows = min(n_rows, chunk_sizes(n, width(p), n)[0])
    with threads(), freed_memory_kept(), torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for at in chunks_of(rows, n_rows):
            part = data.subset(at).fixed(seed).to(device)
            view = model.given(part)
            z, log_sum = resampled(view, part, n, samples, n_samples)
            check_weights(log_sum, at)
            draws = refined(view, part, z, steps).double().cpu()
            filled[:, at] = torch.where(x[at].isnan(), draws, x[at])
    return filled


class Fresh(Pathwise):
    """Draws by torch's generator from any q, also one that cannot be reparameterised."""

    def sample(self, q: Distribution, n_samples: int) -> Tensor:
        return super().sample(q, n_samples) if q.has_rsample else q.sample(torch.Size((n_samples,)))


def resampled(view: VAE, x: Tensor, n: int, samples: int, chunk: int) -> tuple[Tensor, Tensor]:
    """n of K draws z ~ q(z|x) in proportion to their weights, with replacement, (n, B, Z), and log sum_k w_k, (B,).

    The largest of log w_k + g_k, g_k Gumbel noise, falls on k with probability w_k / sum w: a maximum, which streams.
    """
    best, chosen, weights = x.new_full((n, len(x)), -math.inf), x.new_zeros(()), StreamingWeights()
    for z, p, log_ratio in importance_draws(view, x, samples, chunk, Fresh()):
        log_w = p.log_prob(x) + log_ratio
        weights.add(log_w)
        gumbel = -torch.empty(n, *log_w.shape, dtype=log_w.dtype, device=log_w.device).exponential_().log()
        height, k = (log_w + gumbel).max(1)
        found = z.gather(0, k.unsqueeze(-1).expand(-1, -1, z.shape[-1]))
        chosen = torch.where((height > best).unsqueeze(-1), found, chosen)
        best = torch.maximum(best, height)
    return chosen, weights.log_sum


def refined(view: VAE, x: Tensor, z: Tensor, steps: int) -> Tensor:
    """x (n, B, D) with its missing cells drawn, after Metropolis-within-Gibbs steps that begin at z (n, B, Z)."""
    prior, p = view.prior(), cells_of(view.decode(z))
    filled = _drawn(p, x)
    for _ in range(steps):
        q = view.encode(filled)
        proposal = q.sample()
        p_new = cells_of(view.decode(proposal))
        new = _log_p_filled(p_new, x, filled) + prior.log_prob(proposal) - q.log_prob(proposal)
        old = _log_p_filled(p, x, filled) + prior.log_prob(z) - q.log_prob(z)
        z = torch.where((torch.rand_like(new).log() < new - old).unsqueeze(-1), proposal, z)
        p = cells_of(view.decode(z))
        filled = _drawn(p, x)
    return filled


def importance_draws(
    view: VAE, x: Tensor, samples: int, chunk: int, draw: Draw
) -> Iterator[tuple[Tensor, Cells, Tensor]]:
    """(z, p(x|z), log p(z) - log q(z|x)) of ``chunk`` draws z ~ q(z|x) at a time: (k, B, Z), (k, B, D), (k, B)."""
    q, prior = view.encode(x), view.prior()
    for done in range(0, samples, chunk):
        z = draw.sample(q, min(chunk, samples - done))
        yield z, cells_of(view.decode(z)), prior.log_prob(z) - draw.log_prob(q, z)


def cells_of(p: Distribution) -> Cells:
    """p(x|z), known to have independent cells.

    Raises:
        ConfigError: if it has not.
    """
    if not isinstance(p, Factorised | MixedCells):
        raise ConfigError(
            f"missing cells are looked at one by one, and this p(x|z), a {type(p).__name__}, does not tell of its "
            "cells; let the decoder end in a head of velbo.likelihoods, or return Factorised(cell)"
        )
    return p


def check_weights(log_sum: Tensor, rows: Tensor) -> None:
    """
    Raises:
        DataError: if log sum_k w_k (B,) of some of the rows, numbered (B,), is not finite.
    """
    bad = ~log_sum.isfinite()
    if not bad.any():
        return
    row = rows[bad].min()
    value = log_sum[rows == row][0]
    why = (
        "the model holds it for impossible; let model.check_data(x) say whether it lies outside the support"
        if value.isneginf()
        else "the encoder or the decoder gives no numbers for it; an encoder must take NaN where a cell is missing: "
        "put velbo.nets.FillMissing(mask=True) in front"
    )
    raise DataError(f"row {int(row)}: log p of its observed cells is {float(value):g}: {why}")


def probe(model: VAE | ConditionalVAE, data: Store) -> Cells:
    """p(x|z) of some z and one row (or none), to see how it is made."""
    x = data.subset(torch.arange(min(1, len(data)))).fixed(0).to(next(model.parameters()).device)
    view = model.given(x)
    return cells_of(view.decode(x.new_zeros(len(x), view.n_latents)))


def modelled(p: Cells) -> Tensor:
    """Which of the D cells have a likelihood, (D,)."""
    found = torch.zeros(p.event_shape[0], dtype=torch.bool)
    for positions, _ in p.parts:
        found[positions.cpu()] = True
    return found


def width(p: Cells) -> int:
    """Numbers that p(x|z) of one z takes, D or more."""
    return max(p.event_shape[0], sum(len(at) * q.numbers_per_cell for at, q in p.parts))


def chunks_of(rows: Tensor, size: int) -> tuple[Tensor, ...]:
    """Parts of ``size`` rows at most; none of no rows, of which torch would make one."""
    return rows.split(size) if len(rows) else ()


def order_of_bytes(rows: Tensor) -> Tensor:
    """Places of rows (N, D), sorted by their bytes."""
    array = np.ascontiguousarray(rows.cpu().numpy())
    whole = array.view(np.dtype((np.void, array.itemsize * array.shape[1]))).ravel()
    return torch.from_numpy(np.argsort(whole, kind="stable"))


def _of_holes(p: Cells, x: Tensor) -> list[tuple[Tensor, Factorised]]:
    """(positions, p(x_d|z, cell d is missing)) of every part that has holes in x (B, D)."""
    holes = x.isnan().any(0)
    return [(at, cast(Factorised, part.given_missing)) for at, part in p.parts if holes[at.to(x.device)].any()]


def _drawn(p: Cells, x: Tensor) -> Tensor:
    """x with its missing cells drawn from p(x|z), (..., B, D)."""
    parts = _of_holes(p, x)
    draws = at_positions([at for at, _ in parts], [part.sample() for _, part in parts], x.shape[-1], math.nan)
    return torch.where(x.isnan(), draws, x)


def _log_p_filled(p: Cells, x: Tensor, filled: Tensor) -> Tensor:
    """log p(x_obs, x_mis|z), (..., B)."""
    of_missing = filled.masked_fill(~x.isnan(), math.nan)
    parts = [part.log_prob(of_missing.index_select(-1, at.to(x.device))) for at, part in _of_holes(p, x)]
    return p.log_prob(x) + torch.stack(parts).sum(0)


def _masses(part: Factorised) -> Tensor:
    """p(c|z) of cells that hold a code, (..., n, C)."""
    cell = part.cell
    log_masses = cell.log_masses() if hasattr(cell, "log_masses") else cell.logits  # type: ignore[attr-defined]
    return log_masses.exp()


def _filling(
    model: VAE | ConditionalVAE, data: Store, samples: int, chunk: int, seed: int
) -> tuple[Tensor, Tensor, StreamingWeights]:
    """(conditional means or codes, spreads, weights) of a chunk of rows, (B, D) float64."""
    x = data.fixed(seed).to(next(model.parameters()).device)
    weights, means = StreamingWeights(samples), WeightedMeans(len(x))
    parts: list[tuple[Tensor, Factorised]] = []
    for _, p, log_ratio in importance_draws(model.given(x), x, samples, chunk, RowDraw(data.kept, seed)):
        log_w, parts = p.log_prob(x) + log_ratio, _of_holes(p, x)
        weights.add(log_w)
        means.add(log_w, [_moments(part) for _, part in parts])
    ends = [_end(part, mean) for (_, part), mean in zip(parts, means.values, strict=True)]
    places = [at.cpu() for at, _ in parts]
    value, spread = (at_positions(places, each, data.n_dims, math.nan) for each in zip(*ends, strict=True))
    return value, spread, weights


def _moments(part: Factorised) -> Tensor:
    """What is averaged over z, (..., n, C) float64: masses of codes, or the mean and the mean square of a number."""
    if part.is_coded:
        return _masses(part).double()
    mean = part.mean.double()
    return torch.stack((mean, part.variance.double() + mean.square()), -1)


def _end(part: Factorised, average: Tensor) -> tuple[Tensor, Tensor]:
    """(value, spread), (B, n), of averaged moments (B, n, C)."""
    if part.is_coded:
        mass, code = average.max(-1)
        return code.double() * getattr(part.cell, "step", 1.0), (1 - mass).clamp_min(0)
    mean, square = average.unbind(-1)
    return mean, (square - mean.square()).clamp_min(0).sqrt()


class WeightedMeans:
    """sum_k w_k f_k / sum_k w_k of B rows, for several f, whose K values come in chunks with their log w."""

    def __init__(self, n_rows: int) -> None:
        self.top = torch.full((n_rows,), -math.inf, dtype=torch.float64)
        self.sums: list[Tensor] = []

    def add(self, log_w: Tensor, values: Sequence[Tensor]) -> None:
        """Log-weights (k, B), and (k, B, n, C) of every f."""
        log_w = log_w.double().cpu()
        top = torch.maximum(self.top, log_w.amax(0))
        # the largest weight so far is 1, so that none overflows; where all are 0 they stay 0
        base = top.masked_fill(top.isneginf(), 0.0)
        w, shrunk = (log_w - base).exp(), (self.top - base).exp()
        new = [w.sum(0), *(torch.einsum("kb,kbnc->bnc", w, f.double().cpu()) for f in values)]
        old = self.sums or [torch.zeros_like(s) for s in new]
        self.sums = [s * shrunk.view(-1, *[1] * (s.dim() - 1)) + more for s, more in zip(old, new, strict=True)]
        self.top = top

    @property
    def values(self) -> list[Tensor]:
        """(B, n, C) of every f."""
        total, *sums = self.sums
        return [s / total.view(-1, 1, 1) for s in sums]
