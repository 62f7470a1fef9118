"""Rows in any order: which row is coded next is told by what is on the stack, so the order is worth its bits again.

    n rows in a given order hold log2 n! bits more than the same rows in none (less where rows are equal): before a row
    is pushed, its number among those left is popped; when it is decoded, that number is pushed again.

Numbers are those of the rows sorted by a hash of each: both sides know it, and equal hashes do no harm.

Source: Compressing multisets with large alphabets, Severo, Townsend, Khisti, Makhzani and Ullrich, 2021,
https://arxiv.org/abs/2107.09202.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right, insort

import numpy as np

from ..runtime.fixed_point import Ints
from .coder import Coder
from .patterns import Patterns
from .rows import Placed, RowCoder, Stack, chunks_of, most_rows, next_size, stack_of

BITS = 24


def keys_of(rows: Placed) -> list[bytes]:
    """A hash of every row."""
    numbers = np.concatenate((rows.k, rows.rest, rows.coded), -1, dtype="<i8")
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in numbers]


class Left:
    """Which rows of a set are left, by a binary indexed tree over the sorted keys."""

    def __init__(self, keys: list[bytes]) -> None:
        self.sorted = sorted(set(keys))
        rank = {key: i for i, key in enumerate(self.sorted)}
        self.rows: list[list[int]] = [[] for _ in self.sorted]
        for row, key in enumerate(keys):
            self.rows[rank[key]].append(row)
        self.n, size = len(keys), len(self.sorted)
        self._top = 1 << max(size.bit_length() - 1, 0)
        self._tree = [0] * (size + 1)
        for i in range(1, size + 1):
            self._tree[i] += len(self.rows[i - 1])
            parent = i + (i & -i)
            if parent <= size:
                self._tree[parent] += self._tree[i]

    def at(self, number: int) -> tuple[int, int]:
        """(place of the key that has a number, the first number that it has)."""
        place, before, step = 0, 0, self._top
        while step:
            if place + step < len(self._tree) and before + self._tree[place + step] <= number:
                place += step
                before += self._tree[place]
            step >>= 1
        return place, before

    def take(self, place: int) -> int:
        """One row of a key."""
        self.n -= 1
        i = place + 1
        while i < len(self._tree):
            self._tree[i] -= 1
            i += i & -i
        return self.rows[place].pop()


def _interval(first: int, count: int, n: int) -> tuple[Ints, Ints]:
    start = (first << BITS) // n
    return np.array([start]), np.array([((first + count) << BITS) // n - start])


def _number(at: int, n: int) -> int:
    """Whose interval 2^-BITS at lies in."""
    number = (at * n) >> BITS
    return number + (((number + 1) << BITS) // n <= at)


def push_any(codec: RowCoder, rows: Placed, patterns: Patterns, ids: Ints) -> tuple[Stack, Ints]:
    """All rows onto a new stack, in an order of its own: (stack, the order in which they will be decoded)."""
    coder, left, most = Coder(1), Left(keys_of(rows)), most_rows(codec, rows)
    sizes, chunks = list[int](), list[Ints]()
    size, taken = 1, 1.0
    while left.n:
        size = min(left.n, most, next_size(coder, codec, taken, size))
        coder.spread(codec.n_sides * size)
        before, chunk = coder.n_bits, list[int]()
        for _ in range(size):
            at = coder.peek(1, BITS)
            place, first = left.at(_number(int(at[0]), left.n))
            coder.pop(at, *_interval(first, len(left.rows[place]), left.n), BITS)
            chunk.append(left.take(place))
        order = np.array(chunk)
        of_order = before - coder.n_bits
        taken = (codec.push(coder, rows[order], patterns, ids[order]) + of_order) / size
        sizes.append(size)
        chunks.append(order)
    order = np.concatenate(chunks[::-1]) if chunks else np.zeros(0, np.int64)
    return stack_of(coder, sizes), order


def pop_any(codec: RowCoder, stack: Stack, patterns: Patterns) -> tuple[Coder, list[Placed]]:
    """The inverse of `push_any`, and the stack as it is left."""
    coder = Coder.of(stack.heads, stack.words, most_borrowed=0)
    rows, first, known = list[Placed](), 0, list[bytes]()
    for size in chunks_of(codec, coder, stack):
        chunk = codec.pop(coder, size, patterns, first)
        for key in reversed(keys_of(chunk)):
            insort(known, key)
            start = bisect_left(known, key)
            coder.push(*_interval(start, bisect_right(known, key) - start, len(known)), BITS)
        rows.append(chunk)
        first += size
    return coder, rows
