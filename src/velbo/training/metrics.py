"""Files of one JSON object a line: metrics.jsonl, clock.jsonl. A last line that was cut short is none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..files import read_file, write_bytes

MAX_BYTES = 2**30
RESTORE = "restore the file from a copy, or fit again"


def append(file: Path, record: dict[str, Any]) -> None:
    """
    Raises:
        RunError: if the file cannot be written.
    """
    try:
        with file.open("a", encoding="utf-8") as f:
            f.write(json.dumps(record, allow_nan=False) + "\n")
    except OSError as error:
        raise RunError(f"{file}: cannot be written: {error}") from error


def read(file: Path, n_lines: int | None = None) -> list[dict[str, Any]]:
    """Every line, or the first.

    Raises:
        RunError: if one is damaged, or there are fewer than ``n_lines``.
    """
    lines = _lines(file)[:n_lines]
    if lines and not lines[-1].endswith(b"\n"):
        lines.pop()
    if len(lines) < (n_lines or 0):
        raise RunError(f"{file}: {n_lines} lines are wanted, and {len(lines)} are there; {RESTORE}")
    return [_record(line, f"{file}: line {i + 1}") for i, line in enumerate(lines)]


def truncate(file: Path, n_lines: int) -> None:
    """Keep the first lines, if there is such a file."""
    if os.path.lexists(file):
        write_bytes(file, b"".join(_lines(file)[:n_lines]))


def _lines(file: Path) -> list[bytes]:
    return read_file(file, MAX_BYTES).splitlines(keepends=True) if os.path.lexists(file) else []


def _record(line: bytes, where: str) -> dict[str, Any]:
    """
    Raises:
        RunError: if it holds no object of numbers.
    """
    import msgspec

    try:
        return msgspec.json.decode(line, type=dict[str, float | int | None])
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise RunError(f"{where} is damaged ({error}); {RESTORE}") from error
