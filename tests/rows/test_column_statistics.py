"""What one pass over a column knows of it, however its rows are cut."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import skew

from velbo.errors import SchemaError
from velbo.rows.column_statistics import MAX_DISTINCT, MAX_NAMES, ColumnStatistics
from velbo.rows.moments import Moments
from velbo.rows.statistics import LARGEST

DICTIONARY = pa.dictionary(pa.int32(), pa.string())


def statistics(*chunks: Any, native: str = "") -> ColumnStatistics:
    found = ColumnStatistics("x")
    for chunk in chunks:
        found.add(chunk if isinstance(chunk, pa.Array | pa.ChunkedArray) else pa.array(chunk), native)
    return found


def cuts(column: pa.Array, size: int) -> list[pa.Array]:
    return [column.slice(i, size) for i in range(0, len(column), size)]


@pytest.mark.parametrize("size", [1e-110, 1e-160, 1e80])
def test_very_small_and_very_large_numbers_have_finite_moments(size):
    """Third powers of them are out of range one by one, and the ratios that are used are not."""
    v = np.random.default_rng(0).gamma(2.0, size=100)
    m = statistics(v * size).moments
    assert math.isfinite(m.skewness)
    assert m.spread == pytest.approx(v.std() * size, rel=1e-2)
    if size > 1:
        assert m.skewness == pytest.approx(skew(v), rel=1e-9)


COLUMNS = {
    "floats": pa.array([0.25, None, 1e3, math.nan, 0.125, 7.0] * 40),
    "fractions late": pa.array([*map(float, range(200)), 0.5, None]),
    "single": pa.array(np.random.default_rng(0).normal(size=90).round(2), pa.float32()),
    "half": pa.array(np.random.default_rng(0).normal(size=90).round(1), pa.float16()),
    "whole": pa.array(np.random.default_rng(0).integers(-5, 500, 300)),
    "beyond 53 bits": pa.array([2**60 + i % 7 for i in range(90)]),
    "text": pa.array(np.random.default_rng(0).choice(["a", " b", "?", "NaN", "long words"], 300)),
    "truth": pa.array([True, None, False] * 30),
    "dates": pa.array([dt.date(2020, 1, 1) + dt.timedelta(days=7 * i) for i in range(90)]),
    "times": pa.array([dt.datetime(2020, 1, 1) + dt.timedelta(minutes=7 * i) for i in range(90)]),
    "named": pa.array(np.random.default_rng(0).choice(["z", "a", "m"], 90)).dictionary_encode(),
    "named numbers": pa.array([3, 1, None, 2] * 20).dictionary_encode(),
    "many": pa.array(np.random.default_rng(0).permutation(MAX_DISTINCT + 500)),
    "many names": pa.array([f"n{i % (MAX_NAMES + 50)}" for i in range(MAX_NAMES + 500)]),
    "nothing": pa.nulls(50),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_how_rows_are_cut_makes_no_difference(name):
    """All that is known is equal, moments to rounding; chunks of one row for short columns."""
    column = COLUMNS[name]
    whole = statistics(column)
    for size in (1, 13, 100) if len(column) < 1000 else (777, 10_001):
        cut = statistics(*cuts(column, size))
        for what in ("n_rows", "n_missing", "low", "high", "whole", "decimals", "counts", "complete", "length", "step"):
            assert getattr(cut, what) == getattr(whole, what), what
        assert list(cut.counts) == list(whole.counts)
        assert (cut.type, cut.declared, cut.ordered) == (whole.type, whole.declared, whole.ordered)
        for a, b in ((cut.moments, whole.moments), (cut.logs, whole.logs)):
            assert (a.n, a.mean, a.spread) == pytest.approx((b.n, b.mean, b.spread), rel=1e-10, abs=1e-12)
            assert a.skewness == pytest.approx(b.skewness, abs=1e-8)


def test_what_is_known_of_a_column():
    found = statistics([3.5, None, 0.25, 3.5, math.nan])
    assert (found.n_rows, found.n_missing, found.n) == (5, 2, 3)
    assert (found.low, found.high, found.whole, found.decimals) == (0.25, 3.5, False, 2)
    assert found.counts == {3.5: 2, 0.25: 1}
    assert found.log_mean == pytest.approx(np.log([3.5, 0.25, 3.5]).mean(), rel=1e-15)
    assert not found.all_distinct
    text = statistics(["b", "a", None, "NULL", "b"])
    assert (text.n, text.values, text.length, text.is_text) == (4, ["NULL", "a", "b"], 7, True)
    assert "not positive" in statistics([0.0, 2.0]).first
    assert statistics([0.0, 2.0]).logs == Moments()
    assert statistics(pa.array([dt.date(1970, 1, 2), dt.date(1970, 1, 3)])).high == 2 * 86_400


def test_values_beyond_the_room_are_not_kept_and_the_others_are_counted_on():
    """Constant memory: the first 10,000 distinct values, or 131,072 names, and how often each came, later ones not at
    all.
    """
    cases = ((lambda v: v, MAX_DISTINCT), (lambda v: v + 2**60, MAX_DISTINCT), (lambda v: v.astype(str), MAX_NAMES))
    for convert, most in cases:
        first, later = np.arange(most), np.arange(most, 2 * most)
        found = statistics(*map(convert, (first, later, first[:50], later)))
        assert not found.complete
        assert len(found.counts) == most
        assert sorted(found.counts.values()) == [1] * (most - 50) + [2] * 50
        assert statistics(convert(first)).complete


def test_whole_numbers_beyond_53_bits_are_counted_apart():
    found = statistics([1, 5], [2**53, 2**53 + 1, 5])
    assert found.counts == {1: 1, 5: 2, 2**53: 1, 2**53 + 1: 1}
    assert statistics(pa.array([2**64 - 1, 2**64 - 2], pa.uint64())).values == [2**64 - 2, 2**64 - 1]


def test_frequent_numbers():
    """A twentieth of 100 cells is 5 of them; of two that are as frequent, the smaller comes first."""
    found = statistics([1] * 30 + [2] * 30 + [3] * 5 + [4] * 4 + list(range(10, 41)))
    assert found.frequent(0.05, 8) == (1.0, 2.0, 3.0)
    assert found.frequent(0.05, 1) == (1.0,)


def test_numbers_that_stand_out_of_those_nearby():
    """Of ages, as common as their neighbours, none; of hours those that people round to; an amount far from all."""
    ages = [age for age in range(20, 60) for _ in range(20 + age % 3)]
    hours = [h for h in range(30, 61) for _ in range(300 if h == 40 else 60 if h % 5 == 0 else 4)]
    assert statistics(ages).heaped(5, 3.0, 56) == ()
    assert statistics(hours).heaped(5, 3.0, 56) == (30, 35, 40, 45, 50, 55, 60)
    assert statistics(hours).heaped(5, 3.0, 1) == (40,)
    assert statistics([*range(0, 5000, 50), *[7688] * 5, 7690]).heaped(5, 3.0, 56) == (7688,)
    assert statistics([3] * 10).heaped(5, 3.0, 56) == (3,)
    assert statistics([]).heaped(5, 3.0, 56) == ()


def test_decimals_are_those_of_the_precision_that_came_in():
    v = np.array([0.1, 0.25, 1234.5])
    assert statistics(v).decimals == statistics(v.astype(np.float32)).decimals == 2
    assert statistics(np.array([0.1, 0.25, 12.5], np.float16)).decimals == 2
    assert statistics([1 / 3]).decimals > 8
    assert statistics([1.0, 2.0]).decimals == 0
    late = np.zeros(2000)
    late[-1] = 0.125
    assert statistics(late).decimals == 3
    assert statistics([123456789.1, 0.5]).decimals == 1


@pytest.mark.parametrize(
    ("cells", "step"),
    [
        (pa.array([dt.date(2020, 1, 1), dt.date(2021, 3, 4)]), 86_400),
        (pa.array([dt.datetime(2020, 1, 1), None, dt.datetime(2021, 3, 4)]), 86_400),
        (pa.array([dt.datetime(1900, 1, 1, 5), dt.datetime(2021, 3, 4)]), 3600),
        (pa.array([dt.datetime(2020, 1, 1, 5, 30), dt.datetime(2021, 3, 4)]), 60),
        (pa.array([dt.datetime(2020, 1, 1, 5, 30, 1), dt.datetime(2021, 3, 4)]), 1),
        (pa.array([dt.datetime(2020, 1, 1, 5, 30, 1, 1), dt.datetime(2021, 3, 4)]), 0),
        (pa.array([1577833200, 1593554400], pa.timestamp("s", "Europe/Berlin")), 86_400),
        (pa.array([1577833200, 1593554400], pa.timestamp("s", "UTC")), 3600),
        (pa.array([1577817000, 1593541800], pa.timestamp("s", "Asia/Kolkata")), 86_400),
        (pa.array([dt.timedelta(days=3), dt.timedelta(hours=-5)]), 3600),
        (pa.array([dt.timedelta(days=3), dt.timedelta(microseconds=-5)]), 0),
        (pa.array([86_400.0, 3.0]), 0),
        (pa.nulls(2, pa.timestamp("s")), 0),
    ],
    ids=str,
)
def test_dates_and_durations_have_a_step_on_the_clock_of_their_zone(cells, step):
    """Midnight in Berlin, in winter and in summer, is no hour of its own in UTC."""
    assert statistics(cells).step == step
    assert statistics(*cuts(cells, 1)).step == step


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [
        ((pa.array([1], pa.int8()), pa.array([2.5])), pa.float64()),
        ((pa.array([2.5]), pa.array([1])), pa.float64()),
        ((pa.array([1], pa.int8()), pa.array([1], pa.int32())), pa.int32()),
        ((pa.nulls(2), pa.array(["a"])), pa.string()),
        ((pa.array(["a"]), pa.nulls(2)), pa.string()),
        ((pa.array([math.nan]), pa.array(["a"])), pa.string()),
        ((pa.array(["a"]), pa.array([math.nan])), pa.string()),
        ((pa.array([0], pa.timestamp("s")), pa.array([0], pa.timestamp("us"))), pa.timestamp("us")),
    ],
    ids=lambda v: "-".join(str(chunk.type) for chunk in v) if isinstance(v, tuple) else str(v),
)
def test_a_type_has_room_for_the_cells_of_all_chunks(chunks, wanted):
    found = statistics(*chunks)
    assert found.type == wanted
    assert found.n_rows == sum(map(len, chunks))


def test_the_librarys_own_name_is_that_of_the_type_with_room_for_all():
    found = ColumnStatistics("x")
    found.add(pa.array([1]), "int64")
    found.add(pa.array([0.5]), "float64")
    assert (found.type, found.native) == (pa.float64(), "float64")
    found.add(pa.array([1]), "int64")
    assert found.native == "float64"


def test_chunks_of_types_that_do_not_go_together_are_refused():
    with pytest.raises(SchemaError, match="column 'x' holds int64 before row 3 and string from there on"):
        statistics([1, 2, 3], ["a"])


def test_the_dictionaries_of_chunks_are_joined():
    """An order that belongs to the type is kept; that of an Arrow dictionary is how the chunk was stored."""
    a, b = pa.array(["z", "b"]).dictionary_encode(), pa.array(["a", "z"]).dictionary_encode()
    assert statistics(a, b).values == statistics(pa.chunked_array([b, a])).values == ["a", "b", "z"]
    assert statistics(a).declared == ()
    assert statistics(a, a, native="category").declared == ("z", "b")
    assert statistics(a, b, native="category").declared == ("a", "b", "z")
    grades = pa.array(["lo", "mid", "hi"])
    low = pa.DictionaryArray.from_arrays(pa.array([0, 1]), grades[:2], ordered=True)
    high = pa.DictionaryArray.from_arrays(pa.array([2]), grades, ordered=True)
    for chunks in ((low, high), (high, low)):
        assert statistics(*chunks).declared == ("lo", "mid", "hi")
        assert statistics(*chunks).ordered
    other = pa.DictionaryArray.from_arrays(pa.array([0]), grades[1:], ordered=True)
    with pytest.raises(SchemaError, match="categories of another order from row 2 on"):
        statistics(low, other)
    assert statistics(a, native="Enum(categories=['z', 'b'])").ordered
    assert statistics(pa.array([7, 3]).dictionary_encode()).declared == (3, 7)
    assert statistics(pa.array(["a", "?", "b"]).dictionary_encode(), native="category").declared == ("a", "?", "b")


def test_cells_that_no_model_can_take_are_named_by_their_row_in_the_whole_table():
    for bad, words in [
        (math.inf, "'x': row 3 holds infinity, which has no likelihood"),
        (-math.inf, "'x': row 3 holds infinity"),
        (2 * LARGEST, r"'x': row 3 holds 2e\+90, too large to square and compute with"),
    ]:
        with pytest.raises(SchemaError, match=words):
            statistics([1.0, 2.0], [math.nan, bad, 1.0])
    for cells in ([[1]], [b"a"], [{"a": 1}], [dt.time(1)]):
        with pytest.raises(SchemaError, match=r"cells of type .*no numbers, text, dates or arrays.*--column x=drop"):
            statistics(cells)
