"""The files of a folder and of the folders in it, in the order of their paths.

Left out is what systems put there unasked: hidden files, ._NAME of a Mac, Thumbs.db. Folders that are called key=value,
as Hive's, add a column for each key.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from ..errors import DataError
from .typed import UNFIT

JUNK = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
SYSTEM = frozenset(("/", "/dev", "/etc", "/proc", "/sys", "/usr", "/var"))
MAX_FILES = 10_000_000
ABOUT, SUCCESS = "_work.json", "_SUCCESS"
"""Of a folder of parts that is being written: what they are of; and that all are there."""
HIVE_MISSING = "__HIVE_DEFAULT_PARTITION__"


def files_in(folder: Path) -> list[Path]:
    """All files that a user put there; links are followed, each folder once.

    Raises:
        DataError: for the whole of a system, or more files than a data set has.
    """
    if os.path.realpath(folder) in SYSTEM:
        raise DataError(f"{folder} is no folder of data, but a system's own; name the folder that the data are in")
    found, seen = [], set[str]()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        if real in SYSTEM:
            raise DataError(f"{place} leads to {real}, a system's own folder; remove the link")
        if len(found) > MAX_FILES:
            raise DataError(f"{folder} holds more than {MAX_FILES:,} files; name a folder with fewer")
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _is_junk(name))
        found += [Path(place, name) for name in files if not _is_junk(name)]
    return sorted(found)


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.lower() in JUNK


def is_marked(file: Path, folder: Path) -> bool:
    """Whether a file is none of a table's, as Spark and Hive mark it: its name, or a folder's, begins with _."""
    return any(name.startswith("_") for name in file.relative_to(folder).parts)


def hive_keys(folder: Path, files: Sequence[Path]) -> dict[str, Any]:
    """Key -> its value for each file, an Arrow array.

    Raises:
        DataError: if some files have keys that others lack.
    """
    found = [_pairs(file.relative_to(folder)) for file in files]
    for file, keys in zip(files, found, strict=True):
        if keys.keys() != found[0].keys():
            raise DataError(
                f"{folder}: the folders of {file.relative_to(folder)} give the keys ({', '.join(keys)}) and those of "
                f"{files[0].relative_to(folder)} ({', '.join(found[0])})"
            )
    return {key: _typed(pa.array([keys[key] for keys in found], pa.string())) for key in found[0]}


def _pairs(file: Path) -> dict[str, str | None]:
    pairs = [name.split("=", 1) for name in file.parent.parts if "=" in name]
    return {unquote(key): None if value == HIVE_MISSING else unquote(value) for key, value in pairs}


def _typed(values: Any) -> Any:
    """Values as whole numbers, numbers or days, if they are all of them; with zeros before them they are text."""
    cells = values.drop_null()
    if any(cell[:1] == "0" and len(cell) > 1 and cell.isdigit() for cell in cells.to_pylist()):
        return values
    for kind in (pa.int64(), pa.float64(), pa.date32()):
        try:
            return values.cast(kind)
        except UNFIT:
            continue
    return values
