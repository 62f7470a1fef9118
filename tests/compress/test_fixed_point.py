"""Functions in whole numbers: right, and the same wherever the tables are made."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, ndtr, stdtr

from velbo.runtime import fixed_point as fixed


@pytest.mark.parametrize("number", range(len(fixed.TABLES)))
def test_no_entry_is_near_a_tie(number):
    """An entry that lies within a few units in the last place of .5 may be rounded otherwise by another libm. The
    margin is 18 units in the last place."""
    table = fixed.TABLES[number]
    exact = table.exact
    distance = np.abs(exact - np.floor(exact) - 0.5)
    allowed = 4e-15 * np.abs(exact)
    assert (distance > allowed).all(), distance.min()


def test_the_tables_are_those_of_the_format():
    """Files name this sum; a change of it makes every file unreadable."""
    assert fixed.checksum() == CHECKSUM


def test_functions_are_right():
    """To what their steps allow: half of 2^-12 of an argument, or the table's own rounding."""
    y = np.rint(np.linspace(-40, 40, 4001) * fixed.ONE)
    x = y / fixed.ONE
    assert abs(fixed.silu(y) / fixed.ONE - x * expit(x)).max() <= 0.5001 / fixed.ONE
    assert abs(fixed.softplus(x) - np.maximum(np.logaddexp(0, x), 2.0**-24)).max() < 2.0**-24
    assert abs(fixed.sigmoid(x) - expit(x)).max() < 1e-6
    assert abs(fixed.exp(x) / np.exp(x) - 1).max() < 2e-9
    v = np.geomspace(1e-30, 1e30, 5001)
    assert abs(fixed.log(v) - np.log(v)).max() < 1e-8
    assert abs(fixed.log1p(v) / np.log1p(v) - 1).max() < 2e-6
    assert abs(fixed.NORMAL.between(x) / fixed.WHOLE - ndtr(x)).max() < 1e-6
    for degrees in (2.0, 2.7, 5.0, 33.0, 1e5):
        known = stdtr(degrees, x)
        assert abs(fixed.student_below(x, np.full_like(x, degrees)) / fixed.WHOLE - known).max() < 2e-5
    assert fixed.log(np.zeros(1))[0] == -np.inf


def test_shares_sum_to_the_whole():
    r = np.random.default_rng(0)
    logits = np.rint(r.normal(size=(50, 7)) * 9 * fixed.ONE) / fixed.ONE
    logits[:, 3] = -np.inf
    shares = fixed.shares(fixed.weights(logits))
    known = np.exp(logits - logits.max(-1, keepdims=True))
    assert (shares.sum(-1) == fixed.WHOLE).all()
    assert (shares[:, 3] == 0).all()
    assert abs(shares / fixed.WHOLE - known / known.sum(-1, keepdims=True)).max() < 5e-8


CHECKSUM = "c4fa5f8444138778"
