"""Rows as the model sees them: x beside the point estimate of p(x|z) at the mean of q(z|x).

images    originals, and below each its reconstruction
columns   value against reconstruction of numbers; of names the share of rows of each that are told apart
vectors   all cells together, and the mean of each
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..rows import Field
from .cells import Cell, cells_of, name_of, title
from .pictures import INK, MORE, RECONSTRUCTION, RULE, SHARE, caption, figure, grid, plain, show, words
from .subject import in_ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .subject import Subject

MOST_COLUMNS, MOST_POINTS, MOST_NAMES, IMAGES = 12, 1000, 10, 20


def draw_reconstructions(axes: Axes, x: NDArray[Any], x_hat: NDArray[Any], top: float = 1.0) -> None:
    """Originals above, reconstructions below, in pairs of rows; from 0 to ``top``."""
    half = max(1, len(x) // 2)
    rows = [x[:half], x_hat[:half], x[half : 2 * half], x_hat[half : 2 * half]]
    show(axes, np.concatenate(rows), half, top, "Originals, and below each its reconstruction")


def draw_bottleneck(
    axes: Any, image: NDArray[Any], mean: NDArray[Any], scale: NDArray[Any], image_hat: NDArray[Any], top: float
) -> None:
    """x -> q(z|x) -> x: one image, its posterior, and the image decoded from the posterior mean."""
    left, middle, right = axes
    show(left, image[None], 1, top, "x")
    show(right, image_hat[None], 1, top, "p(x|z) at the mean of q")
    middle.errorbar(mean, np.arange(len(mean)), xerr=2 * np.asarray(scale), fmt="o", ms=3.5, color=RECONSTRUCTION,
                    ecolor=RECONSTRUCTION, elinewidth=1, alpha=0.9)  # fmt: skip
    middle.axvline(0, color=RULE, lw=0.8, zorder=0)
    middle.set_xlim(-4, 4)
    middle.set_yticks(np.arange(len(mean)))
    middle.invert_yaxis()
    caption(middle, "q(z|x): mean and two standard deviations of every latent")
    plain(middle)


def reconstructions(subject: Subject) -> Figure:
    """Rows and their reconstructions: images side by side, columns and vectors by their values."""
    if subject.images:
        return _images(subject, subject.images[0])
    return _columns(subject) if subject.columns else _vector(subject, subject.vectors[0])


def _images(subject: Subject, f: Field) -> Figure:
    rows = subject.some(IMAGES)
    x, x_hat = (in_ink(v[:, subject.places(f)], f) for v in (subject.numbers[rows], subject.reconstructed(rows)))
    half, (height, width, _) = max(1, len(rows) // 2), x.shape[1:]
    fig = figure(9, 9 / half * min(4, 2 * len(rows)) * height / width + 0.35)
    draw_reconstructions(fig.subplots(), x, x_hat)
    return fig


def _columns(subject: Subject) -> Figure:
    cells, chosen = cells_of(subject, MOST_COLUMNS + 100, "reconstructions")
    free = {f.name for f in subject.free}
    cells = [cell for cell in cells if cell.name in free]
    more = f" (the first {MOST_COLUMNS} of {len(cells)} columns)" if len(cells) > MOST_COLUMNS or chosen else ""
    fig, axes = grid(min(len(cells), MOST_COLUMNS), 4, 2.7, 2.6)
    rows = subject.some(MOST_POINTS)
    values, estimates = subject.numbers[rows], subject.reconstructed(rows)
    for each, cell in zip(axes, cells, strict=False):
        v, v_hat = values[:, cell.at], estimates[:, cell.at]
        known = ~np.isnan(v) & ~np.isnan(v_hat)
        (_names if cell.is_coded else _numbers)(each, cell, v[known], v_hat[known])
    fig.suptitle(f"Value, across, against its reconstruction{more}", x=0.01, ha="left", fontsize=10, color=INK)
    return fig


def _numbers(axes: Axes, cell: Cell, v: NDArray[Any], v_hat: NDArray[Any]) -> None:
    across, up = cell.on_axis(v), cell.on_axis(v_hat)
    axes.scatter(across, up, s=6, alpha=0.4, linewidths=0, color=RECONSTRUCTION, rasterized=True)
    if len(v):
        ends = [float(across.min()), float(across.max())]
        axes.plot(ends, ends, color=INK, lw=0.8)
    r = np.corrcoef(v, v_hat)[0, 1] if len(v) > 1 and v.std() and v_hat.std() else np.nan
    title(axes, f"{name_of(cell)}" + (f", r {r:.2f}" if r == r else ""))
    cell.label(axes.xaxis)
    cell.label(axes.yaxis)
    plain(axes)


def _names(axes: Axes, cell: Cell, v: NDArray[Any], v_hat: NDArray[Any]) -> None:
    """Of the rows that hold a name, the share that is reconstructed as each."""
    codes = v.astype(int)
    kept = np.argsort(-np.bincount(codes, minlength=cell.field.n_categories), kind="stable")[:MOST_NAMES]
    kept = np.sort(kept[np.isin(kept, codes)])
    counts = np.array([[np.sum((codes == a) & (v_hat == b)) for a in kept] for b in kept], float)
    of_all = np.array([max(1, np.sum(codes == a)) for a in kept], float)
    axes.imshow(counts / of_all, cmap=SHARE, vmin=0, vmax=1, origin="lower", aspect="auto")
    title(axes, f"{name_of(cell)}, {np.mean(codes == v_hat) if len(v) else 0:.0%} the same")
    names = [words(cell.category(int(code)), 9) for code in kept]
    axes.set_xticks(range(len(kept)), names, rotation=90, fontsize=6.5)
    axes.set_yticks(range(len(kept)), names, fontsize=6.5)
    axes.tick_params(length=0)


def _vector(subject: Subject, f: Field) -> Figure:
    rows = subject.some(MOST_POINTS)
    v, v_hat = (a[:, subject.places(f)] for a in (subject.numbers[rows], subject.reconstructed(rows)))
    known = ~np.isnan(v) & ~np.isnan(v_hat)
    fig = figure(9, 4.2)
    left, right = fig.subplots(1, 2)
    wide = f.kind == "count"
    scale = np.log1p if wide else np.asarray
    shown = left.hexbin(scale(v[known]), scale(v_hat[known]), gridsize=40, bins="log", cmap=MORE, mincnt=1)
    fig.colorbar(shown, ax=left, label="cells", shrink=0.8)
    means = [np.nanmean(np.where(known, a, np.nan), axis=0) for a in (v, v_hat)]
    right.scatter(*map(scale, means), s=12, alpha=0.7, linewidths=0, color=RECONSTRUCTION)
    for axes, text in ((left, "every cell"), (right, f"mean of each of the {f.size} cells")):
        ends = [max(axes.get_xlim()[0], axes.get_ylim()[0]), min(axes.get_xlim()[1], axes.get_ylim()[1])]
        axes.plot(ends, ends, color=INK, lw=0.8)
        axes.set_xlabel("log(1 + value)" if wide else "value", fontsize=8, color=INK)
        axes.set_ylabel("its reconstruction, alike" if wide else "its reconstruction", fontsize=8, color=INK)
        caption(axes, f"{words(f.name)}: {text}")
        plain(axes)
    return fig
