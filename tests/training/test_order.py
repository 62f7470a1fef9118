"""Orders of rows: each training row once an epoch, the same sequence from any position on, and as random as is said."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from velbo.config import Budget, Optimisation, TrainingConfig, Validation
from velbo.errors import ConfigError
from velbo.objectives import ELBO
from velbo.oracles.linear_gaussian import LinearGaussian
from velbo.rows import Store
from velbo.rows.encodings import Unit
from velbo.rows.stream import Stream
from velbo.training import Trainer
from velbo.training.order import Order, Shuffled, Windowed, batches, order_for
from velbo.training.validation import MIN_GROUPS, split, split_of_groups

NONE = torch.empty(0, dtype=torch.int64)
CASES = [
    ((7,), (), 3),
    ((5, 0, 1, 9, 4, 0), (), 4),
    ((5, 0, 1, 9, 4, 0), (0, 5, 6, 7, 18), 4),
    ((3, 3, 3, 3), (3, 4, 5), 6),
    ((10, 20, 30), (9, 10, 59), 1000),
    ((4, 4), (1,), 1),
]


def windowed(groups, held_out, window_rows, seed=0) -> Windowed:
    return Windowed(groups, torch.tensor(held_out, dtype=torch.int64), seed, window_rows)


def sequence(order: Order, epoch: int = 0, position: int = 0) -> list[int]:
    return [row for window in order.windows(epoch, position) for row in window.rows.tolist()]


def no_rarer_than(counts, p: float) -> bool:
    """Whether Pearson's statistic of equally likely counts is below its 1 - p quantile."""
    counts = np.asarray(counts, dtype=float)
    expected = counts.mean()
    return bool(((counts - expected) ** 2 / expected).sum() < chi2.ppf(1 - p, counts.size - 1))


@pytest.mark.parametrize("held_out", [(), (0,), (3, 4, 99), tuple(range(0, 100, 7))])
def test_shuffled_is_the_permutation_of_the_rows_that_are_left(held_out):
    """By the formula that runs of earlier versions were trained by, so that they can be resumed."""
    order = Shuffled(100, torch.tensor(held_out, dtype=torch.int64), seed=5)
    left = torch.tensor([row for row in range(100) if row not in held_out])
    for epoch in (0, 3):
        generator = torch.Generator().manual_seed(5 * 1_000_003 + epoch)
        assert sequence(order, epoch) == left[torch.randperm(len(left), generator=generator)].tolist()


@pytest.mark.parametrize(("groups", "held_out", "window_rows"), CASES)
def test_every_training_row_comes_once_an_epoch(groups, held_out, window_rows):
    """Held-out rows never; the windows are all of W rows but the last; the count is known beforehand."""
    order = windowed(groups, held_out, window_rows)
    expected = sorted(set(range(sum(groups))) - set(held_out))
    for epoch in range(4):
        windows = list(order.windows(epoch))
        assert sorted(sequence(order, epoch)) == expected
        assert all(len(w.rows) == window_rows for w in windows[:-1])
        assert 0 < len(windows[-1].rows) <= window_rows
    assert len(order) == len(expected)


@pytest.mark.parametrize(("groups", "held_out", "window_rows"), CASES)
def test_the_sequence_goes_on_from_any_position(groups, held_out, window_rows):
    for order in (windowed(groups, held_out, window_rows), Shuffled(sum(groups), torch.tensor(held_out).long(), 0)):
        whole = sequence(order, 2)
        for position in range(len(whole) + 2):
            assert sequence(order, 2, position) == whole[position:]


@pytest.mark.parametrize(("groups", "held_out", "window_rows"), CASES)
def test_a_window_names_its_groups_and_a_group_is_only_shared_with_the_next_window(groups, held_out, window_rows):
    """So whoever remembers the last group reads each group with a training row once an epoch, and no other."""
    groups_left = sorted(set(np.delete(np.repeat(np.arange(len(groups)), groups), list(held_out))))
    group_of = np.repeat(np.arange(len(groups)), groups)
    order = windowed(groups, held_out, window_rows)
    for epoch in range(4):
        named = []
        for window in order.windows(epoch):
            assert set(window.groups) == set(group_of[window.rows.numpy()])
            named += window.groups
        assert sorted(group for group, _ in itertools.groupby(named)) == groups_left


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(("groups", "held_out", "window_rows"), CASES)
def test_steps_are_counted_exactly_and_batches_go_on_through_epochs(groups, held_out, window_rows, batch_size):
    store = Store.from_tensor(torch.zeros(sum(groups), 1))
    for order in (windowed(groups, held_out, window_rows), Shuffled(sum(groups), torch.tensor(held_out).long(), 0)):
        n = order.steps(batch_size)
        drawn = list(itertools.islice(batches(store, order, batch_size, 1, 0), 2 * n))
        assert torch.cat(drawn[:n]).tolist() == sequence(order, 1)
        assert torch.cat(drawn[n:]).tolist() == sequence(order, 2)
        position = len(drawn[0])
        later = list(itertools.islice(batches(store, order, batch_size, 1, position), 2 * n - 1))
        assert all(torch.equal(a, b) for a, b in zip(drawn[1:], later, strict=True))


def test_batches_of_a_stream_are_all_full_but_the_last_of_an_epoch():
    """Though groups and windows are of any size: its windows are cut to a multiple of the batch."""
    groups = (313, 7, 200, 481)
    stream = Stream(groups, lambda g: np.zeros((groups[g], 1)), 1, Unit(), window_rows=130)
    order = order_for(stream, 0.0, 32, seed=1)
    sizes = [len(b) for b in itertools.islice(batches(stream, order, 32, 0, 0), order.steps(32))]
    assert sizes == [32] * (1001 // 32) + [1001 % 32]
    assert order_for(stream, 0.0, 500, seed=1).steps(500) == 3


def test_orders_differ_by_seed_epoch_and_window():
    """Two of 5 windows of 50 rows agree by chance with probability 10 / 50!."""
    order = windowed((50,) * 5, (), 50)
    places = [tuple((w.rows % 50).tolist()) for e in (0, 1) for w in order.windows(e)]
    assert len(set(places)) == 10
    assert sequence(order) == sequence(windowed((50,) * 5, (), 50))
    assert sequence(order) != sequence(windowed((50,) * 5, (), 50, seed=1))


def test_groups_and_rows_in_windows_are_uniformly_permuted():
    """Over 6,000 epochs: which group comes first, and which row of a window; a false alarm in 10^6 seeds each."""
    order = windowed((4, 4, 4, 4, 4, 4), (), 12)
    first = [next(order.windows(e)) for e in range(6000)]
    assert no_rarer_than(np.bincount([w.groups[0] for w in first], minlength=6), 1e-6)
    assert no_rarer_than(np.bincount([int(w.rows[0]) for w in first], minlength=24), 1e-6)
    # within a window of 3 groups: the place of the first row among the 12, in order of index
    assert no_rarer_than(np.bincount([int((w.rows < w.rows[0]).sum()) for w in first], minlength=12), 1e-6)


def test_a_sorted_file_of_one_group_is_mixed_across_windows():
    """A group of 10,000 rows in windows of 100: the first window's mean index has a standard error of 289 about 5,000;
    in file order it would be 50. Within 6 standard errors: a false alarm in 10^8 seeds.
    """
    order = windowed((10_000,), (), 100)
    mean = float(next(order.windows(0)).rows.double().mean())
    assert abs(mean - 5000) < 6 * 10_000 / math.sqrt(12 * 100)
    assert sequence(order, 0)[:100] != sequence(order, 1)[:100]


def test_an_order_of_a_million_million_rows_is_no_work():
    """Nothing of the size of the data is made: else this would need 8 TB."""
    order = windowed((10**6,) * 10**6, (5, 10**11, 10**12 - 1), 10**5)
    start = time.monotonic()
    window = next(order.windows(7, 500_000_012_345))
    assert time.monotonic() - start < 5
    assert len(window.rows) == 10**5 - 12_345
    assert len(order) == 10**12 - 3


@pytest.mark.parametrize("n_groups", [1, 40, MIN_GROUPS, MIN_GROUPS + 50])
def test_rows_of_a_stream_are_held_out_without_a_permutation(n_groups):
    """As many as of rows in memory, each once."""
    groups = [(37 * g) % 500 for g in range(1, n_groups + 1)]
    for fraction in (0.0, 0.1, 0.6, 0.99):
        held_out = split_of_groups(groups, fraction, seed=2)
        assert len(held_out) == len(split(sum(groups), fraction, 2)[1])
        assert held_out.tolist() == sorted(set(held_out.tolist()))
        assert ((held_out >= 0) & (held_out < sum(groups))).all()
    assert not torch.equal(split_of_groups(groups, 0.1, 2), split_of_groups(groups, 0.1, 3))


def test_held_out_rows_are_uniformly_drawn():
    """Over 4,000 draws every row is held out equally often; a false alarm in 10^6 seeds, or less, as rows of one draw
    exclude each other.
    """
    counts = np.zeros(40)
    for seed in range(4000):
        counts[split_of_groups((10, 0, 25, 5), 0.1, seed).numpy()] += 1
    assert no_rarer_than(counts, 1e-6)


def test_held_out_rows_are_of_few_groups():
    """2,000 rows of 40 million: of 50 groups of 400 equally large ones, each group equally often over 400 draws, and
    every place in a group (a false alarm in 10^6 seeds, or less). Of smaller groups 100, of which they are a tenth.
    """
    of, places = np.zeros(400), []
    for seed in range(400):
        held_out = split_of_groups((10**5,) * 400, 0.1, seed).numpy()
        assert len(held_out) == 2000
        drawn = np.unique(held_out // 10**5)
        assert len(drawn) == 50
        of[drawn] += 1
        places.append(held_out % 10**5 // 10**4)
    assert no_rarer_than(of, 1e-6)
    assert no_rarer_than(np.bincount(np.concatenate(places), minlength=10), 1e-6)
    assert len(np.unique(split_of_groups((200,) * 400, 0.1, 0) // 200)) == 100


def test_a_share_that_leaves_no_row_is_refused():
    with pytest.raises(ConfigError, match=r"validation 0\.99 holds out all 10 rows"):
        order_for(Store.from_tensor(torch.zeros(10, 1)), 0.99, 4, 0)


def test_a_trainer_follows_the_order_that_it_is_given():
    oracle = LinearGaussian.random(3, 1, seed=0)
    order = windowed((40, 3, 30, 27), (2, 50), 32)
    config = TrainingConfig(Budget(epochs=2), Optimisation(batch_size=16), validation=Validation(validation=0))
    trainer = Trainer(oracle.vae(), Store.from_tensor(oracle.sample(100)), ELBO(), config, order=order)
    seen, step = [], trainer.step
    trainer.step = lambda index: (seen.extend(index.tolist()), step(index))  # type: ignore[method-assign,assignment]
    history = trainer.run()
    assert seen == sequence(order, 0) + sequence(order, 1)
    assert history.steps == 2 * order.steps(16)
    assert trainer.validation is not None
    assert trainer.validation.n_rows == 2
