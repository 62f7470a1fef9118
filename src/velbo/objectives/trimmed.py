"""The trimmed bound: the rows of a batch that the model explains worst teach it nothing.

    kept        the B - floor(trim * B) rows of a batch whose bound is largest
    surrogate   B / |kept| times another objective's surrogate for rows that are kept, 0 for the others

so that a batch's mean is the mean over the kept rows. Climbing it alternates as minimum covariance determinant does:
take the rows that fit best, fit them better. As long as no more than a share ``trim`` of a batch is odd, odd rows
do not bend the model, however far out they lie. The value stays the bound of every row. Of several processes each trims
its own share of a batch.

Sources: Maximum trimmed likelihood estimators, Hadi and Luceno, 1997, https://doi.org/10.1016/S0167-9473(97)00011-X
(section 2); A fast algorithm for the minimum covariance determinant estimator, Rousseeuw and Van Driessen, 1999,
https://doi.org/10.1080/00401706.1999.10485670 (theorem 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ..errors import ConfigError
from ..posteriors import Draw
from ..terms import Terms
from .base import Bound, Objective, check_samples
from .elbo import ELBO


@dataclass(frozen=True)
class Trimmed:
    """Another objective, of the rows that fit.

    Args:
        samples: of the other objective.
        trim: share of each batch that is left out, in [0, 1).
        of: samples -> that objective.
    """

    samples: int = 1
    trim: float = 0.4
    of: Callable[[int], Objective] = ELBO

    couples_rows: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_samples(self.samples)
        if not 0 <= self.trim < 1:
            raise ConfigError(f"trim is a share of the rows, in [0, 1), not {self.trim}")

    @property
    def draw(self) -> Draw:
        """How the other objective draws z."""
        return self.of(self.samples).draw

    def __call__(self, terms: Terms, beta: float | Tensor = 1.0) -> Bound:
        bound = self.of(self.samples)(terms, beta)
        n = len(bound.value)
        n_kept = n - int(self.trim * n)
        kept = bound.value.detach().topk(n_kept).indices
        surrogate = torch.zeros_like(bound.surrogate).index_copy(0, kept, bound.surrogate[kept] * (n / n_kept))
        return replace(bound, surrogate=surrogate)
