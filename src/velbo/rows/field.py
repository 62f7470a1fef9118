"""What one field of a row is. A cell has a value v, a number, and the model sees a number x made of it (encodings.py).

A field of shape () is one number or name a row: a column of a table. A field of another shape is a block of numbers of
one kind: an image, a spectrum, the counts of all genes. What a kind means is said by its class (kinds/).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = float | tuple[float, ...]
"""One number for a whole field, or one for each of its cells."""
Category = str | bool | int | float | None
"""A name that a code stands for; None where a missing value is a category of its own."""


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        name: as in the data.
        kind: a name in velbo.rows.kinds.KINDS.
        shape: of one row: () for a column, (H, W) or (H, W, C) for images, (D,) for a vector.
        dtype: Arrow's name of the type that came in, such as "int64", "string" or "timestamp[us, tz=UTC]".
        native: the data frame library's own name of it, such as pandas' "Int64"; empty for Arrow itself.
        key: the name as the data frame has it, where it is a whole number and not text.
        likelihood: name of p(x|z), from velbo.likelihoods.LIKELIHOODS.
        categories: what the codes 0, 1, ... stand for.
        counts: of very many categories, how often each was seen.
        levels: of kind byte, how many; values are 0 .. levels - 1.
        low: smallest observed v.
        high: largest observed v.
        mean: of observed v.
        frequent: of whole numbers, those that at least a twentieth of the observed cells hold, eight at most, and those
            that stand out of the numbers nearby, 56 at most.
        location: of x.
        scale: of x.
        decimals: digits behind the point that all observed values have room in, None for more than 8.
        digits: how many digits numbers of a size have, where not all have as many; see `velbo.rows.digits`.
        repeated: of numbers that are no decimals, those that five cells hold or more, if nearly all cells hold one.
        step: seconds that all observed dates or durations are multiples of: a day, an hour, a minute, a second; else 0.
        n_missing: missing cells in the training data.
        value: of a constant field; None if every cell is missing.
        reason: why the kind was guessed, or "as given".
        doubts: what else it may be, each with the option to type.
    """

    name: str
    kind: str
    shape: tuple[int, ...] = ()
    dtype: str = "double"
    native: str = ""
    key: int | None = None
    likelihood: str = ""
    categories: tuple[Category, ...] = ()
    counts: tuple[int, ...] = ()
    levels: int = 256
    low: Numbers = 0.0
    high: Numbers = 1.0
    mean: Numbers = 0.0
    frequent: tuple[float, ...] = ()
    location: Numbers = 0.0
    scale: Numbers = 1.0
    decimals: int | None = None
    digits: tuple[tuple[int, ...], ...] = ()
    repeated: tuple[float, ...] = ()
    step: float = 0.0
    n_missing: int = 0
    value: Category = None
    reason: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Cells of one row."""
        return math.prod(self.shape)

    @property
    def n_categories(self) -> int:
        """C."""
        return len(self.categories)

    @property
    def has_missing(self) -> bool:
        """Whether cells were missing in training, and missing is not a category of its own."""
        return self.n_missing > 0 and None not in self.categories

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(H, W, C), or None if it is no image."""
        return {2: (*self.shape, 1), 3: self.shape}.get(len(self.shape))  # type: ignore[return-value]

    def each(self, what: str) -> NDArray[np.float64]:
        """`low`, `high`, `mean`, `location` or `scale` of every cell, (size,)."""
        return np.broadcast_to(np.asarray(getattr(self, what), np.float64), (self.size,))

    def one(self, what: str) -> float:
        """The same of a field of one cell."""
        return float(self.each(what)[0])

    def cell_name(self, place: int) -> str:
        """What to call one of its cells, counted through the field, in a message."""
        if not self.shape:
            return f"column '{self.name}'"
        return f"'{self.name}' at {place_in(self.shape, place)}"

    def cells(self) -> Iterator[Field]:
        """Every cell as a field of shape (), with statistics of its own."""
        if not self.shape:
            yield self
            return
        varying = [
            name for name in ("low", "high", "mean", "location", "scale") if isinstance(getattr(self, name), tuple)
        ]
        for place in range(self.size):
            own: dict[str, Any] = {name: getattr(self, name)[place] for name in varying}
            yield replace(self, name=f"{self.name}[{place}]", shape=(), **own)


def place_in(shape: tuple[int, ...], place: int) -> str:
    """Where a cell stands in an array, counted through it: 3, or (7, 8)."""
    at = [int(i) for i in np.unravel_index(place, shape)]
    return f"({', '.join(map(str, at))})" if len(at) > 1 else str(place)


def plain(numbers: Any) -> Numbers:
    """One float if all numbers are one, else a tuple of floats: what a `Field` holds."""
    array = np.asarray(numbers, np.float64)
    return float(array) if array.ndim == 0 else tuple(array.tolist())
