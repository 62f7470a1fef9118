"""How the importance-weighted bound rises with the number of samples.

    L_K = E[ log 1/K sum_k w_k ],   L_1 <= L_2 <= L_4 <= ... <= log p(x)

From n draws of a row L_K is estimated without bias by the mean over n / K groups, so one set of draws gives every K. A
curve that still rises at its end says that log p(x) lies above it; one that is flat says nothing unless the weights'
tail is light too (k-hat, importance.py).

Source: Importance weighted autoencoders, Burda, Grosse and Salakhutdinov, 2015, https://arxiv.org/abs/1509.00519
(theorem 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...checks import rows_for
from ...errors import ConfigError
from ...rows import AnyRows
from ...terms import Model
from .log_likelihood import RowScores, log_weights, score_rows


@dataclass(frozen=True)
class BoundCurve:
    """L_K of every row for K = 1, 2, 4, ..

    Attributes:
        samples: K, ascending.
        bounds: (len(samples), N) float64, in nats of the data (rows/units.py).
    """

    samples: tuple[int, ...]
    bounds: Tensor

    @property
    def means(self) -> Tensor:
        """Over rows, (len(samples),)."""
        return self.bounds.mean(-1)

    @property
    def standard_errors(self) -> Tensor:
        """Over rows, (len(samples),)."""
        return self.bounds.std(-1) / math.sqrt(self.bounds.shape[-1])


def bound_curve(model: Model, data: AnyRows, samples: int = 1024, seed: int = 0) -> BoundCurve:
    """L_K for all powers of two up to ``samples``.

    Args:
        model: in evaluation mode.
        data: rows x, (N, D), of any container; see `velbo.checks.rows_for`.
        samples: the largest K, a power of two, 2 or more.
        seed: of all noise.

    Raises:
        ConfigError: if ``samples`` is not a power of two from 2 on.
    """
    counts, data = _doubled(samples), rows_for(model, data)
    parts = [_rises(log_w, counts) for log_w in log_weights(model, data, samples, seed)]
    return BoundCurve(counts, torch.cat(parts, 1) + data.log_det())


def scores_and_curve(model: Model, data: AnyRows, samples: int, seed: int = 0) -> tuple[RowScores, BoundCurve]:
    """`score_rows` and `bound_curve`, which take the same weights, of one pass over the data.

    Raises:
        ConfigError: if ``samples`` is not a power of two from 2 on.
    """
    counts, data, parts = _doubled(samples), rows_for(model, data), list[Tensor]()
    scores = score_rows(model, data, samples, seed=seed, each=lambda log_w: parts.append(_rises(log_w, counts)))
    return scores, BoundCurve(counts, torch.cat(parts, 1) + data.log_det())


def _doubled(samples: int) -> tuple[int, ...]:
    """1, 2, 4, ... up to ``samples``."""
    if samples < 2 or samples & (samples - 1):
        raise ConfigError(f"the curve doubles its samples: the largest must be a power of two above 1, not {samples}")
    return tuple(2**i for i in range(samples.bit_length()))


def _rises(log_w: Tensor, counts: tuple[int, ...]) -> Tensor:
    """L_K of one chunk of rows, (len(counts), B), from log-weights (n, B)."""
    n, b = log_w.shape
    groups = (log_w.view(n // k, k, b).logsumexp(1) - math.log(k) for k in counts)
    return torch.stack([group.mean(0) for group in groups])
