"""Blocks of rows: what one worker does at a time, and what one part file holds.

    rows of a source = block 0, block 1, ...      in order, each row in one block

Blocks are the batches in which one process reads the same rows, but that none reaches over the end of a row group. So a
row's numbers are those of one process, to the last bit where row groups are whole batches, else to rounding: a product
of matrices of another shape may be summed in another order.

    GroupBlock   of a format that can be read from the middle: the worker reads it
    SentBlock    of any other, or of rows in memory: this process reads it and sends it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from ..errors import DataError
from ..formats import Reading, Source, open_source
from ..formats.base import rows_per_batch


@dataclass(frozen=True)
class Block:
    """Some rows.

    Attributes:
        number: of the block, from 0.
        start: number of its first row.
        n_rows: how many.
    """

    number: int
    start: int
    n_rows: int


@dataclass(frozen=True)
class GroupBlock(Block):
    """Rows of a row group.

    Attributes:
        group: its number in `Source.row_groups`.
        offset: of the first row in it.
    """

    group: int
    offset: int


@dataclass(frozen=True)
class SentBlock(Block):
    """Rows that come along."""

    table: pa.Table


def blocks_of(source: Source) -> Iterator[Block]:
    """The blocks of a source, in order."""
    try:
        groups = source.row_groups()
    except DataError:  # it cannot be read from the middle
        return sent(source.batches())
    return _of_groups([group.n_rows for group in groups], rows_per_batch(source.schema))


def _of_groups(sizes: list[int], n_rows: int) -> Iterator[Block]:
    number = start = 0
    for group, size in enumerate(sizes):
        for offset in range(0, size, n_rows):
            n = min(n_rows, size - offset)
            yield GroupBlock(number, start, n, group, offset)
            number, start = number + 1, start + n


def sent(tables: Iterable[pa.Table]) -> Iterator[Block]:
    """Tables one below the other, a block each."""
    start = 0
    for number, table in enumerate(tables):
        yield SentBlock(number, start, len(table), table)
        start += len(table)


def sent_rows(block: Block) -> pa.Table:
    """Those that have come along."""
    assert isinstance(block, SentBlock)
    return block.table


class BlockRows:
    """The rows of blocks, in any process.

    Args:
        source: its name, from any folder.
        reading: how it is read.
        fingerprint: that the source had when the work began.
    """

    def __init__(self, source: str, reading: Reading, fingerprint: str) -> None:
        self.source, self.reading, self.fingerprint = source, reading, fingerprint
        self._held = -1, pa.table({})
        self._seen: tuple[tuple[int, int, int], ...] | None = None

    def __reduce__(self) -> tuple[type[BlockRows], tuple[str, Reading, str]]:
        return BlockRows, (self.source, self.reading, self.fingerprint)

    @cached_property
    def _opened(self) -> Source:
        return open_source(self.source, self.reading)

    def __call__(self, block: Block) -> pa.Table:
        """The rows of a block; a row group is kept, as the next block may be of the same.

        Raises:
            DataError: if the file is damaged, or not what it was.
        """
        if not isinstance(block, GroupBlock):
            return sent_rows(block)
        if self._held[0] != block.group:
            self._held = -1, pa.table({})  # its memory, before the next is read
            self._refuse_changed()
            try:
                rows = self._opened.read_group(self._opened.row_groups()[block.group])
            finally:
                self._refuse_changed()  # while it was read, which may look like damage
            self._held = block.group, rows
        return self._held[1].slice(block.offset, block.n_rows)

    def _refuse_changed(self) -> None:
        """
        Raises:
            DataError: if another file is where the source was.
        """
        try:
            seen = tuple(_state(part.path) for part in self._opened.parts if part.has_file)
            if seen == self._seen:
                return
            is_same = self._seen is None and self._opened.fingerprint() == self.fingerprint
        except OSError:
            is_same, seen = False, None
        if not is_same:
            raise DataError(
                f"{self.source}: has changed since the work began; restore it, or give another folder for its parts"
            )
        self._seen = seen


def _state(file: Path) -> tuple[int, int, int]:
    """What changes when a file is written or replaced: its number, size, and time in nanoseconds."""
    found = file.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
