"""JSON lines are written: cells as tokens, and lines in which some cells are replaced by others.

Numbers are written in the fewest digits that read back to the same value, dates and times in ISO 8601. JSON has no NaN:
it is missing, null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .base import Masks, Sheet, UnfitError, rows_per_batch
from .typed import called

BLANKS = re.compile(r"[ \t\r\n]*")
DECODER = json.JSONDecoder()


class JsonSheet(Sheet):
    """A file of JSON lines that is being written."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema, self._step = schema, rows_per_batch(schema)
        self._keys = [json.dumps(name, ensure_ascii=False) for name in schema.names]
        for field in schema:
            tokens(pa.nulls(0, field.type), field.name)
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        for start in range(0, len(table), self._step):
            rows = table.slice(start, self._step)
            columns = [tokens(rows[name], name) for name in self.schema.names]
            for cells in zip(*columns, strict=True):
                members = (f"{key}: {cell}" for key, cell in zip(self._keys, cells, strict=True))
                self._file.write("{" + ", ".join(members) + "}\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def tokens(column: Any, name: str) -> list[str]:
    """Each cell of a column as it is written in JSON.

    Raises:
        UnfitError: if JSON has no such values.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind):
        # as text first: the fewest digits of the type itself
        return [_number(None if cell is None else float(cell), name) for cell in column.cast(pa.string()).to_pylist()]
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return ["null" if cell is None else cell for cell in column.cast(pa.string()).to_pylist()]
    is_time = pa.types.is_timestamp(kind) or pa.types.is_date32(kind)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if is_time or is_text or pa.types.is_null(kind):
        return [json.dumps(cell, ensure_ascii=False) for cell in column.cast(pa.string()).to_pylist()]
    raise UnfitError(f"column '{name}' is of type {called(kind)}, for which JSON has no values; name a .parquet file")


def _number(cell: float | None, name: str) -> str:
    if cell is None or cell != cell:
        return "null"
    if cell in (float("inf"), -float("inf")):
        raise UnfitError(f"column '{name}' holds infinity, which JSON does not have; name a .parquet file")
    return repr(cell)


def spliced(data: bytes, new: pa.Table, masks: Masks) -> bytes:
    """Lines with some cells replaced.

    Args:
        data: whole lines, one object each or blank.
        new: a row for each object.
        masks: column -> which cells are replaced.
    """
    changed = {name: mask for name, mask in masks.items() if mask.any()}
    if not changed:
        return data
    replaced: dict[int, dict[str, str]] = {}
    for name, mask in changed.items():
        rows = np.flatnonzero(mask)
        for row, token in zip(rows.tolist(), tokens(_taken(new[name], rows), name), strict=True):
            replaced.setdefault(row, {})[name] = token
    # as bytes: text has line ends that are none in JSON
    lines = [line.decode("utf-8") for line in data.splitlines(keepends=True)]
    places = iter(range(len(lines)))
    return "".join(_line(line, replaced.get(next(places), {})) if line.strip() else line for line in lines).encode()


def _taken(column: Any, rows: NDArray[np.int64]) -> Any:
    return column.take(pa.array(rows))


def _line(line: str, new: Mapping[str, str]) -> str:
    if not new:
        return line
    left, parts, done, last = dict(new), list[str](), 0, 0
    for key, start, end in _members(line):
        if key in left:
            parts += [line[done:start], left.pop(key)]
            done = end
        last = end
    added = [f"{json.dumps(key, ensure_ascii=False)}: {token}" for key, token in left.items()]
    if not added:
        return "".join(parts) + line[done:]
    at = last or line.index("{") + 1
    return "".join(parts) + line[done:at] + (", " if last else "") + ", ".join(added) + line[at:]


def _members(line: str) -> Iterator[tuple[str, int, int]]:
    """(key, where its value begins, where it ends) of each member of the object that a line holds."""
    at = _past_blanks(line, line.index("{") + 1)
    while line[at] != "}":
        key, at = DECODER.raw_decode(line, at)
        start = _past_blanks(line, _past_blanks(line, at) + 1)  # behind the colon
        _, end = DECODER.raw_decode(line, start)
        yield key, start, end
        at = _past_blanks(line, end)
        if line[at] == ",":
            at = _past_blanks(line, at + 1)


def _past_blanks(line: str, at: int) -> int:
    found = BLANKS.match(line, at)
    assert found
    return found.end()
