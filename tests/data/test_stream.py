"""Streams: what is trained on one window at a time ends as what is trained in memory, bit by bit, however it is cut."""

from __future__ import annotations

import itertools
import math
import threading
import time
import weakref

import numpy as np
import pytest
import torch
from torch import nn

import velbo.training.loop as loop
from velbo import VAE
from velbo.config import Budget, Machine, Optimisation, TrainingConfig, Validation
from velbo.errors import DataError, Interrupted
from velbo.likelihoods import Normal
from velbo.nets import MLP, FillMissing
from velbo.objectives import ELBO
from velbo.posteriors import DiagonalNormal
from velbo.priors import StandardNormal
from velbo.rows import Store
from velbo.rows.encodings import Dequantise, Encoding, Standardise
from velbo.rows.stream import Stream, Window
from velbo.training import History, Run, Trainer
from velbo.training.order import order_for

D = 5
GROUPS = (90, 0, 41, 1, 150, 18, 100)
N = sum(GROUPS)
CONFIG = TrainingConfig(
    Budget(epochs=3), Optimisation(batch_size=32), validation=Validation(0.1), machine=Machine(seed=3)
)
REALS = Standardise((1.0,) * D, (3.0,) * D)


def table() -> np.ndarray:
    """(N, D) float64, whole numbers from 0 to 255 with holes."""
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


def stream(read=None, encoding: Encoding = REALS, window_rows: int = 100, **options) -> Stream:
    return Stream(GROUPS, read or Groups(), D, encoding, window_rows=window_rows, **options)


def store(encoding: Encoding = REALS) -> Store:
    return Store(encoding.store(ROWS, torch.float32), encoding)


def vae() -> VAE:
    torch.manual_seed(0)
    return VAE(
        nn.Sequential(FillMissing(D), MLP(2 * D, 8), DiagonalNormal(8, 2)),
        nn.Sequential(MLP(2, 8), Normal(8, D)),
        StandardNormal(2),
    )


def trained(data, order=None, config=CONFIG, run=None) -> tuple[dict[str, torch.Tensor], History]:
    model = vae()
    history = Trainer(model, data, ELBO(), config, run, order=order).run()
    return model.state_dict(), history


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def no_reader_is_left() -> bool:
    return not any(t.name.startswith("velbo-stream") for t in threading.enumerate())


# the face of a store


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


# training


@pytest.mark.parametrize("encoding", [REALS, Dequantise(256)], ids=["reals", "noise"])
@pytest.mark.parametrize("window_rows", [1, 64, 100, 10_000])
def test_streaming_ends_as_training_in_memory_in_the_same_order(window_rows, encoding):
    """Weights and metrics bit by bit, noise drawn for every batch included."""
    s = stream(encoding=encoding, window_rows=window_rows)
    weights, history = trained(s)
    order = order_for(s, 0.1, 32, 3)
    expected, in_memory = trained(store(encoding), order)
    assert equal(weights, expected)
    assert history.metrics == in_memory.metrics
    assert history.steps == 3 * order.steps(32)
    other, _ = trained(store(encoding))
    assert not equal(weights, other), "so the order matters"


def test_every_group_is_read_once_an_epoch_one_window_ahead():
    """By the thread, besides the first look at the data; the values of one group are alive at a time."""
    read = Groups()
    trainer = Trainer(vae(), stream(read), ELBO(), CONFIG)
    order, ahead, step, asked_for = trainer.order, trainer.data.open, trainer.step, list[Window]()

    def counted(index):
        # windows of 96 rows, 3 batches each: that of this step and one more have been asked for, and no other
        state = trainer.state
        assert len(asked_for) == state.epoch * math.ceil(len(order) / 96) + (state.position - 1) // 96 + 2
        step(index)

    trainer.data.open = lambda windows: ahead(asked_for.append(w) or w for w in windows)  # type: ignore[method-assign]
    trainer.step = counted  # type: ignore[method-assign]
    trainer.run()
    expected = [group for epoch in range(3) for w in order.windows(epoch) for group in w.groups]
    by_thread = [group for name, group in read.asked_by if name.startswith("velbo-stream")]
    once = [group for group, _ in itertools.groupby(expected)]
    assert by_thread[: len(once)] == once
    # an epoch may begin with the group that the one before ended with
    assert 3 * 6 - 2 <= len(once) <= 3 * 6
    assert read.most_alive == 1


@pytest.mark.parametrize("window_rows", [40, 100])
def test_stopped_anywhere_and_resumed_ends_bit_equal(tmp_path, monkeypatch, window_rows):
    """Stopped after every single step, within windows and epochs and at their ends, and resumed each time."""
    weights, history = trained(stream(window_rows=window_rows))
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    run, original = Run(tmp_path / "run"), Trainer.step
    run.create({})
    kills, ended = 0, None
    while ended is None:

        def one_step_then_die(self, index, done=[]):  # noqa: B006
            if done:
                raise KeyboardInterrupt
            original(self, index)
            done.append(1)

        monkeypatch.setattr(Trainer, "step", one_step_then_die)
        try:
            ended = trained(stream(window_rows=window_rows), run=run)
        except KeyboardInterrupt:
            kills += 1
            assert no_reader_is_left()
    assert kills == history.steps - 1
    assert equal(weights, ended[0])
    assert ended[1].metrics == history.metrics


# the thread


def test_an_error_in_the_thread_is_raised_where_training_is_called():
    """And the thread ends, as it does after training that went well."""
    trained(stream())
    assert no_reader_is_left()
    order = order_for(stream(), 0.0, 32, 3)
    last = list(order.windows(0))[-1].groups[-1]
    with pytest.raises(DataError, match=f"group {last} is damaged"):
        trained(stream(Groups(broken=last)), order)
    assert no_reader_is_left()


def test_an_interrupted_training_leaves_no_thread(monkeypatch):
    s = stream()
    trainer = Trainer(vae(), s, ELBO(), CONFIG)
    trainer._agree = lambda loss: setattr(trainer, "stopping", True) or True  # type: ignore[method-assign]
    with pytest.raises(Interrupted, match="at step 1"):
        trainer.run()
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


# what is wrong


def test_a_group_that_is_not_what_it_was_is_refused():
    for shape in ((89, D), (90, D + 1), (90,)):
        with pytest.raises(DataError, match=r"row group 0 holds values of shape .* not \(90, 5\)"):
            stream(lambda g, shape=shape: np.zeros(shape)).subset(torch.tensor([3]))


@pytest.mark.parametrize("groups", [(), (0, 0)])
def test_a_stream_without_rows_is_refused(groups):
    with pytest.raises(DataError, match="no rows"):
        Stream(groups, Groups(), D, REALS)
