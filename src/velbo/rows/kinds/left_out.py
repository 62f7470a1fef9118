"""Fields that are no part of x: constant ones, and those that the user drops."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...errors import VelboWarning
from ..arrow import decoded, is_time, numbers, sort_of, type_of
from ..column_statistics import ColumnStatistics
from ..field import Field
from ..statistics import ArrayStatistics, Statistics
from .base import Kind, block_in, require_shape, whole_number
from .coded import meaning, named
from .restoring import restored_numbers

if TYPE_CHECKING:
    from .views import View


class LeftOut(Kind):
    """No part of x."""

    is_modelled = False

    def numbers(self, cells: Any, field: Field, what: str) -> NDArray[Any]:
        return np.empty((len(cells), 0))

    def view(self, cells: Sequence[Field]) -> View:
        raise AssertionError(f"a field of kind '{self.name}' is no part of x")


class Drop(LeftOut):
    """Left out, as the user says."""

    name = "drop"

    def claims(self, found: Statistics) -> str:
        return ""

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        return Field(**about)

    def restored(self, v: NDArray[np.float64], field: Field) -> pa.Array:
        return pa.nulls(len(v), type_of(field.dtype))

    def shown(self, field: Field) -> str:
        return "-"


class Constant(LeftOut):
    """One value in every row, or none."""

    name = "constant"

    def claims(self, found: Statistics) -> str:
        if isinstance(found, ArrayStatistics):
            return "" if found.n else "every cell is missing"
        assert isinstance(found, ColumnStatistics)
        if not found.n:
            return "every cell is missing"
        timed = found.is_time or found.is_duration
        return "one value" if len(found.counts) == 1 and (timed or not found.n_missing) else ""

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        if isinstance(found, ArrayStatistics):
            if found.n:
                raise self.refused(found.name, "its cells are arrays; take kind drop to leave it out")
            return Field(**about)
        assert isinstance(found, ColumnStatistics)
        if len(found.counts) > 1:
            raise self.refused(
                found.name, f"it has {len(found.counts)} distinct values; take kind drop to leave it out"
            )
        value = whole_number(next(iter(found.counts), None))
        is_named = found.n > 0 and pa.types.is_dictionary(found.type) and not (found.is_time or found.is_duration)
        names = tuple(map(whole_number, found.declared or found.values)) if is_named else ()
        return Field(**about, value=value, categories=names, step=found.step)

    def numbers(self, cells: Any, field: Field, what: str) -> NDArray[Any]:
        require_shape(cells, field, what)
        n, first = (_observed if field.shape else _others)(cells, field, what)
        if n:
            was = "missing" if field.value is None else self.shown(field)
            warnings.warn(
                f"{what}: '{field.name}' was {was} in every row of the training data, and {n} cells hold something "
                f"else now (first {first!r}); the model does not look at it",
                VelboWarning,
                stacklevel=2,
            )
        return super().numbers(cells, field, what)

    def restored(self, v: NDArray[np.float64], field: Field) -> pa.Array:
        n, kind = len(v), type_of(field.dtype)
        if field.value is None:
            return pa.nulls(n, kind)
        if field.categories:
            return named(np.full(n, float(field.categories.index(field.value))), field)
        if isinstance(field.value, str | bool):
            return pa.array([field.value] * n).cast(kind)
        if isinstance(field.value, int) and pa.types.is_integer(kind):
            return pa.array([field.value] * n, kind)
        return restored_numbers(np.full(n, float(field.value)), replace(field, decimals=None))

    def shown(self, field: Field) -> str:
        if field.value is None:
            return "-"
        if not isinstance(field.value, str | bool) and is_time(type_of(field.dtype)):
            return str(np.datetime64(int(field.value), "s").astype("datetime64[D]"))
        return str(field.value) if isinstance(field.value, str | bool) else f"{field.value:g}"


def _observed(cells: Any, field: Field, what: str) -> tuple[int, str]:
    """(how many cells of arrays there are, the first); there were none in training."""
    values = block_in(cells, field)
    seen = values[~np.isnan(values)]
    return len(seen), f"{seen[0]:g}" if len(seen) else ""


def _others(cells: Any, field: Field, what: str) -> tuple[int, str]:
    """(how many cells of a column are another value than in training, the first of them)."""
    observed = decoded(cells).drop_null()
    counts = pc.value_counts(observed)  # type: ignore[attr-defined]
    values = counts.field("values")
    timed = sort_of(observed.type) in ("dates", "durations")
    seen = numbers(values, field.name, what).tolist() if timed else values.to_pylist()
    others = [i for i, v in enumerate(seen) if meaning(v) != meaning(field.value)]
    return sum(counts.field("counts")[i].as_py() for i in others), str(values[others[0]].as_py()) if others else ""
