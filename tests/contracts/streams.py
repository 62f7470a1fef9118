"""Rows in groups for tests of streams, in memory and one window at a time."""

from __future__ import annotations

import math
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
import torch

from velbo.errors import DataError
from velbo.rows import Store
from velbo.rows.encodings import Encoding, Standardise
from velbo.rows.stream import Stream

D = 5
GROUPS = (90, 0, 41, 1, 150, 18, 100)
N = sum(GROUPS)
REALS = Standardise((1.0,) * D, (3.0,) * D)


def table() -> np.ndarray:
    """(N, D) float64, whole numbers from 0 to 255, some missing."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (N, D)).astype(np.float64)
    x[rng.random(x.shape) < 0.1] = math.nan
    return x


ROWS = table()
ENDS = np.cumsum(GROUPS)


class Groups:
    """Row groups of the table; remembers which were asked for, and how many of them are still alive."""

    def __init__(self, broken: int = -1) -> None:
        self.broken, self.asked_by = broken, list[tuple[str, int]]()
        self.given, self.most_alive = list[weakref.ref[np.ndarray]](), 0

    def __call__(self, group: int) -> np.ndarray:
        if group == self.broken:
            raise DataError(f"group {group} is damaged")
        self.asked_by.append((threading.current_thread().name, group))
        values = ROWS[ENDS[group] - GROUPS[group] : ENDS[group]].copy()
        self.given.append(weakref.ref(values))
        self.most_alive = max(self.most_alive, sum(ref() is not None for ref in self.given))
        return values


class Threads:
    """Processes that read together, as threads of this one: what one sends, all have."""

    def __init__(self, size: int) -> None:
        self.size, self.slots, self.barrier = size, list[torch.Tensor | None]([None] * size), threading.Barrier(size)
        self.dealt, self.collected = ([SimpleQueue[bytes]() for _ in range(size)] for _ in range(2))

    def of_rank(self, rank: int) -> Member:
        return Member(rank, self)

    def run(self, work) -> list:
        """``work(member)`` of every rank."""
        with ThreadPoolExecutor(self.size) as pool:
            return list(pool.map(work, map(self.of_rank, range(self.size))))


class Member:
    """One of them."""

    def __init__(self, rank: int, threads: Threads) -> None:
        self.rank, self.size, self.threads = rank, threads.size, threads

    def send(self, value: torch.Tensor, source: int) -> None:
        if self.rank == source:
            self.threads.slots[source] = value.clone()
        self.threads.barrier.wait(30)
        value.copy_(self.threads.slots[source])
        self.threads.barrier.wait(30)

    def deal(self, parts) -> bytes:
        for queue, part in zip(self.threads.dealt, parts, strict=False):
            queue.put(part)
        return self.threads.dealt[self.rank].get(timeout=30)

    def collect(self, part: bytes) -> list[bytes]:
        self.threads.collected[self.rank].put(part)
        return [queue.get(timeout=30) for queue in self.threads.collected] if self.rank == 0 else []


def stream(read=None, encoding: Encoding = REALS, window_rows: int = 100, **options) -> Stream:
    return Stream(GROUPS, read or Groups(), D, encoding, window_rows=window_rows, **options)


def store(encoding: Encoding = REALS) -> Store:
    return Store(encoding.store(ROWS, torch.float32), encoding)


def no_reader_is_left() -> bool:
    return not any(t.name.startswith("velbo-stream") for t in threading.enumerate())
