"""Columns of Arrow as numbers, and the names of their types."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from contracts.tables import ARROW_COLUMNS, NAN
from velbo.errors import SchemaError
from velbo.rows.arrow import (
    decoded,
    is_number_text,
    missing_of,
    numbers,
    selected,
    sort_of,
    times_of_text,
    type_of,
    value_type,
    wall_clock,
)

ZONE = pa.timestamp("us", "Europe/Berlin")


@pytest.mark.parametrize("column", ARROW_COLUMNS, ids=lambda a: str(a.type)[:30])
def test_a_type_is_made_again_from_its_name(column):
    assert type_of(str(column.type)) == value_type(column.type)


@pytest.mark.parametrize(
    ("kind", "sort"),
    [
        (pa.string_view(), "text"),
        (pa.dictionary(pa.int8(), pa.large_string()), "text"),
        (pa.date32(), "dates"),
        (ZONE, "dates"),
        (pa.dictionary(pa.int8(), pa.timestamp("s")), "dates"),
        (pa.duration("s"), "durations"),
        (pa.bool_(), "truth values"),
        (pa.null(), "missing values only"),
        (pa.decimal256(40, 2), "numbers"),
        (pa.float16(), "numbers"),
        (pa.uint64(), "numbers"),
        (pa.list_(pa.float32(), 3), "arrays"),
        (pa.list_(pa.list_(pa.bool_(), 2), 3), "arrays"),
        (pa.fixed_shape_tensor(pa.int8(), [2, 3]), "arrays"),
        (pa.list_(pa.string(), 3), ""),
        (pa.list_(pa.float32()), ""),
        (pa.time32("s"), ""),
        (pa.binary(), ""),
    ],
    ids=str,
)
def test_sorts_of_types(kind, sort):
    assert sort_of(kind) == sort


DAY = 86_400


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        (pa.array([1, None, -3], pa.int8()), [1, NAN, -3]),
        (pa.array([2**64 - 1, None, 0], pa.uint64()), [2.0**64, NAN, 0]),
        (pa.array([0.5, None, NAN], pa.float32()), [0.5, NAN, NAN]),
        (pa.array([0.5, None, NAN], pa.float16()), [0.5, NAN, NAN]),
        (pa.array([True, None, False]), [1, NAN, 0]),
        (pa.array([Decimal("1.50"), None, Decimal("-2")]), [1.5, NAN, -2]),
        (pa.array(["1", None, " +2.5e1 "]), [1, NAN, 25]),
        (pa.array([".5", "5.", "-0"], pa.string_view()), [0.5, 5, 0]),
        (pa.array([3, None, 4]).dictionary_encode(), [3, NAN, 4]),
        (pa.array([dt.date(1970, 1, 2), None, dt.date(1969, 12, 31)]), [DAY, NAN, -DAY]),
        (pa.array([dt.date(1970, 1, 2), None], pa.date64()), [DAY, NAN]),
        (pa.array([1, None, -1], pa.timestamp("s")), [1, NAN, -1]),
        (pa.array([10**14, None], pa.timestamp("s")), [1e14, NAN]),
        (pa.array([1500, None], pa.timestamp("ms", "Asia/Tokyo")), [1.5, NAN]),
        (pa.array([1_577_836_800_000_001, None], ZONE), [1_577_836_800.000001, NAN]),
        (pa.array([1_577_836_800_000_001_999, None], pa.timestamp("ns")), [1_577_836_800.000001, NAN]),
        (pa.array([2500, None, -500], pa.duration("ms")), [2.5, NAN, -0.5]),
        (pa.array([3_000_000_000, None], pa.duration("ns")), [3, NAN]),
        (pa.nulls(2), [NAN, NAN]),
    ],
    ids=lambda v: str(v.type)[:25] if isinstance(v, pa.Array) else "",
)
def test_numbers_are_values_and_seconds(column, wanted):
    for cells in (column, pa.chunked_array([column[:1], column[1:]])):
        np.testing.assert_array_equal(numbers(cells, "x"), np.array(wanted, np.float64))
        np.testing.assert_array_equal(missing_of(cells), np.isnan(wanted))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        *[(text, True) for text in ("1", " 1 ", "+1", "-.5", "5.", "1e3", "1E-3", "007")],
        *[
            (text, False)
            for text in ("", " ", "nan", "inf", "-inf", "1_000", "0x1F", "1,5", "1e", "e1", ".", "٣", "1 2")
        ],
    ],
)
def test_a_number_is_finite_and_in_digits(text, is_one):
    """What Python takes for a number and people do not (1_000, nan) is none."""
    assert is_number_text(text) == is_one
    column = pa.array(["0", text])
    if is_one:
        assert numbers(column, "x")[1] == float(text)
    else:
        with pytest.raises(SchemaError, match=r"data: row 1, column 'x' holds '.*', which is no number"):
            numbers(column, "x")


@pytest.mark.parametrize(
    "kind",
    [pa.decimal32(9, 2), pa.decimal64(9, 2), pa.decimal128(9, 2), pa.decimal256(9, 2), pa.decimal128(9, -2)],
    ids=str,
)
def test_decimals_are_the_nearest_floats(kind):
    """Those that Python has, which Arrow's own cast misses by a digit for some, such as 0.69."""
    cells = [None, *(Decimal(i).scaleb(-kind.scale) for i in range(-999, 1000, 7))]
    wanted = np.array([NAN if v is None else float(v) for v in cells])
    np.testing.assert_array_equal(numbers(pa.array(cells, kind), "x"), wanted)
    assert decoded(pa.array(cells, kind)).to_pylist() == [None, *wanted[1:]]


def test_infinity_is_named():
    with pytest.raises(SchemaError, match=r"given: row 2, column 'x' holds inf; .*cap it, or mark it missing"):
        numbers(pa.array([0.0, NAN, -np.inf]), "x", "given")


def test_words_are_values_and_nan_is_none():
    assert decoded(pa.array(["NA", "nan", "", None])).to_pylist() == ["NA", "nan", "", None]
    assert decoded(pa.array([NAN, 1.0, None])).to_pylist() == [None, 1.0, None]
    views = pa.array(["b", None, "a"], pa.string_view()).dictionary_encode()
    for column in (views, pa.chunked_array([views, views])):
        assert decoded(column).to_pylist()[:3] == ["b", None, "a"]
    assert missing_of(pa.array([NAN, 1.0, None])).tolist() == [True, False, True]
    some = pa.DictionaryArray.from_arrays(pa.array([0, 1, None]), pa.array(["a", None]))
    assert missing_of(some).tolist() == [False, True, True]


def test_missing_cells_of_arrays():
    lists = pa.array([[1.0, NAN], None, [None, 4.0]], pa.list_(pa.float64(), 2))
    assert missing_of(lists).tolist() == [[False, True], [True, True], [True, False]]


def test_text_as_times():
    assert times_of_text(pa.array(["2020-01-01", None]), "t", None).to_pylist() == [dt.datetime(2020, 1, 1), None]
    zoned = times_of_text(pa.array(["2020-01-01T00:00:00+01:00"]), "t", "Europe/Berlin")
    assert zoned.type == ZONE
    assert numbers(zoned, "t").tolist() == [1_577_833_200]
    for text, zone, words in (("01.02.2020", None, "2024-12-31 "), ("2020-01-01", "UTC", "2024-12-31T08:00:00.01:00")):
        with pytest.raises(SchemaError, match=f"data: column 't' holds text that is no date as in {words}"):
            times_of_text(pa.array([text]), "t", zone)


def test_a_clock_on_the_wall():
    winter, summer = (
        pa.scalar(t, pa.timestamp("us", "UTC")) for t in (dt.datetime(2020, 1, 1), dt.datetime(2020, 7, 1))
    )
    times = pa.array([winter.as_py(), summer.as_py()], ZONE)
    assert wall_clock(times).to_pylist() == [dt.datetime(2020, 1, 1, 1), dt.datetime(2020, 7, 1, 2)]
    plain = pa.array([1, 2])
    assert wall_clock(plain) is plain


def test_cells_of_any_type_are_selected():
    for column in (*ARROW_COLUMNS, pa.array(["a", None, "b", "c"], pa.string_view())):
        assert selected(column, pa.array([3, 0])).to_pylist() == [column[3].as_py(), column[0].as_py()]
