"""Cells that hold a code, the place c = 0 .. C - 1 of a value, with C different from cell to cell; x = c step.

    log p(c) = logit_c - logsumexp_c' logit_c'

The step is 1 for names of categories, and 1 / (L - 1) for L levels in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical, constraints

from ..runtime.shapes import broadcast_shapes
from .cell import Cell
from .quadrature import Nodes, Rule, of_masses

FEWEST_PLACES = 16
"""Below this a head of its own costs more than padding."""


class BelowSize(constraints.Constraint):
    """Whole numbers from 0, below the cell's number of categories, times the step; sizes (..., D)."""

    is_discrete = True

    def __init__(self, sizes: Tensor, step: float = 1.0) -> None:
        self.sizes, self.step = sizes, step
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        codes = value if self.step == 1 else (value / self.step).round()
        on_grid = (value - codes * self.step).abs() <= torch.finfo(value.dtype).eps
        return on_grid & (codes % 1 == 0) & (codes >= 0) & (codes < self.sizes)

    def __repr__(self) -> str:
        return "codes of known categories"


class CodedCell(Cell):
    """A cell of few values, whose masses are known."""

    is_enumerated = True
    step: float = 1.0
    """Distance of neighbouring values."""

    @property
    def n_codes(self) -> int:
        """C, the most of any cell."""
        return self.log_masses().shape[-1]

    def with_masses(self, log_p: Tensor) -> CodesCell:
        """A cell of the same values with other log masses (..., D, C)."""
        raise self.lacks("with_masses(log_p)", "the law of a missing cell is made by it")

    def weighted_masses(self, w: Tensor) -> Tensor:
        """sum_k w_k p(c|z_k), (B, D, C) float64 on the CPU, of cells (K, B, D) and weights (K, B)."""
        return torch.einsum("kb,kbdc->bdc", w.double().cpu(), self.log_masses().exp().double().cpu())

    def codes(self, x: Tensor) -> Tensor:
        """Places of values."""
        return (x if self.step == 1 else x / self.step).round().long()

    def values(self, codes: Tensor) -> Tensor:
        """The inverse, in floating point."""
        return codes * self.step

    def below_and_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        masses = self.log_masses().exp()
        at, up_to = (self.chosen(t, x) for t in (masses, masses.cumsum(-1)))
        return up_to - at, at

    def chosen(self, of_codes: Tensor, x: Tensor) -> Tensor:
        """What belongs to the code of x among numbers of every code, (..., D, C)."""
        codes = self.codes(x).unsqueeze(-1)
        shape = broadcast_shapes(codes.shape[:-1], self.batch_shape)
        return of_codes.expand(*shape, -1).gather(-1, codes.expand(*shape, 1)).squeeze(-1)

    def rule(self, nodes: Nodes) -> Rule:
        log_p = self.log_masses()
        return of_masses(self.values(torch.arange(log_p.shape[-1])), log_p)


class CodesCell(CodedCell):
    """Normalised log masses (..., D, C), -inf where a cell has fewer values.

    Args:
        step: distance of neighbouring values.
    """

    n_inner = 1
    is_coded = True

    def __init__(self, log_p: Tensor, step: float = 1.0) -> None:
        self.log_p, self.step = log_p, step
        super().__init__(log_p)

    def rebuilt(self, *parameters: Tensor) -> CodesCell:
        return CodesCell(*parameters, step=self.step)

    def log_masses(self) -> Tensor:
        """log p(c), (..., D, C)."""
        return self.log_p

    def with_masses(self, log_p: Tensor) -> CodesCell:
        return self.rebuilt(log_p)

    @property
    def support(self) -> constraints.Constraint:
        return BelowSize((~self.log_p.isneginf()).sum(-1), self.step)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.chosen(self.log_p, value)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        codes = Categorical(logits=self.log_p, validate_args=False).sample(torch.Size(sample_shape))
        return self.values(codes.to(self.log_p.dtype))

    def _moments(self, centre: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """E[c - k] and E[(c - k)^2] of the codes c and a centre k, 0 if none is given."""
        codes = torch.arange(self.log_p.shape[-1], dtype=self.log_p.dtype, device=self.log_p.device)
        p, distance = self.log_p.exp(), codes if centre is None else codes - centre.unsqueeze(-1)
        return (p * distance).sum(-1), (p * distance.square()).sum(-1)

    @property
    def mean(self) -> Tensor:
        """Of the codes, which says something where they have an order."""
        return self.values(self._moments()[0])

    @property
    def mode(self) -> Tensor:
        return self.values(self.log_p.argmax(-1).to(self.log_p.dtype))

    @property
    def variance(self) -> Tensor:
        # around the code next to the mean little cancels: half a step is the most that the mean is away
        first, second = self._moments(self._moments()[0].round())
        return self.step**2 * (second - first.square())


def rounded_size(n_categories: int) -> int:
    """The next power of two, 16 at least. Cells of one rounded size share a head, and none is padded to more than twice
    its own size, or to 16.
    """
    return max(FEWEST_PLACES, 1 << (n_categories - 1).bit_length())


def check_sizes(sizes: Sequence[int], least: int) -> None:
    """
    Raises:
        ValueError: if a cell has fewer categories.
    """
    for size in sizes:
        if size < least:
            raise ValueError(f"each column needs at least {least} categories, and one has {size}")
