"""Results on stdout and in files; talk on stderr."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..files import shown
from ..tables import Table
from .app import say


class Result(Protocol):
    """What is measured."""

    def to_json(self) -> dict[str, Any]: ...

    def table(self) -> Table: ...


def naming_parts(recipe: str) -> str:
    """What a command is to be told after a run, if its recipe is of a user's own; nothing for velbo's."""
    from ..build import is_own

    return f" --model {recipe}" if is_own(recipe) else ""


def check_output(*paths: Path) -> None:
    """Raise DataError for a file of no known format; to be called before work that would be lost."""
    from ..formats.registry import format_to_write

    for path in paths:
        format_to_write(path)


def write_rows(path: Path, values: Any, prefix: str = "x") -> None:
    """Rows into a file of any format: an array, whose columns are called by the prefix, or rows of any container."""
    from ..formats import write_table
    from ..rows.results import as_table

    table = as_table(values, prefix)
    write_table(table, path)
    say(f"wrote {len(table)} rows to {shown(path)}")


def print_table(table: Table | Sequence[Mapping[str, Any]]) -> None:
    """Aligned columns on stdout, as wide as the terminal if it is one."""
    shown = table if isinstance(table, Table) else Table.of(table)
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    print(shown.text(shutil.get_terminal_size().columns if is_terminal else None))


def print_json(value: Any) -> None:
    """For programs: one JSON value on stdout, its numbers exact; null for a number that is none."""
    print(json.dumps(_of_json(value), allow_nan=False))


def _of_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _of_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_of_json(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_result(found: Result, as_json: bool) -> None:
    """One result on stdout: its figures with their meanings, or one JSON object."""
    if as_json:
        print_json(found.to_json())
    else:
        print_table(found.table())


def flat(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values, those of what lies in it under both names."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from ((f"{name} {part}", inner) for part, inner in flat(value))
        else:
            yield name, value
