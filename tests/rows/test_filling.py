"""Any table of any types, any mask: filled, its observed cells are what they were, bit for bit, in every container."""

from __future__ import annotations

import datetime as dt
import string
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.tables import NAN
from velbo.rows import Schema, infer
from velbo.rows.arrow import selected
from velbo.rows.tensors import parted, shape_of

N = 7
QUICK = settings(
    max_examples=70, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

WORDS = st.sampled_from(["NA", "None", "nan", "", "?", " a", "a", "Ü", "007", "7"]) | st.text(
    string.printable, max_size=4
)
DAYS = st.dates(dt.date(1700, 1, 1), dt.date(2250, 1, 1))


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    ends = 10**precision - 1
    return st.integers(-ends, ends).map(lambda i: Decimal(f"{i}e-{scale}"))


def floats(width: Any) -> st.SearchStrategy[float]:
    return st.floats(-1e4, 1e4, width=width) | st.sampled_from([0.0, -0.0, 0.5, NAN])


def whole(bits: int, signed: bool) -> st.SearchStrategy[int]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.integers(low, high) | st.integers(0, 3)


def ticks(unit: str) -> st.SearchStrategy[int]:
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    seconds = st.integers(-(10**9), 5 * 10**9)
    return st.integers(-(10**9) * per_second, 5 * 10**9 * per_second) | seconds.map(lambda s: s * per_second)


CELLS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.bool_(), st.booleans()),
    *[(getattr(pa, f"int{bits}")(), whole(bits, True)) for bits in (8, 16, 32, 64)],
    *[(getattr(pa, f"uint{bits}")(), whole(bits, False)) for bits in (8, 16, 32, 64)],
    *[(getattr(pa, f"float{width}")(), floats(width)) for width in (16, 32, 64)],
    *[(kind, WORDS) for kind in (pa.string(), pa.large_string(), pa.string_view())],
    *[(pa.timestamp(u, zone), ticks(u)) for u in ("s", "ms", "us", "ns") for zone in (None, "Europe/Berlin", "-03:00")],
    *[(pa.duration(u), ticks(u)) for u in ("s", "ms", "us", "ns")],
    (pa.date32(), DAYS),
    (pa.date64(), DAYS),
    (pa.decimal128(9, 2), decimals(9, 2)),
    (pa.decimal128(38, 3), decimals(38, 3)),
    (pa.decimal256(45, 2), decimals(45, 2)),
]
NAMED = (pa.string(), pa.int16(), pa.int64(), pa.timestamp("s"))


@st.composite
def columns(draw: st.DrawFn) -> pa.Array:
    kind, cells = draw(st.sampled_from(CELLS))
    column = pa.array(draw(st.lists(cells | st.none(), min_size=N, max_size=N)), kind)
    if kind in NAMED and draw(st.booleans()):
        return column.dictionary_encode()
    return column


@st.composite
def arrays(draw: st.DrawFn) -> pa.Array:
    kind, cells = draw(st.sampled_from([c for c in CELLS if pa.types.is_integer(c[0]) or pa.types.is_floating(c[0])]))
    shape = draw(st.sampled_from([(2,), (1,), (2, 3)]))
    rows = draw(st.lists(st.lists(cells | st.none(), min_size=6, max_size=6), min_size=N, max_size=N))
    flat = pa.array([v for row in rows for v in row[: int(np.prod(shape))]], kind)
    nested = pa.FixedSizeListArray.from_arrays(flat, shape[-1])
    return nested if len(shape) == 1 else pa.FixedSizeListArray.from_arrays(nested, shape[0])


@st.composite
def tables(draw: st.DrawFn) -> tuple[pa.Table, np.ndarray]:
    """(a table, which of its cells are to be missing (N, columns))."""
    some = draw(st.lists(columns() | arrays(), min_size=1, max_size=4))
    table = pa.table({"y": np.arange(N) + 0.5, **{f"c{i}": column for i, column in enumerate(some)}})
    gone = np.array(draw(st.lists(st.booleans(), min_size=N * len(some), max_size=N * len(some)))).reshape(N, -1)
    return table, np.hstack([np.zeros((N, 1), bool), gone])


def without(column: Any, gone: np.ndarray) -> pa.Array:
    whole = column.combine_chunks()
    index = pa.array(np.where(gone, N, np.arange(N)))
    if pa.types.is_dictionary(whole.type):
        indices = pa.concat_arrays([whole.indices, pa.nulls(1, whole.indices.type)]).take(index)
        return pa.DictionaryArray.from_arrays(indices, whole.dictionary)
    return selected(pa.concat_arrays([whole, pa.nulls(1, whole.type)]), index)


def part_of(table: pa.Table, gone: np.ndarray) -> pa.Table:
    return pa.table({name: without(table[name], gone[:, i]) for i, name in enumerate(table.column_names)})


def schema_for(rows: Any, table: pa.Table) -> Schema:
    """Text is names, whatever it says."""
    text = [f.name for f in table.schema if "string" in str(f.type) and table[f.name].null_count < N]
    return infer(rows, dict.fromkeys(text, "categorical"))


def bits(column: Any) -> list[Any]:
    """Cells of an Arrow column, such that equal ones are equal bit for bit."""
    if shape_of(column.type):
        values, missing = parted(column)
        cells = [
            [None if m or v != v else v.tobytes() for v, m in zip(*row, strict=True)]
            for row in zip(values, missing, strict=True)
        ]
        return [None if all(v is None for v in row) else tuple(row) for row in cells]
    if pa.types.is_floating(column.type):
        values = column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy()
        return [None if np.isnan(v) else v.tobytes() for v in values]
    if pa.types.is_temporal(column.type):
        return column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64()).to_pylist()
    return column.to_pylist()


def check(before: list[Any], after: list[Any], name: str) -> None:
    kept = [(b, a) for b, a in zip(before, after, strict=True) if b is not None]
    assert [b for b, _ in kept] == [a for _, a in kept], name


@QUICK
@given(tables())
def test_tables_of_pyarrow(drawn):
    table, gone = drawn
    part = part_of(table, gone)
    schema = schema_for(table, table)
    filled = schema.filled(part, schema.numbers(table).astype(np.float64))
    assert filled.column_names == part.column_names
    for f in schema.fields:
        before, after = part[f.name], filled[f.name]
        assert after.type == before.type or before.null_count == N, f.name
        check(bits(before), bits(after), f.name)
        if None not in f.categories and f.kind != "constant":
            assert sum(c is None for c in bits(after)) == sum(c is None for c in bits(table[f.name])), f.name


@QUICK
@given(tables(), st.booleans())
def test_frames_of_polars(drawn, as_enum):
    table, gone = drawn
    names = [
        n for n, kind in zip(table.column_names, table.schema.types, strict=True) if not pa.types.is_decimal256(kind)
    ]
    gone = gone[:, [table.column_names.index(n) for n in names]]
    table = table.select(names)
    frame, part = (pl.DataFrame(pl.from_arrow(t)) for t in (table, part_of(table, gone)))
    text = [n for n, kind in frame.schema.items() if kind == pl.String]
    if as_enum and text:
        frame, part = (f.cast({n: pl.Enum(frame[n].drop_nulls().unique()) for n in text}) for f in (frame, part))
    schema = schema_for(frame, table)
    filled = schema.filled(part, schema.numbers(frame).astype(np.float64))
    assert filled.columns == part.columns
    for f in schema.fields:
        before, after = part[f.name], filled[f.name]
        assert after.dtype == before.dtype or before.null_count() == N, f.name
        check(bits(before.to_arrow()), bits(after.to_arrow()), f.name)


NULLABLE = {
    **{getattr(pa, t.lower())(): getattr(pd, f"{t}Dtype")() for t in ("Int8", "Int16", "Int64", "UInt8", "UInt64")},
    pa.float32(): pd.Float32Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.string(): pd.StringDtype("python"),
}
HAS_NO_VIEWS = [pa.string_view()]


@QUICK
@given(tables(), st.sampled_from(["numpy", "nullable", "arrow", "objects"]))
def test_frames_of_pandas(drawn, sort):
    table, gone = drawn
    names = [n for n, kind in zip(table.column_names, table.schema.types, strict=True) if kind not in HAS_NO_VIEWS]
    gone = gone[:, [table.column_names.index(n) for n in names]]
    table = table.select(names)
    options: dict[str, Any] = {
        "numpy": {},
        "nullable": {"types_mapper": NULLABLE.get},
        "arrow": {"types_mapper": pd.ArrowDtype},
        "objects": {"integer_object_nulls": True, "timestamp_as_object": True},
    }[sort]
    frame, part = (t.to_pandas(**options).set_axis([3, 3, 1, 0, 9, 8, 7]) for t in (table, part_of(table, gone)))
    schema = schema_for(frame, table)
    filled = schema.filled(part, schema.numbers(frame).astype(np.float64))
    assert filled.index.equals(part.index)
    assert filled.columns.equals(part.columns)
    for name in part.columns:
        before, after = part[name], filled[name]
        seen = before.notna().to_numpy()
        if not seen.any():
            continue
        assert after.dtype == before.dtype or before.dtype == "category", name
        if before.dtype == object:
            assert all(same(b, a) for b, a in zip(before[seen], after[seen], strict=True)), name
        elif before.dtype == "category":
            assert before[seen].tolist() == after[seen].tolist()
            assert list(after.cat.categories[: len(before.cat.categories)]) == list(before.cat.categories)
        else:
            check(bits(pa.Array.from_pandas(before[seen])), bits(pa.Array.from_pandas(after[seen])), name)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and str(a) == str(b)
    return type(a) is type(b) and a == b


@QUICK
@given(st.data(), st.sampled_from([np.float16, np.float32, np.float64, np.int16, np.int64, np.uint64, np.uint8]))
def test_arrays_masked_or_with_nan(data, dtype):
    is_float = np.dtype(dtype).kind == "f"
    cells = floats(64).filter(lambda v: v == v) if is_float else st.integers(0, np.iinfo(dtype).max)
    rows = np.array(data.draw(st.lists(cells, min_size=12, max_size=12)), dtype).reshape(4, 3)
    gone = np.array(data.draw(st.lists(st.booleans(), min_size=12, max_size=12))).reshape(4, 3)
    part = np.ma.masked_array(rows, gone)
    if is_float and data.draw(st.booleans()):
        part = np.where(gone, np.array(NAN, dtype), rows)
    for whole, holder, missing in ((rows, lambda x: x, part), ({"a": rows}, lambda x: x["a"], {"a": part})):
        schema = infer(whole, kind="real")
        filled = holder(schema.filled(missing, schema.numbers(whole).astype(np.float64)))
        assert filled.dtype == rows.dtype
        assert np.ma.getdata(filled)[~gone].tobytes() == rows[~gone].tobytes()
        assert not np.ma.getmaskarray(filled).any()
