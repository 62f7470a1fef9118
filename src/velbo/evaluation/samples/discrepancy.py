"""Maximum mean discrepancy between rows x_1 .. x_N and y_1 .. y_M, as a U-statistic, and its permutation test.

    k(a, b) = exp(-|a - b|^2 / (2 h^2))
    MMD^2 = sum_{i != j} k(x_i, x_j) / (N (N - 1)) + sum_{i != j} k(y_i, y_j) / (M (M - 1)) - 2/(NM) sum_ij k(x_i, y_j)

It is unbiased, so it may be negative, and often is when the distributions are equal. Values compare only at one h and
on the same features. k less a constant gives the same; k - 1 is summed, which loses no digits at large h. With permuted
labels as columns of S in {0, 1}^(N + M, P), all sums are in diag(S' K S) and S' K 1: one pass over blocks of K serves
every permutation. p = (1 + #{permuted >= observed}) / (1 + permutations) is exact: P(p <= a) <= a.

Source: A kernel two-sample test, Gretton, Borgwardt, Rasch, Schoelkopf and Smola, 2012,
https://jmlr.org/papers/v13/gretton12a.html (equation 3, section 8 for the median).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.metrics import euclidean_distances

from ...errors import ConfigError
from .rows import Floats, pair, row_blocks, scaled

MEDIAN_ROWS = 1000
ROUNDING = 1e-12


@dataclass(frozen=True)
class MMD:
    """Kernel two-sample test.

    Attributes:
        value: the unbiased estimate of MMD^2; may be negative.
        p_value: of equal distributions, by permutation; at least 1 / (1 + permutations).
        bandwidth: h, in units of the features.
    """

    value: float
    p_value: float
    bandwidth: float


def mmd(real: Any, fake: Any, bandwidth: float | None = None, permutations: int = 200, seed: int = 0) -> MMD:
    """Maximum mean discrepancy with a Gaussian kernel, and its permutation test.

    Time is quadratic in rows, memory is not.

    Args:
        real: (N, ...), flattened.
        fake: (M, ...), flattened.
        bandwidth: h; None takes the median of the distances, other than 0, between the rows of both (of 1,000 rows
            drawn from both where there are more). Give one to compare models.
        permutations: of the labels.
        seed: of permutations and draws.

    Raises:
        DataError: for missing cells, different widths or fewer than 2 rows.
        ConfigError: for a bandwidth that is not positive, or no permutations.
    """
    if bandwidth is not None and not 0 < bandwidth < math.inf:
        raise ConfigError(f"bandwidth = {bandwidth}: give a positive number, or None for the median distance")
    if permutations < 1:
        raise ConfigError(f"permutations = {permutations}: at least 1 is needed; give permutations=200")
    x, y = pair(real, fake, 2, "an unbiased estimate needs 2; give more")
    x, y, scale = scaled(x, y)
    rows, rng = np.concatenate((x, y)), np.random.default_rng(seed)
    h = _median_distance(rows, rng) if bandwidth is None else max(bandwidth / scale, np.finfo(np.float64).tiny)
    bandwidth = h * scale if bandwidth is None else float(bandwidth)
    label = np.repeat((1.0, 0.0), (len(x), len(y)))
    shuffled = rng.permuted(np.tile(label, (permutations, 1)), axis=1)
    values, size = _u_statistics(rows, np.vstack((label, shuffled)).T, h)
    # equal values may differ by rounding, and must count as equal
    beaten = int((values[1:] >= values[0] - ROUNDING * size).sum())
    return MMD(float(values[0]), (1 + beaten) / (1 + permutations), bandwidth)


def _median_distance(rows: Floats, rng: np.random.Generator) -> float:
    """Median of the distances that are not 0; where all rows are equal, any number does."""
    some = rows if len(rows) <= MEDIAN_ROWS else rows[rng.choice(len(rows), MEDIAN_ROWS, replace=False)]
    distances = pdist(some)
    distances = distances[distances > 0]
    return float(np.median(distances)) if len(distances) else 1.0


def _u_statistics(rows: Floats, labels: Floats, h: float) -> tuple[Floats, float]:
    """MMD^2 for every column of labels (N + M, P), 1 for real; and the mean size of the summands."""
    within, sums = np.zeros(labels.shape[1]), np.empty(len(rows))
    for block in row_blocks(len(rows), len(rows)):
        with np.errstate(over="ignore"):  # at a tiny h every distance is infinite, and that is right
            kernel = np.expm1(euclidean_distances(rows[block], rows, squared=True) / h / (-2 * h))
        kernel[np.arange(len(kernel)), np.arange(block.start, block.start + len(kernel))] = 0  # i = j is left out
        sums[block] = kernel.sum(1)
        within += np.einsum("ip,ip->p", labels[block], kernel @ labels)
    touching, total, n = sums @ labels, sums.sum(), labels[:, 0].sum()
    m = len(rows) - n
    across, without = touching - within, total - 2 * touching + within
    values = within / (n * (n - 1)) + without / (m * (m - 1)) - 2 * across / (n * m)
    return values, float(-total / (len(rows) * (len(rows) - 1)))
