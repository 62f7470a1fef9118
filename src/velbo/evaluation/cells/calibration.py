"""Does p(x|z) spread its cells as the data do? Dimension by dimension, on the data's own (x, z) ~ p_data(x) q(z|x).

    u_d = F(x_d | z)                              probability-integral transform, uniform on [0, 1] for the decoder that
                                                  is the conditional law of x_d given z
    u_d = F(x_d - | z) + v p(x_d | z), v ~ U      the same for cells with a mass: F(x_d -) is what lies below x_d
    dispersion_d = mean (x_d - E[x_d|z])^2 / mean Var[x_d|z]          1 for such a decoder

Where cells of p(x|z) depend on each other, each law is that given z and the cells before it.
Where the mask is modelled, x_d is a cell that was observed, and p(x_d | z, observed) stands for p(x_d | z) throughout.

The decoder that maximises E_q[log p(x|z)] among all is that conditional law under p_data(x) q(z|x), so z is drawn from
q and no correction is due for its having seen x. A distance of u from uniform (Kolmogorov and Smirnov's, sup |F - u|)
or a dispersion away from 1 is a likelihood that does not fit: tails too light, a scale that is fixed or at its floor.

Sources: Remarks on a multivariate transformation, Rosenblatt, 1952, https://doi.org/10.1214/aoms/1177729394;
Predictive model assessment for count data, Czado, Gneiting and Held, 2009,
https://doi.org/10.1111/j.1541-0420.2009.01191.x (section 2.1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ...checks import rows_for
from ...errors import MissingMethodError
from ...posteriors import RowDraw
from ...rows import AnyRows, Store
from ...rows.noise import RowNoise
from ...runtime.threads import threads
from ...terms import Model, view_of
from .weighted import cells_of

ROWS = 500


@dataclass(frozen=True)
class Calibration:
    """Of each dimension, (D,) float64; NaN where no cell was observed.

    Attributes:
        distance: of u from uniform, 0 to 1.
        critical: the distance that chance exceeds in one of 1,000 such dimensions, by the number of its cells.
        dispersion: squared errors in units of the predicted variance; NaN for names of categories, which have none.
        dispersion_se: its standard error, from the spread of the squared errors over rows.
        left_out: what could not be measured of some cells and is NaN, each a sentence.
    """

    distance: Tensor
    critical: Tensor
    dispersion: Tensor
    dispersion_se: Tensor
    left_out: tuple[str, ...] = ()


@threads()
@torch.no_grad()
def calibrate(model: Model, data: AnyRows, seed: int = 0) -> Calibration:
    """How well p(x|z) is spread, by one draw of z for each row.

    A cell without distribution function or moments is left out of that measure, and said to be.

    Args:
        model: in evaluation mode, on the CPU; its p(x|z) tells of its cells.
        data: rows x, (N, D), of any container; see `velbo.checks.rows_for`.
        seed: of all noise.

    Raises:
        ConfigError: for a p(x|z) that tells nothing of its cells.
    """
    data, left_out = rows_for(model, data), dict[str, None]()
    parts = [_spread(model, part, seed, left_out) for part in data.chunks(ROWS)]
    u, square, variance = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    n, n_square = ((~t.isnan()).sum(0).double() for t in (u, square))
    distance = torch.stack([distance_of(column) for column in u.T])
    critical = math.sqrt(-0.5 * math.log(0.001 / 2)) / n.sqrt()
    expected = variance.nanmean(0)
    spread = (square - square.nanmean(0)).square().nanmean(0).sqrt() / n_square.sqrt()
    return Calibration(distance, critical, square.nanmean(0) / expected, spread / expected, tuple(left_out))


@threads()
@torch.no_grad()
def probability_transforms(model: Model, data: AnyRows, seed: int = 0) -> Tensor:
    """u of every cell, (N, D) float64; NaN where one is missing, given, or has no distribution function.

    Args:
        model: as for `calibrate`, which takes the same u.
        data: rows.
        seed: of all noise.

    Raises:
        ConfigError: for a p(x|z) that tells nothing of its cells.
    """
    chunks = rows_for(model, data).chunks(ROWS)
    return torch.cat([_spread(model, part, seed, {}, moments=False)[0] for part in chunks])


@contextmanager
def _noted(measure: str, left_out: dict[str, None]) -> Iterator[None]:
    """What a cell does not say is noted, once, and what is computed of it left as it is."""
    try:
        yield
    except MissingMethodError as error:
        left_out[f"{measure} is left out, as {error}"] = None


def _spread(
    model: Model, data: Store, seed: int, left_out: dict[str, None], moments: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """(u, squared errors, predicted variances) of a chunk, (B, D) float64; NaN for missing cells."""
    x = data.fixed(seed)
    view = view_of(model, x)
    p = cells_of(view.decode(RowDraw(data.kept, seed).sample(view.encode(x), 1)[0]))
    v = RowNoise(data.kept, seed, "calibration").uniform((x.shape[1],))
    u, square, variance = (torch.full(x.shape, math.nan, dtype=torch.float64) for _ in range(3))
    for positions, part in p.conditionals(x).given_observed.parts:
        cells = x[:, positions]
        missing = cells.isnan()
        with _noted("the distance from uniform", left_out):
            below, at = part.cell.below_and_at(cells.masked_fill(missing, part.inside))
            u[:, positions] = (below + v[:, positions] * at).double().masked_fill(missing, math.nan)
        if moments and not part.is_coded:
            with _noted("the dispersion", left_out):
                errors, spread = cells - part.mean, part.variance.double()
                square[:, positions] = errors.double().square()
                variance[:, positions] = spread.masked_fill(missing, math.nan)
    return u, square, variance


def distance_of(u: Tensor) -> Tensor:
    """sup over t of |share of u (N,) below t - t|; NaN cells are left out."""
    u = u[~u.isnan()].sort().values
    n = len(u)
    if not n:
        return torch.tensor(math.nan, dtype=torch.float64)
    steps = torch.arange(n + 1, dtype=torch.float64) / n
    return torch.maximum((u - steps[:-1]).abs().max(), (steps[1:] - u).abs().max())
