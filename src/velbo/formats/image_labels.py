"""What is known of the images of a folder besides their pixels, one row an image.

folders   a column `label`: the name of the folder that an image lies in
table     the columns of a table beside the images, labels.csv or metadata.csv, in which one column holds the names
          of their files: paths from the folder on or names alone, with suffixes or without
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pyarrow as pa

from ..errors import DataError
from .reading import Note, Reading

LABEL, IMAGE = "label", "image"
TABLES = ("labels", "metadata")
FILE_COLUMNS = (
    *("file", "filename", "file_name", "filepath", "file_path", "path"),
    *("image", "image_name", "image_path", "image_file", "img", "name", "image_id", "id"),
)
"""Names of columns that hold the names of files, in lower case; the first that there is counts."""
SHOWN = 3

WAYS: tuple[Callable[[PurePosixPath], str], ...] = (
    str,
    lambda path: path.name,
    lambda path: str(path.with_suffix("")),
    lambda path: path.stem,
)
"""What a table may call the image of a path."""


@dataclass(frozen=True)
class Labels:
    """Columns beside the images.

    Attributes:
        columns: a row for each image; of no columns if nothing was asked for.
        reading: how they were read.
        table: the file that they come from, if they do.
        notes: on that file.
    """

    columns: pa.Table
    reading: Reading = Reading()
    table: Path | None = None
    notes: tuple[Note, ...] = ()


def from_folders(folder: Path, images: Sequence[Path]) -> Labels:
    """The name of the folder of each image (paths from the folder on).

    Raises:
        DataError: if an image lies in none.
    """
    for image in images:
        if image.parent == Path():
            raise DataError(
                f"{folder}: {image} lies in no folder of a class, as other images may; move it into one, or leave "
                "--labels folders out"
            )
    return Labels(pa.table({LABEL: pa.array([image.parent.name for image in images])}), Reading(labels="folders"))


def from_table(folder: Path, images: Sequence[Path], others: Sequence[Path], reading: Reading) -> Labels:
    """The columns of the table beside the images.

    Raises:
        DataError: if there is no such table, or several; if it names no files, or others than there are.
    """
    from .source import open_source  # which opens images too

    path = _table_of(folder, others)
    source = open_source(path, replace(reading, labels="", format=""))
    rows = source.read()
    files = _column_of_files(rows, path)
    rest = rows.drop_columns([files])
    if IMAGE in rest.column_names:
        raise DataError(f"{path}: column '{IMAGE}' has the name of the images' own column; rename it")
    places = _places([_said(cell) for cell in rows[files].cast(pa.string()).to_pylist()], images, path)
    columns = rest.take(pa.array(places, pa.int64())).combine_chunks()
    return Labels(columns, replace(source.reading(), labels="table", format=""), path, tuple(source.notes()))


def _said(cell: str | None) -> str:
    return str(PurePosixPath((cell or "").strip().replace("\\", "/")))


def _table_of(folder: Path, others: Sequence[Path]) -> Path:
    from .registry import format_by_suffix, is_table  # which has images in it

    beside = [file for file in others if file.parent == folder]
    tables = [file for file in beside if is_table(file)]
    named = [file for file in beside if file.stem.lower() in TABLES and format_by_suffix(file)]
    found = named or tables
    if len(found) == 1:
        return found[0]
    held = ", ".join(file.name for file in found) or "none"
    raise DataError(
        f"{folder}: one table beside the images is needed, called labels.csv or metadata.csv; found: {held}"
    )


def _column_of_files(table: pa.Table, path: Path) -> str:
    named = {name.strip().lower(): name for name in reversed(table.column_names)}
    for name in FILE_COLUMNS:
        if name in named:
            return named[name]
    raise DataError(
        f"{path}: no column holds the names of the images' files; call it 'file' (there are: "
        f"{', '.join(table.column_names[:20])})"
    )


def _places(said: Sequence[str], images: Sequence[Path], path: Path) -> list[int]:
    """For each image, the row of the table that names it."""
    for name, n in Counter(said).items():
        if n > 1:
            raise DataError(f"{path}: names '{name}' {n} times; an image has one row")
    row_of = {name: row for row, name in enumerate(said)}
    every = [[way(PurePosixPath(image.as_posix())) for image in images] for way in WAYS]
    called = max(every, key=lambda names: len(row_of.keys() & set(names)) if len(set(names)) == len(names) else -1)
    lacking = [name for name in called if name not in row_of]
    left = sorted(row_of.keys() - set(called))
    for names, words in ((lacking, "there is no row for {}"), (left, "there is no image of the name {}")):
        if names:
            shown = ", ".join(f"'{name}'" for name in names[:SHOWN])
            count = f" (and {len(names) - SHOWN} more)" if len(names) > SHOWN else ""
            raise DataError(f"{path}: {words.format(shown)}{count}; a table of labels has one row for each image")
    return [row_of[name] for name in called]
