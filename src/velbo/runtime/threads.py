"""How many threads torch computes on: all it would take, unless one alone is measured to be faster.

Threads that share a step wait for each other many times, and they wait by turning round and round. Where the system
shows more processors than it gives time for (a container with a limit, a busy host), the one that is waited for does
not run while another turns, and two threads may take ten times as long as one.

Another number of threads adds in another order, so the same seed gives other bits. One thread is therefore taken only
where all are clearly slower in the best of several turns, which the noise of a machine in order does not bring about.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

import torch

SHAPE, TURNS, PRODUCTS = (128, 256, 256), 8, 5
CLEARLY_SLOWER = 0.8
"""A speed-up below this is no noise."""
MEASURING = Lock()


@contextmanager
def threads(n: int | None = None) -> Iterator[None]:
    """torch computes on n threads inside the block; on as many as pay if n is None. Also a decorator."""
    before = torch.get_num_threads()
    torch.set_num_threads(best_number(before) if n is None else n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def best_number(most: int) -> int:
    """``most``, or 1 where products of small matrices clearly take longer on all; one answer for a process."""
    with MEASURING:
        return most if speedup(most) > CLEARLY_SLOWER else 1


@cache
def speedup(n: int) -> float:
    """How many times as fast n threads are as one, each in the best of alternating turns of about a millisecond."""
    if n == 1:
        return 1.0
    rows, inner, columns = SHAPE
    a, b = torch.ones(rows, inner), torch.ones(inner, columns)
    before, seconds = torch.get_num_threads(), {1: math.inf, n: math.inf}
    try:
        for _ in range(TURNS):
            for count in seconds:
                torch.set_num_threads(count)
                torch.mm(a, b)
                start = time.perf_counter()
                for _ in range(PRODUCTS):
                    torch.mm(a, b)
                seconds[count] = min(seconds[count], time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return seconds[1] / seconds[n]
