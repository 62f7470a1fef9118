"""Tables of Arrow, and arrays, as rows that a model codes and what is kept beside them, block by block."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ..errors import DataError
from ..rows import Field, Schema
from ..runtime.fixed_point import Floats, Ints
from .aside import column_from_bytes, column_to_bytes
from .columns import ARROW_ERRORS, back, kept, lenient, places_in, predicted, same_columns, taken, whole_column

Parts = dict[str, bytes]


@dataclass(frozen=True)
class TableForm:
    """What a file says of a table.

    Attributes:
        schema: Arrow's own bytes of it, in base64.
        dtype: of an array, as NumPy writes it; empty for a table.
    """

    schema: str
    dtype: str = ""

    @classmethod
    def of(cls, schema: pa.Schema, dtype: str = "") -> TableForm:
        return cls(base64.b64encode(schema.serialize().to_pybytes()).decode(), dtype)

    def arrow(self) -> pa.Schema:
        """The schema.

        Raises:
            DataError: if the bytes are none.
        """
        try:
            found = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self.schema, validate=True)))
            _look_at_names(found)
            return found
        except (ValueError, OSError, *ARROW_ERRORS) as error:
            raise DataError("what the file says of its columns is damaged") from error


def _look_at_names(of: Any) -> None:
    """Arrow reads names when it is asked for them.

    Raises:
        UnicodeDecodeError: if one is no text.
    """
    fields = [of.field(i) for i in range(len(of) if isinstance(of, pa.Schema) else of.num_fields)]
    for one in fields:
        assert isinstance(one.name, str)
        _look_at_names(one.type)


@dataclass(frozen=True)
class Columns:
    """The columns of tables of one schema, beside a model's.

    Attributes:
        model: the fields that the model knows.
        schema: of the tables.
    """

    model: Schema
    schema: pa.Schema
    by_name: dict[str, Field] = field(init=False)

    def __post_init__(self) -> None:
        named = {f.name: f for f in self.model.fields if f.kind != "drop"}
        tensors = [name for name in self.schema.names if is_array(self.schema.field(name).type)]
        (only,) = self.model.modelled if len(self.model.modelled) == 1 else (None,)
        if only is not None and only.shape and only.name not in self.schema.names and len(tensors) == 1:
            named[tensors[0]] = only  # files call one array differently, or not at all
        object.__setattr__(self, "by_name", named)

    def field_of(self, name: str) -> Field | None:
        """What the model knows of a column; None for one that it has nothing to say of."""
        return self.by_name.get(name)

    def numbers(self, table: pa.Table) -> Floats:
        """v (N, D) of rows, NaN where the model cannot have a cell."""
        import numpy as np

        parts = []
        for f in self.model.modelled:
            name = next((n for n, own in self.by_name.items() if own is f and n in table.column_names), None)
            parts.append(
                np.full((len(table), f.size), np.nan) if name is None else lenient(whole_column(table[name]), f)
            )
        return np.concatenate(parts, 1)

    def values_of(self, f: Field, v: Floats) -> Floats:
        """Those of a field, (N, size); (N, 0) of one that is no part of x."""
        return v[:, self.model.places[f.name]] if f.name in self.model.places else v[:, :0]

    def aside(self, table: pa.Table, v: Floats, order: Ints | None = None) -> Parts:
        """What is kept of rows whose values the model codes as v (N, D).

        Args:
            table: the rows.
            v: in the order in which they are coded.
            order: that order; None for that of the table.
        """
        found = Parts()
        for i, name in enumerate(table.column_names):
            cells = taken(whole_column(table[name]), order)
            for key, data in self._of_column(name, cells, v).items():
                found[f"{i}.{key}"] = data
        return found

    def _of_column(self, name: str, cells: pa.Array, v: Floats) -> Parts:
        f = self.field_of(name)
        if f is None:
            return {"all": column_to_bytes(cells)}
        if not pa.types.is_dictionary(cells.type):
            return kept(cells, predicted(self.values_of(f, v), f, cells.type))
        names = cells.dictionary
        model = places_in(predicted(self.values_of(f, v), f, names.type), names, cells.type.index_type)
        return {"names": column_to_bytes(names), "n": str(len(names)).encode(), **kept(cells.indices, model)}

    def table(self, v: Floats, parts: Parts) -> pa.Table:
        """The rows again.

        Raises:
            DataError: if what was kept is damaged.
        """
        columns = []
        for i, name in enumerate(self.schema.names):
            own = {key.partition(".")[2]: data for key, data in parts.items() if key.partition(".")[0] == str(i)}
            columns.append(self._column(name, v, own))
        return pa.Table.from_arrays(columns, schema=self.schema)

    def are(self, table: pa.Table, v: Floats, parts: Parts, order: Ints | None) -> bool:
        """Whether rows come back, in an order, of values and of what is kept."""
        again = self.table(v, parts)
        return all(
            same_columns(taken(whole_column(table[name]), order), whole_column(again[name]))
            for name in table.column_names
        )

    def _column(self, name: str, v: Floats, parts: Parts) -> pa.Array:
        f, kind = self.field_of(name), self.schema.field(name).type
        if "all" in parts:
            return column_from_bytes(parts["all"], kind, len(v))
        if f is None:
            raise DataError("a column is not in the file")
        if not pa.types.is_dictionary(kind):
            return back(predicted(self.values_of(f, v), f, kind), parts)
        try:
            names = column_from_bytes(parts.pop("names"), kind.value_type, int(parts.pop("n")))
            model = places_in(predicted(self.values_of(f, v), f, kind.value_type), names, kind.index_type)
            return pa.DictionaryArray.from_arrays(back(model, parts), names, ordered=kind.ordered)
        except (KeyError, ValueError, *ARROW_ERRORS) as error:
            raise DataError("the names of a column are damaged") from error


def is_array(kind: pa.DataType) -> bool:
    """Whether cells are arrays."""
    return isinstance(kind, pa.FixedShapeTensorType)


def require_columns(schema: pa.Schema) -> None:
    """
    Raises:
        DataError: for columns of one name.
    """
    names: Sequence[str] = schema.names
    if len(set(names)) < len(names):
        raise DataError("two columns have one name; rename one")
