"""Whatever a user hands over -> a schema and numbers (N, D): a table column by column, an array as a whole.

A data frame is a table, and so is an array whose kind is one of a table's columns ("count"): every column then has a
likelihood by itself. Asked for one kind or one likelihood for all, a frame of numbers is an array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, SchemaError
from .arrays import as_rows, column_names
from .columns import COLUMN_KINDS
from .schema import KINDS, Schema, infer
from .sources import LABEL, Data, load


def is_frame(x: Any) -> bool:
    """Whether x is a data frame of any library."""
    if not (hasattr(x, "columns") or hasattr(x, "column_names")):
        return False
    from . import frames

    return frames.is_frame(x)


def holds_only_numbers(x: Any) -> bool:
    """Whether every column of a data frame is of a type of numbers, so that it could be an array."""
    import narwhals.stable.v2 as nw

    return all(kind.is_numeric() for kind in nw.from_native(x, eager_only=True).schema.values())


def infer_table(x: Any, overrides: Mapping[str, str] | None = None) -> Schema:
    """The schema of a data frame: what every column is, guessed from its type and values.

    Args:
        x: a pandas, polars or pyarrow table; or an array (N, D), whose columns are called 0, 1, ...
        overrides: column -> kind, "kind:likelihood" or "drop".

    Raises:
        SchemaError: if columns are identifiers, free text, or not what the overrides say.
    """
    from . import frames

    table = x if is_frame(x) else as_frame(x)
    schema = Schema.of_table(frames.guess(table, overrides or {}))
    return replace(schema, frame=frames.backend_of(table) if is_frame(x) else "")


def as_frame(x: Any, names: Sequence[str] = ()) -> Any:
    """An array (N, D) as a pyarrow table, whose columns are called 0, 1, ... if no names are given."""
    import pyarrow as pa

    rows = np.asarray(x)
    if rows.ndim != 2:
        raise SchemaError(f"a table has rows and columns, (N, D), and this array has shape {rows.shape}")
    if rows.dtype.kind != "O":
        rows = as_rows(rows)
    columns = [pa.array(column, from_pandas=True) for column in rows.T]
    return pa.Table.from_arrays(columns, list(names) or [str(d) for d in range(len(columns))])


def repeated(values: Mapping[str, Any], n: int) -> Any:
    """A pyarrow table of n equal rows."""
    import pyarrow as pa

    return pa.table({name: [value] * n for name, value in values.items()})


def understand(
    x: Any,
    kind: str | None = None,
    levels: int | None = None,
    overrides: Mapping[str, str] | None = None,
    as_array: bool = False,
    names: Sequence[str] = (),
) -> Schema:
    """The schema of rows of any sort.

    Args:
        x: data frame, array, array with labels, or a `TableSource` on disk, which is read once, in a stream.
        kind: of all dimensions: of an array, or (count, positive, ...) of all columns of a table.
        levels: of byte data.
        overrides: column -> kind of its own.
        as_array: take even a data frame as an array of numbers, with one likelihood for all.
        names: of an array's columns.
    """
    if isinstance(x, Data):
        return _understand_labelled(x, kind, levels, dict(overrides or {}))
    if kind in COLUMN_KINDS and kind not in KINDS:
        table = x if is_frame(x) else as_frame(x, names)
        schema = infer_table(table, dict.fromkeys(column_names(table), kind) | dict(overrides or {}))
        return schema if is_frame(x) else replace(schema, frame="")
    if hasattr(x, "batches"):
        from . import frames

        return replace(Schema.of_table(frames.guess_chunks(x.batches(), overrides or {})), frame="pyarrow")
    frame = is_frame(x)
    if overrides and (not frame or kind or as_array):
        raise ConfigError("kinds of single columns are for tables: give a data frame, and no kind for all")
    if frame and not (kind or levels or as_array):
        return infer_table(x, overrides)
    return infer(as_rows(x), names or column_names(x), kind, levels)


def _understand_labelled(x: Data, kind: str | None, levels: int | None, overrides: dict[str, str]) -> Schema:
    from .labelled import infer_labelled

    of_label = overrides.pop(LABEL, "")
    schema = understand(x.rows, kind, levels, overrides, names=x.names)
    if schema.columns:
        raise ConfigError("labels are given beside an array with one kind for all; make them a column of the table")
    return infer_labelled(x, schema, of_label)


def values(x: Any, schema: Schema, what: str = "data") -> NDArray[Any]:
    """Numbers (N, *schema.shape): codes of a table (columns.py), an array as it is; NaN where missing. With labels that
    the schema knows they are (N, D + 1), see labelled.py.

    Raises:
        DataError: if they are not numbers.
        SchemaError: if they do not fit the schema.
    """
    if schema.columns:
        from . import frames

        return frames.codes(x, schema.columns, what)
    if schema.label is not None:
        from .labelled import joined

        return joined(x, schema, what)
    x = x.rows if isinstance(x, Data) else x
    schema.check_names(column_names(x), what)
    return as_rows(x, what)


def take(x: Any, index: NDArray[np.integer]) -> Any:
    """Some rows of an array, with labels or without, or of a data frame."""
    if isinstance(x, Data):
        return x.subset(index)
    if isinstance(x, np.ndarray):
        return x[index]
    import narwhals.stable.v2 as nw

    return nw.from_native(x, eager_only=True)[index.tolist(), :].to_native()


def read(source: str | Path, schema: Schema) -> Any:
    """The rows of a file, or of whatever `load` knows, for a model of this schema: a pyarrow table or an array.

    Raises:
        DataError: if there is nothing of that name or it cannot be read.
        SchemaError: if columns have other names.
    """
    from .table_files import TableSource, is_table_source

    if schema.columns and is_table_source(source):
        return TableSource(source).read()
    data = load(source)
    if not schema.columns:
        schema.check_names(data.names, str(source))
        return data if schema.label else data.rows
    return as_frame(data.rows, data.names)
