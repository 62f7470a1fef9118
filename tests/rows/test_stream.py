"""Streams: rows of files one window at a time are the rows in memory, however they are cut."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from contracts.streams import GROUPS, REALS, ROWS, D, Groups, N, Threads, no_reader_is_left, store, stream
from velbo.errors import DataError
from velbo.rows.encodings import Standardise
from velbo.rows.stream import Stream, Window
from velbo.training.order import Windowed

# as a store has them


def test_a_stream_has_the_rows_of_a_store():
    """Sizes, rows in any order and more than once, chunks of any size; in 64 bits too."""
    s, whole = stream(), store()
    assert (len(s), s.n_dims, s.device) == (N, D, torch.device("cpu"))
    index = torch.randint(0, N, (70,), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(s.subset(index).kept, whole.subset(index).kept, rtol=0, atol=0, equal_nan=True)
    exact = Stream(GROUPS, Groups(), D, REALS, torch.float64).subset(index).kept
    torch.testing.assert_close(exact, torch.from_numpy((ROWS[index] - 1) / 3), rtol=0, atol=0, equal_nan=True)
    for size in (1, 41, 90, N - 1, N, N + 9):
        read = Groups()
        parts, expected = list(stream(read).chunks(size)), list(whole.chunks(size))
        assert [len(p) for p in parts] == [len(p) for p in expected]
        kept = torch.cat([p.kept for p in parts])
        torch.testing.assert_close(kept, whole.kept, rtol=0, atol=0, equal_nan=True)
        assert [group for _, group in read.asked_by] == [0, 2, 3, 4, 5, 6], (
            "every group that has rows is read once, in order"
        )


def test_batches_are_rows_of_the_open_window_only():
    s, whole = stream(), store()
    windows = [Window(torch.arange(85, 130).flip(0), (0, 2)), Window(torch.arange(130, 140), (2, 3, 4))]
    with pytest.raises(IndexError, match="open window"):
        s.batch(torch.tensor([85]))
    for rows in s.open(windows):
        index = rows[torch.tensor([3, 0, 3])]
        torch.testing.assert_close(s.batch(index), whole.batch(index), rtol=0, atol=0, equal_nan=True)
        every_other = rows[1::2]  # as one of two devices has it
        torch.testing.assert_close(s.batch(every_other), whole.batch(every_other), rtol=0, atol=0, equal_nan=True)
        for foreign in ([0], [N], [int(rows[0]), 84]):
            with pytest.raises(IndexError, match="open window"):
                s.batch(torch.tensor(foreign))
    with pytest.raises(IndexError, match="open window"):
        s.batch(torch.tensor([130]))


def test_the_default_window_is_a_size_in_memory():
    wide = Stream((10,), Groups(), 1000, REALS)
    assert wide.window_rows * 1000 * 4 <= 64 * 2**20 < (wide.window_rows + 1) * 1000 * 4


# the thread


def test_the_thread_reads_one_window_ahead_and_one_group_at_a_time():
    read = Groups()
    s = stream(read)
    windows = [
        Window(torch.arange(90), (0,)),
        Window(torch.arange(90, 131), (2,)),
        Window(torch.arange(131, 282), (3, 4)),
    ]
    for w, rows in enumerate(s.open(windows)):
        assert torch.equal(rows, windows[w].rows)
        torch.testing.assert_close(s.batch(rows), store().batch(rows), rtol=0, atol=0, equal_nan=True)
    assert [group for _, group in read.asked_by] == [0, 2, 3, 4]
    assert all(name.startswith("velbo-stream") for name, _ in read.asked_by)
    assert read.most_alive == 1
    assert no_reader_is_left()


def test_an_error_in_the_thread_is_raised_where_rows_are_asked_for():
    opened = stream(Groups(broken=2)).open([Window(torch.arange(90), (0,)), Window(torch.arange(90, 131), (2,))])
    assert len(next(opened)) == 90
    with pytest.raises(DataError, match="group 2 is damaged"):
        next(opened)
    assert no_reader_is_left()


def test_reading_ends_at_the_next_group_when_the_stream_is_closed():
    """A window of 30 groups at 20 ms each is not read to its end: less than half of them, by a wide margin."""
    asked = []

    def slow(group):
        asked.append(group)
        time.sleep(0.02)
        return np.zeros((1, 1))

    s = Stream((1,) * 31, slow, 1, Standardise((0.0,), (1.0,)))
    opened = s.open([Window(torch.tensor([0]), (0,)), Window(torch.arange(1, 31), tuple(range(1, 31)))])
    next(opened)
    opened.close()
    assert len(asked) < 15
    assert no_reader_is_left()


# several processes


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("window_rows", [30, 64, 100, 10_000])
def test_several_processes_read_each_group_once_and_have_what_one_has(n, window_rows):
    """Two epochs of windows, groups cut by them and several in one; every batch equal, and all reads counted."""
    order = Windowed(GROUPS, torch.tensor([3, 95, 300]), 5, window_rows)
    windows = [w for epoch in range(2) for w in order.windows(epoch)]
    alone = Groups()
    expected = [rows.clone() for rows in stream(alone, window_rows=window_rows).open(windows)]

    def work(member):
        read = Groups()
        s = stream(read, window_rows=window_rows).among(member).to(torch.device("cpu"))
        for rows, same in zip(s.open(windows), expected, strict=True):
            assert torch.equal(rows, same)
            torch.testing.assert_close(s.batch(rows), store().batch(rows), rtol=0, atol=0, equal_nan=True)
        return [group for _, group in read.asked_by]

    reads = Threads(n).run(work)
    once = [group for _, group in alone.asked_by]
    assert sorted(group for mine in reads for group in mine) == sorted(once)
    assert [mine for rank, mine in enumerate(reads) if mine != once[rank::n]] == [], "they take turns"
    assert no_reader_is_left()


def test_a_subset_for_all_is_read_once_and_one_for_itself_by_itself():
    index = torch.tensor([250, 3, 100, 3])

    def work(member):
        read = Groups()
        s = stream(read).among(member)
        torch.testing.assert_close(
            s.shared_subset(index).kept, store().subset(index).kept, rtol=0, atol=0, equal_nan=True
        )
        shared = len(read.asked_by)
        if member.rank == 0:
            torch.testing.assert_close(s.subset(index).kept, store().subset(index).kept, rtol=0, atol=0, equal_nan=True)
            assert len(read.asked_by) == shared + 3
        return shared

    assert Threads(2).run(work) == [2, 1]


def test_several_processes_that_stop_at_the_same_window_do_not_wait_for_each_other():
    windows = [
        w for epoch in range(2) for w in Windowed(GROUPS, torch.empty(0, dtype=torch.int64), 5, 64).windows(epoch)
    ]

    def work(member):
        opened = stream(window_rows=64).among(member).open(windows)
        first = next(opened)
        opened.close()
        return len(first)

    assert Threads(2).run(work) == [64, 64]
    assert no_reader_is_left()


# what is wrong


def test_a_group_that_is_not_what_it_was_is_refused():
    for shape in ((89, D), (90, D + 1), (90,)):
        with pytest.raises(DataError, match=r"row group 0 holds values of shape .* not \(90, 5\)"):
            stream(lambda g, shape=shape: np.zeros(shape)).subset(torch.tensor([3]))


@pytest.mark.parametrize("groups", [(), (0, 0)])
def test_a_stream_without_rows_is_refused(groups):
    with pytest.raises(DataError, match="no rows"):
        Stream(groups, Groups(), D, REALS)
