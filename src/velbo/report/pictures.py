"""Paper, ink and colours of every picture, drawn with matplotlib (extra `report`) without touching its global state.

Colours are those of Okabe and Ito, which people with any colour vision tell apart; yellow is left out, as it does not
show on white. More labels than colours differ by their markers too. What says more or less is drawn in cividis, shares
from white to blue, and what lies on both sides of 0 in orange and purple (ColorBrewer's Blues and PuOr).

Sources: Color universal design, Okabe and Ito, 2008, https://jfly.uni-koeln.de/color/; Optimizing colormaps with
consideration for color vision deficiency, Nuñez, Anderton and Renslow, 2018, https://doi.org/10.1371/journal.pone.0199239;
ColorBrewer 2.0, Brewer and Harrower, https://colorbrewer2.org.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, need
from ..files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE, BLACK = (
    "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7", "#000000",
)  # fmt: skip
INK, RULE, FAINT = "#22252b", "#d5d8de", "#767b84"
BOUND, RECONSTRUCTION, RATE = INK, BLUE, VERMILION
REAL, SYNTHETIC = BLUE, VERMILION
LABELS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "^", "s", "D", "v", "P")
MORE, SHARE, BOTH_SIDES = "cividis", "Blues", "PuOr"
VERDICTS = {"fine": (GREEN, "●"), "look": (ORANGE, "▲"), "fault": (VERMILION, "■"), "unknown": (FAINT, "○")}
DPI, FORMATS = 150, ("png", "svg", "pdf")


def figure(width: float, height: float) -> Figure:
    """An empty figure in the house style, inches.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    need("matplotlib", "report")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(fig)
    return fig


def drawn(fig: Figure, dpi: int = DPI, form: str = "png", transparent: bool = False) -> bytes:
    """A figure as the bytes of a file."""
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # names in scripts that the font has not
        fig.savefig(out, dpi=dpi, format=form, transparent=transparent)
    return out.getvalue()


def save(fig: Figure, path: Path) -> None:
    """Write a picture, whole or not at all: a PNG of 150 dots an inch, or as the suffix says.

    Raises:
        ConfigError: for another suffix than .png, .svg and .pdf.
        RunError: if the file cannot be written.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise ConfigError(
            f"a picture is written as {', '.join(FORMATS)}, not as {path.name}; write -o {path.with_suffix('.png')}"
        )
    data = drawn(fig, DPI, form)
    write_bytes(path, data)


def words(text: object, most: int = 28) -> str:
    """A name from the data as a figure can show it: on one line, short, and no formula."""
    plain = "".join(c if c.isprintable() else " " for c in str(text)).strip()
    short = plain if len(plain) <= most else f"{plain[: most - 1]}…"
    return short.replace("$", r"\$")


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


def show(axes: Axes, images: NDArray[Any], columns: int, top: float = 1.0, title: str = "") -> None:
    """Images (N, H, W) or (N, H, W, C), from 0 to ``top``, as a sheet; dark is much where there is no colour."""
    sheet = tile(np.asarray(images, float) / top, columns)
    if sheet.ndim == 3 and sheet.shape[2] == 3:
        axes.imshow(np.where(np.isnan(sheet), 1.0, sheet.clip(0, 1)), interpolation="nearest")
    else:
        axes.imshow(sheet.reshape(*sheet.shape[:2], -1).mean(2), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    caption(axes, title)
    axes.set_axis_off()
    axes.set_anchor("NW")


def caption(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=10, color=INK, pad=6)


def plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(RULE)
    axes.tick_params(colors=INK, labelsize=8, color=RULE)


def short(v: float) -> str:
    """A number on an axis."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(v) >= 10 * unit or (abs(v) >= unit and letter != "k"):
            return f"{v / unit:.4g}{letter}"
    return f"{v:.4g}"


def numbered(axis: Axis, most: int = 4) -> None:
    """At most so many numbers on an axis, each of them short."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(most))
    axis.set_major_formatter(FuncFormatter(lambda v, _: short(v)))


def percent(axis: Axis, most: int = 4) -> None:
    """The same for shares."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(most))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.3g}%"))


def grid(n: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of n equal axes, ``columns`` a row at most, each of the given size in inches."""
    columns = min(n, columns)
    rows = -(-n // columns)
    fig = figure(max(columns * width, 3.5), rows * height)
    axes: Sequence[Axes] = list(np.atleast_1d(fig.subplots(rows, columns)).flat)
    for unused in axes[n:]:
        unused.set_axis_off()
    return fig, list(axes[:n])
