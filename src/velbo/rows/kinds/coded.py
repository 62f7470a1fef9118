"""Names: v is the place of a cell's value in the field's categories, and x is v.

    binary       two values, or one and missing; an encoder sees 2 x - 1
    categorical  an encoder sees one-hot; of more than 1,000, 16 numbers that are learned of each
    ordinal      categories that have an order; an encoder sees one-hot, and the place 2 x / (C - 1) - 1

Text stands among text as it is, other values by what they mean: 1, 1.0 and "1" are one. Where None is a category, a
missing cell is a value of its own: a flag that is there or not.

An array of zeros and ones is of kind binary too: without categories, x is v and an encoder sees it as it is.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import re
import warnings
from abc import ABC
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...errors import VelboWarning
from ..arrow import decoded, type_of
from ..column_statistics import EXACT, ColumnStatistics
from ..field import Category, Field
from ..statistics import ArrayStatistics, Statistics
from .base import Kind, Measured, Misfit, refuse_other_sort, whole_number
from .restoring import dictionary_of, restored_numbers

if TYPE_CHECKING:
    from .views import View

MAX_GRADES = 12
MANY = 1000
"""Categories that one-hot codes and a logit each are for; more have `likelihood_of_many`, and 16 numbers each."""
WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*")


def meaning(v: Any, single: bool = False) -> Any:
    """A number for numbers, truth values and text that is one, at single precision if asked; else the text itself."""
    if isinstance(v, str):
        v = {"true": 1.0, "false": 0.0}.get(v.strip().lower(), v)
    try:
        v = int(v) if WHOLE.fullmatch(str(v)) else v
        if isinstance(v, int) and abs(v) > EXACT:
            return v
        return float(np.float32(v)) if single else float(v)
    except (TypeError, ValueError):
        return v


def places(column: Any, field: Field, what: str) -> NDArray[np.float64]:
    """Where cells stand in the categories; NaN for missing ones and, with a warning, for those of no category."""
    cells = decoded(column)
    cells = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    encoded = pc.dictionary_encode(cells)
    values = encoded.dictionary.to_pylist()
    named = {v: i for i, v in enumerate(field.categories) if v is not None}
    text, single = isinstance(next(iter(named), None), str), type_of(field.dtype) == pa.float32()
    if text and all(isinstance(v, str) for v in values):
        found = [named.get(v) for v in values]
    else:
        loose = {meaning(v, single): i for v, i in reversed(named.items())}  # of several that mean one thing, the first
        found = [named.get(v) if text and isinstance(v, str) else loose.get(meaning(v, single)) for v in values]
    blank = field.categories.index(None) if None in field.categories else np.nan
    at_value = np.array([np.nan if i is None else i for i in found] + [blank])
    at = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    unseen = np.isnan(at_value[at]) & (at < len(values))
    if unseen.any():
        first = values[at[unseen.argmax()]]
        warnings.warn(
            f"{what}: column '{field.name}': {unseen.sum()} cells hold {np.isnan(at_value[:-1]).sum()} categories that "
            f"training did not have (first {first!r}); they count as missing",
            VelboWarning,
            stacklevel=2,
        )
    return at_value[at]


def named(v: NDArray[np.float64], field: Field) -> pa.Array:
    """The categories at places v (N,), in the type that came in.

    Raises:
        pa.ArrowInvalid: if that type has no room for them.
    """
    names = [name for name in field.categories if name is not None]
    blank = field.categories.index(None) if None in field.categories else len(names)
    missing = np.isnan(v)
    at = np.rint(np.where(missing, 0, v)).astype(np.int32)
    places = pa.array(at - (at > blank), mask=missing | (at == blank))
    kind, beyond = type_of(field.dtype), any(isinstance(name, int) and name >= 2**63 for name in names)
    known = pa.array(names, pa.uint64() if beyond else None)
    if pa.types.is_decimal(kind) and pa.types.is_integer(known.type):
        known = known.cast(pa.float64(), safe=False)  # Arrow casts no whole numbers to decimals of few digits
    if field.dtype.startswith("dictionary"):
        return dictionary_of(places, known.cast(kind), field)
    return known.take(places).cast(kind, safe=False)


def is_flag(found: ColumnStatistics) -> bool:
    """Whether there is one value or none, so that a missing cell says something."""
    return len(found.counts) == 1 and found.n_missing > 0 and not found.is_time and not found.is_duration


class Coded(Kind, ABC):
    """What the three have in common."""

    def categories(self, found: ColumnStatistics) -> tuple[Category, ...]:
        """In the order of their codes."""
        seen = found.declared or ((False, True) if found.is_bool and not is_flag(found) else found.values)
        return (None,) * is_flag(found) + tuple(map(whole_number, seen))

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        if not isinstance(found, ColumnStatistics):
            raise self.refused(found.name, "its cells are arrays; take kind byte, count or real")
        if found.is_time or found.is_duration:
            what, kind = ("dates", "datetime") if found.is_time else ("durations", "real")
            raise self.refused(found.name, f"its cells are {what}; take kind {kind}, or make them text")
        categories = self.categories(found)
        if not categories or not found.complete:
            why = f"it has over {len(found.counts):,} values" if categories else "it has no values"
            raise self.refused(found.name, why)
        return Field(**about, categories=categories, low=0.0, high=len(categories) - 1.0)

    def numbers(self, cells: Any, field: Field, what: str) -> NDArray[Any]:
        refuse_other_sort(cells, field, what, "names")
        return places(cells, field, what)[:, None]

    def restored(self, v: NDArray[np.float64], field: Field) -> pa.Array:
        return named(v, field)

    def shown(self, field: Field) -> str:
        said = ["(missing)" if v is None else str(v).strip() for v in field.categories[:3]]
        return ", ".join(said) + ("" if field.n_categories <= 3 else f", ... ({field.n_categories})")


class Binary(Coded):
    """Two values."""

    name = "binary"
    likelihood = "bernoulli"

    def claims(self, found: Statistics) -> str:
        if isinstance(found, ArrayStatistics):
            return "arrays of zeros and ones" if found.n and found.is_binary else ""
        assert isinstance(found, ColumnStatistics)
        if is_flag(found):
            value = whole_number(next(iter(found.counts)))
            return f"{value!r} or missing, which counts as a value" if len(found.declared) <= 1 else ""
        if found.is_time or found.is_duration:
            return ""
        return "2 distinct values" if len(found.counts) == 2 and len(found.declared) <= 2 else ""

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        if isinstance(found, ArrayStatistics):
            return _ZerosAndOnes().field(found, about)
        field = super().field(found, about)
        if field.n_categories != 2:
            raise self.refused(
                found.name, f"it has {field.n_categories} distinct values; take kind categorical or ordinal"
            )
        assert isinstance(found, ColumnStatistics)
        seen = {whole_number(value): count for value, count in found.counts.items()}
        n = found.n_rows if None in field.categories else sum(seen.values())
        return replace(field, mean=seen.get(field.categories[1], 0) / n)

    def numbers(self, cells: Any, field: Field, what: str) -> NDArray[Any]:
        return super().numbers(cells, field, what) if field.categories else _ZerosAndOnes().numbers(cells, field, what)

    def restored(self, v: NDArray[np.float64], field: Field) -> pa.Array:
        return super().restored(v, field) if field.categories else restored_numbers(v, field)

    def view(self, cells: Sequence[Field]) -> View:
        from .views import BinaryView

        return BinaryView([bool(c.categories) for c in cells])

    def shown(self, field: Field) -> str:
        return super().shown(field) if field.categories else "0 to 1"


class _ZerosAndOnes(Measured):
    """Arrays of kind binary."""

    name = "binary"
    likelihood = "bernoulli"

    def claims(self, found: Statistics) -> str:
        return ""

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        self.require_numbers(found)
        if not (isinstance(found, ArrayStatistics) and found.is_binary):
            raise self.refused(found.name, f"it holds numbers from {np.min(found.low):g} to {np.max(found.high):g}")
        return Field(**about, levels=2, decimals=0)

    def misfits(self, v: NDArray[Any], field: Field) -> list[Misfit]:
        return [Misfit((v != 0) & (v != 1) & ~np.isnan(v), "is neither 0 nor 1", "real")]

    def view(self, cells: Sequence[Field]) -> View:
        from .views import Elementwise

        return Elementwise(len(cells))


class Categorical(Coded):
    """Names without order."""

    name = "categorical"
    likelihood = "categorical"
    likelihood_of_many = "categorical-by-class"

    def claims(self, found: Statistics) -> str:
        named = isinstance(found, ColumnStatistics) and (found.is_text or found.declared)
        return f"{len(found.counts)} distinct names" if isinstance(found, ColumnStatistics) and named else ""

    def field(self, found: Statistics, about: dict[str, Any]) -> Field:
        field = super().field(found, about)
        if field.n_categories <= MANY:
            return field
        assert isinstance(found, ColumnStatistics)
        seen = {whole_number(value): count for value, count in found.counts.items()}
        return replace(field, counts=tuple(seen.get(value, 0) for value in field.categories))

    def default_likelihood(self, field: Field) -> str:
        return self.likelihood_of_many if field.n_categories > MANY else self.likelihood

    def view(self, cells: Sequence[Field]) -> View:
        from .views import OfManyNames, OneHot

        # runs of before have one-hot codes of more, and no counts
        sizes, are_many = [c.n_categories for c in cells], [bool(c.counts) for c in cells]
        return OfManyNames(sizes, are_many) if any(are_many) else OneHot(sizes)


class Ordinal(Coded):
    """Names that have an order, and few whole numbers close together."""

    name = "ordinal"
    likelihood = "ordered-logistic"

    def claims(self, found: Statistics) -> str:
        if not isinstance(found, ColumnStatistics) or found.is_time or found.is_duration:
            return ""
        if found.ordered and not is_flag(found):
            return f"{len(found.declared)} categories that have an order"
        n = len(found.counts)
        if found.is_text or found.declared or not found.whole or not 2 < n <= MAX_GRADES:
            return ""
        said = f"{n} distinct whole numbers from {found.low:g} to {found.high:g}"
        return said if found.high - found.low + 1 <= 2 * MAX_GRADES else ""

    def view(self, cells: Sequence[Field]) -> View:
        from .views import OneHot

        return OneHot([c.n_categories for c in cells], ranked=True)
