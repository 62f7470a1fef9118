"""Are cells spread as p(x|z) says? Predicted against found: of all cells, how many lie below the t-quantile that the
model gives for them. A likelihood that fits lies on the diagonal; see velbo.evaluation.calibrate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from ..evaluation.cells.calibration import distance_of, probability_transforms
from .cells import names_of
from .pictures import INK, LABELS, RULE, caption, figure, plain, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .subject import Subject

MOST_NAMED, MOST_GREY = 5, 60
CHANCE = 0.001


def calibration(subject: Subject) -> Figure:
    """Share of the cells of a column below every predicted quantile; the columns that are furthest off by name.

    Raises:
        ConfigError: if no cell has a distribution function, or p(x|z) no independent cells.
    """
    transforms = probability_transforms(subject.model.model, subject.store, subject.seed)
    u = transforms.numpy()
    known = np.flatnonzero((~np.isnan(u)).any(0))
    if not len(known):
        raise ConfigError("no cell of this model has a distribution function, so its spread cannot be looked at")
    distance = np.array([float(distance_of(transforms[:, d])) for d in known])
    order = known[np.argsort(-distance, kind="stable")]
    fig = figure(6.2, 5.2)
    axes = fig.subplots()
    t = np.linspace(0, 1, 201)
    n = int(np.median((~np.isnan(u[:, known])).sum(0)))
    band = math.sqrt(-0.5 * math.log(CHANCE / 2) / max(1, n))
    axes.fill_between(t, np.clip(t - band, 0, 1), np.clip(t + band, 0, 1), color=RULE, alpha=0.6, lw=0,
                      label="chance, all but 1 in 1,000")  # fmt: skip
    for d in order[MOST_NAMED : MOST_NAMED + MOST_GREY]:
        axes.plot(t, _below(u[:, d], t), color=RULE, lw=0.8)
    names = names_of(subject.model.schema)
    for d, colour in zip(order[:MOST_NAMED], LABELS, strict=False):
        label = f"{words(names[d])}, {distance[np.flatnonzero(known == d)[0]]:.2f} off"
        axes.plot(t, _below(u[:, d], t), color=colour, lw=1.5, label=label)
    axes.plot(t, _below(u[:, known].ravel(), t), color=INK, lw=2, ls="--", label="all cells together")
    axes.plot([0, 1], [0, 1], color=INK, lw=0.8)
    axes.set_xlabel("quantile that p(x|z) gives", fontsize=8, color=INK)
    axes.set_ylabel("share of cells below it", fontsize=8, color=INK)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    caption(axes, f"Calibration: {len(known)} cells a row, {len(u):,} rows; the furthest off by name")
    plain(axes)
    return fig


def _below(u: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Share of u below each t."""
    u = np.sort(u[~np.isnan(u)])
    return np.searchsorted(u, t, side="right") / max(1, len(u))
