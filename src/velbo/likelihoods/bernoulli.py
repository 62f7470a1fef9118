"""Binary cells: log p(x_d|z) = x_d log p_d + (1 - x_d) log(1 - p_d),  p_d = sigmoid(logit_d)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import constraints
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from ..rows import Field
from ..rows.encodings import binarised
from ..runtime import fixed_point as fixed
from .base import Factorised, Likelihood
from .coded import CodedCell, CodesCell
from .laws import Layer, Values


class BernoulliCell(CodedCell):
    """Logits, (..., D).

    Args:
        is_coded: whether 0 and 1 are names of two categories; else the mean, a probability, is a number to show, as for
            the pixels of an image.
    """

    support = constraints.boolean  # pyright: ignore

    def __init__(self, logits: Tensor, is_coded: bool = False) -> None:
        self.logits, self.is_coded = logits, is_coded
        super().__init__(logits)

    def rebuilt(self, *parameters: Tensor) -> BernoulliCell:
        return BernoulliCell(*parameters, is_coded=self.is_coded)

    @property
    def probs(self) -> Tensor:
        return torch.sigmoid(self.logits)

    def log_prob(self, value: Tensor) -> Tensor:
        logits, value = torch.broadcast_tensors(self.logits, value)
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return torch.bernoulli(self.probs.expand(self.shape_of(sample_shape)))

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return (self.logits > 0).to(self.logits.dtype)

    @property
    def variance(self) -> Tensor:
        return self.probs * torch.sigmoid(-self.logits)

    def below_and_at(self, x: Tensor) -> tuple[Tensor, Tensor]:
        p, rest = self.probs, torch.sigmoid(-self.logits)
        return x * rest, torch.where(x > 0, p, rest)

    def log_masses(self) -> Tensor:
        """log p of 0 and 1, (..., D, 2)."""
        return torch.stack((logsigmoid(-self.logits), logsigmoid(self.logits)), -1)

    def with_masses(self, log_p: Tensor) -> CodesCell:
        return CodesCell(log_p)


class Bernoulli(Likelihood):
    """Binary data in {0, 1}. For grey images as probabilities, binarise: the data encodings do.

    Args:
        is_coded: as of `BernoulliCell`.
    """

    layer = nn.Linear
    kinds = ("binary",)
    encodes = {"byte": binarised, "real": binarised}  # noqa: RUF012

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        of_one = cells[: len(cells) // positions]
        head = cls(n_in, len(of_one), positions, cls.group(cells[0]))
        shares = torch.tensor([cell.one("mean") for cell in of_one])
        if head.is_coded and ((shares > 0) & (shares < 1)).all():
            head.begin(shares.logit())  # few steps do not find a value that is rare
        return head

    @classmethod
    def group(cls, cell: Field) -> bool:
        """Whether its values have names."""
        return cell.n_categories > 0

    def __init__(self, n_in: int, n_out: int, positions: int = 1, is_coded: bool = False) -> None:
        super().__init__(n_in, n_out, 1, positions)
        self.is_coded = is_coded

    def forward(self, features: Tensor) -> Factorised:
        (logits,) = self.parameters_of_cells(features)
        return Factorised(BernoulliCell(logits, self.is_coded))

    def law(self, layer: Layer) -> Values:
        (logits,) = self.whole_parameters(layer)
        one = fixed.LOGISTIC.between(logits)
        return Values(np.stack((fixed.WHOLE - one, one), -1))
