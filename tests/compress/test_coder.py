"""The coder: what is pushed comes back, at the length that the frequencies say; and another coder says the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from velbo.compress.coder import (
    Coder,
    EndOfWordsError,
    borrowed_words,
    fresh_heads,
    pop_number,
    push_number,
)
from velbo.errors import DataError


def intervals(bits: int, n: int, r: np.random.Generator):
    """Random ones of all sizes."""
    freq = np.minimum(1 + (2.0 ** (bits * r.random(n))).astype(np.int64), 1 << bits)
    return (r.random(n) * ((1 << bits) - freq + 1)).astype(np.int64), freq


@pytest.mark.parametrize(("bits", "excess"), [(8, 1e-9), (16, 1e-7), (24, 1e-5), (30, 1e-3)])
def test_a_stack_is_as_long_as_the_frequencies_say_and_gives_back_what_was_pushed(bits, excess):
    """30 bits: a head of 31 bits and more rounds at the third bit beyond."""
    r, coder, ideal, pushed = np.random.default_rng(bits), Coder(64), 0.0, []
    for _ in range(200):
        start, freq = intervals(bits, int(r.integers(1, 65)), r)
        coder.push(start, freq, bits)
        ideal += float((bits - np.log2(freq)).sum())
        pushed.append((start, freq))
    assert 0 <= coder.n_bits / ideal - 1 + 1e-9 < excess
    for start, freq in reversed(pushed):
        at = coder.peek(len(start), bits)
        assert ((at >= start) & (at < start + freq)).all()
        coder.pop(at, start, freq, bits)
    assert coder.is_as_begun(0)


def test_popping_first_borrows_words_and_pushing_the_same_gives_them_back():
    """Bits-back: symbols popped from an empty stack and pushed again leave nothing but what was borrowed."""
    coder, taken = Coder(8), []
    for bits in (16, 3, 24, 11) * 10:
        at = coder.peek(8, bits)
        coder.pop(at, at, np.ones(8, np.int64), bits)
        taken.append((at, bits))
    assert coder.n_borrowed > 0
    assert coder.n_bits == pytest.approx(-8 * sum(bits for _, bits in taken), abs=1)
    for at, bits in reversed(taken):
        coder.push(at, np.ones(8, np.int64), bits)
    assert coder.is_as_begun(coder.n_borrowed)
    assert not coder.is_as_begun(coder.n_borrowed - 1)
    assert (coder.words == borrowed_words(0, coder.n_borrowed)[::-1]).all()


def test_borrowing_ends_where_it_is_to_end():
    coder = Coder.of(fresh_heads(4), np.zeros(0, np.uint32), most_borrowed=0)
    one = np.ones(4, np.int64)
    coder.pop(coder.peek(4, 7), coder.peek(4, 7), np.full(4, 1 << 7), 7)
    with pytest.raises(EndOfWordsError):
        coder.pop(coder.peek(4, 24), coder.peek(4, 24), one, 24)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 1000])
def test_lanes_that_are_folded_cost_what_a_state_says_besides_its_bits(n):
    """A state h is one of 2^31 to 2^63, as likely as 1 / h: log2 (32 log 2) = 4.5 bits beyond log2 h, on average over
    1,000 lanes to 0.3 bits (5 standard errors of uniform mantissas, 0.29, are 0.05)."""
    r, coder = np.random.default_rng(n), Coder(1)
    coder.spread(n)
    for _ in range(60):
        freq = r.integers(1, 1 << 12, n)
        coder.push(r.integers(0, (1 << 12) - freq + 1), freq, 12)
    heads, words, before = coder.heads.copy(), coder.words.copy(), coder.n_bits
    coder.fold()
    assert len(coder.heads) == 1
    cost = coder.n_bits - before
    again = Coder.of(coder.heads, coder.words, most_borrowed=0)
    again.unfold(n)
    assert (again.heads == heads).all()
    assert (again.words == words).all()
    if n == 1000:
        assert cost / n == pytest.approx(4.5, abs=0.3)


def test_states_of_every_length_are_folded():
    heads = np.array([(1 << b) + d for b in range(31, 62) for d in (0, 1, (1 << 31) - 1)] + [(1 << 63) - 1], np.uint64)
    coder = Coder.of(heads, np.arange(9, dtype=np.uint32), most_borrowed=0)
    coder.fold()
    coder = Coder.of(coder.heads, coder.words, most_borrowed=0)
    coder.unfold(len(heads))
    assert (coder.heads == heads).all()
    assert (coder.words == np.arange(9)).all()


def test_lanes_begin_with_words_of_the_stack_and_give_them_back():
    coder = Coder(1)
    coder.push(np.array([5]), np.array([1]), 30)
    before, heads = coder.n_bits, coder.heads.copy()
    coder.spread(4)
    assert coder.n_borrowed == 3 - len(heads[heads >= 1 << 62])
    assert coder.n_bits == pytest.approx(before, abs=3)  # a word w is a state 2^32 + w
    coder.push(np.arange(4), np.ones(4, np.int64), 7)
    coder.pop(coder.peek(4, 7), np.arange(4), np.ones(4, np.int64), 7)
    coder.unspread(1)
    coder.pop(coder.peek(1, 30), np.array([5]), np.array([1]), 30)
    assert coder.is_as_begun(coder.n_borrowed)


def test_lanes_that_were_not_begun_so_are_refused():
    coder = Coder(1)
    coder.spread(3)
    coder.push(np.zeros(3, np.int64), np.ones(3, np.int64), 20)
    with pytest.raises(DataError, match="its code is that of no rows"):
        coder.unspread(1)
    with pytest.raises(EndOfWordsError):
        Coder.of(fresh_heads(1), np.zeros(0, np.uint32), most_borrowed=0).unfold(64)


def test_the_interval_of_everything_costs_nothing():
    coder = Coder(5)
    before = coder.heads.copy()
    coder.push(np.zeros(5, np.int64), np.full(5, 1 << 20), 20)
    assert (coder.heads == before).all()


def test_the_sequence_that_is_borrowed_from_is_pinned():
    """It is part of the format: splitmix64 of 1, 2, 3 as published (Steele, Lea and Flood, 2014)."""
    assert borrowed_words(0, 3).tolist() == [0xE220A839, 0x6E789E6A, 0x06C45D18]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2**62), st.floats(0, 1)), min_size=1, max_size=9))
def test_numbers_below_any_size_come_back(pairs):
    size = np.array([n for n, _ in pairs])
    number = np.minimum((size * np.array([share for _, share in pairs])).astype(np.int64), size - 1)
    number = np.maximum(number, 0)
    coder = Coder(len(pairs))
    push_number(coder, number, size)
    assert (pop_number(coder, size) == number).all()
    assert coder.is_as_begun(0)


def test_numbers_cost_the_logarithm_of_their_size():
    """1,000 times 4 numbers, sizes 10 to 2^52 beside each other: 2^-24 of a bit a digit of 16 bits at most, and what a
    digit's values are no power of two for."""
    size = np.array([10, 1000, 3**20, 2**52])
    coder = Coder(4)
    for i in range(1000):
        push_number(coder, (size * ((i * 0.6180339887) % 1)).astype(np.int64), size)
    assert coder.n_bits / 1000 == pytest.approx(np.log2(size).sum(), rel=2e-3)


def test_another_coder_takes_as_many_bits():
    """Bernoulli cells by constriction (Bamler, 2022), whose lengths are exact to its own word."""
    constriction = pytest.importorskip("constriction", reason="the oracle is an extra: pip install 'velbo[dev]'")
    r = np.random.default_rng(0)
    p = np.clip(r.beta(0.2, 0.8, (128, 50)), 1e-3, 1 - 1e-3)
    x = (r.random(p.shape) < p).astype(np.int64)
    one = np.rint(p * (1 << 20)).astype(np.int64)
    coder = Coder(128)
    for d in range(p.shape[1]):
        freq = np.where(x[:, d] == 1, one[:, d], (1 << 20) - one[:, d])
        coder.push(np.where(x[:, d] == 1, (1 << 20) - one[:, d], 0), freq, 20)
    oracle = constriction.stream.stack.AnsCoder()
    law = constriction.stream.model.Bernoulli(perfect=False)
    oracle.encode_reverse(x.ravel().astype(np.int32), law, p.ravel())
    assert coder.n_bits == pytest.approx(oracle.num_bits(), abs=64)
