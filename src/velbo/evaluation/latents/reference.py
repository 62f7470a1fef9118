"""How usual a row is by the latents of training rows: the score of a model of what most rows are like.

    z        E[z|x] of the row, z_i = E[z|x_i] of training row i, the reference
    x_hat    the mode of p(x|z), in the cells that the row has

    score(x) = log p(x|z) + (k-th largest over i of log p(x_hat|z_i)) - log p(x_hat|z)

The first term asks whether the model can make the row, the rest whether k training rows are made alike: a row is usual
if both are so. It has the place of the rate in the ELBO, log p(x|z) less KL( q(z|x) || p(z) ), but what is near is told
by p(x|z), in nats, and not by the prior, which is wide where few rows are. Fewer than k anomalous rows, however alike,
do not make each other usual. Of normal cells of scale s it is

    score(x) = -1/2 |x - x_hat|^2 / s^2  -  1/2 |x_hat - x_hat_(k)|^2 / s^2  +  const

with x_hat_(k) the k-th nearest of the training rows' means. All terms are sums over cells, and so is the score; missing
cells have no part in any. It is exact, by no samples, and depends on no order of the training rows.

The k-th nearest as a score: Efficient algorithms for mining outliers from large data sets, Ramaswamy, Rastogi and Shim,
2000, https://doi.org/10.1145/335191.335437, whose distance is that of rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...checks import rows_for
from ...errors import ConfigError, RunError
from ...likelihoods import Factorised, MixedCells
from ...likelihoods.normal import NormalCell
from ...rows import AnyRows, Store
from ...runtime.memory import freed_memory_kept
from ...runtime.threads import threads
from ...terms import Model, View, device_of_model, mean_of, view_of
from ..bounds.chunks import CELLS_PER_CHUNK
from ..cells.weighted import modelled, probe, width

MOST_ROWS, ROWS_PER_CHUNK = 3000, 1024


@dataclass(frozen=True, eq=False)
class Reference:
    """Latents of training rows.

    Attributes:
        z: posterior means, (M, Z).
        k: how many of them have to explain a row, 1 to M.
    """

    z: Tensor
    k: int

    def tensors(self) -> dict[str, Tensor]:
        """For a file."""
        return {"z": self.z}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], k: int, n_latents: int) -> Reference:
        """The inverse, of tensors that a file may have held.

        Raises:
            RunError: if they are no latents of such a model.
        """
        z = tensors.get("z")
        is_one = z is not None and z.dim() == 2 and z.dtype == torch.float32 and len(z) and z.shape[1] == n_latents
        if z is None or not is_one or not z.isfinite().all():
            raise RunError(
                f"reference.safetensors does not hold finite latents of training rows, (M, {n_latents}); restore the "
                "file from a copy, or fit again"
            )
        return cls(z, min(k, len(z)))


def has_reference(model: Model, rows: AnyRows) -> bool:
    """Whether p(x|z) tells each cell given z alone, and z is all that is given: what a reference needs."""
    try:
        p = probe(model, rows_for(model, rows))
    except ConfigError:
        return False
    return isinstance(p, Factorised | MixedCells)


@torch.no_grad()
def reference(model: Model, data: Store, k: int) -> Reference:
    """Of training rows.

    Args:
        model: in evaluation mode.
        data: encoded rows, of which each one that has a weight counts by it.
        k: how many shall explain a row; all, where there are fewer.
    """
    device = device_of_model(model)
    z = torch.cat([_latents(model, part.fixed(0).to(device)) for part in data.chunks(ROWS_PER_CHUNK)]).cpu()
    if data.weight is not None:  # a row of weight 2 as if it were there twice
        ends = data.weight.cumsum(0)
        z = z[torch.searchsorted(ends, (torch.arange(len(z)) + 0.5) * ends[-1] / len(z)).clamp_max(len(z) - 1)]
    return Reference(z.float(), min(k, len(z)))


@torch.no_grad()
def usual_cells(model: Model, data: AnyRows, known: Reference, seed: int = 0) -> Tensor:
    """What every cell adds to the score of its row; low is anomalous.

    Args:
        model: in evaluation mode, with p(x|z) of independent cells.
        data: rows x, (N, D), of any container; see `velbo.checks.rows_for`.
        known: latents of training rows.
        seed: of random encodings, as of binarised images.

    Returns:
        (N, D) float64, nats of the data (rows/units.py); NaN for missing cells, and for columns without a likelihood.
        The sum of the others is the score.

    Raises:
        ConfigError: for a p(x|z) without independent cells.
    """
    data, device = rows_for(model, data), device_of_model(model)
    p = probe(model, data)
    numbers = width(p)
    n_rows = max(1, min(ROWS_PER_CHUNK, CELLS_PER_CHUNK // (8 * numbers)))
    latents = known.z.to(device, data.dtype)
    with threads(), freed_memory_kept():
        parts = [_cells(model, part.fixed(seed).to(device), latents, known.k, numbers) for part in data.chunks(n_rows)]
    cells = torch.cat(parts) if parts else torch.zeros(0, data.n_dims, dtype=torch.float64)
    has_part = ~data.fixed(seed).cpu().isnan() & modelled(p)
    return torch.where(has_part, cells + data.units.of_cells, torch.nan)


def _cells(model: Model, x: Tensor, latents: Tensor, k: int, numbers: int) -> Tensor:
    """Of rows x (B, D), float64 on the CPU, in nats of x."""
    view = view_of(model, x)
    own = _given_z(view, _latents(model, x))
    x_hat = own.mode.masked_fill(x.isnan(), torch.nan)
    nearest = _kth_best(view, x_hat, latents, k, max(1, CELLS_PER_CHUNK // (len(x) * numbers)))
    alike = _given_z(view, latents[nearest]).log_prob_cells(x_hat) - own.log_prob_cells(x_hat)
    return (own.log_prob_cells(x) + alike).double().cpu()


def _kth_best(view: View, x: Tensor, latents: Tensor, k: int, chunk: int) -> Tensor:
    """Which z_i has the k-th largest log p(x|z_i), (B,), for rows x (B, D)."""
    best, which = x.new_zeros(0, len(x)), torch.zeros(0, len(x), dtype=torch.long, device=x.device)
    for start in range(0, len(latents), chunk):
        z = latents[start : start + chunk]
        log_p = log_p_of_pairs(_given_z(view, z.unsqueeze(1)), x)
        numbers = torch.arange(start, start + len(z), device=x.device).unsqueeze(1).expand_as(log_p)
        together, numbers = torch.cat((best, log_p)), torch.cat((which, numbers))
        best, at = together.topk(min(k, len(together)), dim=0)
        which = numbers.gather(0, at)
    return which[k - 1]


def log_p_of_pairs(p: Factorised | MixedCells, x: Tensor) -> Tensor:
    """log p(x|z_i) of every z_i with every row, (M, B), for p of batch shape (M, 1) and rows x (B, D)."""
    return torch.stack([_of_part(part, x.index_select(-1, at.to(x.device))) for at, part in p.parts]).sum(0)


def _of_part(part: Factorised, x: Tensor) -> Tensor:
    cell = part.cell
    if type(part) is not Factorised or not isinstance(cell, NormalCell) or cell.scale.dim() > 1:
        return part.log_prob(x)
    # |x - mu|^2 is taken apart: a product of matrices costs a tenth of the M B D squares
    observed, mu = (~x.isnan()).to(x.dtype), cell.loc.squeeze(1)
    x, precision = x.nan_to_num(), observed / cell.scale.to(x) ** 2
    squares = (precision * x**2).sum(-1) - 2 * mu @ (precision * x).T + mu**2 @ precision.T
    return -squares / 2 - (observed * (cell.scale.log() + math.log(math.sqrt(2 * math.pi)))).sum(-1)


def _given_z(view: View, z: Tensor) -> Factorised | MixedCells:
    """p(x|z).

    Raises:
        ConfigError: if its cells depend on each other, or are not told.
    """
    p = view.decode(z)
    if not isinstance(p, Factorised | MixedCells):
        raise ConfigError(
            f"latents of training rows explain rows whose cells are independent given z, and this p(x|z) is a "
            f"{type(p).__name__}; score rows by log p(x), score_rows(model, data)"
        )
    return p


def _latents(model: Model, x: Tensor) -> Tensor:
    """E[z|x], (B, Z)."""
    return mean_of(view_of(model, x).encode(x), "q(z|x)")
