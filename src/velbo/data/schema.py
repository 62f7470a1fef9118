"""What each dimension of the data is; guessed, shown, overridden, saved with the model, and held against every later
input.

    binary   values in {0, 1}
    byte     whole numbers 0 .. levels - 1; 8-bit images have 256 levels
    real     any finite number
    NaN      a missing cell, in data of any kind

All dimensions of an array have one likelihood, so the schema's own kind is the narrowest that holds them all. In a
table every column is of a kind by itself (columns.py), and the schema's own kind is "table".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..config import Group
from ..errors import ConfigError, SchemaError, unknown
from .arrays import blocks
from .columns import Column

KINDS = ("binary", "byte", "real")
MAX_STANDARD_DEVIATIONS = 1e9


@dataclass(frozen=True)
class Schema(Group):
    """The shape and kinds of one observation.

    Attributes:
        shape: of one observation: (D,) for tables, (H, W) or (H, W, C) for images.
        kinds: one kind for all dimensions, or one for each column of a table.
        levels: number of levels of byte data.
        missing: whether cells were missing in the training data.
        low: smallest value of the training data.
        high: largest value.
        names: of the columns; empty where there are none.
        location: mean of each real dimension; empty unless the kind is real.
        scale: standard deviation of each real dimension (1 where it is constant).
        columns: what every column of a table is, those that are left out included; empty for arrays.
        frame: the library of the data frame that came in, in which new rows are given back.
        label: of an array whose rows come with a label that is given (labelled.py): what it is.
    """

    shape: tuple[int, ...]
    kinds: tuple[str, ...]
    levels: int = 256
    missing: bool = False
    low: float = 0.0
    high: float = 1.0
    names: tuple[str, ...] = ()
    location: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    columns: tuple[Column, ...] = ()
    frame: str = ""
    label: Column | None = None

    @classmethod
    def of_table(cls, columns: Sequence[Column]) -> Self:
        """The schema of a table.

        Raises:
            SchemaError: if no column is left to be modelled.
        """
        modelled = [c for c in columns if c.is_modelled]
        if not modelled:
            raise SchemaError("no column is left to learn from: every one is constant, wholly missing or left out")
        return cls(
            (len(modelled),),
            tuple(c.kind for c in modelled),
            missing=any(c.n_missing for c in modelled),
            low=min(c.low for c in modelled),
            high=max(c.high for c in modelled),
            names=tuple(c.name for c in modelled),
            columns=tuple(columns),
        )

    @classmethod
    def from_json(cls, d: dict[str, Any]) -> Self:
        columns = [Column.from_json(c) for c in d.get("columns", ())]
        label = Column.from_json(d["label"]) if d.get("label") else None
        return super().from_json({**d, "columns": columns, "label": label})

    @property
    def modelled(self) -> tuple[Column, ...]:
        """The columns of a table that are dimensions of x, one for each."""
        return tuple(c for c in self.columns if c.is_modelled)

    @property
    def n_dims(self) -> int:
        """D, numbers per observation, the label not counted."""
        return math.prod(self.shape)

    @property
    def kind(self) -> str:
        """The narrowest kind that holds every dimension; "table" if each column has its own."""
        if self.columns:
            return "table"
        return max(self.kinds, key=KINDS.index)

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(H, W, C), or None if observations are not images."""
        if len(self.shape) == 2:
            return (*self.shape, 1)  # type: ignore[return-value]
        return self.shape if len(self.shape) == 3 else None  # type: ignore[return-value]

    def name(self, dimension: int) -> str:
        """What to call a dimension in a message."""
        if self.names:
            return f"column '{self.names[dimension]}'"
        if len(self.shape) == 1:
            return f"column {dimension}"
        return f"pixel {tuple(int(i) for i in np.unravel_index(dimension, self.shape))}"

    def describe(self) -> str:
        """One line: what was understood."""
        if self.columns:
            kinds = Counter(c.kind for c in self.columns)
            holes = ", with missing cells" if self.missing else ""
            return f"{len(self.columns)} columns ({', '.join(f'{n} {k}' for k, n in kinds.items())}){holes}"
        size = " x ".join(map(str, self.shape))
        counts = Counter(self.kinds)
        text = self.kind if len(counts) == 1 else f"{self.kind} ({', '.join(f'{n} {k}' for k, n in counts.items())})"
        levels = f" with {self.levels} levels" if self.kind == "byte" else ""
        holes = ", with missing cells" if self.missing else ""
        label = f", with labels ({self.label.kind})" if self.label else ""
        return f"{size} {text}{levels}, from {self.low:g} to {self.high:g}{holes}{label}"

    def check(self, x: NDArray[Any], what: str = "data") -> None:
        """Hold an array of rows against this schema.

        Args:
            x: (N, *shape), numbers; NaN where missing.
            what: the name of the data in the message.

        Raises:
            SchemaError: naming the first row and dimension that does not fit.
        """
        if x.shape[1:] != self.shape:
            raise SchemaError(
                f"{what}: observations have shape {_shape(x.shape[1:])}, the model was trained on "
                f"{_shape(self.shape)}; give data of the same shape"
            )
        if self.columns:
            return
        for start, rows in blocks(x.reshape(len(x), self.n_dims)):
            if self.kind == "real":
                self._check_reals(rows, start, what)
            else:
                self._check_levels(rows, start, what)

    def check_names(self, names: Sequence[str], what: str = "data") -> None:
        """Hold column names against those of the training data; nothing to say where either has none.

        Raises:
            SchemaError: naming the first column that is another.
        """
        if not names or not self.names:
            return
        if len(names) != len(self.names):
            raise SchemaError(f"{what}: {len(names)} columns, the model was trained on {len(self.names)}")
        for i, (given, known) in enumerate(zip(names, self.names, strict=True)):
            if given != known:
                raise SchemaError(
                    f"{what}: column {i} is '{given}', the model was trained with '{known}' there; "
                    "bring the columns into that order"
                )

    def _check_levels(self, rows: NDArray[Any], start: int, what: str) -> None:
        top = 1 if self.kind == "binary" else self.levels - 1
        if np.issubdtype(rows.dtype, np.floating):
            bad = ~((rows >= 0) & (rows <= top) & (rows == np.floor(rows)) | np.isnan(rows))
        elif rows.min() >= 0 and rows.max() <= top:
            return
        else:
            bad = (rows < 0) | (rows > top)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise SchemaError(
                f"{what}: row {start + row}, {self.name(int(column))} holds {rows[row, column]:g}, but the schema says "
                f"{self.kind}: whole numbers from 0 to {top}; convert the data, or fit with another kind"
            )

    def _check_reals(self, rows: NDArray[Any], start: int, what: str) -> None:
        if not self.scale:
            return
        with np.errstate(invalid="ignore", over="ignore"):
            far = np.abs((rows - np.asarray(self.location)) / np.asarray(self.scale)) > MAX_STANDARD_DEVIATIONS
        if far.any():
            row, column = np.argwhere(far)[0]
            raise SchemaError(
                f"{what}: row {start + row}, {self.name(int(column))} holds {rows[row, column]:g}, more than "
                f"{MAX_STANDARD_DEVIATIONS:g} standard deviations from the mean of the training data; "
                "check its units, or mark it missing (NaN)"
            )


def _shape(shape: Sequence[int]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"


def infer(x: NDArray[Any], names: Sequence[str] = (), kind: str | None = None, levels: int | None = None) -> Schema:
    """Guess the schema of an array of rows.

    Args:
        x: (N, *shape), numbers; NaN where missing.
        names: of the columns.
        kind: overrides the guess for every dimension.
        levels: overrides the number of levels of byte data.

    Raises:
        SchemaError: if the data do not fit the kind that was asked for, or are too large for floating point.
    """
    if kind is not None and kind not in KINDS:
        raise unknown("kind", kind, KINDS)
    if levels is not None and not 2 <= levels <= 65536:
        raise ConfigError(f"levels must be between 2 and 65536, not {levels}")
    kinds = (kind,) if kind else guess_kinds(x)
    n_missing = sum(int(np.isnan(part).sum()) for _, part in blocks(x.reshape(len(x), -1)))
    if n_missing == x.size:
        raise SchemaError("every cell is missing; there is nothing to learn from")
    low, high = float(np.nanmin(x)), float(np.nanmax(x))
    if levels is None:
        # 8-bit files have 256 levels however dark they are; whole numbers of a wider type tell their own range
        levels = 256 if x.dtype == np.uint8 or high >= 64 else max(int(high) + 1, 2)
    schema = Schema(x.shape[1:], kinds, levels, n_missing > 0, low, high, tuple(names))
    if schema.kind == "real":
        location, scale = moments(x.reshape(len(x), -1), schema)
        schema = replace(schema, location=location, scale=scale)
    schema.check(x)
    return schema


def guess_kinds(x: NDArray[Any]) -> tuple[str, ...]:
    """One kind for images and 8-bit arrays, else one a column.

    Whole numbers count as levels in images and 8-bit arrays; in a table they may be ages or prices: real.
    """
    rows = x.reshape(len(x), -1)
    binary, whole = np.ones(rows.shape[1], bool), True
    for _, part in blocks(rows):
        finite = np.nan_to_num(part, nan=0.0) if np.issubdtype(x.dtype, np.floating) else part
        binary &= ((finite == 0) | (finite == 1)).all(0)
        whole = whole and bool((finite == np.floor(finite)).all() and finite.min() >= 0 and finite.max() <= 255)
    if binary.all():
        return ("binary",)
    if x.dtype == np.uint8:
        return ("byte",)
    if len(x.shape) > 2:
        return ("byte",) if whole else ("real",)
    return ("real",) if not binary.any() else tuple("binary" if b else "real" for b in binary)


def moments(rows: NDArray[Any], schema: Schema) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of every dimension over observed cells; (0, 1) where none is observed."""
    n, total, squares = (np.zeros(rows.shape[1]) for _ in range(3))
    with np.errstate(over="ignore", invalid="ignore"):
        for _, part in blocks(rows):
            n += (~np.isnan(part)).sum(0)
            total += np.nansum(part, 0, dtype=np.float64)
        n = np.maximum(n, 1)
        mean = total / n
        for _, part in blocks(rows):
            squares += np.nansum((part.astype(np.float64) - mean) ** 2, 0)
        scale = np.sqrt(squares / n)
    if not np.isfinite(scale).all():
        column = int(np.argmin(np.isfinite(scale)))
        raise SchemaError(
            f"{schema.name(column)} holds numbers up to {np.nanmax(np.abs(rows[:, column])):g}, too large to "
            "square; change its units, or take logarithms"
        )
    # below rounding error of the mean, what looks like spread is noise: the column is constant
    constant = scale <= 1e-12 * np.maximum(np.abs(mean), 1e-300)
    scale = np.where(constant, 1.0, scale)
    return tuple(mean.tolist()), tuple(scale.tolist())
