"""Merged moments against numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import skew

from contracts.tables import NAN
from velbo.rows.moments import Moments


@pytest.mark.parametrize("shift", [0.0, 1e9, -1e-9])
def test_merged_moments_are_those_of_all_rows(shift):
    """Mean, spread and skewness, however the rows are cut; shifts cost digits of the spread."""
    v = np.random.default_rng(0).gamma(2.0, size=1000) + shift
    wanted = v.mean(), v.std(), skew(v - shift)
    for size in (1, 7, 333, 1000):
        m = Moments()
        for i in range(0, len(v), size):
            m = m.merged(Moments.of(v[i : i + size]))
        assert m.n == len(v)
        assert (m.mean, m.spread, m.skewness) == pytest.approx(wanted, rel=1e-5 if shift > 1 else 1e-10)


def test_no_numbers_have_none():
    assert Moments().merged(Moments()) == Moments.of(np.empty(0)) == Moments()
    assert Moments().spread == 0
    assert Moments().skewness == 0


def test_rounding_error_is_no_spread():
    assert Moments.of(np.array([1e6 + 0.1] * 7)).spread == 0.0


def test_columns_have_moments_of_their_own_of_the_cells_that_are_observed():
    rng = np.random.default_rng(0)
    v = rng.normal(size=(50, 4)) * [1, 10, 1e-3, 1] + [0, 5, 1e3, 0]
    v[rng.random(v.shape) < 0.3] = NAN
    v[:, 3] = NAN
    m = Moments()
    for part in (v[:1], v[1:20], v[20:]):
        m = m.merged(Moments.of(part))
    np.testing.assert_array_equal(m.n, (~np.isnan(v)).sum(0))
    np.testing.assert_allclose(m.mean[:3], np.nanmean(v[:, :3], 0), rtol=1e-12)
    np.testing.assert_allclose(m.spread[:3], np.nanstd(v[:, :3], 0), rtol=1e-10)
    assert (m.n[3], m.mean[3], m.spread[3]) == (0, 0, 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, np.float32, bool])
def test_narrow_types_are_summed_in_double(dtype):
    v = np.random.default_rng(0).integers(0, 100, (400, 3)).astype(dtype)
    m = Moments.of(v, skewed=False)
    np.testing.assert_allclose(m.mean, v.astype(np.float64).mean(0), rtol=1e-14)
    np.testing.assert_allclose(m.spread, v.astype(np.float64).std(0), rtol=1e-12)
    assert m.m3 == 0.0
