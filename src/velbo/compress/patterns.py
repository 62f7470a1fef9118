"""Which cells of a row the model codes: few patterns over the columns, each as often as it is; where there are many, a
mask beside the stack.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..runtime.fixed_point import Ints
from .coder import Coder

BITS = 20
MOST_PATTERNS = 4096


class Patterns:
    """The masks of the rows of a block.

    Args:
        masks: the patterns (P, D); of the rows in order, if ``counts`` is not given.
        counts: how often each is.
    """

    def __init__(self, masks: NDArray[np.bool_], counts: Ints | None) -> None:
        self.masks, self.counts = masks, counts
        if counts is not None:
            share = (counts * ((1 << BITS) - len(counts))) // counts.sum() + 1
            share[share.argmax()] += (1 << BITS) - share.sum()
            self._below = np.concatenate(([0], np.cumsum(share)))

    @classmethod
    def of(cls, coded: NDArray[np.bool_]) -> tuple[Patterns, Ints]:
        """(patterns of the rows (N, D), which row has which)."""
        if coded.all():
            return cls(np.ones((1, coded.shape[1]), bool), np.array([len(coded)])), np.zeros(len(coded), np.int64)
        packed = np.packbits(coded, axis=1)
        _, first, ids, counts = np.unique(packed, axis=0, return_index=True, return_inverse=True, return_counts=True)
        if len(first) > MOST_PATTERNS or len(first) > len(coded) // 4 + 8:
            return cls(coded, None), np.zeros(len(coded), np.int64)
        return cls(coded[first], counts.astype(np.int64)), ids.reshape(-1).astype(np.int64)

    def push(self, coder: Coder, ids: Ints) -> None:
        """The patterns of some rows."""
        if self.counts is not None and len(self.counts) > 1:
            start = self._below[ids]
            coder.push(start, self._below[ids + 1] - start, BITS)

    def pop(self, coder: Coder, n: int, first: int) -> NDArray[np.bool_]:
        """The masks of n rows, (n, D), of which the first has a number."""
        if self.counts is None:
            return self.masks[first : first + n]
        if len(self.counts) == 1:
            return np.repeat(self.masks, n, 0)
        at = coder.peek(n, BITS)
        ids = np.searchsorted(self._below, at, side="right") - 1
        start = self._below[ids]
        coder.pop(at, start, self._below[ids + 1] - start, BITS)
        return self.masks[ids]

    def to_bytes(self) -> bytes:
        """For a file; nothing if every cell is coded."""
        if self.counts is not None and len(self.counts) == 1 and self.masks.all():
            return b""
        n_counts = 0 if self.counts is None else len(self.counts)
        head = np.array([n_counts], "<u4").tobytes()
        counts = b"" if self.counts is None else self.counts.astype("<u4").tobytes()
        return head + counts + np.packbits(self.masks, axis=1).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, n_rows: int, n_dims: int) -> Patterns:
        """The inverse.

        Raises:
            DataError: if these are the bytes of none.
        """
        if not data:
            return cls(np.ones((1, n_dims), bool), np.array([max(n_rows, 1)]))
        width = -(-n_dims // 8)
        n_counts = int.from_bytes(data[:4], "little")
        n_masks = n_counts or n_rows
        if len(data) != 4 + 4 * n_counts + n_masks * width or n_counts > MOST_PATTERNS:
            raise DataError("what it says of missing cells is damaged")
        counts = np.frombuffer(data, "<u4", n_counts, 4).astype(np.int64)
        if n_counts and counts.sum() != n_rows:
            raise DataError("what it says of missing cells is damaged")
        packed = np.frombuffer(data, np.uint8, n_masks * width, 4 + 4 * n_counts).reshape(n_masks, width)
        masks = np.unpackbits(packed, axis=1, count=n_dims).astype(bool)
        return cls(masks, counts if n_counts else None)
