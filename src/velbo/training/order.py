"""Which rows come when: epoch e is a sequence of the N training rows, cut into batches of B.

    t_e(0), t_e(1), ..., t_e(N - 1)          batch b of an epoch: t_e(b B), ..., t_e(b B + B - 1)

| order    | t_e                                                                                                      |
|----------|----------------------------------------------------------------------------------------------------------|
| Shuffled | a permutation of all rows by (seed, e)                                                                   |
| Windowed | row groups, permuted by (seed, e), laid end to end, cut every W rows; a group that is cut is permuted    |
|          | by (seed, e, group) before, each window by (seed, e, w) after: a shuffle buffer of W rows                |

Rows that are held out for validation are in neither. An order is a function of its arguments and knows the sequence
from any position on at the cost of one window, so that a run can be taken up in the middle of an epoch. Windows do not
respect groups: the rest of a group goes to the next one, all but the last are equally long, and with W a multiple of B
no batch but the last of an epoch is short. A batch mixes the groups of its window and no others: of a sorted file,
Windowed is the further from Shuffled the fewer groups a window has.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import count
from typing import Protocol

import torch
from torch import Tensor

from ..errors import ConfigError
from ..rows import Rows, Store
from ..rows.encoded import OnDisk
from ..rows.stream import Stream, Window
from .validation import split, split_of_groups

PRIME = 1_000_003


class Order(Protocol):
    """A sequence of training rows for every epoch."""

    held_out: Tensor
    """Rows that never come, in order."""

    def __len__(self) -> int:
        """N, training rows an epoch."""
        ...

    def steps(self, batch_size: int) -> int:
        """Batches an epoch."""
        ...

    def windows(self, epoch: int, position: int = 0) -> Iterator[Window]:
        """The rows of an epoch in order, but for the first ``position``; no batch has rows of two windows."""
        ...


def permutation(n: int, *key: int) -> Tensor:
    """Of 0 .. n - 1, as a function of some whole numbers."""
    seed = 0
    for number in key:
        seed = seed * PRIME + number
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed % 2**63))


class TrainingRows:
    """The rows from 0 to ``n_rows`` - 1 that are not held out, by their number among themselves: a held-out row moves
    those behind it up by one.

    Args:
        n_rows: with those held out.
        held_out: their indices, in order.
    """

    def __init__(self, n_rows: int, held_out: Tensor) -> None:
        self.n_rows, self.held_out = n_rows, held_out
        self._before = held_out - torch.arange(len(held_out))

    def __len__(self) -> int:
        return self.n_rows - len(self.held_out)

    def __getitem__(self, t: Tensor) -> Tensor:
        """Indices of the training rows of these numbers."""
        return t + torch.searchsorted(self._before, t, right=True) if len(self.held_out) else t


class Shuffled:
    """All rows in a random order, as one window.

    Args:
        n_rows: with those held out.
        held_out: their indices, in order.
        seed: of the order.
    """

    def __init__(self, n_rows: int, held_out: Tensor, seed: int) -> None:
        self.training, self.held_out, self.seed = TrainingRows(n_rows, held_out), held_out, seed

    def __len__(self) -> int:
        return len(self.training)

    def steps(self, batch_size: int) -> int:
        return math.ceil(len(self) / batch_size)

    def windows(self, epoch: int, position: int = 0) -> Iterator[Window]:
        if position < len(self):
            yield Window(self.training[permutation(len(self), self.seed, epoch)[position:]], (0,))


class Windowed:
    """Row groups in a random order, and rows in a random order within windows.

    Args:
        groups: number of rows of each row group, held-out rows among them.
        held_out: indices of rows, counted through all groups, in order.
        seed: of the order.
        window_rows: W, rows of every window but the last.
    """

    def __init__(self, groups: Sequence[int], held_out: Tensor, seed: int, window_rows: int) -> None:
        starts = torch.tensor([0, *groups]).cumsum(0)
        self.training, self.held_out, self.seed = TrainingRows(int(starts[-1]), held_out), held_out, seed
        self.window_rows = window_rows
        # in numbers of training rows, for groups that have any
        starts -= torch.searchsorted(held_out, starts)
        self.groups = starts.diff().nonzero().squeeze(1)
        self.starts, self.sizes = starts[self.groups], starts.diff()[self.groups]

    def __len__(self) -> int:
        return len(self.training)

    def steps(self, batch_size: int) -> int:
        whole, rest = divmod(len(self), self.window_rows)
        return whole * math.ceil(self.window_rows / batch_size) + math.ceil(rest / batch_size)

    def windows(self, epoch: int, position: int = 0) -> Iterator[Window]:
        groups = permutation(len(self.groups), self.seed, epoch, 0, 0)
        ends = self.sizes[groups].cumsum(0)
        begins = ends - self.sizes[groups]
        n_windows = math.ceil(len(self) / self.window_rows) if position < len(self) else 0
        for w in range(position // self.window_rows, n_windows):
            first, last = w * self.window_rows, min((w + 1) * self.window_rows, len(self))
            # from the first group that ends behind the first row to the first that ends with the last or behind it
            i, j = int(torch.searchsorted(ends, first, right=True)), int(torch.searchsorted(ends, last)) + 1
            parts = [
                self._part(epoch, group, first - begin, last - begin)
                for group, begin in zip(groups[i:j].tolist(), begins[i:j].tolist(), strict=True)
            ]
            order = permutation(last - first, self.seed, epoch, w + 1, 0)[max(0, position - first) :]
            yield Window(self.training[torch.cat(parts)[order]], tuple(self.groups[groups[i:j]].tolist()))

    def _part(self, epoch: int, group: int, first: int, last: int) -> Tensor:
        """Numbers of the training rows in a group's places from ``first`` to before ``last``, as far as it has them."""
        size = int(self.sizes[group])
        first, last = max(0, first), min(last, size)
        is_cut = last - first < size
        places = permutation(size, self.seed, epoch, 0, group + 1)[first:last] if is_cut else torch.arange(size)
        return self.starts[group] + places


def held_out_rows(data: Store | Stream | Rows, fraction: float, seed: int) -> Tensor:
    """Indices of a random share of the rows, in order; see validation.py."""
    if isinstance(data, Stream):
        return split_of_groups(data.groups, fraction, seed)
    if isinstance(data, OnDisk):
        return split_of_groups([group.n_rows for group in data.groups], fraction, seed)
    return split(len(data), fraction, seed)[1]


def order_for(data: Store | Stream, fraction: float, batch_size: int, seed: int) -> Order:
    """Rows in memory are shuffled as a whole, those of a stream within its windows; a share is held out.

    Raises:
        ConfigError: if no row is left to train on.
    """
    held_out = held_out_rows(data, fraction, seed)
    if len(held_out) == len(data):
        raise ConfigError(f"validation {fraction:g} holds out all {len(data)} rows; hold out a smaller share")
    if not isinstance(data, Stream):
        return Shuffled(len(data), held_out, seed)
    return Windowed(data.groups, held_out, seed, max(1, data.window_rows // batch_size) * batch_size)


def first_kept(data: Store | Stream, order: Order, n: int) -> Store:
    """The first rows of the first epoch, n at most, in memory."""
    return data.subset(next(order.windows(0)).rows[:n])


def shared_subset(data: Store | Stream, index: Tensor) -> Store:
    """Rows in memory, for which all processes of a team ask: of a stream each group is read by one of them."""
    return data.shared_subset(index) if isinstance(data, Stream) else data.subset(index)


def first_rows(data: Store | Stream, order: Order, n: int) -> Tensor:
    """x of the first rows of the first epoch, (n, D) at most, on the data's device; all processes of a team ask."""
    first = shared_subset(data, next(order.windows(0)).rows[:n]).to(data.device)
    return first.batch(torch.arange(len(first), device=first.place))


def batches(data: Store | Stream, order: Order, batch_size: int, epoch: int, position: int) -> Generator[Tensor]:
    """Rows of one batch after another, from a position in an epoch on and through all epochs after it, without end.

    Closed, it leaves no thread behind that reads.
    """
    windows = (w for e in count(epoch) for w in order.windows(e, position if e == epoch else 0))
    opened = data.open(windows) if isinstance(data, Stream) else (w.rows.to(data.place) for w in windows)
    with closing(opened):
        for rows in opened:
            yield from rows.split(batch_size)
