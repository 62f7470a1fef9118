"""JSON lines: one object a line, its keys the columns; a key that a line lacks is missing there.

A first pass over the cells strikes out every type that does not hold one of them (json_types.py); a second one reads.
Neither keeps more than a block. Text that is a date or a time in ISO 8601 throughout a column is read as such, since
JSON has none. Cells that are copied are copied as they are written (json_splice.py).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.json as pj

from ..errors import DataError
from ..files import first_line
from .base import Change, Format, Sequential
from .json_splice import JsonSheet, spliced
from .json_types import TypeGuess, explicit_type
from .reading import Reading
from .typed import UNFIT, bytes_of, cast

BLOCK = 4 * 2**20
"""Bytes that are read at a time, about."""
DEEP = 500
"""Brackets that are open at a time, above which a block is looked at line by line; some may be within text."""
STEPS = np.zeros(256, np.int8)
STEPS[list(b"[{")], STEPS[list(b"]}")] = 1, -1


class JsonLinesPart(Sequential):
    """A file of JSON lines, in UTF-8. Its names are found by reading all of it, once.

    Args:
        path: of the file.
        reading: nothing of it applies.

    Raises:
        DataError: if it is no file of JSON lines.
    """

    form = "JSON lines"
    can_splice = True

    def __init__(self, path: Path, reading: Reading) -> None:
        self.path = path

    @cached_property
    def names(self) -> list[str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Keys of all lines, in the order in which they come first."""
        return list(self._guesses)

    @cached_property
    def _guesses(self) -> dict[str, TypeGuess]:
        guesses: dict[str, TypeGuess] = {}
        texts: set[str] = set()
        for number, data in self._blocks():
            self._check_depth(data, number)
            table = self._parsed(data, number, {name: pa.string() for name in texts})
            names = table.column_names  # before those of known types come first
            # Arrow takes some text for times, and others of the same column not
            times = {field.name for field in table.schema if pa.types.is_timestamp(field.type)}
            if times - texts:
                texts |= times
                table = self._parsed(data, number, {name: pa.string() for name in texts})
            for name in names:
                guess = guesses.setdefault(name, TypeGuess(self.path, name))
                guess.see(table[name], number, lambda name=name, data=data: _whole_numbers(data, name))
        return guesses

    @classmethod
    def schema_of(cls, parts: Sequence[Self]) -> pa.Schema:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Names, and the types that hold what all parts have in them."""
        guesses = {name: TypeGuess(part.path, name) for part in parts for name in part.names}
        for part in parts:
            for name, guess in part._guesses.items():
                guesses[name].join(guess)
        return pa.schema([(name, guess.type) for name, guess in guesses.items()])

    def tables(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """The rows in order, in blocks."""
        for number, data in self._blocks():
            yield self._typed(data, number, schema)

    def _typed(self, data: bytes, number: int, schema: pa.Schema) -> pa.Table:
        own = set(self.names)
        wanted = pa.schema([field for field in schema if field.name in own])
        kinds = {field.name: explicit_type(field.type) for field in wanted}
        table = self._parsed(data, number, kinds, only=True)
        try:
            return pa.Table.from_arrays([cast(table[field.name], field.type) for field in wanted], schema=wanted)
        except UNFIT as error:
            raise DataError(
                f"{self.path}: a cell is not of the type that its column had ({first_line(error)}); was the file "
                "changed meanwhile? Read it again"
            ) from error

    @classmethod
    def splice(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls, parts: Sequence[Self], schema: pa.Schema, targets: Sequence[Path], change: Change
    ) -> int:
        """Copy the lines, but for new cells; the number of rows."""
        n_rows = 0
        for target in targets:
            target.touch()
        for part in parts:
            for number, data in part._blocks():
                rows = part._typed(data, number, schema)
                n_rows += len(rows)
                outcomes = change(rows) if len(rows) else [(rows, {})] * len(targets)
                for target, (new, masks) in zip(targets, outcomes, strict=True):
                    with target.open("ab") as file:
                        file.write(spliced(data, new, masks))
        return n_rows

    def _blocks(self) -> Iterator[tuple[int, bytes]]:
        """(number of the first line, whole lines)."""
        with self.path.open("rb") as file:
            number = 1
            while data := file.read(BLOCK):
                data += file.readline()
                yield number, data
                number += data.count(b"\n")

    def _check_depth(self, data: bytes, number: int) -> None:
        """Arrow's parser ends the process at values that are nested without end."""
        if np.cumsum(STEPS[np.frombuffer(data, np.uint8)], dtype=np.int32).max(initial=0) < DEEP:
            return
        for at, line in enumerate(data.splitlines(), start=number):
            try:
                json.loads(line)
            except RecursionError as error:
                raise DataError(f"{self.path}: line {at} is nested too deeply for a table") from error
            except ValueError:
                continue  # Arrow will say so

    def _parsed(self, data: bytes, number: int, kinds: dict[str, pa.DataType], only: bool = False) -> pa.Table:
        try:
            table = _read(data, kinds, only)
            table.validate(full=True)
            _ = table.column_names  # whose letters are not looked at before
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise DataError(f"{self.path}: {_explained(data, number, error)}") from error
        if len(table) != sum(1 for line in data.splitlines() if line.strip()):
            raise DataError(f"{self.path}: a line from {number} on does not hold one object; write one object a line")
        return table

    def stamp(self) -> Iterator[bytes]:
        """All bytes."""
        return bytes_of(self.path)


def _read(data: bytes, kinds: dict[str, pa.DataType], only: bool) -> pa.Table:
    if not data.strip():
        return pa.schema(list(kinds.items())).empty_table()
    parse = pj.ParseOptions(
        explicit_schema=pa.schema(list(kinds.items())), unexpected_field_behavior="ignore" if only else "infer"
    )
    return pj.read_json(io.BytesIO(data), pj.ReadOptions(use_threads=False, block_size=len(data) + 1), parse)


def _whole_numbers(data: bytes, name: str) -> list[int]:
    """The numbers of a column, if all are written as whole ones, with neither a point nor an exponent; else none."""
    cells = [json.loads(line.decode("utf-8-sig")).get(name) for line in data.splitlines() if line.strip()]
    return [] if any(isinstance(cell, float) for cell in cells) else [cell for cell in cells if cell is not None]


def _explained(data: bytes, number: int, error: Exception) -> str:
    """Arrow counts objects of a block; people look for lines."""
    lines = [(number + i, line) for i, line in enumerate(data.splitlines()) if line.strip()]
    for at, line in lines:
        try:
            value = json.loads(line.decode("utf-8-sig"))
        except UnicodeDecodeError:
            return f"line {at} is not in UTF-8; save the file as UTF-8"
        except json.JSONDecodeError as wrong:
            return f"line {at} is no JSON ({wrong.msg}, at its character {wrong.pos + 1})"
        if not isinstance(value, dict):
            return f"line {at} holds no object; each line must be one, {{...}}, with a key for each column"
    if found := re.search(r"Column\(/(.*?)\) changed from (\w+) to (\w+) in row (\d+)", str(error)):
        name, before, now, row = found.groups()
        at = lines[int(row)][0]
        return f"column '{name}' holds a value of type {now} in line {at}, and {before} before; write it as one type"
    if found := re.search(r"Column\(/(.*?)\) was specified twice in row (\d+)", str(error)):
        return f"line {lines[int(found[2])][0]} has the key '{found[1]}' twice; give each a name of its own"
    return f"cannot be read: {first_line(error)}"


JSON_LINES = Format("jsonl", (".jsonl", ".ndjson"), JsonLinesPart, JsonSheet)
