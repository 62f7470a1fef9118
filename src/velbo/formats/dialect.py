"""The delimiter of a text, from the structure of its first lines.

    regular   all lines are cut into the same number of cells, two or more
    score     (1 - 1/width) * mean over cells of 1 for numbers, dates and blanks, 1/2 for words, 1/10 for cells with
              another delimiter in them

Of the delimiters that make regular lines the one with the best score is taken; the suffix only breaks a tie. Where none
does, the text has one column if its lines are numbers as wholes, such as 16,9; else the line that differs is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .encoding import suffixes_of
from .tokenizer import COMMENT, Tokenizer, n_cells
from .tokens import Block, lines_in

OF_SUFFIX = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|"}
USUAL, RARE = (",", ";", "\t", "|"), ("^", "~", ":", " ")
SPELLED = {"\\t": "\t", "tab": "\t"}
SEP_LINE = re.compile(rb'"?sep=([^\r\n])"?(?:\r\n|\n|\r)', re.IGNORECASE)
N_LINES, N_CELLS = 1000, 2000
MANY = 0.9

MONEY = r"[$\u00a2-\u00a5\u20a0-\u20bf%]?"
GROUPS = r"\d{1,3}(?:[.,'\u00a0 ]\d{3})*|\d+"
NUMBER = rf"[-+(]?{MONEY}\s?[-+]?(?:(?:{GROUPS})(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?\s?{MONEY}\)?"
DAY = r"\d{1,4}[-/.](?:\d{1,2}|[A-Za-z]{3,9})[-/.]\d{1,4}(?:[T ]\d\d?:\d\d.*)?"
TIME = r"\d\d?:\d\d(?::\d\d(?:\.\d+)?)?"
IS_NUMBER = re.compile(NUMBER)
IS_VALUE = re.compile(rf"\s*(?:{NUMBER}|{DAY}|{TIME}|true|false|nan|na|n/a|null|none|\?|)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How a text is cut.

    Attributes:
        delimiter: one character; "" if there is one column, in which any character may be.
        width: number of cells of every line.
        skip: bytes before the first line, those of Excel's "sep=;".
    """

    delimiter: str
    width: int
    skip: int = 0


def one_character(delimiter: str) -> str:
    """A delimiter that a user has typed.

    Raises:
        DataError: if it is none.
    """
    found = SPELLED.get(delimiter, delimiter)
    if len(found) != 1 or not found.isascii() or found in '"\r\n\0':
        raise DataError(f"--delimiter {delimiter!r}: give one character, such as ',' or ';' or '|', or 'tab'")
    return found


class Sample:
    """The start of a text.

    Args:
        path: of its file.
        text: in UTF-8.
        is_whole: whether it is all of the file.

    Raises:
        DataError: if it is no text, or empty.
    """

    def __init__(self, path: Path, text: bytes, is_whole: bool) -> None:
        self.path, self.is_whole = path, is_whole
        self.whole_text = text
        found = SEP_LINE.match(text)
        self.skip = found.end() if found else 0
        self.said = found[1].decode(errors="replace") if found else None
        self.text = text[self.skip :]
        Tokenizer(path, "").check_text(text if is_whole else text[: text.rfind(b"\n") + 1])
        if not self.text.strip():
            raise DataError(f"{path}: the file is empty")

    def dialect(self, asked: str | None = None) -> Dialect:
        """How the text is cut.

        Args:
            asked: delimiter, if it is known.

        Raises:
            DataError: if lines are of different widths whatever the delimiter is.
        """
        if asked := asked or self.said:
            return self._dialect(_Cut(self, one_character(asked)))
        own = OF_SUFFIX.get(suffixes_of(self.path)[0], ",")
        usual, errors = self._cuts(sorted(USUAL, key=lambda delimiter: delimiter != own))
        regular = [cut for cut in usual if cut.is_regular and cut.width > 1]
        if not regular and not errors:
            one = _Cut(self, "")
            has_delimiters = not all(cut.is_regular for cut in usual)
            if one.is_of_numbers and has_delimiters and all(cut.width == 1 for cut in usual):
                return self._dialect(one)
            if one.value_share < MANY:
                regular = [cut for cut in self._cuts(RARE)[0] if cut.is_regular and cut.is_table]
        if regular:
            return self._dialect(max(regular, key=lambda cut: cut.score))
        likely = [cut for cut in usual if cut.commonest_width > 1]
        if not likely and errors:
            raise errors[0]
        return self._dialect(max(likely, key=lambda cut: cut.score) if likely else usual[0])

    def first_rows(self, dialect: Dialect, n: int) -> Block:
        """The first lines, header or not."""
        return _Cut(self, dialect.delimiter).block(n)

    def head(self, rows: Block, n: int) -> bytes:
        """What comes before line n of the first rows: "sep=;", the header, blank lines."""
        if n == 0:
            return self.whole_text[: self.skip]
        return self.whole_text[: self.skip + int(rows.starts[n, 0])] if n < len(rows) else self.whole_text

    def _cuts(self, delimiters: Iterable[str]) -> tuple[list[_Cut], list[DataError]]:
        """At those of the delimiters between which quotes are well placed; what is wrong at the others."""
        found, errors = [], []
        for delimiter in delimiters:
            try:
                found.append(_Cut(self, delimiter))
            except DataError as error:
                errors.append(error)
        return found, errors

    def _dialect(self, cut: _Cut) -> Dialect:
        if not cut.is_regular:
            raise DataError(f"{self.path}: {cut.irregularity}")
        if cut.width > 1 and cut.has_blank_end.all():
            raise DataError(
                f"{self.path}: each line ends with the delimiter '{cut.delimiter}', which makes an empty last column; "
                "remove it from the ends of the lines"
            )
        return Dialect(cut.delimiter, cut.width, self.skip)


class _Cut:
    """The first lines of a sample, cut at one delimiter.

    Attributes:
        widths: numbers of cells of the lines.
        width: that of the first line.
    """

    def __init__(self, sample: Sample, delimiter: str) -> None:
        self.delimiter, self.text = delimiter, sample.text
        self._tokenizer = Tokenizer(sample.path, delimiter, line=2 if sample.skip else 1)
        self._cuts = self._tokenizer.cuts(sample.text, sample.is_whole)
        lasts = np.flatnonzero(self._cuts.is_last)[:N_LINES]
        firsts = np.concatenate([[0], lasts + 1])[:-1].astype(np.intp)
        spans = zip(self._cuts.starts[firsts].tolist(), self._cuts.ends[lasts].tolist(), strict=True)
        has_cells = np.array([bool(self.text[start:end].strip()) for start, end in spans], bool)
        if not has_cells.any():
            raise DataError(
                f"{sample.path}: a line is longer than {len(self.text)} bytes; is a quote opened there and not closed?"
            )
        self._firsts, self._lasts = firsts[has_cells], lasts[has_cells]
        self.widths = self._lasts - self._firsts + 1
        self.width = int(self.widths[0])

    @property
    def is_regular(self) -> bool:
        return bool((self.widths == self.width).all())

    @property
    def commonest_width(self) -> int:
        """Of the lines; the larger one of two."""
        widths, counts = np.unique(self.widths, return_counts=True)
        return int(widths[counts == counts.max()][-1])

    @property
    def has_blank_end(self) -> NDArray[np.bool_]:
        """Whether a line's last cell is empty."""
        return self._cuts.starts[self._lasts] == self._cuts.ends[self._lasts]

    @cached_property
    def _cells(self) -> list[list[str]]:
        """The tokens of the first lines, some thousand together, two lines at least."""
        n = max(2, int(np.searchsorted(np.cumsum(self.widths), N_CELLS)))
        spans = [range(first, last + 1) for first, last in zip(self._firsts[:n], self._lasts[:n], strict=True)]
        starts, ends = self._cuts.starts, self._cuts.ends
        return [[self.text[starts[i] : ends[i]].decode(errors="replace") for i in span] for span in spans]

    @cached_property
    def value_share(self) -> float:
        """Share of the cells below the first line that are numbers, dates or blank."""
        cells = [cell for line in self._cells[1:] or self._cells for cell in line]
        return sum(IS_VALUE.fullmatch(cell) is not None for cell in cells) / len(cells)

    @property
    def is_of_numbers(self) -> bool:
        """Whether every line but perhaps the first one is one number, or missing."""
        cells = [line[0].strip(' "') for line in self._cells[1:]]
        return any(cells) and all(IS_NUMBER.fullmatch(cell) for cell in cells if cell)

    @property
    def is_table(self) -> bool:
        """Whether a rare delimiter is likely to be one: blanks are in texts, colons in times."""
        least = {" ": (2, 0.5), ":": (3, 0.3)}
        width, share = least.get(self.delimiter, (2, 0.0))
        return self.width >= width and self.value_share >= share

    @cached_property
    def score(self) -> float:
        cells = [cell for line in self._cells for cell in line]
        others = re.compile(f"[{re.escape(''.join({*USUAL} - {self.delimiter}))}]")
        points = (
            10 if IS_VALUE.fullmatch(cell) else 1 if others.search(cell) and cell[0] != '"' else 5 for cell in cells
        )
        return sum(points) / len(cells) * (1 - 1 / int(self.widths.max()))

    @property
    def irregularity(self) -> str:
        """Which line has another width."""
        first, rest = self.width, self.widths[1:]
        i = int(np.argmax(self.widths != first))
        if len(rest) == 1 or not (rest == rest[0]).all():
            found = int(self.widths[i])
            start = self._cuts.starts[self._firsts[i]]
            if self.text[start] == COMMENT:
                hint = "; is it a comment? Remove it"
            elif found == first + 1 and self.has_blank_end[i]:
                hint = "; it ends with a delimiter, which makes an empty last cell: remove it"
            else:
                hint = ""
            return f"line {self._line_of(i)} has {n_cells(found)}, the first line has {first}{hint}"
        if rest[0] != first + 1 or self.text[self._cuts.starts[self._firsts[0]]] == COMMENT:
            hint = "is it a comment or a title? Remove it"
        elif self.has_blank_end[1:].all():
            hint = "each of these ends with a delimiter: remove it"
        else:
            hint = "does a name lack in it, as that of row numbers?"
        shown = self.delimiter.join(self._cells[0])[:40]
        return f"line {self._line_of(0)}, {shown!r}, has {n_cells(first)}, the lines below it have {rest[0]}; {hint}"

    def _line_of(self, i: int) -> int:
        return self._tokenizer.line + lines_in(self.text[: self._cuts.starts[self._firsts[i]]])

    def block(self, n: int) -> Block:
        size = int(self._cuts.after[self._lasts[:n][-1]])
        data = self.text[:size]
        return self._tokenizer.block(data, self._tokenizer.cuts(data, is_whole=True), self.width)
