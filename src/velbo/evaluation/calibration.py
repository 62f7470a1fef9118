"""Does p(x|z) spread its cells as the data do? Dimension by dimension, on the data's own (x, z) ~ p_data(x) q(z|x).

    u_d = F(x_d | z)                              probability-integral transform, uniform on [0, 1] for the decoder that
                                                  is the conditional law of x_d given z
    u_d = F(x_d - | z) + v p(x_d | z), v ~ U      the same for cells with a mass: F(x_d -) is what lies below x_d
    dispersion_d = mean (x_d - E[x_d|z])^2 / mean Var[x_d|z]          1 for such a decoder

The decoder that maximises E_q[log p(x|z)] among all is that conditional law under p_data(x) q(z|x), so z is drawn from
q and no correction is due for its having seen x. A distance of u from uniform (Kolmogorov and Smirnov's, sup |F - u|)
or a dispersion away from 1 is a likelihood that does not fit: tails too light, a scale that is fixed or at its floor.

Sources: Remarks on a multivariate transformation, Rosenblatt, 1952, https://doi.org/10.1214/aoms/1177729394;
Predictive model assessment for count data, Czado, Gneiting and Held, 2009,
https://doi.org/10.1111/j.1541-0420.2009.01191.x (section 2.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution

from ..data import Store
from ..data.noise import RowNoise
from ..likelihoods import Factorised
from ..likelihoods.categorical import OnGrid
from ..likelihoods.discretized_logistic import LogisticBins
from ..model import VAE
from ..posteriors import RowDraw
from ..threads import threads

ROWS = 500


@singledispatch
def below_and_at(cell: Distribution, x: Tensor) -> tuple[Tensor, Tensor]:
    """(P(X < x), P(X = x)) of every cell; for a density that is its distribution function, and 0.

    Raises:
        NotImplementedError: for a distribution without one; register yours with ``below_and_at.register``.
    """
    below = cell.cdf(x)
    return below, torch.zeros_like(below)


@below_and_at.register
def _(cell: Bernoulli, x: Tensor) -> tuple[Tensor, Tensor]:
    p = cell.probs
    return x * (1 - p), torch.where(x > 0, p, 1 - p)


@below_and_at.register
def _(cell: LogisticBins, x: Tensor) -> tuple[Tensor, Tensor]:
    k = (x * (cell.n_levels - 1)).round()
    below = cell.up_to(k - 1)
    return below, cell.up_to(k) - below


@below_and_at.register
def _(cell: OnGrid, x: Tensor) -> tuple[Tensor, Tensor]:
    codes = (x / cell.step).round().long().unsqueeze(-1)
    at, up_to = (t.gather(-1, codes).squeeze(-1) for t in (cell.probs, cell.probs.cumsum(-1)))
    return up_to - at, at


@dataclass(frozen=True)
class Calibration:
    """Of each dimension, (D,) float64; NaN where no cell was observed.

    Attributes:
        distance: of u from uniform, 0 to 1.
        critical: the distance that chance exceeds in one of 1,000 such dimensions, by the number of its cells.
        dispersion: squared errors in units of the predicted variance; NaN for names of categories, which have none.
        dispersion_se: its standard error, from the spread of the squared errors over rows.
    """

    distance: Tensor
    critical: Tensor
    dispersion: Tensor
    dispersion_se: Tensor


@threads()
@torch.no_grad()
def calibrate(model: VAE, data: Store, seed: int = 0) -> Calibration:
    """How well p(x|z) is spread, by one draw of z for each row.

    Args:
        model: in evaluation mode, on the CPU; its decoder's distribution has independent cells.
        data: encoded rows.
        seed: of all noise.
    """
    parts = [_spread(model, part, seed) for part in data.chunks(ROWS)]
    u, square, variance = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    n = (~u.isnan()).sum(0)
    distance = torch.stack([_distance(column) for column in u.T])
    critical = math.sqrt(-0.5 * math.log(0.001 / 2)) / n.double().sqrt()
    expected = variance.nanmean(0)
    spread = (square - square.nanmean(0)).square().nanmean(0).sqrt() / n.double().sqrt()
    return Calibration(distance, critical, square.nanmean(0) / expected, spread / expected)


def _spread(model: VAE, data: Store, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """(u, squared errors, predicted variances) of a chunk, (B, D) float64; NaN for missing cells."""
    x = data.fixed(seed)
    z = RowDraw(data.kept, seed).sample(model.encode(x), 1)[0]
    p = cast(Factorised, model.decode(z))
    missing = x.isnan()
    below, at = below_and_at(p.cell, torch.nan_to_num(x, nan=0.0))
    v = RowNoise(data.kept, seed, "calibration").uniform((x.shape[1],))
    u = (below + v * at).double().masked_fill(missing, math.nan)
    square, variance = (x - p.mean).double().square(), p.variance.double()
    return u, square, variance.masked_fill(missing, math.nan)


def _distance(u: Tensor) -> Tensor:
    """sup over t of |share of u below t - t|; NaN cells are left out."""
    u = u[~u.isnan()].sort().values
    n = len(u)
    if not n:
        return torch.tensor(math.nan, dtype=torch.float64)
    steps = torch.arange(n + 1, dtype=torch.float64) / n
    return torch.maximum((u - steps[:-1]).abs().max(), (steps[1:] - u).abs().max())
