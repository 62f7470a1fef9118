"""Cells of a table that hold a code, the place c = 0 .. C - 1 of a category, with C different from column to column.

    log p(c) = logit_c - logsumexp_c' logit_c'

All columns are one linear layer of sum C outputs, padded to the largest C with masses of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributions import constraints
from torch.nn.functional import logsigmoid

from .base import Factorised, Likelihood, at_least_float32
from .cell import Cell


class BelowSize(constraints.Constraint):
    """Whole numbers from 0, below the cell's number of categories; sizes (..., D)."""

    is_discrete = True

    def __init__(self, sizes: Tensor) -> None:
        self.sizes = sizes
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        return (value % 1 == 0) & (value >= 0) & (value < self.sizes)

    def __repr__(self) -> str:
        return "codes of known categories"


class CodesCell(Cell):
    """Normalised log masses (..., D, C), -inf where a cell has fewer categories."""

    n_inner = 1

    def __init__(self, log_p: Tensor) -> None:
        self.log_p = log_p
        super().__init__(log_p)

    def log_masses(self) -> Tensor:
        """log p(c), (..., D, C)."""
        return self.log_p

    @property
    def support(self) -> Any:
        return BelowSize((~self.log_p.isneginf()).sum(-1))

    def log_prob(self, value: Tensor) -> Tensor:
        codes = value.round().long().unsqueeze(-1)
        shape = torch.broadcast_shapes(codes.shape[:-1], self.batch_shape)
        return self.log_p.expand(*shape, -1).gather(-1, codes.expand(*shape, 1)).squeeze(-1)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        codes = torch.distributions.Categorical(logits=self.log_p, validate_args=False)
        return codes.sample(torch.Size(sample_shape)).to(self.log_p.dtype)

    def _expected(self, power: int) -> Tensor:
        codes = torch.arange(self.log_p.shape[-1], dtype=self.log_p.dtype, device=self.log_p.device)
        return (self.log_p.exp() * codes**power).sum(-1)

    @property
    def mean(self) -> Tensor:
        """Of the codes, which says something where they have an order."""
        return self._expected(1)

    @property
    def mode(self) -> Tensor:
        return self.log_p.argmax(-1).to(self.log_p.dtype)

    @property
    def variance(self) -> Tensor:
        return (self._expected(2) - self._expected(1).square()).clamp_min(0)


class BinaryCell(torch.distributions.Bernoulli):
    """A cell of two codes."""

    def log_masses(self) -> Tensor:
        """log p(c), (..., D, 2)."""
        return torch.stack((logsigmoid(-self.logits), logsigmoid(self.logits)), -1)

    @property
    def mode(self) -> Tensor:
        return (self.logits > 0).to(self.logits.dtype)


class BernoulliCodes(Likelihood):
    """Codes 0 and 1."""

    layer = nn.Linear

    def __init__(self, n_in: int, n_out: int, positions: int = 1) -> None:
        super().__init__(n_in, n_out, 1, positions)

    def forward(self, features: Tensor) -> Factorised:
        (logits,) = self.parameters_of_cells(features)
        return Factorised(BinaryCell(logits=logits, validate_args=False))


def check_sizes(sizes: Sequence[int], least: int) -> None:
    """
    Raises:
        ValueError: if a column has fewer categories.
    """
    for size in sizes:
        if size < least:
            raise ValueError(f"each column needs at least {least} categories, and one has {size}")


class CategoricalCodes(Likelihood):
    """Codes 0 .. C - 1 of categories without order.

    Args:
        sizes: C of every output.
    """

    layer = nn.Linear

    def __init__(self, n_in: int, sizes: Sequence[int], positions: int = 1) -> None:
        check_sizes(sizes, 1)
        super().__init__(n_in, sum(sizes), 1, positions)
        self.sizes = tuple(sizes)
        # where in the layer's output each padded logit is; a padding's is any
        first = torch.tensor([0, *sizes]).cumsum(0)[:-1, None]
        codes = torch.arange(max(sizes)).expand(len(sizes), -1)
        padding = codes >= torch.tensor(sizes)[:, None]
        self.register_buffer("places", (first + codes).masked_fill(padding, 0).flatten(), persistent=False)
        self.register_buffer("padding", padding.repeat(positions, 1), persistent=False)

    @property
    def n_cells(self) -> int:
        return len(self.sizes) * self.positions

    def forward(self, features: Tensor) -> Factorised:
        y = at_least_float32(self.linear(features)).index_select(-1, cast(Tensor, self.places))
        y = y.flatten(-2) if self.positions > 1 else y
        padding = cast(Tensor, self.padding)
        logits = y.unflatten(-1, tuple(padding.shape)).masked_fill(padding, -torch.inf)
        return Factorised(CodesCell(logits.log_softmax(-1)))
