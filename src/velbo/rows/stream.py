"""Rows that do not fit into memory: row groups read one after another, a window of encoded rows at a time.

A window is a set of rows that are trained on together, one shuffle buffer. While window w is trained on, one thread
reads and encodes window w + 1, so that two windows of encoded rows and one row group as it was read are in memory,
however many rows there are:

    bytes  <=  2 W D b  +  (8 + b) G D + the reader's own       W rows a window, D dimensions, b bytes a number,
                                                                G rows of the largest group

The two windows lie in two buffers that take turns. Which rows make up a window is not decided here; see
training/order.py.

Several processes that train on the same windows read each group once: they take turns, each encodes the groups that
fall to it and sends the rows to the others. A group that goes on in the next window stays with the one that has it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, cycle
from threading import Event
from typing import Any, NamedTuple, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError
from .encodings import Encoding
from .row_numbers import rows_from
from .store import Store

WINDOW_BYTES = 64 * 2**20
CPU = torch.device("cpu")


class Window(NamedTuple):
    """Rows to be trained on together.

    Attributes:
        rows: their indices, each once, in the order of training, (n,).
        groups: the row groups that they lie in. Those of the next window may begin with the last one.
    """

    rows: Tensor
    groups: tuple[int, ...]


class Readers(Protocol):
    """``size`` processes that read together, of which this one is number ``rank``: a `velbo.training.Team`."""

    rank: int
    size: int

    def send(self, value: Tensor, source: int) -> None:
        """Let a tensor be that of one process at all of them."""
        ...


class Nobody:
    """This process reads alone."""

    rank, size = 0, 1

    def send(self, value: Tensor, source: int) -> None:
        pass


ALONE = Nobody()


class Stream:
    """Encoded rows, of which one window is in memory. Batches are rows of the window that is open.

    Args:
        groups: number of rows of each row group; rows are counted through all of them, N in all.
        read: group -> its values (rows, D), as the encoding takes them; it is called from another thread.
        n_dims: D.
        encoding: values -> x.
        dtype: of x.
        device: of batches.
        window_rows: rows of a window, about; as many as make 64 MiB, if not given.
        readers: the processes that open the same windows one after another.

    Raises:
        DataError: if there are no rows.
    """

    def __init__(
        self,
        groups: Sequence[int],
        read: Callable[[int], NDArray[Any]],
        n_dims: int,
        encoding: Encoding,
        dtype: torch.dtype = torch.float32,
        device: torch.device = CPU,
        window_rows: int | None = None,
        readers: Readers = ALONE,
    ) -> None:
        self.groups, self.read, self.n_dims, self.readers = tuple(groups), read, n_dims, readers
        self.encoding, self.dtype, self.device = encoding, dtype, device
        self.units = encoding.units(n_dims)
        self.window_rows = window_rows or max(1, WINDOW_BYTES // (n_dims * dtype.itemsize))
        self.starts = torch.tensor([0, *accumulate(self.groups)])
        if not len(self):
            raise DataError("there are no rows in any row group; give a file that has some")
        self._put(torch.empty(0, dtype=torch.int64), torch.empty(0, n_dims, dtype=dtype))

    def __len__(self) -> int:
        return int(self.starts[-1])

    def _put(self, rows: Tensor, kept: Tensor) -> None:
        """Let these rows (ascending) be the open window."""
        self._rows, self._window = rows, Store(kept, self.encoding, self.dtype, self.device, self.units)

    def to(self, device: torch.device) -> Stream:
        """The same rows, with batches on ``device``."""
        return self._with(device, self.readers)

    def among(self, readers: Readers) -> Stream:
        """The same rows, whose groups these processes read in turn."""
        return self._with(self.device, readers)

    def _with(self, device: torch.device, readers: Readers) -> Stream:
        return Stream(self.groups, self.read, self.n_dims, self.encoding, self.dtype, device, self.window_rows, readers)

    def subset(self, index: Tensor) -> Store:
        """Rows in memory, from any groups, read by this process."""
        return _Reader(self).store(index)

    def shared_subset(self, index: Tensor) -> Store:
        """The same, read by all processes in turn, which must all ask for them."""
        return _Reader(self, self.readers).store(index)

    def chunks(self, size: int) -> Iterator[Store]:
        """The rows in order, ``size`` at a time, the last chunk as short as it is; every group is read once."""
        reader = _Reader(self)
        for start in range(0, len(self), size):
            yield reader.store(torch.arange(start, min(start + size, len(self))))

    def batch(self, index: Tensor) -> Tensor:
        """x of rows of the open window, with fresh noise, (len(index), D).

        Raises:
            IndexError: for a row that is not in it.
        """
        at = torch.searchsorted(self._rows, index.contiguous())
        if not len(self._rows) or not torch.equal(self._rows[at.clamp_max(len(self._rows) - 1)], index):
            raise IndexError("a stream gives batches of the rows of its open window only; subset() takes any rows")
        return self._window.batch(at)

    def open(self, windows: Iterable[Window]) -> Generator[Tensor]:
        """The rows of one window after another, which is open until the next is asked for. The next one is read
        meanwhile; reading ends when this generator is closed. Of several processes all must open the same windows, and
        close at the same one.

        Raises:
            DataError: if a group does not hold what it should, and whatever ``read`` raises.
        """
        reader, buffers = _Reader(self, self.readers), cycle((_Buffer(self), _Buffer(self)))
        with ThreadPoolExecutor(1, "velbo-stream") as thread:
            reads = ((w.rows, thread.submit(reader.fill, next(buffers), w)) for w in windows)
            try:
                coming = next(reads, None)
                while coming is not None:
                    rows, reading = coming
                    self._put(*reading.result())
                    # only now: it takes the buffer of the window before this one
                    coming = next(reads, None)
                    yield rows
            finally:
                reader.stop.set()
                self._put(self._rows[:0].clone(), self._window.kept[:0].clone())


class _Buffer:
    """Room for a window, kept from one to the next."""

    def __init__(self, stream: Stream) -> None:
        self.kept = torch.empty(0, stream.n_dims, dtype=stream.dtype)

    def room(self, n: int) -> Tensor:
        """(n, D), as left by the last use."""
        if len(self.kept) < n:
            self.kept = torch.empty(n, self.kept.shape[1], dtype=self.kept.dtype)
        return self.kept[:n]


class _Reader:
    """Reads rows by group; the last group is remembered, since the next rows may go on in it."""

    def __init__(self, stream: Stream, readers: Readers = ALONE) -> None:
        self.stream, self.group, self.kept, self.stop = stream, -1, torch.empty(0), Event()
        self.readers, self.last, self.turn = readers, -1, -1

    def store(self, index: Tensor) -> Store:
        """The given rows in memory."""
        rows, place = index.unique(return_inverse=True)
        groups = (torch.searchsorted(self.stream.starts, rows, right=True) - 1).unique_consecutive()
        kept = self._gather(rows, groups.tolist(), _Buffer(self.stream).room(len(rows)))
        return Store(kept[place], self.stream.encoding, self.stream.dtype, units=self.stream.units)

    def fill(self, buffer: _Buffer, window: Window) -> tuple[Tensor, Tensor]:
        """The rows of a window in ascending order, and what is kept of them."""
        rows = window.rows.sort().values
        return rows, self._gather(rows, window.groups, buffer.room(len(rows)))

    def _gather(self, rows: Tensor, groups: Iterable[int], out: Tensor) -> Tensor:
        """What is kept of ``rows`` (ascending), into ``out``; not to the end once ``stop`` is set."""
        sources = list[tuple[Tensor, int]]()
        for group in groups:
            start = self.stream.starts[group]
            first, last = torch.searchsorted(rows, torch.stack([start, start + self.stream.groups[group]])).tolist()
            if first == last:
                continue
            part, source = out[first:last], self._turn_of(group)
            sources.append((part, source))
            if source == self.readers.rank and not self.stop.is_set():
                torch.index_select(self._encoded(group), 0, rows[first:last] - start, out=part)
        # only now, so that all read at once; and after a stop too, for the others wait for it
        for part, source in sources:
            self.readers.send(part, source)
        return out

    def _turn_of(self, group: int) -> int:
        """Who reads a group: the next in turn, or whoever has it already."""
        if group != self.last:
            self.last, self.turn = group, (self.turn + 1) % self.readers.size
        return self.turn

    def _encoded(self, group: int) -> Tensor:
        if group != self.group:
            self.group, self.kept = -1, torch.empty(0)  # the old one goes before the new one comes
            values, shape = self.stream.read(group), (self.stream.groups[group], self.stream.n_dims)
            if values.shape != shape:
                raise DataError(
                    f"row group {group} holds values of shape {values.shape} and not {shape}, as it did at the start; "
                    "has its file been changed? Start again on the file as it is"
                )
            with rows_from(int(self.stream.starts[group])):
                self.kept = self.stream.encoding.store(values, self.stream.dtype).to(self.stream.dtype)
            self.group = group
        return self.kept
