"""Detectors of anomalous rows that velbo's is held against: rows (N, D) -> scores, larger is more anomalous.

    forest      scikit-learn's IsolationForest, LocalOutlierFactor with their defaults
    neighbours  distance to the k-th nearest training row
    tails       F_d(x) the share of training rows <= x in column d, G_d(x) that of those >= x

        ECOD    sum_d max( -log F_d, -log G_d, -log of the tail that column d is skewed towards )
        COPOD   sum_d max( 1/2 (-log F_d - log G_d), -log of that tail ), both as PyOD has them

`score(name, train, rows, seed)` fits on ``train`` and scores ``rows``. Columns are standardised by ``train`` for those
that measure distances; columns that are constant there are left out.

Sources: ECOD, Li, Zhao, Hu, Botta, Ionescu and Chen, 2022, https://arxiv.org/abs/2201.00382; COPOD, Li, Zhao, Botta,
Ionescu and Hu, 2020, https://arxiv.org/abs/2009.09463.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

Rows = NDArray[np.float64]
Scorer = Callable[[Rows, Rows, int], Rows]


def forest(train: Rows, rows: Rows, seed: int) -> Rows:
    return -IsolationForest(random_state=seed).fit(train).score_samples(rows)


def local_factor(train: Rows, rows: Rows, seed: int) -> Rows:
    x, y = standardised(train, rows)
    if train is rows:
        return -LocalOutlierFactor().fit(x).negative_outlier_factor_
    return -LocalOutlierFactor(novelty=True).fit(x).score_samples(y)


def nearest(k: int, unit: Callable[[Rows, Rows], tuple[Rows, Rows]]) -> Scorer:
    """Distance to the k-th nearest other training row, in a unit of the columns."""

    def score(train: Rows, rows: Rows, seed: int) -> Rows:
        x, y = unit(train, rows)
        own = int(train is rows)  # each row is its own nearest
        return NearestNeighbors(n_neighbors=min(k + own, len(x))).fit(x).kneighbors(y)[0][:, -1]

    return score


def ecod(train: Rows, rows: Rows, seed: int) -> Rows:
    below, above, skewed = _tails(train, rows)
    return np.maximum(np.maximum(below, above), skewed).sum(1)


def copod(train: Rows, rows: Rows, seed: int) -> Rows:
    below, above, skewed = _tails(train, rows)
    return np.maximum((below + above) / 2, skewed).sum(1)


def standardised(train: Rows, rows: Rows) -> tuple[Rows, Rows]:
    """Both, by means and deviations of the first."""
    return _measured(train, rows, train.mean(0), train.std(0))


def by_quantiles(train: Rows, rows: Rows) -> tuple[Rows, Rows]:
    """Both, by medians and the spread of the middle eight in ten, as velbo.build.anomalies has it."""
    low, middle, high = np.quantile(train, (0.1, 0.5, 0.9), axis=0)
    spread, deviation = (high - low) / (2 * NormalDist().inv_cdf(0.9)), train.std(0)
    return _measured(train, rows, middle, np.where(spread >= 0.1 * deviation, spread, deviation))


def _measured(train: Rows, rows: Rows, location: Rows, scale: Rows) -> tuple[Rows, Rows]:
    keep = scale > 0
    x, y = ((a[:, keep] - location[keep]) / scale[keep] for a in (train, rows))
    return x, y


def _tails(train: Rows, rows: Rows) -> tuple[Rows, Rows, Rows]:
    """(-log F, -log G, that of the tail that each column is skewed towards), each (N, D)."""
    keep = train.std(0) > 0
    train, rows, n = train[:, keep], rows[:, keep], len(train)
    ordered = np.sort(train, 0)
    # a new row beyond all of training counts as one of them
    below = np.stack([np.searchsorted(c, r, side="right") for c, r in zip(ordered.T, rows.T, strict=True)], 1)
    above = n - np.stack([np.searchsorted(c, r, side="left") for c, r in zip(ordered.T, rows.T, strict=True)], 1)
    left, right = (-np.log(np.maximum(count, 1) / n) for count in (below, above))
    x = (train - train.mean(0)) / train.std(0)
    return left, right, np.where((x**3).mean(0) < 0, left, right)


PEERS: dict[str, Scorer] = {
    "isolation forest": forest,
    "kNN": nearest(5, standardised),
    "LOF": local_factor,
    "ECOD": ecod,
    "COPOD": copod,
}
"""With their defaults (PyOD's k for kNN): what a figure is held against."""
TUNED: dict[str, Scorer] = {"kNN 50, quantiles": nearest(50, by_quantiles)}
"""In the units of velbo's detector and with k chosen on these tables: what these units alone are worth."""


def score(name: str, train: Any, rows: Any, seed: int = 0) -> Rows:
    """By name; where ``rows`` is ``train``, no row is its own neighbour."""
    x = np.asarray(train, np.float64)
    y = x if rows is train else np.asarray(rows, np.float64)
    return (PEERS | TUNED)[name](x, y, seed)
