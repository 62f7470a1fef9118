"""Asymmetric numeral systems: a stack of bits onto which symbols are pushed and from which they are popped.

    push a symbol of the interval [start, start + freq) of 2^b     h -> (h // freq) 2^b + h mod freq + start
    pop                                                            cf = h mod 2^b tells the symbol, and
                                                                   h -> freq (h // 2^b) + cf - start

which are each other's inverse; a push adds log2(2^b / freq) bits. A state h is in [2^31, 2^63): where a push would
leave that range, the lower 32 bits go onto the stack of words, and a pop that falls below takes them back. There are
many states, lanes, one for each symbol that is coded at a time, and one stack of words for all. A new lane begins with
a word of the stack, and costs nothing; at the end all lanes but one are pushed onto the others, which costs 4.5 bits
each: a state says besides its bits how many they are.

A pop from an empty stack borrows words of a fixed sequence, whose bits are the price of starting; when all that was
pushed has been popped, they must be there again and nothing else.

Sources: Asymmetric numeral systems, Duda, 2013, https://arxiv.org/abs/1311.2540; Interleaved entropy coders, Giesen,
2014, https://arxiv.org/abs/1402.3392; Practical lossless compression with latent variables using bits back coding,
Townsend, Bird and Barber, 2019, https://arxiv.org/abs/1901.04866.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

Ints = NDArray[np.int64]

LOW_BITS = 31
MOST_BITS = 30
"""Of a precision."""
LOW = np.uint64(1 << LOW_BITS)
WORD = np.uint64(32)
MASK = np.uint64((1 << 32) - 1)
NEW = np.uint64(1 << 32)
LENGTH_BITS = 5
"""Of the length of the upper half of a state, 0 to 31."""


def borrowed_words(start: int, stop: int) -> NDArray[np.uint32]:
    """A part of the fixed sequence: splitmix64 of the place, its upper half."""
    x = np.arange(start + 1, stop + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> WORD).astype(np.uint32)


def fresh_heads(n: int) -> NDArray[np.uint64]:
    """States of lanes before the first symbol, as random as any: what is popped from them is no extreme."""
    return LOW | (borrowed_words(1 << 40, (1 << 40) + n) >> np.uint32(1)).astype(np.uint64)


class EndOfWordsError(Exception):
    """More was popped than may be borrowed."""


class Coder:
    """The lanes and their words.

    Args:
        n_lanes: how many.
        most_borrowed: words that may be borrowed.

    Attributes:
        heads: the states, (n_lanes,) uint64.
        n_borrowed: words that were.
    """

    def __init__(self, n_lanes: int, most_borrowed: int = 1 << 24) -> None:
        self.heads = fresh_heads(n_lanes)
        self._words, self._n = np.empty(1 << 10, np.uint32), 0
        self.n_borrowed, self.most_borrowed = 0, most_borrowed
        self._n_begun = n_lanes

    @classmethod
    def of(cls, heads: NDArray[np.uint64], words: NDArray[np.uint32], most_borrowed: int) -> Coder:
        """As it was when these were all that was there."""
        coder = cls(len(heads), most_borrowed)
        coder.heads, coder._words, coder._n = heads.astype(np.uint64), words.astype(np.uint32), len(words)
        return coder

    @property
    def words(self) -> NDArray[np.uint32]:
        """The stack, its top last."""
        return self._words[: self._n]

    @property
    def n_bits(self) -> float:
        """Information on the stack beyond what was borrowed and what empty lanes hold."""
        begun, heads = (np.log2(h.astype(np.float64)).sum() for h in (fresh_heads(self._n_begun), self.heads))
        return 32.0 * (self._n - self.n_borrowed) + float(heads - begun)

    def push(self, start: Ints, freq: Ints, bits: int) -> None:
        """One symbol onto each of the first lanes.

        Args:
            start: of the intervals, (n,), n lanes at most.
            freq: their lengths, at least 1.
            bits: start + freq is 2^bits at most; 30 at most.
        """
        n, f, b = len(start), freq.astype(np.uint64), np.uint64(bits)
        h = self.heads[:n]
        full = h >= ((LOW >> b) << WORD) * f
        k = int(np.count_nonzero(full))
        if k:
            self._put(h[full])
            h = np.where(full, h >> WORD, h)
        d = h // f
        self.heads[:n] = (d << b) + (h - d * f) + start.astype(np.uint64)

    def peek(self, n: int, bits: int) -> Ints:
        """Where the top symbols of the first n lanes are in 2^bits, (n,)."""
        return (self.heads[:n] & np.uint64((1 << bits) - 1)).astype(np.int64)

    def pop(self, at: Ints, start: Ints, freq: Ints, bits: int) -> None:
        """Take the symbols at the top off.

        Args:
            at: what `peek` gave, (n,).
            start: of the intervals in which they lie.
            freq: their lengths.
            bits: as for the push.

        Raises:
            EndOfWordsError: if more than ``most_borrowed`` words would be borrowed.
        """
        n = len(at)
        h = freq.astype(np.uint64) * (self.heads[:n] >> np.uint64(bits)) + (at - start).astype(np.uint64)
        empty = h < LOW
        k = int(np.count_nonzero(empty))
        if k:
            h[empty] = (h[empty] << WORD) | self._taken(k)
        self.heads[:n] = h

    def spread(self, n_lanes: int) -> None:
        """Have more lanes, each begun with a word of the stack.

        Raises:
            EndOfWordsError: if more than ``most_borrowed`` words would be borrowed.
        """
        k = n_lanes - len(self.heads)
        if k > 0:
            self.heads = np.concatenate([self.heads, NEW | self._taken(k)])

    def unspread(self, n_lanes: int) -> None:
        """The inverse: have so many lanes.

        Raises:
            DataError: if the others are not as they were begun.
        """
        gone = self.heads[n_lanes:]
        if ((gone >> WORD) != 1).any():
            raise DataError("its code is that of no rows")
        self._put(gone)
        self.heads = self.heads[:n_lanes]

    def fold(self) -> None:
        """Push all lanes but the first onto the others, halving by halving."""
        while len(self.heads) > 1:
            n = (len(self.heads) + 1) // 2
            gone, self.heads = self.heads[n:], self.heads[:n]
            self._put(gone)
            upper = (gone >> WORD).astype(np.int64)
            length = np.frexp(upper.astype(np.float64))[1].astype(np.int64)  # in bits, 31 at most
            room = MOST_BITS + 1 - length
            self.push(np.where(length, upper << room, 0) & ((1 << MOST_BITS) - 1), _within(room), MOST_BITS)
            self.push(length, np.ones_like(length), LENGTH_BITS)

    def unfold(self, n_lanes: int) -> None:
        """The inverse of `fold`, of so many lanes.

        Raises:
            EndOfWordsError: if the stack ends before.
        """
        counts = [n_lanes]
        while counts[-1] > 1:
            counts.append((counts[-1] + 1) // 2)
        for n in reversed(counts[:-1]):
            k = n - len(self.heads)
            length = self.peek(k, LENGTH_BITS)
            self.pop(length, length, np.ones_like(length), LENGTH_BITS)
            room, at = MOST_BITS + 1 - length, self.peek(k, MOST_BITS)
            below = at & (_within(room) - 1)
            self.pop(at, at - below, _within(room), MOST_BITS)
            upper = np.where(length, (at + (1 << MOST_BITS)) >> room, 0)
            low = self._taken(k)
            self.heads = np.concatenate([self.heads, (upper.astype(np.uint64) << WORD) | low])
        if (self.heads < LOW).any():
            raise EndOfWordsError

    def is_as_begun(self, n_borrowed: int) -> bool:
        """Whether nothing is left but what was borrowed."""
        if self._n != n_borrowed:
            return False
        heads, words = fresh_heads(len(self.heads)), borrowed_words(0, n_borrowed)[::-1]
        return bool((self.words == words).all() and (self.heads == heads).all())

    def _put(self, heads: NDArray[np.uint64]) -> None:
        """The lower halves of states onto the stack."""
        k = len(heads)
        self._reserve(k)
        self._words[self._n : self._n + k] = (heads & MASK).astype(np.uint32)
        self._n += k

    def _taken(self, k: int) -> NDArray[np.uint64]:
        """Words from the stack, the inverse."""
        if self._n < k:
            self._borrow(k - self._n)
        self._n -= k
        return self._words[self._n : self._n + k].astype(np.uint64)

    def _reserve(self, k: int) -> None:
        if self._n + k > len(self._words):
            self._words = np.concatenate([self._words, np.empty(max(k, len(self._words)), np.uint32)])

    def _borrow(self, k: int) -> None:
        if self.n_borrowed + k > self.most_borrowed:
            raise EndOfWordsError
        new = borrowed_words(self.n_borrowed, self.n_borrowed + k)[::-1]
        self.n_borrowed += k
        self._words = np.concatenate([new, self._words[: self._n], np.empty(1 << 8, np.uint32)])
        self._n += k


def push_number(coder: Coder, number: Ints, size: Ints) -> None:
    """Whole numbers 0 <= number < size, all as likely, size (n,) up to 2^62 and different from lane to lane."""
    for shift, n_values in reversed(_digits(size)):
        digit = (number >> shift) & 0xFFFF
        start = _share(digit, n_values)
        coder.push(start, _share(digit + 1, n_values) - start, DIGIT_BITS)


def pop_number(coder: Coder, size: Ints) -> Ints:
    """The inverse of `push_number`."""
    number = np.zeros_like(size)
    for shift, n_values in _digits(size):
        at = coder.peek(len(size), DIGIT_BITS)
        digit = (at * n_values) >> DIGIT_BITS
        digit += _share(digit + 1, n_values) <= at
        start = _share(digit, n_values)
        coder.pop(at, start, _share(digit + 1, n_values) - start, DIGIT_BITS)
        number += digit << shift
    return number


DIGIT_BITS = 24


def _within(room: Ints) -> Ints:
    """Values of 30 bits that have the same upper bits."""
    return 1 << np.minimum(room, MOST_BITS)


def _share(digit: Ints, of: Ints) -> Ints:
    return (digit << DIGIT_BITS) // of


def _digits(size: Ints) -> list[tuple[int, Ints]]:
    """Digits of 16 bits, the top one first: (shift, how many values each lane can have)."""
    last = size - 1
    top = max(0, 16 * ((int(last.max(initial=0)).bit_length() - 1) // 16))
    return [(s, np.where(last >> s >= 1 << 16, 1 << 16, (last >> s) + 1)) for s in range(top, -1, -16)]
