"""What heads for counts 0, 1, 2, ... have in common: the mean m, by a log link.

    m_d = exp(y_d)                                  y the linear layer's output, its bias the log of an initial rate
    m_d = l rho_d / sum_{e in O} rho_e              where the row's library size l is given, rho = softmax(y): the means
                                                    of the counts O sum to l, those whose sum it is

y is bounded smoothly by 30, so that m lies in (1e-13, 1e13).

Source of the library size: Deep generative modeling for single-cell transcriptomics, Lopez, Regier, Cole, Jordan and
Yosef, 2018, https://doi.org/10.1038/s41592-018-0229-2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from ..rows import Field
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats
from .base import Factorised, Likelihood
from .cell import Cell
from .laws import Counts, Layer
from .ranges import inverse_limited, limited, whole_limited

LIMIT = 30.0


def initial_rate(column: Field) -> float:
    """A count column's mean; of one that has none, a guess from its range: its middle in log(1 + v)."""
    return max(column.one("mean") or math.sqrt((1 + column.one("low")) * (1 + column.one("high"))) - 1, 0.1)


class CountLikelihood(Likelihood):
    """Counts; a member says what distribution of mean m they have.

    Args:
        rates: means to begin with, one for each of ``n_out``; 1 if not given.
        others: biases of further parameters.
    """

    kinds = ("count",)

    @classmethod
    def of(cls, n_in: int, cells: Sequence[Field], positions: int = 1) -> Self:
        of_one = cells[: len(cells) // positions]
        return cls(n_in, len(of_one), [initial_rate(cell) for cell in of_one], positions)

    def __init__(
        self,
        n_in: int,
        n_out: int,
        rates: Sequence[float] | None = None,
        positions: int = 1,
        others: Sequence[float] = (),
    ) -> None:
        rates = [1.0] * n_out if rates is None else rates
        if len(rates) != n_out or not all(rate > 0 for rate in rates):
            raise ValueError(f"initial rates are {n_out} positive numbers, one an output, not {list(rates)}")
        super().__init__(n_in, n_out, 1 + len(others), positions)
        self.begin(None, *others)
        with torch.no_grad():
            self.linear.bias[:n_out] = torch.tensor([inverse_limited(math.log(rate), LIMIT) for rate in rates])

    def counts(self, rate: Floats, *others: Floats) -> Counts:
        """The law of counts in whole numbers, of means m (B, D) and further parameters."""
        raise self.lacks_law()

    def law(self, layer: Layer) -> Counts:
        y, *others = self.whole_parameters(layer)
        return self.counts(fixed.exp(whole_limited(y, LIMIT)), *others)

    def cell(self, log_rate: Tensor, *others: Tensor) -> Cell:
        """The distribution of one count."""
        raise NotImplementedError

    def forward(self, features: Tensor, library: Tensor | None = None, observed: Tensor | None = None) -> Factorised:
        """p(x|z) with event shape (D,).

        Args:
            features: (..., F).
            library: (..., 1), what the means sum to ...
            observed: ... over these cells, (..., D); over all, if none is, or without a mask (or one of no cells).
        """
        y, *others = self.parameters_of_cells(features)
        log_rate = limited(y, LIMIT)
        if library is not None:
            size = library.to(log_rate.dtype).clamp_min(torch.finfo(log_rate.dtype).tiny)
            log_rate = _log_shares(log_rate, observed) + size.log()
        return Factorised(self.cell(log_rate, *others))


def _log_shares(log_rate: Tensor, observed: Tensor | None) -> Tensor:
    """log( m_d / l )."""
    log_rho = log_softmax(log_rate, -1)
    if observed is None or not observed.shape[-1]:
        return log_rho
    is_left_out = ~observed & observed.any(-1, keepdim=True)
    return log_rho - torch.logsumexp(log_rho.masked_fill(is_left_out, -torch.inf), -1, keepdim=True)
