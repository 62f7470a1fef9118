"""What a row is: a tuple of fields. Guessed, shown, overridden, saved with the model, held against every later input.

    x  (..., D)      the cells of all modelled fields one after another; D is the sum of their sizes
    numbers          rows of any container  ->  v (N, D), NaN where missing
    new, changed     v (N, D)               ->  rows of a container

Every operation is a map over fields and a concatenation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SchemaError, unknown
from ..limits import MAX_CELLS
from ..tables import Shown, Table
from .arrow import missing_of
from .constraints import Constraints
from .containers import Change, Column, Container, container_named, container_of
from .digits import as_written
from .field import Field
from .kinds import kind_of
from .kinds.base import require_shape

NAMES_SHOWN = 12


@dataclass(frozen=True)
class Schema(Shown):
    """The fields of a row.

    Attributes:
        fields: in the order of the data, those that are left out of the model included.
        container: what rows came in, and new ones are given in: a name of velbo.rows.containers.
        constraints: what holds between columns, as declared, and in all rows that are made.
    """

    fields: tuple[Field, ...]
    container: str = "pyarrow"
    constraints: Constraints = field(default_factory=Constraints)

    def __post_init__(self) -> None:
        if not self.modelled:
            raise SchemaError("no column is left to learn from: every one is constant, wholly missing or left out")
        if self.n_dims > MAX_CELLS:
            raise SchemaError(
                f"a row has {self.n_dims:,} cells, and {MAX_CELLS:,} are the most; make images smaller, or leave "
                "fields out"
            )

    @cached_property
    def modelled(self) -> tuple[Field, ...]:
        """The fields that are part of x."""
        return tuple(f for f in self.fields if kind_of(f).is_modelled)

    @cached_property
    def cells(self) -> tuple[Field, ...]:
        """One field of shape () for each of the D cells of x."""
        return tuple(cell for f in self.modelled for cell in f.cells())

    @cached_property
    def places(self) -> dict[str, slice]:
        """Modelled field -> where its cells stand in x."""
        ends = np.cumsum([f.size for f in self.modelled]).tolist()
        return {f.name: slice(end - f.size, end) for f, end in zip(self.modelled, ends, strict=True)}

    @property
    def n_dims(self) -> int:
        """D."""
        return sum(f.size for f in self.modelled)

    @property
    def missing(self) -> bool:
        """Whether cells were missing in the training data."""
        return any(f.has_missing for f in self.modelled)

    @property
    def is_table(self) -> bool:
        """Whether every modelled field is a column, a single cell a row."""
        return all(not f.shape for f in self.modelled)

    def field(self, name: str) -> Field:
        """
        Raises:
            ConfigError: if there is no modelled field of this name.
        """
        found = next((f for f in self.modelled if f.name == name), None)
        if found is None:
            raise unknown("field", name, self.places)
        return found

    def images(self, apart: Iterable[str] = ()) -> list[Field]:
        """Modelled fields that are images, but those named in ``apart``."""
        return [f for f in self.modelled if f.image_shape is not None and f.name not in set(apart)]

    def dims(self, names: Iterable[str]) -> list[int]:
        """Where the cells of the named fields stand in x.

        Raises:
            ConfigError: for a name that is no modelled field.
        """
        found: list[int] = []
        for name in names:
            if name not in self.places:
                raise unknown("field", name, self.places)
            found += range(*self.places[name].indices(self.n_dims))
        return found

    # showing

    def __repr__(self) -> str:
        return f"Schema({self.describe()})"

    def table(self) -> Table:
        """A row for each field, and what is in doubt below."""
        return Table.of(self.records(), notes=[f"doubt: {doubt}" for doubt in self.doubts()])

    def describe(self) -> str:
        """One line: what was understood."""
        missing = ", with missing cells" if self.missing else ""
        columns = Counter(f.kind for f in self.fields if not f.shape)
        said = [_describe(f) for f in self.fields if f.shape]
        if columns:
            plural = "" if sum(columns.values()) == 1 else "s"
            said.append(f"{sum(columns.values())} column{plural} ({', '.join(f'{n} {k}' for k, n in columns.items())})")
        return " and ".join(said) + missing

    def records(self) -> list[dict[str, str]]:
        """One record a field, for printing as a table."""
        return [
            {
                "field": f.name,
                "type": " x ".join(map(str, f.shape)) + (" " if f.shape else "") + f.dtype,
                "kind": f.kind,
                "likelihood": f.likelihood or "-",
                "values": kind_of(f).shown(f),
                "missing": "-" if f.kind == "drop" else str(f.n_missing),
                "reason": f.reason,
            }
            for f in self.fields
        ]

    def doubts(self) -> list[str]:
        """What fields may be instead, a sentence each."""
        return [f"{f.name}: {doubt}" for f in self.fields for doubt in f.doubts]

    # numbers

    def numbers(self, rows: Any, what: str = "data") -> NDArray[Any]:
        """v of rows, (N, D), NaN where missing; 8 bits a cell where an array has them and no other field needs more.

        Args:
            rows: of any container, with these fields in any order; further ones are not looked at, and those that are
                not modelled may be absent.
            what: the name of the data in messages.

        Raises:
            SchemaError: for a field that is absent, or a cell that does not fit its kind.
            DataError: for what holds no rows.
        """
        return self.numbers_of(rows, self.fields, what)

    def numbers_of(self, rows: Any, fields: Sequence[Field], what: str) -> NDArray[Any]:
        """The same for some of the fields."""
        _, columns = self._columns(rows, fields, what)
        wanted = [f for f in fields if f.kind != "drop" and f.name in columns]
        parts = [kind_of(f).numbers(columns[f.name].cells(), f, what) for f in wanted]
        return _joined([part for part in parts if part.shape[1]])

    def _require(self, columns: Mapping[str, Any], fields: Sequence[Field], what: str) -> None:
        absent = [f.name for f in fields if kind_of(f).is_modelled and f.name not in columns]
        if absent:
            names = list(columns)
            more = ", ..." if len(names) > NAMES_SHOWN else ""
            shown = ", ".join(map(repr, absent[:NAMES_SHOWN])) + (", ..." if len(absent) > NAMES_SHOWN else "")
            raise SchemaError(
                f"{what}: there is no field {shown}, which the model was trained with; there are "
                f"{', '.join(map(repr, names[:NAMES_SHOWN]))}{more}"
            )

    # and back

    def clipped(self, v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Columns (N, D) no further than what training data held; cells of arrays as they are."""
        low = np.concatenate([np.full(f.size, -np.inf) if f.shape else f.each("low") for f in self.modelled])
        high = np.concatenate([np.full(f.size, np.inf) if f.shape else f.each("high") for f in self.modelled])
        return np.clip(v, low, high)

    def as_written(self, v: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Drawn columns (N, D) as their numbers are written; cells of arrays as they are."""
        uniform, written = rng.random(v.shape), v.copy()
        for f in self.modelled:
            if f.digits or f.repeated:
                (at,) = self.dims([f.name])
                written[:, at] = as_written(v[:, at], f, uniform[:, at])
        return written

    def new(self, v: NDArray[np.float64]) -> Any:
        """v (N, D) as new rows: all fields but dropped ones, in order and type as they came."""
        fields = [f for f in self.fields if f.kind != "drop"]
        parts = [
            v[:, self.places[f.name]] if f.name in self.places else np.full((len(v), f.size), np.nan) for f in fields
        ]
        return container_named(self.container).new(fields, parts)

    def changed(self, rows: Any, at: NDArray[np.bool_], v: NDArray[np.float64], what: str = "data") -> Any:
        """Rows with cells ``at`` (N, D) as in v (N, D); all others, and all other fields, are as they were."""
        return container_of(rows, what).changed(rows, self._changes(at, v), what, self.fields)

    def filled(self, rows: Any, v: NDArray[np.float64], what: str = "data") -> Any:
        """Rows with their missing cells as in v (N, D), where it has a number, and those of constant fields as all
        others of the field; observed cells are as they were, and so are missing ones of fields for which missing is a
        value of its own.
        """
        container, columns = self._columns(rows, self.fields, what)
        changes = []
        for f in self.fields:
            if f.name in columns and (f.name in self.places or f.value is not None) and None not in f.categories:
                cells = columns[f.name].cells()
                require_shape(cells, f, what)
                gone = missing_of(cells).reshape(len(cells), -1 if len(cells) else f.size)
                missing = np.broadcast_to(gone, (len(cells), f.size))
                new = v[:, self.places[f.name]] if f.name in self.places else np.zeros(missing.shape)
                changes.append(Change(f, missing & ~np.isnan(new), new, filled=True))
        return container.changed(rows, changes, what, self.fields)

    def _changes(self, at: NDArray[np.bool_], v: NDArray[np.float64]) -> list[Change]:
        return [Change(f, at[:, self.places[f.name]], v[:, self.places[f.name]]) for f in self.modelled]

    def _columns(self, rows: Any, fields: Sequence[Field], what: str) -> tuple[Container, dict[str, Column]]:
        """Of a container that has all modelled fields."""
        container = container_of(rows, what)
        columns = {c.name: c for c in container.columns(rows, what, fields)}
        self._require(columns, fields, what)
        return container, columns


def _describe(f: Field) -> str:
    name = "" if f.name == "x" else f"'{f.name}': "
    return f"{name}{' x '.join(map(str, f.shape))} {f.kind}, {kind_of(f).shown(f)}"


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    if len(parts) == 1:
        return parts[0]
    if any(part.dtype == np.uint8 for part in parts):
        parts = [_in_8_bits(part) for part in parts]
    return np.concatenate(parts, 1)


def _in_8_bits(part: NDArray[Any]) -> NDArray[Any]:
    """Codes of a label beside an image must not widen the image."""
    with np.errstate(invalid="ignore"):
        whole = part.astype(np.uint8)
    return whole if (whole == part).all() else part
