"""Missing cells of a p(x|z) whose cells depend on each other, x_a given x_g: they are drawn, and what is given weighs.

    z ~ m(z),   x_a one after another from p(x_d | x_<d, z), with x_g where it is in the order
    w = p(z) / m(z) prod over d in g of p(x_d | x_<d, z)                       x_<d with what was drawn

which is likelihood weighting: E[w] = p(x_g), and draws (z, x_a) in proportion to w are of p(z, x_a | x_g). Here z and
the row with what was drawn are one vector, the `state`, so that whoever chooses among draws keeps both. Where cells are
independent given z nothing need be drawn: the state is z, and p(x_a|z) is known.

A step of Metropolis that leaves p(z, x_a | x_g) as it is draws both anew, z' ~ q(z | x_g, x_a) and x_a' as above:

    r = W(x_a', z') p(z') q(z | x_g, x_a') / ( W(x_a, z) p(z) q(z' | x_g, x_a) ),   W the product above

Source: Weighing and integrating evidence for stochastic simulation in Bayesian networks, Fung and Chang, 1990,
https://arxiv.org/abs/1304.1504.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from ...likelihoods import Cell, Factorised, MixedCells, OrderedCells
from ...likelihoods.autoregressive import cell_at
from ...likelihoods.coded import CodedCell
from ...posteriors import Draw
from ...runtime.generators import OwnGenerator
from ...terms import View, log_weight_of, n_latents
from .weighted import cells_of

Laws = Factorised | MixedCells


class Drawn(Cell):
    """A number that was drawn: all mass at one value, (..., D)."""

    support = constraints.real  # pyright: ignore

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.where(value == self.parameters[0], 0.0, -math.inf).to(self.dtype)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self.parameters[0].expand(self.shape_of(sample_shape))

    @property
    def mean(self) -> Tensor:
        return self.parameters[0]

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.parameters[0])


class WithDrawn(Factorised):
    """The laws of cells given those before them, and what was drawn where a cell is missing.

    Args:
        cell: p(x_d | x_<d, z).
        drawn: x with nothing missing, (..., D).
    """

    def __init__(self, cell: Cell, drawn: Tensor) -> None:
        super().__init__(cell)
        self.drawn = drawn

    @property
    def given_missing(self) -> Factorised:
        if not isinstance(self.cell, CodedCell) or not self.cell.is_coded:
            return Factorised(Drawn(self.drawn))
        codes = torch.arange(self.cell.n_codes, device=self.drawn.device)
        is_it = self.cell.codes(self.drawn).unsqueeze(-1) == codes
        return Factorised(self.cell.with_masses(torch.where(is_it, 0.0, -math.inf).to(self.drawn.dtype)))


def completed(view: View, x: Tensor, z: Tensor, own: OwnGenerator) -> tuple[Tensor, Laws]:
    """(states, laws of the cells) at z (..., B, Z) for rows x (B, D), whose missing cells are drawn if need be.

    The log-probability of x by these laws is log W, and the law of a missing cell, `given_missing`, what was drawn.
    """
    p = cells_of(view.decode(z))
    if not isinstance(p, OrderedCells):
        return z, p
    with own:
        rows = p.completed(x)
    return torch.cat((z, rows), -1), _laws(p, rows)


def laws_at(view: View, state: Tensor) -> Laws:
    """The laws of `completed` at its states (..., B, Z or Z + D)."""
    p = cells_of(view.decode(z_of(view, state)))
    return _laws(p, state[..., n_latents(view) :]) if isinstance(p, OrderedCells) else p


def _laws(p: OrderedCells, rows: Tensor) -> MixedCells:
    parts = p.conditionals(rows).parts
    return MixedCells(
        [(at, WithDrawn(part.cell, rows.index_select(-1, at.to(rows.device)))) for at, part in parts],
        p.event_shape[0],
    )


def z_of(view: View, state: Tensor) -> Tensor:
    """z of a state."""
    return state[..., : n_latents(view)]


def n_drawn(view: View, state: Tensor) -> int:
    """Numbers of a state behind z: D where cells depend on each other given z, else 0."""
    return state.shape[-1] - n_latents(view)


def moved(view: View, x: Tensor, state: Tensor, steps: int, draw: Draw, own: OwnGenerator) -> tuple[Tensor, Tensor]:
    """(rows, states) after steps of Metropolis over z and the missing cells of x (B, D) together.

    Args:
        view: for rows x.
        x: NaN where missing.
        state: where the chains begin, (n, B, Z + D).
        steps: how many.
        draw: where noise of log p(z) comes from, if any is needed.
        own: the generator.
    """
    n, prior = n_latents(view), view.prior()
    z, rows = state.split((n, x.shape[-1]), -1)
    log_w = laws_at(view, state).log_prob(x) + log_weight_of(prior, z, draw)
    for _ in range(steps):
        there = view.encode(rows)
        with own:
            z_new = there.sample()
        state_new, laws = completed(view, x, z_new, own)
        rows_new = state_new[..., n:]
        log_w_new = laws.log_prob(x) + log_weight_of(prior, z_new, draw)
        r = log_w_new - there.log_prob(z_new) - log_w + view.encode(rows_new).log_prob(z)
        with own:
            taken = torch.rand_like(r).log() < r
        state = torch.where(taken.unsqueeze(-1), state_new, state)
        log_w = torch.where(taken, log_w_new, log_w)
        z, rows = state.split((n, x.shape[-1]), -1)
    return rows, state


def log_joint_of(view: View, x: Tensor, z: Tensor, cell: int, values: Tensor, own: OwnGenerator) -> Tensor:
    """log W of rows x (B, D) were one cell observed, with each of V values in turn, (V, k, B).

    Args:
        view: for rows x.
        x: rows.
        z: (k, B, Z).
        cell: which.
        values: (V,).
        own: the generator of the noise, which is the same at every value, so that their differences have little of it.
    """
    with own:
        seed = int(torch.randint(2**62, ()))
    found = []
    for value in values:
        with_it = x.clone()
        with_it[:, cell] = value
        found.append(completed(view, with_it, z, OwnGenerator(seed))[1].log_prob(with_it))
    return torch.stack(found) if found else z.new_empty(0, *z.shape[:-1])


def every_value(view: View, x: Tensor, cell: int) -> Tensor | None:
    """All values of a cell (C,), where cells depend on each other and it has few; else None."""
    p = cells_of(view.decode(x.new_zeros(len(x), n_latents(view))))
    law = cell_at(p, cell)
    if not isinstance(p, OrderedCells) or not isinstance(law, CodedCell):
        return None
    return law.values(torch.arange(law.n_codes, device=x.device).to(x.dtype))
