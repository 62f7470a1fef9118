"""A delimited text, cut at the delimiters and line ends that no quotes enclose.

A byte is in quotes if the number of quotes before it is odd: a cumulative sum finds that for a whole block without a
loop (a doubled quote closes and opens at once). It is true where quotes only enclose cells. A block with other ones,
such as 5" or blanks before a quote, is cut by a regular expression, cell by cell, to the same arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .tokens import NEWLINE, QUOTE, RETURN, Block, Positions, lines_in

BLANK, COMMENT = b" #"
UNCLOSED = re.compile(rb'"(?:[^"]++|"")*+"?')
LONGEST_RECORD = 64 * 2**20  # bytes


class Cuts(NamedTuple):
    """Tokens, one after another: token i is data[starts[i]:ends[i]], and what separates it from the next ends before
    after[i]. is_last tells the last ones of the records.
    """

    starts: Positions
    ends: Positions
    after: Positions
    is_last: NDArray[np.bool_]

    @property
    def size(self) -> int:
        """Bytes up to the last cut."""
        return int(self.after[-1]) if len(self.after) else 0

    def whole(self, leave: int = 0) -> Cuts:
        """Those of whole records, but for so many at the end."""
        lasts = np.flatnonzero(self.is_last)
        n = lasts[-1 - leave] + 1 if len(lasts) > leave else 0
        return Cuts(self.starts[:n], self.ends[:n], self.after[:n], self.is_last[:n])


class Tokenizer:
    """Cuts a text into records.

    Args:
        path: of the file, for messages.
        delimiter: one ASCII character; none for one column.
        line: the number of the line that the text begins on.
    """

    def __init__(self, path: Path, delimiter: str, line: int = 1) -> None:
        self.path, self.line = path, line
        self.delimiter = ord(delimiter or "\0")  # no text has that
        sep, blank = re.escape(bytes([self.delimiter])), b"(?!)" if delimiter == " " else b" "
        quoted = rb'("(?:[^"]++|"")*+")(?:%b)*+(?=%b|[\r\n]|\Z)' % (blank, sep)
        after_blanks = rb'(?:%b)++("(?:[^"\r\n]++|"")*+")(?:%b)*+(?=%b|[\r\n]|\Z)' % (blank, blank, sep)
        plain = rb'(?!")([^%b\r\n]*+)' % sep
        self._cell = re.compile(rb"(?:%b|%b|%b)(?:%b|\r\n|[\r\n]|\Z)" % (quoted, after_blanks, plain, sep))

    def blocks(self, pieces: Iterable[bytes], width: int) -> Iterator[Block]:
        """All records.

        Args:
            pieces: the text, in pieces.
            width: number of cells that each record must have; blank lines do not count.

        Raises:
            DataError: if a record has another width, a quote is not closed, or the bytes are no text.
        """
        for data, cuts in self.records(pieces):
            yield self.block(data, cuts, width)

    def records(self, pieces: Iterable[bytes]) -> Iterator[tuple[bytes, Cuts]]:
        """Whole records of any width; self.line is that of the first one.

        Raises:
            DataError: as for `blocks`.
        """
        rest, wanted = b"", 0
        for piece in pieces:
            rest += piece
            if len(rest) < wanted:
                continue
            cuts = self.cuts(rest, is_whole=False)
            if rest.endswith(b"\r") and len(cuts.after) and cuts.after[-1] == len(rest):
                cuts = cuts.whole(leave=1)  # a newline may follow
            data, rest = rest[: cuts.size], rest[cuts.size :]
            yield from self._counted(data, cuts)
            wanted = 2 * len(rest)
            if len(rest) > LONGEST_RECORD:
                raise self._unclosed(rest)
        if rest:
            yield from self._counted(rest, self.cuts(rest, is_whole=True))

    def cuts(self, text: bytes, is_whole: bool) -> Cuts:
        """Those of the whole records at the start of a text.

        Args:
            text: that begins with a record.
            is_whole: whether it is all that there is, so that its last line needs no end.

        Raises:
            DataError: if a quote is not closed.
        """
        ended = text if not is_whole or text.endswith((b"\n", b"\r")) else text + b"\n"
        cuts = self._by_sum(ended) or self._by_cell(ended)
        cuts = cuts.whole()
        if is_whole and cuts.size < len(ended):
            raise self._unclosed(text, cuts.size)
        return cuts

    def _counted(self, data: bytes, cuts: Cuts) -> Iterator[tuple[bytes, Cuts]]:
        if data:
            self.check_text(data)
            yield data, cuts
            self.line += lines_in(data)

    def check_text(self, data: bytes) -> None:
        """Refuse bytes that are no text."""
        try:
            if not data.isascii():
                data.decode()
            wrong = data.find(b"\0")
        except UnicodeDecodeError as error:
            wrong = error.start
        if wrong >= 0:
            line = self.line + lines_in(data[:wrong])
            what = "is not in UTF-8" if data[wrong] else "holds a zero byte (is it UTF-16 without a mark, or no text?)"
            raise DataError(f"{self.path}: not a text table: line {line} {what}; save the file as UTF-8")

    def _by_sum(self, text: bytes) -> Cuts | None:
        """None if some quotes are around cells and others elsewhere."""
        b = np.frombuffer(text, np.uint8)
        is_last = b == NEWLINE
        if has_returns := RETURN in text:
            is_last[:-1] |= (b[:-1] == RETURN) & (b[1:] != NEWLINE)
            is_last[-1] |= b[-1] == RETURN
        is_cut = (b == self.delimiter) | is_last
        if QUOTE in text:
            is_quote = b == QUOTE
            quotes = np.flatnonzero(is_quote)
            starts_cell = _are_among(b[quotes - 1], self.delimiter, NEWLINE, RETURN, BLANK) | (quotes == 0)
            if starts_cell.any():
                if not self._enclose(b, quotes):
                    return None
                is_cut &= (np.cumsum(is_quote, dtype=np.uint8) & 1) == 0
        cuts = np.flatnonzero(is_cut)
        is_last = is_last[cuts]
        ends = cuts.copy()
        if has_returns:
            ends -= is_last & (b[cuts] == NEWLINE) & (cuts > 0) & (b[cuts - 1] == RETURN)
        after = cuts + 1
        starts = np.zeros_like(after)
        starts[1:] = after[:-1]
        return Cuts(starts, ends, after, is_last)

    def _enclose(self, b: NDArray[np.uint8], quotes: Positions) -> bool:
        """Whether each quote is at the start or end of a cell, or doubled."""
        ends = (self.delimiter, QUOTE, NEWLINE, RETURN)
        opening, behind = quotes[0::2], quotes[1::2] + 1
        is_open = _are_among(b[opening - 1], *ends) | (opening == 0)
        return bool(is_open.all() and _are_among(b[behind[behind < len(b)]], *ends).all())

    def _by_cell(self, text: bytes) -> Cuts:
        spans, is_last, at = [], [], 0
        while at < len(text):
            match = self._cell.match(text, at)
            if match is None:
                self._check_unclosed(text, at)
                break
            spans.append((*match.span(match.lastindex or 0), match.end()))
            is_last.append(text[match.end() - 1] in (NEWLINE, RETURN))
            at = match.end()
        starts, ends, after = np.array(spans, np.intp).reshape(-1, 3).T
        return Cuts(starts, ends, after, np.array(is_last, bool))

    def _check_unclosed(self, text: bytes, at: int) -> None:
        """A cell that begins with a quote goes on beyond the text, or beyond its closing quote: this is refused."""
        end = UNCLOSED.match(text, at).end()  # type: ignore[union-attr]
        if end < len(text):
            raise DataError(
                f"{self.path}: line {self.line + lines_in(text[:at])}: the cell {_shown(text[at : end + 10])} goes on "
                "after its closing quote; double a quote that is part of the text"
            )

    def _unclosed(self, text: bytes, start: int = 0) -> DataError:
        """The record that begins at a byte of the text has no end."""
        at = start
        while match := self._cell.match(text, at):
            at = match.end()
        line, cell = self.line + lines_in(text[:at]), _shown(text[at + 1 : at + 21])
        return DataError(
            f"{self.path}: line {line}: the quote before {cell} is not closed and takes in all lines below; close it, "
            "or double it if it is meant as a quote"
        )

    def block(self, data: bytes, cuts: Cuts, width: int) -> Block:
        """The records of a text; raises as `blocks` does."""
        starts, ends = cuts.starts, cuts.ends
        lasts = np.flatnonzero(cuts.is_last)
        widths = np.diff(lasts, prepend=-1)
        doubtful = widths != width
        if width == 1:
            doubtful |= np.frombuffer(data + b"\n", np.uint8)[starts[lasts - widths + 1]] <= BLANK
        if doubtful.any():
            is_blank = np.zeros(len(lasts), bool)
            for i in np.flatnonzero(doubtful).tolist():
                start, end = int(starts[lasts[i] - widths[i] + 1]), int(ends[lasts[i]])
                is_blank[i] = not data[start:end].strip()
                if widths[i] != width and not is_blank[i]:
                    raise self._ragged(data, start, end, int(widths[i]), width)
            kept = np.repeat(~is_blank, widths)
            starts, ends = starts[kept], ends[kept]
        return Block(data, starts.reshape(-1, width), ends.reshape(-1, width), self.line)

    def _ragged(self, data: bytes, start: int, end: int, found: int, width: int) -> DataError:
        hint = ""
        if data[start] == COMMENT:
            hint = "; is it a comment? Remove it"
        elif found == width + 1 and data[end - 1] == self.delimiter:
            hint = "; it ends with a delimiter, which makes an empty last cell: remove it"
        line = self.line + lines_in(data[:start])
        return DataError(f"{self.path}: line {line} has {n_cells(found)}, the first line has {width}{hint}")


def n_cells(n: int) -> str:
    return f"{n} cell{'' if n == 1 else 's'}"


def _are_among(characters: NDArray[np.uint8], *some: int) -> NDArray[np.bool_]:
    table = np.zeros(256, bool)
    table[list(some)] = True
    return table[characters]


def _shown(text: bytes) -> str:
    return repr(text.decode(errors="replace"))
