"""A sheet of new images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..rows import Field, container_of
from ..rows.tensors import block_of
from ..trained_model import TrainedModel
from .pictures import figure, show
from .subject import in_ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .subject import Subject

SHEET, WIDE, PAPER = 60, 12, 9.0
MOST_IMAGES = 2500


def draw_samples(axes: Axes, samples: NDArray[Any], columns: int, top: float = 1.0) -> None:
    """New images from the prior."""
    show(axes, samples, columns, top, "Samples: z from the prior, decoded")


def image_field(model: TrainedModel) -> Field:
    """The images that a model makes, the first ones where there are several.

    Raises:
        ConfigError: for a model without images.
    """
    images = model.schema.images(apart=model.recipe.condition)
    if not images:
        raise ConfigError(
            f"a sheet shows images, and this model is of {model.schema.describe()}; write new rows into a table, "
            "velbo sample RUN -o new.csv, and see them beside real ones: velbo plot RUN DATA --what columns pairs"
        )
    return images[0]


def images_of(model: TrainedModel, rows: Any) -> NDArray[np.float64]:
    """The images in rows that a model made, (N, H, W, C), 0 to 1.

    Raises:
        ConfigError: for a model without images.
    """
    f = image_field(model)
    column = next(c for c in container_of(rows).columns(rows, "samples") if c.name == f.name)
    return in_ink(np.asarray(block_of(column.cells()), np.float64), f)


def sheet(images: NDArray[np.float64], title: str = "") -> Figure:
    """Images (N, H, W, C), 0 to 1, on one sheet that is about as high as wide, or less."""
    n, height, width, _ = images.shape
    columns = min(n, max(WIDE, math.ceil(math.sqrt(n * height / width))))
    fig = figure(PAPER, PAPER * math.ceil(n / columns) * height / (columns * width) + (0.35 if title else 0.05))
    show(fig.subplots(), images, columns, 1.0, title)
    return fig


def new_images(model: TrainedModel, n: int = SHEET, seed: int = 0) -> Figure:
    """n new images: z from the prior, and the point estimates of p(x|z).

    Raises:
        ConfigError: for a model without images.
        DataError: if n is less than 1.
    """
    image_field(model)
    made = model.sample(n, seed, mean=True)
    return sheet(images_of(model, made), "Samples: z from the prior, and the mean of p(x|z)")


def samples(subject: Subject) -> Figure:
    """60 new images; see `new_images`."""
    return new_images(subject.model, seed=subject.seed)
