"""In which interval [F_k, F_k+1) a number lies, where F has to be computed at each k.

    F_0 = 0 <= at < F_n = whole        keep k_low, k_high with F_low <= at < F_high, halve until they are neighbours

All cells are halved at once. A guess of k is looked at first: where it is right, two values of F are enough, and cells
that are found are left out of what is computed from then on. What is found does not depend on the guess.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..runtime.fixed_point import Ints

LEFT_OUT = 0.7
"""If no more than this share of the cells is open, the others are left out."""


class Cumulative(Protocol):
    """F of a list of cells."""

    def inside(self, k: Ints) -> Ints:
        """F_k of every cell, 0 < k < n."""
        ...

    def some(self, which: NDArray[np.intp]) -> Cumulative:
        """Of a part of them."""
        ...


def interval_with(of: Cumulative, at: Ints, n: int, whole: int, guess: Ints | None = None) -> tuple[Ints, Ints, Ints]:
    """(k, F_k, F_k+1) with F_k <= at < F_k+1, (N,) each.

    Args:
        of: F.
        at: numbers from 0 to whole - 1, (N,).
        n: how many k there are.
        whole: F_n.
        guess: of k, 0 .. n - 1.
    """
    # rows: k_low, k_high, F_low, F_high
    found = np.empty((4, len(at)), np.int64)
    found[0], found[1], found[2], found[3] = 0, n, 0, whole
    now, cells, step = found, np.arange(len(at)), 0
    while True:
        is_open = now[1] - now[0] > 1
        n_open = np.count_nonzero(is_open)
        if n_open <= LEFT_OUT * len(cells):
            found[:, cells] = now
            if not n_open:
                return found[0], found[2], found[3]
            left = np.flatnonzero(is_open)
            cells, now, of, at = cells[left], now[:, left], of.some(left), at[left]
            guess = None if guess is None else guess[left]
        middle = _middle(now, guess, step)
        edge = of.inside(middle)
        # where a cell is found, its middle is k_low or k_high, and nothing changes
        for to, where in ((0, edge <= at), (1, edge > at)):
            np.copyto(now[to], middle, where=where)
            np.copyto(now[to + 2], edge, where=where)
        step += 1


def _middle(now: Ints, guess: Ints | None, step: int) -> Ints:
    """Where to look next: behind what was guessed, then before it, then in the middle."""
    low, high = now[0], now[1]
    middle = np.maximum((low + high) >> 1, 1)
    if guess is None or step > 1:
        return middle
    if step == 0:
        return np.clip(guess + 1, 1, high - 1)
    return np.where((guess + 1 == high) & (guess > low), guess, middle)
