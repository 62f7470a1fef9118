"""Columns and pairs of columns, real beside synthetic; see velbo.evaluation.synthetic for the figures in the titles.

columns   shares of names, densities of numbers, each with its distance and what two real samples give
pairs     associations of every pair: real, synthetic, and the difference
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..evaluation.synthetic import ColumnQuality, associations, column_quality
from .cells import Cell, cells_of, name_of, title
from .pictures import BOTH_SIDES, INK, REAL, SYNTHETIC, caption, figure, grid, percent, plain, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .subject import Subject

MOST_COLUMNS, MOST_PAIRED, MOST_NAMES, BINS = 16, 30, 8, 24
TAIL = 0.005
LETTERS_PER_INCH = 11.0


def columns(subject: Subject) -> Figure:
    """Every column of the rows beside that of as many new rows.

    Raises:
        ConfigError: for a model of images alone.
    """
    cells, chosen = cells_of(subject, MOST_COLUMNS, "columns")
    at = [cell.at for cell in cells]
    real, fake = subject.numbers[:, at], subject.synthetic[:, at]
    quality = column_quality(real, fake, [cell.field for cell in cells], subject.seed)
    fig, axes = grid(len(cells), 4, 2.9, 2.1)
    for each, cell, x, y, found in zip(axes, cells, real.T, fake.T, quality, strict=True):
        (_names if cell.is_coded else _numbers)(each, cell, x[~np.isnan(x)], y[~np.isnan(y)])
        title(each, f"{name_of(cell, 18)}  {_apart(found)}")
    handles = [_patch(colour) for colour in (REAL, SYNTHETIC)]
    names = [f"real ({len(real):,} rows)", f"synthetic ({len(fake):,})"]
    fig.legend(handles, names, loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    said = f"; {chosen}" if chosen else ""
    text = f"Share of cells that would have to move, and what two real samples give{said}"
    letters = int(LETTERS_PER_INCH * fig.get_figwidth())
    fig.suptitle(textwrap.fill(text, letters), x=0.01, ha="left", fontsize=10, color=INK)
    return fig


def _apart(found: ColumnQuality) -> str:
    return f"{found.distance:.0%} ({found.distance_by_chance:.0%})"


def _patch(colour: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, alpha=0.8)


def _numbers(axes: Axes, cell: Cell, real: NDArray[Any], fake: NDArray[Any]) -> None:
    """Histograms of one set of bins; the outermost bins hold the tails."""
    both = np.concatenate([real, fake])
    if len(both):
        edges = cell.on_axis(_edges(both))
        for values, colour, filled in ((real, REAL, True), (fake, SYNTHETIC, False)):
            shown = np.clip(cell.on_axis(values), edges[0], edges[-1])
            weights = np.full(len(shown), 1 / max(1, len(shown)))
            style: dict[str, Any] = {"alpha": 0.45} if filled else {"histtype": "step", "lw": 1.6}
            axes.hist(shown, bins=list(edges), weights=weights, color=colour, **style)
    percent(axes.yaxis)
    cell.label(axes.xaxis)
    plain(axes)


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of bins: around every whole number where there are few, else equally wide between the tails."""
    low, high = np.quantile(values, [TAIL, 1 - TAIL])
    if high <= low:
        low, high = values.min(), values.max()
    whole = bool((values == np.rint(values)).all())
    if whole and high - low < BINS:
        return np.arange(np.floor(low), np.ceil(high) + 2) - 0.5
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def _names(axes: Axes, cell: Cell, real: NDArray[Any], fake: NDArray[Any]) -> None:
    """Shares of the most frequent names, and of all others together."""
    n = cell.field.n_categories
    shares = [np.bincount(v.astype(int), minlength=n) / max(1, len(v)) for v in (real, fake)]
    order = np.argsort(-shares[0], kind="stable")
    kept = order[: MOST_NAMES if n <= MOST_NAMES else MOST_NAMES - 1]
    names = [words(cell.category(int(code)), 12) for code in kept]
    bars = [list(share[kept]) for share in shares]
    if len(kept) < n:
        names.append("others")
        bars = [[*bar, share.sum() - sum(bar)] for bar, share in zip(bars, shares, strict=True)]
    place = np.arange(len(names))
    for bar, colour, shift in zip(bars, (REAL, SYNTHETIC), (-0.2, 0.2), strict=True):
        axes.barh(place + shift, bar, height=0.38, color=colour, alpha=0.8)
    axes.set_yticks(place, names)
    axes.invert_yaxis()
    percent(axes.xaxis)
    plain(axes)
    axes.tick_params(axis="y", labelsize=7, length=0)


def pairs(subject: Subject) -> Figure:
    """Associations of every two columns, in the rows and in as many new ones.

    Raises:
        ConfigError: for a model of images alone, or of one column.
    """
    cells, chosen = cells_of(subject, MOST_PAIRED, "pairs")
    if len(cells) < 2:
        raise ConfigError("pairs need two columns at least, and this model is of one; use columns")
    at, fields = [cell.at for cell in cells], [cell.field for cell in cells]
    real, fake = (associations(v[:, at], fields) for v in (subject.numbers, subject.synthetic))
    fig = figure(11.5, 4.6)
    fig.set_layout_engine("compressed")  # the constrained one takes long names below square axes for shorter
    off = ~np.eye(len(cells), dtype=bool)
    apart = np.abs(real - fake)[off]
    panels = (
        (real, "real"),
        (fake, "synthetic"),
        (fake - real, f"difference: {apart.mean():.2f} on average, {apart.max():.2f} at most"),
    )
    axes, shown = fig.subplots(1, 3), None
    for i, (each, (values, text)) in enumerate(zip(axes, panels, strict=True)):
        shown = each.imshow(values, cmap=BOTH_SIDES, vmin=-1, vmax=1)
        caption(each, text)
        names = [name_of(cell, 14) for cell in cells]
        small = 7.5 if len(cells) <= 16 else 5.5
        each.set_xticks(range(len(cells)), names, rotation=90, fontsize=small)
        each.set_yticks(range(len(cells)), names if i == 0 else [], fontsize=small)
        each.tick_params(length=0)
    assert shown is not None
    bar = fig.colorbar(shown, ax=list(axes), shrink=0.7)
    bar.set_label("association", fontsize=8, color=INK)
    bar.ax.tick_params(labelsize=8, colors=INK)
    said = f" ({chosen})" if chosen else ""
    text = f"Associations: rho of two numbers, Cramer's V of two names, correlation ratio of one of each{said}"
    fig.suptitle(text, x=0.01, ha="left", fontsize=10, color=INK)
    return fig
