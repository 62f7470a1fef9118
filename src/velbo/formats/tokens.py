"""Where the cells of a delimited text are.

token   the bytes of a cell as they stand in the file, with their quotes
record  the tokens of one line, or of several if there are line ends in quotes
block   some records: their bytes, and where each token begins and ends in them
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

QUOTE, NEWLINE, RETURN = b'"\n\r'

Positions = NDArray[np.intp]


class Block:
    """Some records of one width.

    Args:
        data: the text of all of them; between them are line ends and blank lines.
        starts: of the tokens in it, (rows, columns).
        ends: of the tokens.
        line: the number in the file, from 1, of the line that the data begin on.
    """

    def __init__(self, data: bytes, starts: Positions, ends: Positions, line: int) -> None:
        self.data, self.starts, self.ends, self.line = data, starts, ends, line

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def width(self) -> int:
        return self.starts.shape[1]

    def rows(self, start: int, end: int) -> Block:
        """Some of the records."""
        return Block(self.data, self.starts[start:end], self.ends[start:end], self.line)

    def tokens(self, column: int) -> pa.StringArray:
        """Those of one column."""
        return self._tokens.slice(column * len(self), len(self))

    def inner(self, column: int) -> pa.StringArray:
        """The tokens of one column without the quotes around them; quotes in them are still doubled."""
        return self._inner.slice(column * len(self), len(self))

    @cached_property
    def _tokens(self) -> pa.StringArray:
        return self._by_column(self.starts, self.ends)

    @cached_property
    def _inner(self) -> pa.StringArray:
        if self.quoted is None:
            return self._tokens
        return self._by_column(self.starts + self.quoted, self.ends - self.quoted)

    def _by_column(self, starts: Positions, ends: Positions) -> pa.StringArray:
        """Parts of the data, column after column; what is between them are gaps of the same array."""
        n = starts.size
        offsets = np.full(2 * n + 1, len(self.data), np.int32)
        offsets[:-1:2], offsets[1::2] = starts.ravel(), ends.ravel()
        with_gaps = pa.StringArray.from_buffers(2 * n, pa.py_buffer(offsets), pa.py_buffer(self.data))
        order = np.arange(0, 2 * n, 2, dtype=np.int32).reshape(starts.shape).T.ravel()
        return with_gaps.take(pa.array(order))

    @cached_property
    def quoted(self) -> NDArray[np.bool_] | None:
        """(rows, columns): whether a token is in quotes; None if there is no quote in the block."""
        if QUOTE not in self.data:
            return None
        text = np.frombuffer(self.data + b" ", np.uint8)
        return (text[self.starts] == QUOTE) & (self.ends > self.starts)

    @cached_property
    def has_blanks(self) -> bool:
        """Whether there may be some around a text."""
        has_inner_lines = self.quoted is not None and lines_in(self.data) > len(self)
        return has_inner_lines or b" " in self.data or b"\t" in self.data or not self.data.isascii()

    def line_of(self, row: int) -> int:
        """The number of the line in the file that a record begins on."""
        return self.line + lines_in(self.data[: self.starts[row, 0]])


def lines_in(text: bytes) -> int:
    """The number of line ends."""
    b = np.frombuffer(text, np.uint8)
    is_newline, is_return = b == NEWLINE, b == RETURN
    return int(
        np.count_nonzero(is_newline) + np.count_nonzero(is_return) - np.count_nonzero(is_return[:-1] & is_newline[1:])
    )
