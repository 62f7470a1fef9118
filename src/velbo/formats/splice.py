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

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .base import Change, Masks, rows_per_batch
from .cell_values import Cells
from .cell_writing import Style
from .dialect import OF_SUFFIX
from .encoding import suffixes_of, written
from .text_sheet import as_cells, needs_quotes, quoted
from .tokens import Block

if TYPE_CHECKING:
    from .text import Lines, TextPart


def splice(parts: Sequence[TextPart], schema: pa.Schema, targets: Sequence[Path], change: Change) -> int:
    """Copy texts, one below the other, in a stream, with some cells changed; as `Part.splice` says.

    Args:
        parts: the texts.
        schema: of their rows.
        targets: the copies.
        change: rows -> what becomes of them in each target. Columns that the texts have not become the last ones.

    Returns:
        How many rows there are.
    """
    n = 0
    with ExitStack() as stack:
        copies = [_Copy(parts[0], path, stack.enter_context(written(path))) for path in targets]
        for part in parts:
            for lines in part.lines(schema, rows_per_batch(schema)):
                rows = lines.table.select(schema.names)
                outcomes = change(rows) if len(rows) else [(rows, {})] * len(copies)
                for copy, (new, masks) in zip(copies, outcomes, strict=True):
                    copy.write(part, lines, new, masks)
                n += len(rows)
    return n


class _Copy:
    """A copy of texts that is being written.

    Args:
        first: of the texts.
        path: of the copy; its suffix tells the delimiter.
        file: to write to.
    """

    def __init__(self, first: TextPart, path: Path, file: Any) -> None:
        self.first, self.file = first, file
        self.delimiter = _delimiter_of(first, path)
        self._new_names: list[str] | None = None
        self._styles: dict[str, Style] = {}
        self._ends_line = True

    def write(self, part: TextPart, lines: Lines, new: pa.Table, masks: Masks) -> None:
        if self._new_names is None:
            self._new_names = [name for name in new.column_names if name not in self.first.names]
            self.file.write(self.first.encoding.mark)
            self._write(self._head(self._new_names))
        edits = {
            name: _Edit(self._style(part, name, lines.block), new[name], mask)
            for name, mask in masks.items()
            if name in part.names and mask.any()
        }
        added = [self._added(new[name]) for name in self._new_names]
        write = self._recut if self._is_recut(part) else self._spliced
        self._write(write(part, lines, edits, added))

    def _is_recut(self, part: TextPart) -> bool:
        """Whether tokens are written between other delimiters, or in another order."""
        if part.width == 1 and not self._new_names:
            return False
        return part.delimiter != self.delimiter or part.names != self.first.names

    def _write(self, text: bytes) -> None:
        if text:
            self.file.write(self.first.encoding.encode(text))
            self._ends_line = text.endswith((b"\n", b"\r"))

    def _head(self, new_names: list[str]) -> bytes:
        part = self.first
        names = quoted(pa.array(new_names, pa.string()), self.delimiter)
        if self._is_recut(part):
            tokens = [self._requoted(part, part.first, name)[0].as_py() for name in part.names]
            line = self.delimiter.join([*tokens, *names.to_pylist()]).encode() + part.line_end
            return line if part.header.is_there else b""
        if not part.header.is_there:
            return part.head
        end = part.skip + int(part.first.ends[0, -1])
        added = "".join(self.delimiter + name for name in names.to_pylist()).encode()
        return part.head[:end] + added + part.head[end:]

    def _style(self, part: TextPart, name: str, block: Block) -> Style:
        """By the first cell that is known."""
        if name not in self._styles:
            cells = Cells(block, part.names.index(name), part.words)
            model = cells.tokens.filter(cells.known.is_valid())
            style = Style(part.decided[name].reading, model[0].as_py() if len(model) else "", self.delimiter)
            if not len(model):
                return style
            self._styles[name] = style
        return self._styles[name]

    def _added(self, column: pa.ChunkedArray) -> pa.StringArray:
        """Tokens of a new column."""
        cells, is_text = as_cells(column)
        if is_text:
            return quoted(cells, self.delimiter)
        decimals = {decision.reading.decimal for decision in self.first.decided.values()}
        return pc.replace_substring(cells, ".", ",") if "," in decimals and pa.types.is_floating(column.type) else cells

    def _spliced(
        self, part: TextPart, lines: Lines, edits: Mapping[str, _Edit], added: Sequence[pa.StringArray]
    ) -> bytes:
        """The text of the lines with tokens replaced where they stand."""
        block = lines.block
        starts, ends, texts = [], [], list[bytes]()
        for name, edit in edits.items():
            column = part.names.index(name)
            starts.append(block.starts[edit.rows, column])
            ends.append(block.ends[edit.rows, column])
            texts += _bytes_of(edit.tokens)
        if added:
            starts.append(block.ends[:, -1])
            ends.append(block.ends[:, -1])
            texts += [self.delimiter.encode() + text for text in _bytes_of(_joined(added, self.delimiter))]
        pieces, at = [] if self._ends_line else [self.first.line_end], lines.start
        if texts:
            order = np.argsort(np.concatenate(starts), kind="stable")
            places = zip(
                *(np.concatenate(each)[order].tolist() for each in (starts, ends)), order.tolist(), strict=True
            )
            for start, end, i in places:
                pieces += (block.data[at:start], texts[i])
                at = end
        return b"".join([*pieces, block.data[at : lines.end]])

    def _recut(
        self, part: TextPart, lines: Lines, edits: Mapping[str, _Edit], added: Sequence[pa.StringArray]
    ) -> bytes:
        """The tokens of the lines between other delimiters."""
        columns = []
        for name in self.first.names:
            tokens = self._requoted(part, lines.block, name)
            columns.append(edits[name].into(tokens) if name in edits else tokens)
        start = b"" if self._ends_line else self.first.line_end
        return start + b"".join(
            text + self.first.line_end for text in _bytes_of(_joined([*columns, *added], self.delimiter))
        )

    def _requoted(self, part: TextPart, block: Block, name: str) -> pa.StringArray:
        """Tokens with quotes if the new delimiter asks for them, or if the old one was not what asked for them."""
        cells = Cells(block, part.names.index(name), part.words)
        needed = pc.match_substring_regex(cells.texts, needs_quotes(self.delimiter))
        if cells.is_quoted is not None:
            for_old = pc.match_substring_regex(cells.texts, needs_quotes(part.delimiter or ","))
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
