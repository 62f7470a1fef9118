"""What a model says of rows, as a table that can be joined with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .arrow import shape_of
from .containers import container_of
from .schema import Schema


def as_table(values: Any, prefix: str = "x") -> pa.Table:
    """Rows as an Arrow table: numbers (N, K) as columns prefix0, prefix1, ...; (N,) as one of that name."""
    if isinstance(values, np.ndarray) and values.ndim <= 2:
        named = {prefix: values} if values.ndim == 1 else {f"{prefix}{i}": v for i, v in enumerate(values.T)}
        return pa.table({name: pa.array(column, from_pandas=True) for name, column in named.items()})
    columns = container_of(values).columns(values, "results")
    return pa.table({column.name: column.cells() for column in columns})


def some_of(rows: pa.Table, n: int, seed: int) -> pa.Table:
    """A seeded random subset of n rows, in their order."""
    return rows.take(pa.array(places_of_some(len(rows), n, seed)))


def places_of_some(n_rows: int, n: int, seed: int) -> NDArray[np.int64]:
    """Which rows those are, of so many, (n,)."""
    return np.sort(np.random.default_rng(seed).choice(n_rows, n, replace=False))


def not_modelled(schema: Schema, names: Iterable[str]) -> list[str]:
    """Columns that the model was told to leave out, such as identifiers, and those that it was trained without."""
    known = {field.name for field in schema.fields if field.kind != "drop"}
    return [name for name in names if name not in known]


def beside(rows: pa.Table, names: Sequence[str], results: pa.Table) -> pa.Table:
    """Columns of rows, then results; of two columns of one name the result. Arrays are not carried along."""
    kept = [name for name in names if name not in results.column_names and not shape_of(rows[name].type)]
    columns = {name: rows[name] for name in kept} | {name: results[name] for name in results.column_names}
    return pa.table(columns)


def labelled(table: pa.Table, scores: str, threshold: float) -> pa.Table:
    """The same with the column ``anomalous`` behind that of the scores: which of them are lower than a threshold."""
    is_anomalous = pa.array(table[scores].to_numpy() < threshold)
    return table.add_column(table.column_names.index(scores) + 1, "anomalous", is_anomalous)
