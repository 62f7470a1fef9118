"""Which cells are missing: how many of each column, and which columns together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError
from .cells import cells_of, name_of
from .pictures import INK, RECONSTRUCTION, SYNTHETIC, caption, figure, percent, plain

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from .subject import Subject

MOST_COLUMNS, MOST_ROWS = 40, 500


def missing(subject: Subject) -> Figure:
    """Share of missing cells of each column beside that of training, and the patterns: rows sorted by which of their
    cells are missing.

    Raises:
        ConfigError: if no cell is missing, or the model is of images alone.
    """
    if not np.isnan(subject.numbers).any():
        raise ConfigError("no cell of these rows is missing")
    cells, chosen = cells_of(subject, MOST_COLUMNS, "missing")
    gone = np.isnan(subject.numbers[:, [cell.at for cell in cells]])
    fig = figure(10, max(2.6, 0.6 + 0.24 * len(cells)))
    left, right = fig.subplots(1, 2, sharey=True, width_ratios=(1, 1.6))
    place = np.arange(len(cells))
    left.barh(place, gone.mean(0), color=SYNTHETIC, height=0.7)
    n_rows = subject.model.plan.data.n_rows
    if n_rows:
        trained = [cell.field.n_missing / n_rows for cell in cells]
        left.plot(trained, place, ls="", marker="|", ms=11, mew=2, color=INK, label="in training")
        left.legend(frameon=False, fontsize=8)
    left.set_yticks(place, [name_of(cell) for cell in cells])
    left.invert_yaxis()
    percent(left.xaxis)
    caption(left, f"Share of cells that are missing{f'; {chosen}' if chosen else ''}")
    rows = gone[subject.some(MOST_ROWS)]
    patterns = rows[np.lexsort(rows.T[::-1])]
    right.imshow(patterns.T, aspect="auto", cmap=_two_colours(), vmin=0, vmax=1, interpolation="nearest")
    right.set_xlabel(f"{len(rows)} rows, sorted by what is missing", fontsize=8, color=INK)
    caption(right, f"Missing (orange) and observed: {len(np.unique(gone, axis=0))} patterns in {len(gone):,} rows")
    for axes in (left, right):
        plain(axes)
    right.tick_params(axis="y", length=0, labelleft=False)
    return fig


def _two_colours() -> Colormap:
    from matplotlib.colors import ListedColormap

    return ListedColormap([RECONSTRUCTION + "40", SYNTHETIC])
