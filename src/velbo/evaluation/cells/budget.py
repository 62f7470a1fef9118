"""How many samples a filling can have in a number of seconds: two short trials say what a sample of a row costs,

    t(K) = n (a + b K)          n rows, K samples each

K is chosen once, and the filling is then a function of K and the seed, as it always is: whoever gives the same K gets
the same filling, on any machine.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

LEAST = 25
"""Samples from which the weights' tail can be judged."""
MOST = 1_000
"""Samples that are enough, if nobody says another number."""
TRIALS = 25, 100
TRIAL_ROWS = 48


class Affordable(NamedTuple):
    """What a budget is worth.

    Attributes:
        samples: K.
        seconds: that the filling will take, about.
    """

    samples: int
    seconds: float


def affordable(
    fill: Callable[[int], object],
    n_trial: int,
    n_rows: int,
    seconds: float,
    most: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Affordable:
    """The largest K, from 25 to ``most``, by which the rows take so many seconds, trials included.

    Args:
        fill: fills the rows of the trial by K samples.
        n_trial: how many those are.
        n_rows: how many rows have something to be filled.
        seconds: for all of it.
        most: samples that are enough.
        clock: seconds.
    """
    start = clock()
    fill(TRIALS[0])  # the first call pays for what is made once
    low, high = (_timed(fill, k, clock) / n_trial for k in TRIALS)
    each = max(high - low, 0.0) / (TRIALS[1] - TRIALS[0])
    fixed = max(low - TRIALS[0] * each, 0.0)
    left = seconds - (clock() - start)
    wanted = (left / max(n_rows, 1) - fixed) / each if each > 0 else math.inf
    samples = int(min(max(wanted, LEAST), most)) if most > LEAST else most
    return Affordable(samples, n_rows * (fixed + samples * each))


def _timed(fill: Callable[[int], object], samples: int, clock: Callable[[], float]) -> float:
    start = clock()
    fill(samples)
    return clock() - start
