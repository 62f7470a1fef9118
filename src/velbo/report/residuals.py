"""The most anomalous rows, of the lowest log p(x) or score, and what is anomalous in them.

images    original, reconstruction, and their difference
columns   of every cell how far log p(cell | rest of the row), or its part of the score, lies below the usual, in nats
          (velbo.evaluation.contributions, velbo.evaluation.usual_cells, velbo.evaluation.typical)
vectors   of every cell (v - E[v|z]) / sd[v|z], with v_hat at the posterior mean
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import MissingMethodError
from ..evaluation.cells.weighted import cells_of as parts_of
from ..rows import Field
from ..terms import mean_of, view_of
from .cells import Cell, cells_of, name_of
from .pictures import BOTH_SIDES, INK, caption, figure, show, words
from .subject import in_ink

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .subject import Subject

ROWS, MOST_COLUMNS, MOST_CELLS, SAMPLES = 10, 12, 30, 50


def worst_rows(subject: Subject, n: int = ROWS) -> NDArray[np.int64]:
    """Numbers of the n least usual rows, the lowest first."""
    return np.argsort(subject.usual, kind="stable")[:n]


@dataclass(frozen=True)
class Shortfall:
    """Cells of the most anomalous rows of a table.

    Attributes:
        rows: their numbers, (n,).
        score: log p(x) of each, or its score, nats.
        cells: the C cells that have a likelihood.
        v: values, (n, C).
        nats: how far log p(cell | rest), or its part of the score, is below the usual, (n, C); below 0 where the cell
            is better than usual, NaN where it is missing.
    """

    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    cells: list[Cell]
    v: NDArray[np.float64]
    nats: NDArray[np.float64]


def shortfall(subject: Subject, n: int = ROWS) -> Shortfall:
    """Of the n most anomalous rows of a table."""
    rows, schema = worst_rows(subject, n), subject.model.schema
    each = subject.model.contributions(subject.encoded(subject.numbers[rows]), SAMPLES, subject.seed)
    usual = np.nan_to_num(np.array(subject.model.typical)) if subject.model.typical else np.zeros(schema.n_dims)
    cells = [Cell(schema.places[f.name].start, f) for f in subject.columns]
    at = [cell.at for cell in cells]
    return Shortfall(rows, subject.usual[rows], cells, subject.numbers[rows][:, at], (usual - each)[:, at])


def residuals(subject: Subject) -> Figure:
    """The most anomalous rows, and what is anomalous in them."""
    if subject.images:
        return _images(subject, subject.images[0])
    return _columns(subject) if subject.columns and subject.model.schema.is_table else _vector(subject)


def _images(subject: Subject, f: Field) -> Figure:
    rows = worst_rows(subject, 12)
    x, x_hat = (in_ink(v[:, subject.places(f)], f) for v in (subject.numbers[rows], subject.reconstructed(rows)))
    height, width, _ = x.shape[1:]
    fig = figure(9, 3 * (9 / len(rows) * height / width + 0.3))
    axes = fig.subplots(3, 1)
    score = subject.usual[rows]
    show(
        axes[0],
        x,
        len(rows),
        1.0,
        f"The {len(rows)} most anomalous rows: {subject.usual_name} from {score[0]:.0f} to {score[-1]:.0f} nats",
    )
    show(axes[1], x_hat, len(rows), 1.0, "Reconstructions")
    apart = np.pad((x_hat - x).mean(-1), ((0, 0), (0, 1), (0, 1)), constant_values=0.0)
    axes[2].imshow(np.concatenate(list(apart), axis=1), cmap=BOTH_SIDES, vmin=-1, vmax=1, interpolation="nearest")
    caption(axes[2], "Original less reconstruction: orange is more than expected, purple less")
    axes[2].set_axis_off()
    axes[2].set_anchor("NW")
    return fig


def _columns(subject: Subject) -> Figure:
    found = shortfall(subject)
    chosen = np.sort(np.argsort(-np.nan_to_num(found.nats, nan=-np.inf).max(0), kind="stable")[:MOST_COLUMNS])
    nats, cells = found.nats[:, chosen], [found.cells[c] for c in chosen]
    fig = figure(max(9.0, 2.2 + 0.82 * len(cells)), 1.6 + 0.36 * len(nats))
    axes = fig.subplots()
    largest = max(1.0, float(np.nanmax(np.abs(nats)))) if np.isfinite(nats).any() else 1.0
    shown = axes.imshow(-nats, cmap=BOTH_SIDES, vmin=-largest, vmax=largest, aspect="auto")
    for i in range(len(nats)):
        for j, cell in enumerate(cells):
            dark = abs(nats[i, j]) > 0.6 * largest
            axes.text(j, i, words(cell.text(found.v[i, chosen[j]]), 10), ha="center", va="center", fontsize=7,
                      color="white" if dark else INK)  # fmt: skip
    labels = [f"row {subject.number(row)}: {score:.1f}" for row, score in zip(found.rows, found.score, strict=True)]
    axes.set_yticks(range(len(nats)), labels, fontsize=8)
    axes.set_xticks(range(len(cells)), [name_of(cell, 20) for cell in cells], rotation=35, ha="right", fontsize=8)
    axes.tick_params(length=0)
    fig.colorbar(shown, ax=axes, label="nats above the usual", shrink=0.8)
    more = f" ({len(cells)} of {len(found.cells)} columns)" if len(cells) < len(found.cells) else ""
    caption(
        axes,
        f"The {len(nats)} most anomalous rows, {subject.usual_name} in nats: orange cells are unlikely given the rest"
        f"{more}",
    )
    return fig


def _vector(subject: Subject) -> Figure:
    rows = worst_rows(subject)
    z = _standardised(subject, rows)
    cells = [cell for cell in cells_of(subject, 10**9, "residuals")[0] if (~np.isnan(z[:, cell.at])).any()]
    size = np.nan_to_num(np.abs(z[:, [cell.at for cell in cells]])).max(0)
    cells = [cells[i] for i in np.sort(np.argsort(-size, kind="stable")[:MOST_CELLS])]
    values = z[:, [cell.at for cell in cells]]
    fig = figure(11, 1.6 + 0.36 * len(rows))
    axes = fig.subplots()
    largest = max(1.0, float(np.nanquantile(np.abs(values), 0.98)))
    shown = axes.imshow(-values, cmap=BOTH_SIDES, vmin=-largest, vmax=largest, aspect="auto")
    score = subject.usual[rows]
    axes.set_yticks(
        range(len(rows)), [f"row {subject.number(r)}: {p:.0f}" for r, p in zip(rows, score, strict=True)], fontsize=8
    )
    axes.set_xticks(range(len(cells)), [name_of(cell, 18) for cell in cells], rotation=60, ha="right", fontsize=7)
    axes.tick_params(length=0)
    bar = fig.colorbar(shown, ax=axes, label="standard deviations", shrink=0.8)
    bar.ax.yaxis.set_major_formatter(_negated())
    caption(
        axes,
        f"The {len(rows)} most anomalous rows, {subject.usual_name} in nats: orange is more than p(x|z) gives, "
        "purple less",
    )
    return fig


def _negated() -> Any:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda v, _: f"{-v or 0:g}")


@torch.no_grad()
def _standardised(subject: Subject, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """(x - E[x|z]) / sd[x|z] of rows, (n, D); NaN where a cell is missing or has no moments."""
    x = subject.encoded(subject.numbers[rows]).fixed(subject.seed)
    view = view_of(subject.model.model, x)
    p = parts_of(view.decode(mean_of(view.encode(x), "q(z|x)")))
    found = torch.full(x.shape, torch.nan, dtype=torch.float64)
    for at, part in p.conditionals(x).parts:
        try:
            found[:, at] = ((x[:, at] - part.mean) / part.variance.clamp_min(1e-12).sqrt()).double()
        except MissingMethodError:
            continue
    return found.numpy()
