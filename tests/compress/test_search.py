"""The search for an interval finds what looking at every F_k finds, whatever was guessed; what is found is left out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velbo.compress.search import interval_with

WHOLE = 1 << 20


@dataclass
class Known:
    """F_k (N, n + 1) of cells; how many were asked for at a time."""

    f: np.ndarray
    asked: list[int] = field(default_factory=list)

    def inside(self, k: np.ndarray) -> np.ndarray:
        assert ((k > 0) & (k < self.f.shape[1] - 1)).all()
        self.asked.append(len(k))
        return self.f[np.arange(len(k)), k]

    def some(self, which: np.ndarray) -> Known:
        return Known(self.f[which], self.asked)


def cells(n_cells: int, n: int, r: np.random.Generator) -> np.ndarray:
    """Rising from 0 to WHOLE, every interval at least 1 wide, most of them narrow."""
    share = r.dirichlet(np.full(n, 0.05), n_cells)
    widths = 1 + np.floor(share * (WHOLE - n)).astype(np.int64)
    widths[:, 0] += WHOLE - widths.sum(1)
    return np.concatenate((np.zeros((n_cells, 1), np.int64), np.cumsum(widths, 1)), 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 300), st.integers(0, 2**31), st.sampled_from(["none", "right", "any"]))
def test_the_interval_is_found(n_cells, n, seed, guessed):
    r = np.random.default_rng(seed)
    f, at = cells(n_cells, n, r), r.integers(0, WHOLE, n_cells)
    at[: n_cells // 4] = f[: n_cells // 4, r.integers(0, n)]  # at an edge
    known = (f <= at[:, None]).sum(1) - 1
    guess = {"none": None, "right": known, "any": r.integers(0, n, n_cells)}[guessed]
    k, first, after = interval_with(Known(f), at, n, WHOLE, guess)
    assert (k == known).all()
    rows = np.arange(n_cells)
    assert (first == f[rows, known]).all()
    assert (after == f[rows, known + 1]).all()


def test_a_right_guess_takes_two_values_and_a_wrong_one_is_looked_for_alone():
    r = np.random.default_rng(0)
    f, at = cells(1000, 256, r), r.integers(0, WHOLE, 1000)
    known = (f <= at[:, None]).sum(1) - 1
    right, wrong = Known(f), Known(f)
    interval_with(right, at, 256, WHOLE, known)
    assert len(right.asked) <= 2
    guess = np.where(np.arange(1000) < 50, 255 - known, known)
    interval_with(wrong, at, 256, WHOLE, guess)
    assert len(wrong.asked) <= 2 + 8
    assert sum(wrong.asked[2:]) <= 8 * 50


def test_one_value_is_found_without_a_look():
    law = Known(np.array([[0, WHOLE]]))
    k, first, after = interval_with(law, np.array([7]), 1, WHOLE)
    assert (k[0], first[0], after[0], law.asked) == (0, 0, WHOLE, [])


@pytest.mark.parametrize("n_cells", [0, 1])
def test_few_cells(n_cells):
    f = cells(n_cells, 9, np.random.default_rng(0))
    assert len(interval_with(Known(f), np.zeros(n_cells, np.int64), 9, WHOLE)[0]) == n_cells
