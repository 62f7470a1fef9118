"""A text with some cells changed, and every other character as it was.

    file = head + t_0 s_0 t_1 s_1 ...      tokens t, and what separates them
    copy = the same with t_i replaced where cell i has changed

So what is not changed is copied, never formatted: digits, quotes, blanks, line ends, byte order mark. A changed cell is
written as its column is read: its decimal mark, affix, format of dates, offset from UTC, quotes. Into a file with
another delimiter goes the same text of each cell, in quotes where that delimiter asks for them.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..files import whole_or_absent
from .base import ROWS_PER_BATCH
from .cell_values import Cells
from .cell_writing import Style
from .dialect import OF_SUFFIX
from .encoding import suffixes_of, written
from .text import Lines, TextPart
from .text_sheet import as_cells, needs_quotes, quoted
from .tokens import Block

Changed = Mapping[str, Any]
Change = Callable[[pa.Table], Sequence[tuple[pa.Table, Changed]]]


def splice(part: TextPart, targets: Sequence[Path], change: Change, n_rows: int = ROWS_PER_BATCH) -> int:
    """Copy a text, in a stream, with some cells changed; each copy appears whole or not at all.

    Args:
        part: the text.
        targets: the copies.
        change: gets some rows as values and returns for each target (rows, name -> (n,) whether the cell is changed).
            Only changed cells of the rows are looked at, and columns that the text has not, which become the last ones.
        n_rows: at most so many at a time.

    Returns:
        How many rows there are.

    Raises:
        DataError: as for reading the text.
        RunError: if a target cannot be written.
    """
    n = 0
    with ExitStack() as stack:
        copies = [_Copy(part, path, written(stack.enter_context(whole_or_absent(path)))) for path in targets]
        for copy in copies:
            stack.callback(copy.file.close)
        for lines in part.lines(n_rows):
            results = change(lines.table) if len(lines.table) else [(lines.table, {})] * len(targets)
            for copy, (table, changed) in zip(copies, results, strict=True):
                copy.write(lines, table, changed)
            n += len(lines.table)
    return n


class _Copy:
    """A copy of a text that is being written.

    Args:
        part: the text.
        path: of the copy; its suffix tells the delimiter.
        file: to write to.
    """

    def __init__(self, part: TextPart, path: Path, file: Any) -> None:
        self.part, self.file = part, file
        self.delimiter = _delimiter_of(part, path)
        self._new_names: list[str] | None = None
        self._styles: dict[str, Style] = {}

    def write(self, lines: Lines, table: pa.Table, changed: Changed) -> None:
        if self._new_names is None:
            self._new_names = [name for name in table.column_names if name not in self.part.names]
            self.file.write(self.part.encoding.mark)
            self._write(self._head(self._new_names))
        edits = {name: _Edit(self._style(name, lines.block), table[name], mask) for name, mask in changed.items()}
        new = [self._new_tokens(table[name]) for name in self._new_names]
        self._write(self._recut(lines, edits, new) if self._is_recut else self._spliced(lines, edits, new))

    @property
    def _is_recut(self) -> bool:
        """Whether the text is cut at another delimiter; the only column of a text has none to be cut at."""
        return self.delimiter != self.part.delimiter and (self.part.width > 1 or bool(self._new_names))

    def _write(self, text: bytes) -> None:
        self.file.write(self.part.encoding.encode(text))

    def _head(self, new_names: list[str]) -> bytes:
        part = self.part
        names = quoted(pa.array(new_names, pa.string()), self.delimiter)
        if self._is_recut:
            tokens = [self._requoted(part.first, column)[0].as_py() for column in range(part.width)]
            line = self.delimiter.join([*tokens, *names.to_pylist()]).encode() + part.line_end
            return line if part.header.is_there else b""
        if not part.header.is_there:
            return part.head
        end = part.skip + int(part.first.ends[0, -1])
        added = "".join(self.delimiter + name for name in names.to_pylist()).encode()
        return part.head[:end] + added + part.head[end:]

    def _style(self, name: str, block: Block) -> Style:
        """By the first cell that is known."""
        if name not in self._styles:
            cells = Cells(block, self.part.names.index(name), self.part.words)
            model = cells.tokens.filter(cells.known.is_valid())
            style = Style(self.part.decided[name].reading, model[0].as_py() if len(model) else "", self.delimiter)
            if not len(model):
                return style
            self._styles[name] = style
        return self._styles[name]

    def _new_tokens(self, column: pa.ChunkedArray) -> pa.StringArray:
        cells, is_text = as_cells(column)
        if is_text:
            return quoted(cells, self.delimiter)
        decimals = {decision.reading.decimal for decision in self.part.decided.values()}
        return pc.replace_substring(cells, ".", ",") if "," in decimals and pa.types.is_floating(column.type) else cells

    def _spliced(self, lines: Lines, edits: Mapping[str, _Edit], new: Sequence[pa.StringArray]) -> bytes:
        """The text of the lines with tokens replaced where they stand."""
        block, names = lines.block, self.part.names
        starts, ends, texts = [], [], list[bytes]()
        for name, edit in edits.items():
            column = names.index(name)
            starts.append(block.starts[edit.rows, column])
            ends.append(block.ends[edit.rows, column])
            texts += _bytes_of(edit.tokens)
        if new:
            starts.append(block.ends[:, -1])
            ends.append(block.ends[:, -1])
            texts += [self.delimiter.encode() + text for text in _bytes_of(_joined(new, self.delimiter))]
        if not texts:
            return lines.text
        order = np.argsort(np.concatenate(starts), kind="stable")
        pieces, at = [], lines.start
        for i, start, end in zip(
            order.tolist(), np.concatenate(starts)[order].tolist(), np.concatenate(ends)[order].tolist(), strict=True
        ):
            pieces += (block.data[at:start], texts[i])
            at = end
        pieces.append(block.data[at : lines.start + len(lines.text)])
        return b"".join(pieces)

    def _recut(self, lines: Lines, edits: Mapping[str, _Edit], new: Sequence[pa.StringArray]) -> bytes:
        """The tokens between other delimiters."""
        columns = []
        for column, name in enumerate(self.part.names):
            tokens = self._requoted(lines.block, column)
            columns.append(edits[name].into(tokens) if name in edits else tokens)
        end = self.part.line_end
        return b"".join(text + end for text in _bytes_of(_joined([*columns, *new], self.delimiter)))

    def _requoted(self, block: Block, column: int) -> pa.StringArray:
        """Tokens with quotes if the new delimiter asks for them, or if the old one was not what asked for them."""
        cells = Cells(block, column, self.part.words)
        needed = pc.match_substring_regex(cells.texts, needs_quotes(self.delimiter))
        if cells.is_quoted is not None:
            for_old = pc.match_substring_regex(cells.texts, needs_quotes(self.part.delimiter or ","))
            needed = pc.or_(needed, pc.and_not(cells.is_quoted, for_old))
        in_quotes = pc.binary_join_element_wise('"', pc.replace_substring(cells.texts, '"', '""'), '"', "")
        return pc.if_else(needed, in_quotes, cells.texts)


class _Edit:
    """New tokens of a column.

    Args:
        style: of the column.
        values: all of them.
        mask: which have changed.
    """

    def __init__(self, style: Style, values: pa.ChunkedArray, mask: Any) -> None:
        self.mask = np.asarray(mask, bool)
        self.rows: NDArray[np.intp] = np.flatnonzero(self.mask)
        self.tokens = style.tokens(values.filter(pa.array(self.mask)))

    def into(self, tokens: pa.StringArray) -> pa.StringArray:
        return pc.replace_with_mask(tokens, self.mask, self.tokens)


def _joined(columns: Sequence[pa.StringArray], delimiter: str) -> pa.StringArray:
    return pc.binary_join_element_wise(*columns, delimiter, null_handling="replace", null_replacement="")


def _bytes_of(tokens: pa.StringArray) -> list[bytes]:
    return [text or b"" for text in tokens.cast(pa.binary()).to_pylist()]


def _delimiter_of(part: TextPart, path: Path) -> str:
    """That of a text of the same suffix, or that of the new suffix."""
    old, new = suffixes_of(part.path)[0], suffixes_of(path)[0]
    usual = OF_SUFFIX.get(new, part.delimiter or ",")
    return part.delimiter or usual if old == new else usual
