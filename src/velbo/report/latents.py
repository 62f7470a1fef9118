"""A flat map of the latents: posterior means of rows, coloured by their labels.

More than two active latents are seen from the side where they spread most: the first two principal components of the
posterior means of the active ones (a variance over rows above 0.01; see evaluation/bounds/summary.py).

Source: On lines and planes of closest fit to systems of points in space, Pearson, 1901,
https://doi.org/10.1080/14786440109462720.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..evaluation.bounds.summary import ACTIVE_VARIANCE
from .pictures import INK, LABELS, MARKERS, MORE, RECONSTRUCTION, RULE, caption, figure, plain, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .subject import Subject

MOST_LABELS = 20


def flat_map(z: NDArray[Any], seed: int = 0) -> NDArray[Any]:
    """Two coordinates for every row of z: t-SNE where there are more latents and rows enough, else z's first two."""
    from sklearn.manifold import TSNE

    if z.shape[1] > 2 and len(z) > 90:
        return TSNE(init="pca", perplexity=30, random_state=seed).fit_transform(z)
    return z[:, [0, -1]] if z.shape[1] < 2 else z[:, :2]


def principal_map(z: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, str], str]:
    """Two coordinates (N, 2) for every row of z (N, Z), the names of the axes, and how they came about.

    Of one active latent the second coordinate is the next in variance; a model of one latent has its density there.
    """
    variance = z.var(0)
    active = np.flatnonzero(variance > ACTIVE_VARIANCE)
    if z.shape[1] == 1:
        return np.column_stack([z[:, 0], _spread_out(z[:, 0])]), ("z0", "rows beside each other"), "the one latent"
    if len(active) <= 2:
        i, j = np.sort(np.argsort(-variance, kind="stable")[:2])
        said = "the two latents" if z.shape[1] == 2 else f"the two most used of {z.shape[1]} latents"
        return z[:, [i, j]], (f"z{i}", f"z{j}"), said
    centred = z[:, active] - z[:, active].mean(0)
    _, size, directions = np.linalg.svd(centred, full_matrices=False)
    directions *= np.where(directions[np.arange(len(directions)), np.abs(directions).argmax(1)] < 0, -1, 1)[:, None]
    share = size**2 / (size**2).sum()
    names = (f"first component, {share[0]:.0%} of the variance", f"second component, {share[1]:.0%}")
    return centred @ directions[:2].T, names, f"principal components of {len(active)} active latents of {z.shape[1]}"


def _spread_out(z: NDArray[Any]) -> NDArray[Any]:
    """A height for every number, so that equal ones do not hide each other; the same at every call."""
    return np.random.default_rng(0).uniform(-1, 1, len(z))


def draw_points(axes: Axes, flat: NDArray[Any], labels: Sequence[Any] | NDArray[Any] | None, name: str = "") -> None:
    """Points (N, 2), coloured by labels (N,): names and few whole numbers by colour and marker, others by lightness."""
    if labels is None:
        axes.scatter(*flat.T, s=11, alpha=0.7, linewidths=0, color=RECONSTRUCTION, rasterized=True)
        return
    values = np.asarray(labels)
    if len(values) != len(flat):
        raise DataError(f"labels: {len(flat)} are needed, one a row, not {len(values)}")
    kinds = _kinds(values)
    if kinds is None:
        numbers = values.astype(float)
        points = axes.scatter(*flat.T, c=numbers, cmap=MORE, s=11, alpha=0.8, linewidths=0, rasterized=True)
        assert axes.figure is not None
        axes.figure.colorbar(points, ax=axes, label=words(name), shrink=0.8)
        return
    for i, kind in enumerate(kinds):
        at = flat[_texts(values) == kind]
        style: dict[str, Any] = {"color": LABELS[i % len(LABELS)], "marker": MARKERS[i // len(LABELS) % len(MARKERS)]}
        axes.scatter(*at.T, s=13, alpha=0.75, linewidths=0, rasterized=True, label=words(kind), **style)
        _name(axes, at, kind)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), title=words(name) or None)


def _texts(values: NDArray[Any]) -> NDArray[np.str_]:
    """Labels as text; a missing one is (missing)."""
    whole = values.dtype.kind == "f"
    return np.array(["(missing)" if v is None or v != v else f"{v:g}" if whole else str(v) for v in values.tolist()])


def _kinds(values: NDArray[Any]) -> list[str] | None:
    """The labels there are, as text, the most frequent ones first where they are many; None for numbers."""
    found, counts = np.unique(_texts(values), return_counts=True)
    is_number = values.dtype.kind in "iuf"
    if is_number and (len(found) > MOST_LABELS or (values.dtype.kind == "f" and len(found) > len(LABELS))):
        return None
    if len(found) > MOST_LABELS:
        return found[np.argsort(-counts, kind="stable")[:MOST_LABELS]].tolist()
    return sorted(found.tolist(), key=float) if is_number and "(missing)" not in found else found.tolist()


def _name(axes: Axes, at: NDArray[Any], kind: str) -> None:
    """A label in the middle of its points, if it is short."""
    if len(kind) <= 2:
        x, y = np.median(at, 0)
        box = {"boxstyle": "circle,pad=0.2", "fc": "white", "ec": RULE, "alpha": 0.9}
        axes.text(x, y, words(kind), fontsize=9, ha="center", va="center", color=INK, bbox=box)


def draw_latents(axes: Axes, z: NDArray[Any], labels: Any = None, name: str = "") -> None:
    """Posterior means (N, Z) on a flat map, coloured by label."""
    flat, (x, y), said = principal_map(z)
    draw_points(axes, flat, labels, name)
    axes.set_xlabel(x, fontsize=8, color=INK)
    axes.set_ylabel(y, fontsize=8, color=INK)
    caption(axes, f"Latent space: posterior means, {said}")
    plain(axes)


def latents(subject: Subject, labels: Any = None, name: str = "") -> Figure:
    """A map of the posterior means.

    Args:
        subject: model and rows.
        labels: (N,) numbers or names, one a row; if not given, those of the one field of names, where there is one.
        name: what the labels are.

    Raises:
        DataError: if there are more labels than rows, or fewer.
    """
    if labels is None:
        labels, name = subject.own_labels
    fig = figure(9.5, 5.6)
    draw_latents(fig.subplots(), subject.z, labels, name)
    return fig
