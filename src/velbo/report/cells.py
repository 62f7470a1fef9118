"""Single cells of rows as pictures show them: which ones, their names, and their values as text and on an axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..rows import Field, Schema
from ..rows.field import place_in
from .pictures import numbered, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .subject import Subject

DAY = 86_400.0
MISSING = "(missing)"


@dataclass(frozen=True)
class Cell:
    """One cell of a row.

    Attributes:
        at: where it stands in v.
        field: it, of shape ().
    """

    at: int
    field: Field

    @property
    def name(self) -> str:
        return self.field.name

    @property
    def is_coded(self) -> bool:
        """Whether v is the place of a name."""
        return bool(self.field.categories)

    @property
    def is_date(self) -> bool:
        return self.field.kind == "datetime"

    def category(self, code: int) -> str:
        """What a code stands for."""
        name = self.field.categories[code]
        return MISSING if name is None else str(name).strip()

    def text(self, v: float) -> str:
        """A value as the data have it: whole numbers in full, others in 6 digits."""
        if v != v:
            return MISSING
        if self.is_coded:
            return self.category(round(v))
        if self.is_date:
            moment = np.datetime64(int(v), "s")
            return str(moment.astype("datetime64[D]") if v % DAY == 0 else moment).replace("T", " ")
        return f"{v:.0f}" if v % 1 == 0 and abs(v) < 2**53 else f"{v:.6g}"

    def on_axis(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values as an axis takes them: dates in days."""
        return v / DAY if self.is_date else v

    def label(self, axis: Any) -> None:
        """What an axis tells: numbers, or dates."""
        if not self.is_date:
            numbered(axis)
            return
        from matplotlib.dates import AutoDateFormatter, AutoDateLocator

        axis.axis_date()
        locator = AutoDateLocator(minticks=2, maxticks=4)
        axis.set_major_locator(locator)
        axis.set_major_formatter(AutoDateFormatter(locator))


def cells_of(subject: Subject, most: int, what: str) -> tuple[list[Cell], str]:
    """Cells that can be looked at one by one, and how they were chosen where there are more of them than ``most``: the
    first columns, and of the first array of numbers the cells that vary most, by their standard deviation.

    Raises:
        ConfigError: for a model of images alone.
    """
    schema = subject.model.schema
    columns = [Cell(schema.places[f.name].start, f) for f in schema.modelled if not f.shape]
    if not subject.columns:  # those that there are, are given
        columns = []
    if not columns and not subject.vectors:
        raise ConfigError(
            f"{what} looks at columns one by one, and this model is of images; use samples, reconstructions"
        )
    said = f"the first {most} of {len(columns)} columns" if len(columns) > most else ""
    if not subject.vectors or len(columns) >= most:
        return columns[:most], said
    left, n = most - len(columns), subject.vectors[0].size
    if n > left:
        beside = f"{len(columns)} column{'s' * (len(columns) > 1)} and " if columns else ""
        said = f"{beside}the {left} of {n} cells that vary most"
    return [*columns, *_most_varied(subject, subject.vectors[0], left)], said


def _most_varied(subject: Subject, field: Field, most: int) -> list[Cell]:
    """The cells of an array that vary most over rows, in order."""
    start, each = subject.places(field).start, list(field.cells())
    spread = np.nan_to_num(np.nanstd(subject.numbers[:, subject.places(field)], axis=0))
    chosen = np.sort(np.argsort(-spread, kind="stable")[:most])
    return [Cell(start + int(i), each[int(i)]) for i in chosen]


def title(axes: Axes, text: str) -> None:
    """Of one of many small axes."""
    axes.set_title(text, loc="left", fontsize=8.5, pad=4)


def name_of(cell: Cell, most: int = 26) -> str:
    return words(cell.name, most)


def names_of(schema: Schema) -> list[str]:
    """Of all cells of x, as pictures name them."""
    return [
        f"{f.name} {place_in(f.shape, place)}" if len(f.shape) > 1 else cell.name
        for f in schema.modelled
        for place, cell in enumerate(f.cells())
    ]
