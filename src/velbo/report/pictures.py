"""Pictures of a trained model, drawn with matplotlib (extra `report`) without touching its global state.

Every function returns a Figure; `save` writes it as PNG, whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, need
from ..files import write_atomically

INK, RULE, BOUND, RECONSTRUCTION, RATE = "#22252b", "#d5d8de", "#22252b", "#2f6fb0", "#d1662f"


def figure(width: float, height: float) -> Any:
    """An empty figure in the house style.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    need("matplotlib", "report")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(fig)
    return fig


def save(fig: Any, path: Path) -> None:
    """Write a PNG of 150 dots an inch."""
    write_atomically(path, lambda p: fig.savefig(p, dpi=150, format="png"))


def tile(images: NDArray[Any], columns: int, gap: int = 1) -> NDArray[Any]:
    """Images (N, H, W) or (N, H, W, C) side by side in rows of ``columns``; the gaps are NaN (shown white)."""
    if images.ndim not in (3, 4):
        raise DataError(f"pictures need images (N, H, W) or (N, H, W, C), not an array of shape {images.shape}")
    n, height, width = images.shape[:3]
    rows = -(-n // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, *images.shape[3:]), np.nan)
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def _show(axes: Any, images: NDArray[Any], columns: int, top: float, title: str) -> None:
    sheet = tile(np.asarray(images, float) / top, columns)
    if sheet.ndim == 3:
        axes.imshow(np.where(np.isnan(sheet), 1.0, sheet.clip(0, 1)), interpolation="nearest")
    else:
        axes.imshow(sheet, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    caption(axes, title)
    axes.set_axis_off()
    axes.set_anchor("NW")


def caption(axes: Any, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=10, color=INK, pad=6)


def plain(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(RULE)
    axes.tick_params(colors=INK, labelsize=8, color=RULE)


def draw_reconstructions(axes: Any, x: NDArray[Any], x_hat: NDArray[Any], top: float) -> None:
    """Originals above, reconstructions below, in pairs of rows."""
    half = len(x) // 2
    rows = [x[:half], x_hat[:half], x[half : 2 * half], x_hat[half : 2 * half]]
    _show(axes, np.concatenate(rows), half, top, "Originals, and below each its reconstruction")


def draw_samples(axes: Any, samples: NDArray[Any], columns: int, top: float) -> None:
    """New images from the prior."""
    _show(axes, samples, columns, top, "Samples: z from the prior, decoded")


def flat_map(z: NDArray[Any], seed: int = 0) -> NDArray[Any]:
    """Two coordinates for every row of z: t-SNE where there are more latents and rows enough, else z's first two."""
    from sklearn.manifold import TSNE

    if z.shape[1] > 2 and len(z) > 90:
        return TSNE(init="pca", perplexity=30, random_state=seed).fit_transform(z)
    return z[:, [0, -1]] if z.shape[1] < 2 else z[:, :2]


def draw_latents(axes: Any, z: NDArray[Any], labels: NDArray[Any] | None) -> None:
    """Posterior means on a flat map, coloured by label."""
    flat = flat_map(z)
    colours: dict[str, Any] = {"color": RECONSTRUCTION} if labels is None else {"c": labels, "cmap": "tab10"}
    axes.scatter(*flat.T, s=11, alpha=0.8, linewidths=0, rasterized=True, **colours)
    for label in () if labels is None else np.unique(labels):
        x, y = np.median(flat[labels == label], 0)
        box = {"boxstyle": "circle,pad=0.2", "fc": "white", "ec": RULE, "alpha": 0.9}
        axes.text(x, y, str(label), fontsize=9, ha="center", va="center", color=INK, bbox=box)
    caption(axes, f"Latent space: posterior means of {z.shape[1]} latents" + (", by t-SNE" if z.shape[1] > 2 else ""))
    axes.set_xticks([])
    axes.set_yticks([])
    plain(axes)


def draw_curve(axes: Any, metrics: Sequence[dict[str, Any]]) -> None:
    """The bound and its two terms, training (thin) and validation (thick)."""
    epochs = [m["epoch"] for m in metrics]
    series = (("bound", BOUND, 1), ("reconstruction", RECONSTRUCTION, 1), ("rate", RATE, -1))
    validated = "validation_bound" in metrics[-1]
    for name, colour, sign in series:
        thin = [sign * m[f"train_{name}"] for m in metrics]
        axes.plot(epochs, thin, color=colour, lw=0.8, alpha=0.6)
        thick = [sign * m[f"validation_{name}"] for m in metrics] if validated else thin
        axes.plot(epochs, thick, color=colour, lw=1.8)
        text = {"bound": "ELBO", "reconstruction": "reconstruction", "rate": "- rate"}[name]
        axes.annotate(text, (epochs[-1], thick[-1]), xytext=(4, 0), textcoords="offset points", color=colour,
                      fontsize=9, va="center", annotation_clip=False)  # fmt: skip
    final = [m.get("validation_bound", m["train_bound"]) for m in metrics]
    low = np.quantile([m.get("validation_reconstruction", m["train_reconstruction"]) for m in metrics], 0.05)
    axes.set_ylim(min(float(low), float(np.quantile(final, 0.05))), None)
    axes.set_xlabel("epoch", fontsize=8, color=INK)
    axes.set_ylabel("nats an observation", fontsize=8, color=INK)
    axes.grid(axis="y", color=RULE, lw=0.5)
    caption(axes, "Learning: " + ("validation thick, training thin" if validated else "training rows"))
    plain(axes)


def draw_bottleneck(
    axes: Sequence[Any], image: NDArray[Any], mean: Any, scale: Any, image_hat: Any, top: float
) -> None:
    """x -> q(z|x) -> x: one image, its posterior, and the image decoded from the posterior mean."""
    left, middle, right = axes
    _show(left, image[None], 1, top, "x")
    _show(right, image_hat[None], 1, top, "p(x|z) at the mean of q")
    middle.errorbar(mean, np.arange(len(mean)), xerr=2 * np.asarray(scale), fmt="o", ms=3.5, color=RECONSTRUCTION,
                    ecolor=RECONSTRUCTION, elinewidth=1, alpha=0.9)  # fmt: skip
    middle.axvline(0, color=RULE, lw=0.8, zorder=0)
    middle.set_xlim(-4, 4)
    middle.set_yticks(np.arange(len(mean)))
    middle.invert_yaxis()
    caption(middle, "q(z|x): mean and two standard deviations of every latent")
    plain(middle)
