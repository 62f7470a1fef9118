"""What one pass over arrays knows of their cells, however the rows are cut."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from contracts.tables import NAN
from velbo.errors import SchemaError
from velbo.rows.column_statistics import statistics_of
from velbo.rows.moments import Moments
from velbo.rows.statistics import LARGEST, ArrayStatistics, extremes
from velbo.rows.tensors import tensors

RNG = np.random.default_rng(0)


def statistics(*chunks: np.ndarray) -> ArrayStatistics:
    found = statistics_of("x", tensors(chunks[0]).type)
    assert isinstance(found, ArrayStatistics)
    for chunk in chunks:
        found.add(tensors(chunk))
    return found


def with_missing(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float32)
    rows[RNG.random(rows.shape) < 0.2] = NAN
    rows[:, 0, 1] = NAN
    return rows


ARRAYS = {
    "bytes": RNG.integers(0, 256, (30, 4, 5)).astype(np.uint8),
    "bits": RNG.random((30, 4, 5)) < 0.5,
    "whole": RNG.integers(-9, 9, (30, 4, 5)),
    "reals": RNG.normal(size=(30, 4, 5)),
    "positive": RNG.gamma(2.0, size=(30, 4, 5)),
    "single, some missing": with_missing(RNG.gamma(2.0, size=(30, 4, 5))),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_how_rows_are_cut_makes_no_difference(name, monkeypatch):
    """Chunks, and the blocks in which each is looked at."""
    rows = ARRAYS[name]
    whole = statistics(rows)
    for size, cells in ((1, 1_000_000), (7, 1_000_000), (30, 40)):
        monkeypatch.setattr("velbo.rows.arrays.CELLS_PER_BLOCK", cells)
        cut = statistics(*(rows[i : i + size] for i in range(0, 30, size)))
        for what in ("n_rows", "n_missing", "n", "whole", "is_binary", "first", "shape", "value_type"):
            assert getattr(cut, what) == getattr(whole, what), what
        np.testing.assert_array_equal(cut.low, whole.low)
        np.testing.assert_array_equal(cut.high, whole.high)
        for a, b in ((cut.moments, whole.moments), (cut.logs, whole.logs)):
            np.testing.assert_allclose(a.mean, b.mean, rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(a.spread, b.spread, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ARRAYS)
def test_what_is_known_is_what_numpy_says(name):
    rows = ARRAYS[name]
    flat, found = rows.reshape(30, -1).astype(np.float64), statistics(rows)
    seen = ~np.isnan(flat).all(0)
    np.testing.assert_array_equal(found.low[seen], np.nanmin(flat[:, seen], 0))
    np.testing.assert_array_equal(found.high[seen], np.nanmax(flat[:, seen], 0))
    assert not np.isfinite(found.low[~seen]).any()
    np.testing.assert_allclose(found.moments.mean[seen], np.nanmean(flat[:, seen], 0), rtol=1e-6)
    np.testing.assert_allclose(found.spread[seen], np.nanstd(flat[:, seen], 0), rtol=1e-6)
    assert found.n == (~np.isnan(flat)).sum()
    assert found.n_missing == np.isnan(flat).sum()
    assert found.whole == bool((np.nan_to_num(flat) % 1 == 0).all())
    assert found.is_binary == (name == "bits")
    if np.nanmin(flat) > 0:
        np.testing.assert_allclose(found.log_mean[seen], np.nanmean(np.log(flat[:, seen]), 0), rtol=1e-6)
    else:
        assert found.logs == Moments()


def test_the_first_cell_of_a_sort_is_named_by_its_row_and_its_place():
    rows = np.ones((4, 2, 2))
    rows[2, 1, 0], rows[3, 0, 1] = -2.5, 0.0
    found = statistics(rows[:1], rows[1:])
    assert found.first == {
        "fraction": ("row 2, (1, 0)", -2.5),
        "negative": ("row 2, (1, 0)", -2.5),
        "not positive": ("row 2, (1, 0)", -2.5),
    }


def test_cells_that_no_model_can_take_are_named():
    for bad, words in [
        (math.inf, r"'x': row 3, \(1, 0\) holds infinity, which has no likelihood"),
        (-math.inf, "holds infinity"),
        (2 * LARGEST, r"'x': row 3, \(1, 0\) holds 2e\+90, too large to square and compute with"),
        (-2 * LARGEST, r"holds -2e\+90, too large"),
    ]:
        rows = np.ones((4, 2, 2))
        rows[3, 1, 0], rows[1, 0, 0] = bad, NAN
        with pytest.raises(SchemaError, match=words):
            statistics(rows[:2], rows[2:])


def test_numbers_of_integers_and_those_of_floats_have_the_same_extremes():
    for dtype in (np.int64, np.float64, np.float32):
        v = np.array([[3, -1], [2, 7]], dtype)
        assert [e.tolist() for e in extremes(v)] == [[2, -1], [3, 7]]
    low, high = extremes(np.array([[NAN, NAN], [NAN, 2.0]]))
    assert (low.tolist(), high.tolist()) == ([math.inf, 2.0], [-math.inf, 2.0])
    assert extremes(np.array([NAN, 2.0, 1.0])) == (1.0, 2.0)


def test_lists_and_columns_have_statistics_of_their_own():
    lists = pa.list_(pa.float32(), 3)
    assert statistics_of("x", lists).shape == (3,)
    assert statistics_of("x", pa.float32()).shape == ()
    assert statistics_of("x", pa.list_(pa.string(), 3)).shape == ()
