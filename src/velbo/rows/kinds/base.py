"""What a kind of field is: one class says which values it has, how they become numbers v and x and come back, what an
encoder sees of them, and which likelihoods suit.

    claims     does a field look like this kind, and why            statistics -> reason, or ""
    field      the field, with all that is to be known of it        statistics -> Field, or a refusal
    numbers    cells -> v, each checked                             Arrow -> (N, size)
    restored   v -> cells of the type that came in                  (N,) -> Arrow
    view       what an encoder sees of x                            (..., n) -> (..., F), 0 where missing
    shown      its values, in a few words

A kind is a class; what differs from field to field lies in the `Field`. Add one with its file and a line in
kinds/__init__.py; its likelihood names it among its own kinds. Its view is a torch module in views.py, which is
imported where a view is made and nowhere else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...errors import SchemaError
from ..arrays import blocks
from ..arrow import numbers, sort_of, type_of
from ..column_statistics import EXACT, ColumnStatistics
from ..field import Category, Field, plain
from ..row_numbers import row_name
from ..statistics import Statistics
from ..tensors import block_of, shape_of
from .restoring import restored_numbers

if TYPE_CHECKING:
    from .views import View

MAX_STANDARD_DEVIATIONS = 1e9


@dataclass(frozen=True)
class Misfit:
    """Cells that a kind does not have.

    Attributes:
        found: which, (N, size).
        why: what they are not, to be read after "holds 3, which".
        instead: a kind that has them; empty where none is likely to be meant.
    """

    found: NDArray[np.bool_]
    why: str
    instead: str = ""


class Kind(ABC):
    """One kind. A class without state: its methods take the field."""

    name: ClassVar[str]
    likelihood: ClassVar[str] = ""
    """The name of the likelihood of such a field where none is asked for."""
    likelihood_of_arrays: ClassVar[str] = ""
    """The same for a field of arrays; empty for the same."""
    is_modelled: ClassVar[bool] = True
    """Whether such a field is part of x."""
    is_density: ClassVar[bool] = False
    """Whether p(x|z) is a density, whose value depends on the unit of v."""

    def default_likelihood(self, field: Field) -> str:
        """Its name, where none is asked for."""
        return (self.likelihood_of_arrays if field.shape else "") or self.likelihood

    @abstractmethod
    def claims(self, found: Statistics) -> str:
        """Why a field looks like this kind; empty if it does not. Kinds are asked in the order of the registry."""

    @abstractmethod
    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        """The field.

        Args:
            found: statistics of all rows.
            about: name, kind, shape, type and reason, to be handed on.

        Raises:
            SchemaError: if its values are not of this kind.
        """

    @abstractmethod
    def numbers(self, cells: Any, field: Field, what: str) -> NDArray[Any]:
        """v of Arrow cells, (N, size), NaN where missing.

        Raises:
            SchemaError: naming the first cell that the field cannot have.
        """

    @abstractmethod
    def restored(self, v: NDArray[np.float64], field: Field) -> pa.Array:
        """v (N,) of a column as cells of the type that came in; NaN as null.

        Raises:
            pa.ArrowInvalid: if that type has no room for them.
        """

    @abstractmethod
    def view(self, cells: Sequence[Field]) -> View:
        """What an encoder sees of such cells."""

    @abstractmethod
    def shown(self, field: Field) -> str:
        """Values, in a few words."""

    def refused(self, name: str, why: str) -> SchemaError:
        """The error for a field that cannot be of this kind."""
        return SchemaError(f"'{name}' cannot be of kind '{self.name}': {why}")


class Measured(Kind):
    """Kinds whose v is a number of its own: an array of numbers, or a column of them."""

    is_whole: ClassVar[bool] = False
    """Whether new cells are whole numbers, whatever was seen."""

    def measured(
        self, found: Statistics, about: dict[str, Any], location: Any, scale: Any, frequent: tuple[float, ...] = ()
    ) -> Field:
        """The field, given the unit of x.

        Raises:
            SchemaError: if there is no number to be seen.
        """
        return Field(
            **about,
            low=plain(found.low if np.ndim(found.low) == 0 else np.where(np.isfinite(found.low), found.low, 0.0)),
            high=plain(found.high if np.ndim(found.high) == 0 else np.where(np.isfinite(found.high), found.high, 1.0)),
            mean=plain(found.moments.mean),
            frequent=frequent,
            location=plain(location),
            scale=plain(scale),
            decimals=found.decimals if found.decimals <= 8 and not found.step else None,
            digits=found.digits,
            repeated=found.repeated,
            step=found.step,
        )

    def require_numbers(self, found: Statistics) -> None:
        """
        Raises:
            SchemaError: for text, dates, and fields without an observed cell.
        """
        if not found.n:
            raise self.refused(found.name, "every cell is missing; leave the kind to be guessed")
        if isinstance(found, ColumnStatistics) and found.is_time:
            raise self.refused(found.name, "its cells are dates; take kind datetime")
        if isinstance(found, ColumnStatistics) and found.is_text:
            place, cell = found.first.get("word", ("", ""))
            why = f"{place} holds {cell!r}, no number" if cell else "its numbers are text; convert them"
            raise self.refused(found.name, why)

    def at(self, found: Statistics, what: str) -> str:
        """Where the first cell is that does not fit."""
        place, v = found.first[what]
        return f"{place} holds {v:g}"

    def misfits(self, v: NDArray[Any], field: Field) -> list[Misfit]:
        """Cells (N, size) that the field cannot have; NaN never counts."""
        return []

    def numbers(self, cells: Any, field: Field, what: str) -> NDArray[Any]:
        require_shape(cells, field, what)
        v = block_in(cells, field) if field.shape else self.column(cells, field, what)[:, None]
        self._refuse_misfits(v, field, what)
        return as_trained(v, field)

    def _refuse_misfits(self, v: NDArray[Any], field: Field, what: str) -> None:
        """
        Raises:
            SchemaError: for cells that have no likelihood: their first one, how many there are, and what to do.
        """
        first, again, n = "", "", 0
        for start, part in blocks(v):
            with np.errstate(invalid="ignore", over="ignore"):
                misfits = self.misfits(part, field)
            n += int(np.any([misfit.found for misfit in misfits], axis=0).sum()) if misfits else 0
            wrong = next((misfit for misfit in misfits if misfit.found.any()), None)
            if wrong is not None and not first:
                row, d = (int(i) for i in np.argwhere(wrong.found)[0])
                first = f"{row_name(start + row)}, {field.cell_name(d)} holds {part[row, d]:g}, which {wrong.why}"
                again = f", or fit again with --column {field.name}={wrong.instead}" if wrong.instead else ""
        if first:
            cells = "this cell" if n == 1 else f"these {n:,} cells"
            raise SchemaError(
                f"{what}: {first}; the model has no likelihood for {cells} of '{field.name}': mend or mark missing "
                f"what is no value, leave such rows out{again}"
            )

    def column(self, cells: Any, field: Field, what: str) -> NDArray[np.float64]:
        """v (N,) of a column."""
        refuse_other_sort(cells, field, what, sort_of(type_of(field.dtype)))
        return numbers(cells, field.name, what)

    def restored(self, v: NDArray[np.float64], field: Field) -> pa.Array:
        return restored_numbers(np.rint(v) if self.is_whole else v, field)

    def shown(self, field: Field) -> str:
        return between(np.min(field.low), np.max(field.high))


def between(low: float, high: float) -> str:
    """Two ends; whole ones in full, as far as floats have every whole number."""
    return " to ".join(f"{v:.0f}" if v % 1 == 0 and abs(v) < EXACT else f"{v:g}" for v in (low, high))


def require_shape(cells: Any, field: Field, what: str) -> None:
    """
    Raises:
        SchemaError: if arrays have another shape than in training, or cells are none.
    """
    given = shape_of(cells.type)
    if given != field.shape and not pa.types.is_null(cells.type):
        was, now = (f"arrays of shape {shape}" if shape else "single cells" for shape in (field.shape, given))
        raise SchemaError(f"{what}: '{field.name}' holds {now}, and held {was} in training; give the same")


def block_in(cells: Any, field: Field) -> NDArray[Any]:
    """Cells of arrays as (N, size); of a column of nothing, which tells no shape, all are missing."""
    return np.full((len(cells), field.size), np.nan) if pa.types.is_null(cells.type) else block_of(cells)


NARROW: dict[str, type[np.floating[Any]]] = {"float": np.float32, "halffloat": np.float16}


def as_trained(v: NDArray[Any], field: Field) -> NDArray[Any]:
    """Numbers as the type that the field had in training has them. A float32 number is written with the few digits that
    tell it from others, and they are another number in float64: the row would be another one after a round trip.
    """
    narrow = NARROW.get(field.dtype)
    if narrow is None or v.dtype != np.float64:
        return v
    with np.errstate(over="ignore"):
        near = v.astype(narrow).astype(np.float64)
    return np.where(np.isinf(near), v, near)


def refuse_other_sort(cells: Any, field: Field, what: str, trained: str) -> None:
    """
    Raises:
        SchemaError: if cells are dates or durations and were not in training, or nothing that velbo knows.
    """
    require_shape(cells, field, what)
    given = sort_of(cells.type)
    if not given or (given in ("dates", "durations") and given != trained):
        raise SchemaError(
            f"{what}: column '{field.name}' holds {given or cells.type} and held {field.dtype} in training; convert it"
        )


def whole_number(v: Category) -> Category:
    """Whole floats as such, as far as floats have every whole number."""
    return int(v) if isinstance(v, float) and v.is_integer() and abs(v) < EXACT else v
