"""From what a user names to parts that are open: a file, a folder, a built-in data set, a URL, each with columns after
a colon or without.

A folder with images in it is a folder of images; else its files of known formats are parts of one table.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DataError, unknown
from ..files import is_url, local_path
from .base import Format, Part
from .builtin import BUILTIN, BUILTIN_FORMAT
from .folder import ABOUT, SUCCESS, files_in, is_marked
from .images import IMAGES, is_image
from .reading import Note, Reading
from .registry import format_by_suffix, format_named, format_to_read, is_table, opened, readable
from .remote import Download, fetched


@dataclass(frozen=True)
class Opened:
    """Parts of one source.

    Attributes:
        name: as the user gave it.
        path: of the file or folder that it names.
        parts: of one format.
        format: of theirs.
        columns: names of columns, or a text as after a colon; empty for the usual ones.
        notes: on the whole.
        keep: what must live as long as the parts.
    """

    name: str
    path: Path
    parts: Sequence[Part]
    format: Format
    columns: str | Sequence[str] = ""
    notes: tuple[Note, ...] = ()
    keep: Any = None


def open_parts(name: str | Path, reading: Reading) -> Opened:
    """What a name stands for, opened.

    Raises:
        DataError: if there is nothing of that name, or it is of no format that is known.
        ConfigError: if what is said does not apply.
    """
    text = str(name)
    if isinstance(name, str) and is_url(text):
        return _open_url(text, reading)
    place, columns = _split(text, reading)
    if place in BUILTIN and not (isinstance(name, Path) and name.exists()):
        return replace(_open_builtin(place), name=text, columns=columns)
    return replace(_open_path(Path(place), reading), name=text, columns=columns)


def absolute_name(name: str) -> str:
    """The name of what holds rows, from any folder."""
    place, columns = _split(name, Reading())
    if is_url(name) or place in BUILTIN:
        return name
    return str(Path(place).resolve()) + (f":{columns}" if columns else "")


def _split(text: str, reading: Reading) -> tuple[str, str]:
    """(path or built-in name, columns): at the first colon before which something stands that there is."""
    # not by Path, which raises on what is too long for a name
    if text in BUILTIN or os.path.exists(text):
        return text, ""
    heads = [text[: colon.start()] for colon in re.finditer(":", text)]
    for head in heads:
        is_file = os.path.isfile(head) and (format_by_suffix(head) or reading.format)
        # one letter is a drive of Windows
        if head in BUILTIN or is_file or (len(head) > 1 and os.path.isdir(head)):
            return head, text[len(head) + 1 :]
    return next((head for head in heads if format_by_suffix(head)), text), ""


def _open_builtin(name: str) -> Opened:
    part = BUILTIN[name]()
    note = Note(f"'{name}' is the built-in data set, and not the folder or file of that name.", option=f"./{name}")
    return Opened(name, part.path, [part], BUILTIN_FORMAT, notes=(note,) if Path(name).exists() else ())


def _open_path(path: Path, reading: Reading) -> Opened:
    if not os.path.exists(path):
        if path.suffix or path.parent != Path():
            raise DataError(f"there is no file or folder {path}")
        raise DataError(f"there is no file or folder {path}, and " + str(unknown("built-in data set", path, BUILTIN)))
    if not path.is_dir() and not path.is_file():
        raise DataError(f"{path} is a pipe or a device, and rows are read more than once; write them into a file first")
    files, kind = _files_of(path, reading) if path.is_dir() else ([path], format_to_read(path, reading))
    if reading.labels and kind is not IMAGES:
        raise ConfigError(f"--labels is for folders of images, and {path} is none; leave it out")
    return Opened(str(path), path, [opened(file, reading, kind) for file in files], kind)


def _files_of(folder: Path, reading: Reading) -> tuple[list[Path], Format]:
    """(files, or the folder itself if it is one of images; their format)."""
    if (folder / ABOUT).exists() and not (folder / SUCCESS).exists():
        raise DataError(f"{folder}: not all of its parts are there yet; give the command again that writes them")
    files = files_in(folder)
    known = [file for file in files if format_by_suffix(file) and not is_marked(file, folder)]
    tables = [file for file in known if is_table(file)] or known
    if reading.format and reading.format != IMAGES.name:
        kind = format_named(reading.format)
        return _some([file for file in files if not is_marked(file, folder)], folder), kind
    unknown_files = len(files) > len(tables)
    if reading.format or (unknown_files and any(is_image(file) for file in files)):
        return [folder], IMAGES
    return _some(tables, folder), _one_format(tables, folder)


def _some(files: list[Path], folder: Path) -> list[Path]:
    if not files:
        raise DataError(f"{folder}: no table in this folder, and no images; it must hold {', '.join(readable())} files")
    return files


def _one_format(files: Sequence[Path], folder: Path) -> Format:
    kinds = [format_by_suffix(file) for file in files]
    for file, kind in zip(files, kinds, strict=True):
        if kind is not kinds[0]:
            raise DataError(
                f"{folder}: {files[0].relative_to(folder)} and {file.relative_to(folder)} are of two formats; put them "
                "into folders of their own"
            )
    assert kinds[0] is not None
    return kinds[0]


def _open_url(url: str, reading: Reading) -> Opened:
    place, columns = url, ""
    if found := re.fullmatch(r"(.+?):([^/]+)", url):
        head, rest = found.groups()
        if format_by_suffix(head.partition("?")[0]):
            place, columns = head, rest
    local = local_path(place)
    download: Download | None = None if local else fetched(place)
    path = local or download.path  # pyright: ignore[reportOptionalMemberAccess]
    try:
        return replace(_open_path(path, reading), name=url, columns=columns, keep=download)
    except DataError as error:
        raise type(error)(str(error).replace(str(path), place)) from error
