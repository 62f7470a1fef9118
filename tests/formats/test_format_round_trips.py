"""Any table that a format holds comes back from it equal, types too; any mask leaves the other cells bit for bit."""

from __future__ import annotations

import datetime as dt
import importlib.util
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from velbo.formats import as_tensor_column, convert, open_source, rewrite, write_table
from velbo.formats.base import is_tensor

WORDS = st.text("aäßz .,;\"'\\\n\t😀0-", max_size=8)
LETTERS = st.text("abcäß", min_size=1, max_size=6)
FLOATS = st.floats(width=64, allow_nan=False)
FINITE = st.floats(width=64, allow_nan=False, allow_infinity=False)
DAYS = st.dates(dt.date(1950, 1, 1), dt.date(2200, 1, 1))
TIMES = st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2200, 1, 1))
MILLIS = TIMES.map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))
NUMBERS: dict[pa.DataType, st.SearchStrategy] = {
    **{kind: st.integers(-128, 127) for kind in (pa.int8(), pa.int16(), pa.int32())},
    **{kind: st.integers(0, 255) for kind in (pa.uint8(), pa.uint16(), pa.uint32())},
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.float64(): FLOATS,
    pa.bool_(): st.booleans(),
}
TYPED: dict[pa.DataType, st.SearchStrategy] = {
    **NUMBERS,
    pa.string(): WORDS,
    pa.large_string(): WORDS,
    pa.string_view(): WORDS,
    pa.binary(): st.binary(max_size=5),
    pa.decimal128(20, 2): st.integers(-(10**9), 10**9).map(lambda i: Decimal(i).scaleb(-2)),
    pa.date32(): DAYS,
    pa.timestamp("ms"): MILLIS,
    pa.timestamp("us"): TIMES,
    pa.timestamp("ns"): TIMES,
    pa.timestamp("us", "Europe/Berlin"): TIMES.map(lambda t: t.replace(tzinfo=dt.UTC)),
    pa.duration("us"): st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999)),
    pa.time64("us"): st.times(),
    pa.dictionary(pa.int8(), pa.string()): LETTERS,
    pa.list_(pa.int64()): st.lists(st.integers(-5, 5), max_size=3),
    pa.null(): st.none(),
}
JSON: dict[pa.DataType, st.SearchStrategy] = {
    pa.int64(): NUMBERS[pa.int64()],
    pa.float64(): FINITE,
    pa.bool_(): st.booleans(),
    pa.string(): LETTERS,
    pa.date32(): DAYS,
    pa.timestamp("us"): TIMES.map(lambda t: t.replace(microsecond=1)),
}
EXCEL: dict[pa.DataType, st.SearchStrategy] = {
    pa.int64(): st.integers(-(10**15), 10**15),
    pa.float64(): FINITE,
    pa.bool_(): st.booleans(),
    pa.string(): st.text("aä .,;=<>&\"'\\\t\n😀0-", min_size=1, max_size=8),
    pa.date32(): DAYS,
    pa.timestamp("ms"): MILLIS.map(lambda t: t.replace(hour=1)),
}
NPZ = {kind: NUMBERS[kind] for kind in NUMBERS} | {pa.string(): LETTERS}
HOLDS = {".parquet": TYPED, ".feather": TYPED, ".jsonl": JSON, ".xlsx": EXCEL, ".npz": NPZ}
FORMATS = [
    pytest.param(s, marks=pytest.mark.skipif(s == ".xlsx" and not importlib.util.find_spec("openpyxl"), reason="extra"))
    for s in HOLDS
]
FAST = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def tables(draw: st.DrawFn, kinds: dict[pa.DataType, st.SearchStrategy], with_arrays: bool, missing: bool) -> pa.Table:
    """1 to 6 rows of 1 to 4 columns; the first cell of each is there, so that its type shows."""
    n = draw(st.integers(1, 6))
    columns: dict[str, pa.Array] = {}
    for name in draw(st.lists(st.text("ab. +:é", min_size=1, max_size=4), min_size=1, max_size=4, unique=True)):
        if name != name.strip():
            name = f"|{name}|"
        kind = draw(st.sampled_from(list(kinds)))
        some = st.none() | kinds[kind] if missing else kinds[kind]
        columns[name] = pa.array([draw(kinds[kind]), *(draw(some) for _ in range(n - 1))], kind)
    if with_arrays and draw(st.booleans()):
        shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
        cells = draw(st.sampled_from(["u1", "i4", "f4", "f8", "?"]))
        columns["array"] = as_tensor_column(np.arange(n * int(np.prod(shape))).reshape(n, *shape).astype(cells))
    return pa.table(columns)


def is_typed(suffix: str) -> bool:
    return HOLDS[suffix] is TYPED


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_table_comes_back_equal(suffix):
    @FAST
    @given(tables(HOLDS[suffix], is_typed(suffix) or suffix == ".npz", suffix != ".npz"))
    def check(rows: pa.Table) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder, f"t{suffix}")
            write_table(rows, path)
            source = open_source(path)
            assert source.schema == rows.schema
            read = source.read()
            assert read.schema == rows.schema
            assert same(read, rows)

    check()


def same(one: pa.Table, other: pa.Table) -> bool:
    """Equal, and -0.0 is not 0.0."""
    return one.equals(other) and one.to_pylist().__repr__() == other.to_pylist().__repr__()


@pytest.mark.parametrize("suffix", FORMATS)
def test_any_mask_leaves_the_other_cells_as_they_were(suffix):
    @FAST
    @given(st.data())
    def check(data: st.DataObject) -> None:
        rows = data.draw(tables(HOLDS[suffix], is_typed(suffix), suffix != ".npz"))
        names = [f.name for f in rows.schema if not (is_tensor(f.type) or pa.types.is_null(f.type))]
        masks = {n: np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))) for n in names}
        kinds = {name: rows.schema.field(name).type for name in names}
        new = {n: pa.array([data.draw(HOLDS[suffix][kinds[n]])] * len(rows), kinds[n]) for n in names}
        with TemporaryDirectory() as folder:
            write_table(rows, Path(folder, f"t{suffix}"))
            rewrite(
                open_source(Path(folder, f"t{suffix}")),
                [Path(folder, f"u{suffix}")],
                lambda _: [(pa.table(new), masks)],
            )
            got = open_source(Path(folder, f"u{suffix}")).read().to_pydict()
        for name, cells in rows.to_pydict().items():
            mask = masks.get(name, np.zeros(len(rows), bool))
            expected = [new[name][i].as_py() if mask[i] else cell for i, cell in enumerate(cells)]
            assert repr(got[name]) == repr(expected)

    check()


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_every_format_becomes_every_other_and_back(tmp_path, source, target):
    """Of types that all of them have."""
    rows = pa.table(
        {
            "i": [1, 2, 3],
            "f": [1.0, 0.1, -2.5e-7],
            "s": ["a", "bc", "ä"],
            "d": [dt.date(2020, 1, day) for day in (1, 2, 3)],
        }
    )
    write_table(rows, tmp_path / f"a{source}")
    assert convert(tmp_path / f"a{source}", tmp_path / f"b{target}") == 3
    assert convert(tmp_path / f"b{target}", tmp_path / f"c{source}") == 3
    assert open_source(tmp_path / f"b{target}").read().equals(rows)
    assert open_source(tmp_path / f"c{source}").read().equals(rows)
