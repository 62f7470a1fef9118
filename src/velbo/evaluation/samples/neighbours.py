"""Precision, recall, density and coverage of fake rows y_1 .. y_M against real ones x_1 .. x_N.

B_k(x_i) is the closed ball around x_i that just holds the k nearest of the other real rows; B_k(y_j) alike.

    precision = 1/M   sum_j 1[ y_j in some B_k(x_i) ]          recall   = 1/N sum_i 1[ x_i in some B_k(y_j) ]
    density   = 1/(kM) sum_j #{ i: y_j in B_k(x_i) }           coverage = 1/N sum_i 1[ some y_j in B_k(x_i) ]

For equal distributions E[density] = 1 and E[coverage] = 1 - prod_{l=1..k} (N - l) / (N + M - l), about 1 - 2^-k for
N = M: a perfect model covers less than everything. Density has no upper limit.

Sources: Improved precision and recall metric for assessing generative models, Kynkaanniemi, Karras, Laine, Lehtinen and
Aila, 2019, https://arxiv.org/abs/1904.06991 (equations 1 and 2); Reliable fidelity and diversity metrics for generative
models, Naeem, Oh, Uh, Choi and Yoo, 2020, https://arxiv.org/abs/2002.09797 (section 3, lemma 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import euclidean_distances
from sklearn.neighbors import NearestNeighbors

from ...errors import ConfigError
from .rows import Floats, pair, row_blocks, scaled


@dataclass(frozen=True)
class PRDC:
    """Precision, recall and coverage are shares in [0, 1]; density is at least 0, and 1 for equal distributions."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(real: Any, fake: Any, k: int = 5) -> PRDC:
    """Do samples look real (precision, density), and is everything real among them (recall, coverage)?

    Distances are Euclidean in the units given: bring columns of different units to one scale first. Balls are closed,
    as in Kynkaanniemi's equation 1, so copies and discrete rows count as near; points within rounding of a ball's
    boundary are inside. Time is quadratic in rows, memory is not.

    Args:
        real: (N, ...), flattened.
        fake: (M, ...), flattened.
        k: neighbours that a ball holds.

    Raises:
        DataError: for missing cells, different widths, or k + 1 rows that are not there.
        ConfigError: for k below 1.
    """
    if k < 1:
        raise ConfigError(f"k = {k}: a ball holds at least 1 neighbour; give k=5")
    x, y = pair(real, fake, k + 1, f"k = {k} neighbours need {k + 1}; give more, or a smaller k")
    x, y, _ = scaled(x, y)
    balls_x, balls_y = _radii(x, k) ** 2, _radii(y, k) ** 2
    norms_x, norms_y = np.square(x).sum(1), np.square(y).sum(1)
    # bounds the rounding of |x|^2 - 2 x'y + |y|^2 here and of the same expression inside the radii
    slack = 4 * (x.shape[1] + 4) * np.finfo(np.float64).eps
    near_real, near_fake, covered = np.zeros(len(y), np.int64), np.zeros(len(x), bool), np.zeros(len(x), bool)
    for rows in row_blocks(len(x), len(y)):
        least = euclidean_distances(x[rows], y, squared=True) - slack * (norms_x[rows, None] + norms_y)
        inside = least <= balls_x[rows, None] * (1 + slack)
        near_real += inside.sum(0)
        covered[rows] = inside.any(1)
        near_fake[rows] = (least <= balls_y * (1 + slack)).any(1)
    return PRDC(
        precision=float((near_real > 0).mean()),
        recall=float(near_fake.mean()),
        density=float(near_real.mean() / k),
        coverage=float(covered.mean()),
    )


def _radii(rows: Floats, k: int) -> Floats:
    """Distance of each row to the k-th nearest of the others, (N,)."""
    distances, _ = NearestNeighbors(n_neighbors=k).fit(rows).kneighbors()
    return distances[:, -1]
