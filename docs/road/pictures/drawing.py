"""What the pictures of the road have in common."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import make_moons
from torch import Tensor

from velbo.files import write_atomically
from velbo.report.pictures import tile

FOLDER = Path(__file__).parents[2] / "images" / "road"
INK, BLUE, ORANGE, GREEN, PINK, PALE = "#22252b", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#c8ccd4"
"""Okabe and Ito's colours, which the colour-blind tell apart."""
MOONS = torch.from_numpy(make_moons(40, shuffle=False)[0])
MOONS = (MOONS - MOONS.mean(0)) / MOONS.std(0)


def axes_of(fig: Any, columns: int) -> Any:
    axes = np.atleast_1d(fig.subplots(1, columns))
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return axes if columns > 1 else axes[0]


def sheet(ax: Any, images: Tensor, columns: int, title: str, gap: int = 1) -> None:
    """Digits side by side, 0 to 1."""
    pixels = tile(images.detach().reshape(-1, 8, 8).numpy(), columns, gap)
    ax.imshow(pixels, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize=10)
    ax.axis("off")


def log_mean_exp(a: Tensor) -> Tensor:
    return a.logsumexp(0) - math.log(len(a))


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def save(fig: Any, path: Path) -> None:
    """A PNG of 256 colours, which is small."""
    drawn = io.BytesIO()
    fig.savefig(drawn, dpi=120, format="png")
    image = Image.open(drawn).convert("RGB")
    few = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    write_atomically(path, lambda p: few.save(p, format="PNG", optimize=True))
