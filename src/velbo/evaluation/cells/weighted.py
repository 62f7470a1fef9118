"""What the evaluation of single cells stands on: p(x|z_k) cell by cell, and means by weights

    w_k = p(x_obs|z_k) p(z_k) / q(z_k|x_obs),   z_k ~ q(z|x_obs)

Where cells are missing not at random, p(x_obs|z) stands for that of the mask too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution

from ...errors import ConfigError, DataError, MissingMethodError
from ...likelihoods import Factorised, MixedCells, OrderedCells
from ...rows import Store
from ...rows.row_numbers import row_name
from ...terms import Model, device_of_model, n_latents, view_of

Cells = Factorised | MixedCells | OrderedCells


def cells_of(p: Distribution) -> Cells:
    """p(x|z), known to tell of its cells.

    Raises:
        ConfigError: if it has not.
    """
    if not isinstance(p, Factorised | MixedCells | OrderedCells):
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
        "the model holds it for impossible; let velbo.checks.check_support(model, x) say whether it lies outside "
        "the support"
        if value.isneginf()
        else "the encoder or the decoder gives no numbers for it; an encoder must take NaN where a cell is missing: "
        "put velbo.nets.FillMissing(mask=True) in front"
    )
    raise DataError(f"{row_name(int(row))}: log p of its observed cells is {float(value):g}: {why}")


def probe(model: Model, data: Store) -> Cells:
    """p(x|z) of some z and one row (or none), to see how it is made."""
    x = data.subset(torch.arange(min(1, len(data)))).fixed(0).to(device_of_model(model))
    view = view_of(model, x)
    return cells_of(view.decode(x.new_zeros(len(x), n_latents(view))))


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


def parts_with_holes(p: Cells, x: Tensor) -> list[tuple[Tensor, Factorised]]:
    """(positions, p(x_d|z, cell d is missing)) of every part that has holes in x (B, D)."""
    holes = x.isnan().any(0)
    return [(at, part.given_missing) for at, part in p.parts if holes[at.to(x.device)].any()]


def cells_with_holes(p: Cells, x: Tensor) -> list[tuple[Tensor, Factorised]]:
    """`parts_with_holes`, of which only the cells that have holes, where a part can be taken apart: moments cost as
    much as there are cells.
    """
    holes = x.isnan().any(0).cpu()
    return [_some(at, part, holes[at.cpu()]) for at, part in parts_with_holes(p, x)]


def _some(at: Tensor, part: Factorised, chosen: Tensor) -> tuple[Tensor, Factorised]:
    places = chosen.nonzero().squeeze(-1)
    if len(places) == len(at):
        return at, part
    try:
        return at[places.to(at.device)], Factorised(part.cell.at(places.to(part.cell.device)))
    except MissingMethodError:
        return at, part


def weighted_moments(p: Distribution) -> Callable[[Tensor], Tensor]:
    """w (K, B) -> sum_k w_k (E[x|z_k], E[x^2|z_k]), (B, n, 2) float64, of cells (K, B, n)."""
    mean = p.mean.double()
    moments = torch.stack((mean, p.variance.double() + mean.square()), -1).cpu()
    return lambda w: torch.einsum("kb,kbnc->bnc", w, moments.expand(*w.shape, *moments.shape[-2:]))


class WeightedMeans:
    """sum_k w_k f_k / sum_k w_k of B rows, for several f, whose sums over K come in chunks with their log w."""

    def __init__(self, n_rows: int) -> None:
        self.top = torch.full((n_rows,), -math.inf, dtype=torch.float64)
        self.sums: list[Tensor] = []

    def add(self, log_w: Tensor, sums: Sequence[Callable[[Tensor], Tensor]]) -> None:
        """Log-weights (k, B), and w -> sum_k w_k f_k (B, n, C) for every f, both in float64 on the CPU."""
        log_w = log_w.double().cpu()
        top = torch.maximum(self.top, log_w.amax(0))
        # the largest weight so far is 1, so that none overflows; where all are 0 they stay 0
        base = top.masked_fill(top.isneginf(), 0.0)
        w, shrunk = (log_w - base).exp(), (self.top - base).exp()
        new = [w.sum(0), *(weighted(w) for weighted in sums)]
        old = self.sums or [torch.zeros_like(s) for s in new]
        self.sums = [s * shrunk.view(-1, *[1] * (s.dim() - 1)) + more for s, more in zip(old, new, strict=True)]
        self.top = top

    @property
    def values(self) -> list[Tensor]:
        """(B, n, C) of every f."""
        total, *sums = self.sums
        return [s / total.view(-1, 1, 1) for s in sums]
