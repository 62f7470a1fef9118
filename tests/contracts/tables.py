"""Tables for tests of rows: a column of every sort, and every type of cell that each library has."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

N = 60

LIBRARIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}
"""Name of a container of tables -> columns to a table of it."""

KINDS_OF_EVERYTHING = {
    "size": "real",
    "price": "positive",
    "share": "bounded",
    "age": "integer",
    "visits": "count",
    "grade": "ordinal",
    "job": "categorical",
    "member": "binary",
    "born": "datetime",
    "one": "constant",
}


def everything() -> dict[str, Any]:
    """A column of every kind that a column is guessed to be, as Python lists without a missing value."""
    rng = np.random.default_rng(0)
    return {
        "size": rng.normal(size=N).round(2).tolist(),
        "price": np.exp(2 * rng.normal(size=N)).tolist(),
        "share": np.linspace(0, 1, N).tolist(),
        "age": rng.integers(18, 90, N).tolist(),
        "visits": [*rng.poisson(20, N).tolist()[:-1], 0],
        "grade": rng.integers(1, 6, N).tolist(),
        "job": rng.choice(["nurse", "clerk", " pilot"], N).tolist(),
        "member": (rng.random(N) < 0.5).tolist(),
        "born": [dt.datetime(1990, 1, 1) + dt.timedelta(days=int(d), seconds=7) for d in rng.integers(0, 9000, N)],
        "one": ["x"] * N,
    }


def cells_of(column: Any) -> list[Any]:
    """The cells of a column of any library, None where missing."""
    cells = column.to_pylist() if isinstance(column, pa.ChunkedArray) else list(column)
    return [None if not isinstance(v, list | np.ndarray) and pd.isna(v) else v for v in cells]


def type_in(frame: Any, name: str) -> Any:
    """The type of a column."""
    return frame[name].type if isinstance(frame, pa.Table) else frame[name].dtype


def frame_of(cells: Any, name: str = "x") -> Any:
    """A table of one column, in the library of that column."""
    if isinstance(cells, pd.Series):
        return cells.rename(name).to_frame()
    return pl.DataFrame({name: cells}) if isinstance(cells, pl.Series) else pa.table({name: cells})


PANDAS_COLUMNS: list[pd.Series] = [
    pd.Series([1, 2, 3, 300] * 5, dtype="int16"),
    pd.Series([1, 2, 3, 255] * 5, dtype="uint8"),
    pd.Series([1, 2**53, -3, 4] * 5, dtype="int64"),
    pd.Series([1, None, 3, 400] * 5, dtype="Int64"),
    pd.Series([1.5, np.nan, 0.25, 3] * 5, dtype="float32"),
    pd.Series([1.5, np.nan, 0.25, 3] * 5, dtype="float16"),
    pd.Series([1.5, None, 0.25, 3] * 5, dtype="Float64"),
    pd.Series([True, False, None, True] * 5, dtype="boolean"),
    pd.Series([True, False, True, True] * 5, dtype="bool"),
    pd.Series(["a", "b", None, "c"] * 5, dtype="string"),
    pd.Series(["a", "b", None, "c"] * 5, dtype="object"),
    pd.Series(["a", "b", None, "c"] * 5, dtype="category"),
    pd.Series([3, 1, 2, 1] * 5, dtype="category"),
    pd.Series(pd.Categorical(["lo", "hi", "mid", "lo"] * 5, ["lo", "mid", "hi"], ordered=True)),
    pd.Series(pd.to_datetime(["2020-01-01", "2021-05-06 07:08:09.123456", None, "2022-02-02"] * 5, format="ISO8601")),
    pd.Series(pd.date_range("2020-01-01", periods=20, tz="Europe/Berlin", unit="us")),
    pd.Series(pd.date_range("2020-01-01", periods=20, tz=dt.timezone(dt.timedelta(hours=-3)), unit="us")),
    pd.Series(pd.to_timedelta([1, 2, None, 4] * 5, unit="s")),
    pd.Series([2**53, 5, 0, 4] * 5, dtype="uint64"),
    pd.Series([2**53, 5, None, 4] * 5, dtype="UInt64"),
    pd.Series([-128, 127, None, 4] * 5, dtype="Int8"),
    pd.Series(["a", "b", None, "c"] * 5, dtype="string[python]"),
    pd.Series([True, False, None, True] * 5, dtype="object"),
    pd.Series([3, 5, None, 4] * 5, dtype="object"),
    pd.Series([Decimal("1.50"), Decimal("-2.25"), None, Decimal("3.75")] * 5, dtype="object"),
    pd.Series([dt.date(2020, 1, 1), dt.date(2021, 1, 1), None, dt.date(2022, 1, 1)] * 5, dtype="object"),
    pd.Series([1, None, 3, 400] * 5, dtype="int64[pyarrow]"),
    pd.Series([True, False, None, True] * 5, dtype="bool[pyarrow]"),
    pd.Series(["a", "b", None, "c"] * 5, dtype=pd.ArrowDtype(pa.string())),
    pd.Series([dt.date(2020, 1, 1), None, dt.date(2021, 1, 1), dt.date(2022, 1, 1)] * 5).astype(
        pd.ArrowDtype(pa.date32())
    ),
    pd.Series(pd.Categorical(["b", "a", None, "c"] * 5, ["c", "unused", "b", "a"])),
    pd.Series(pd.date_range("1931-02-03 04:05:06", periods=20, unit="ns")),
    pd.Series(pd.date_range("1931-02-03 04:05:06", periods=20, unit="s")),
    pd.Series(pd.arrays.SparseArray([0.0, 1.5, 0.0, 2.5] * 5, fill_value=0.0)),
]

POLARS_COLUMNS: list[pl.Series] = [
    pl.Series("x", [1, None, 3, 400] * 5, dtype=pl.Int16),
    pl.Series("x", [1, None, 2**53, 400] * 5, dtype=pl.UInt64),
    pl.Series("x", [1.5, None, 0.25, 3] * 5, dtype=pl.Float32),
    pl.Series("x", [True, None, False, True] * 5),
    pl.Series("x", ["a", None, "b", "c"] * 5),
    pl.Series("x", ["a", None, "b", "c"] * 5, dtype=pl.Categorical),
    pl.Series("x", ["lo", None, "hi", "mid"] * 5, dtype=pl.Enum(["lo", "mid", "hi"])),
    pl.Series("x", [Decimal("1.50"), None, Decimal("-2.25"), Decimal("3.75")] * 5),
    pl.Series("x", [dt.date(2020, 1, 1), None, dt.date(2021, 1, 1), dt.date(2022, 1, 1)] * 5),
    pl.Series("x", [dt.timedelta(seconds=1), None, dt.timedelta(seconds=2), dt.timedelta(seconds=5)] * 5),
    pl.Series("x", [dt.datetime(2020, 1, d, 7) for d in range(1, 21)], dtype=pl.Datetime("ms", "Europe/Berlin")),
    pl.Series("x", [dt.datetime(2020, 1, d, 7, 0, 0, 5) for d in range(1, 21)], dtype=pl.Datetime("ns")),
]

ARROW_COLUMNS: list[pa.Array] = [
    pa.array([1, 127, None, 5] * 5, pa.int8()),
    pa.array([1, 2**53, None, 5] * 5, pa.uint64()),
    pa.array([0.1, 0.25, None, 5] * 5, pa.float32()),
    pa.array([0.5, 0.25, None, 5] * 5, pa.float16()),
    pa.array([True, False, None, True] * 5),
    pa.array(["b", "a", None, "c"] * 5, pa.string()),
    pa.array(["b", "a", None, "c"] * 5, pa.large_string()),
    pa.array(["b", "a", None, "c"] * 5, pa.string_view()),
    pa.array([1, 10**9, None, 5] * 5, pa.timestamp("s")),
    pa.array([1, 10**9, None, 5] * 5, pa.timestamp("ms", "Europe/Berlin")),
    pa.array([1, 10**15, None, 5] * 5, pa.timestamp("us", "+05:30")),
    pa.array([1000, 10**18, None, 5000] * 5, pa.timestamp("ns", "America/Sao_Paulo")),
    pa.array([1, 10**9, None, 5] * 5, pa.duration("ms")),
    pa.array([3600, 7200, None, 86400] * 5, pa.duration("s")),
    pa.array([3 * 10**12, 10**9, None, 10**6] * 5, pa.duration("ns")),
    pa.array([dt.date(1820, 1, 1), dt.date(9999, 1, 1), None, dt.date(2000, 1, 1)] * 5, pa.date64()),
    pa.array([dt.date(1820, 1, 1), dt.date(9999, 1, 1), None, dt.date(2000, 1, 1)] * 5, pa.date32()),
    pa.array([Decimal("1.50"), Decimal("-2.25"), None, Decimal("3.75")] * 5),
    pa.array([1, 2, None, 500] * 5, pa.decimal256(40, 2)),
    pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2] * 5, pa.int8()), ["lo", "mid", "hi"], ordered=True),
    pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2] * 5, pa.uint16()), [5, 7, 9]),
]


def arrays_in(library: str, rng: np.random.Generator, n: int = 12) -> dict[str, Any]:
    """Columns of arrays (n rows, without a missing value) as a library has them."""
    vectors = rng.normal(size=(n, 4)).round(3)
    images = rng.integers(0, 200, (n, 3, 2)).astype(np.uint8)
    large = rng.integers(2**60, 2**61, (n, 3))
    if library == "pandas":
        flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 4)
        return {
            "objects": pd.Series(list(images)),
            "large": pd.Series(list(large)),
            "arrow": pd.Series(flat, dtype=pd.ArrowDtype(flat.type)),
        }
    if library == "polars":
        return {
            "vector": pl.Series(values=vectors),
            "single": pl.Series(values=vectors.astype(np.float32)),
            "image": pl.Series(values=images),
            "large": pl.Series(values=large),
        }
    list_of = pa.FixedSizeListArray.from_arrays
    permuted = pa.fixed_shape_tensor(pa.float64(), [2, 2], permutation=[1, 0])
    return {
        "vector": list_of(pa.array(vectors.reshape(-1)), 4),
        "half": list_of(pa.array(vectors.astype(np.float16).reshape(-1)), 4),
        "large": list_of(pa.array(large.reshape(-1)), 3),
        "bits": list_of(pa.array(images.reshape(-1) > 100), 6),
        "nested": list_of(list_of(pa.array(images.reshape(-1)), 2), 3),
        "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(images),
        "single": pa.FixedShapeTensorArray.from_numpy_ndarray(vectors.astype(np.float32).reshape(n, 2, 2)),
        "permuted": pa.ExtensionArray.from_storage(permuted, list_of(pa.array(vectors.reshape(-1)), 4)),
    }


NAN = math.nan
