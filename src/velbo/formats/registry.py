"""All formats. A new one is its file and its line here."""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigError, DataError, unknown
from .arrow import ARROW
from .base import Format, Part
from .excel import EXCEL
from .h5ad import H5AD
from .images import IMAGES, is_image
from .json_lines import JSON_LINES
from .npy import NPY, NPZ
from .parquet import PARQUET
from .reading import Reading
from .text import CSV

FORMATS: tuple[Format, ...] = (
    PARQUET,
    CSV,
    ARROW,
    NPY,
    NPZ,
    JSON_LINES,
    EXCEL,
    H5AD,
    IMAGES,
)

LOOSE = (".txt",)
"""Suffixes of anything: among other files, such as a README beside data, they tell nothing."""


def format_by_suffix(path: str | Path) -> Format | None:
    """The format of a file by its suffix in any case, the longest if several fit; None if none does."""
    name = Path(path).name.lower()
    found = [(len(s), i) for i, kind in enumerate(FORMATS) for s in kind.suffixes if name.endswith(s)]
    return FORMATS[max(found)[1]] if found else None


def is_table(path: Path) -> bool:
    """Whether a file among others is a table by its suffix."""
    return path.suffix.lower() not in LOOSE and format_by_suffix(path) is not None


def format_named(name: str) -> Format:
    """The format that --format names.

    Raises:
        ConfigError: if there is none.
    """
    for kind in FORMATS:
        if kind.name == name:
            return kind
    raise ConfigError(str(unknown("format", name, [kind.name for kind in FORMATS])))


def format_to_read(path: Path, reading: Reading) -> Format:
    """The format that a file is read as.

    Raises:
        DataError: if its suffix is not known.
        ConfigError: if what is said of its format is wrong.
    """
    found = format_named(reading.format) if reading.format else format_by_suffix(path)
    if found is None:
        raise DataError(
            f"{path}: {_what(path)}; velbo reads {', '.join(readable())} files, folders of them, and folders of "
            "images. If it is one of these formats under another name, say which: --format "
            + " or ".join(kind.name for kind in FORMATS)
        )
    return found


def _what(path: Path) -> str:
    if is_image(path):
        return "is one image; name the folder that it lies in, whose images are the rows"
    return f"a '{path.suffix}' file is of no format that is known" if path.suffix else "has no suffix"


def format_to_write(path: str | Path) -> Format:
    """The format that a file is written in.

    Raises:
        DataError: if its suffix is not that of one, or its name is no text.
    """
    _require_text(path)
    found = format_by_suffix(path)
    if found is None or found.write is None:
        raise DataError(f"cannot write '{path}': name a {', '.join(writable())} file")
    return found


def readable() -> list[str]:
    """Suffixes of all formats that are read from a file, as far as they are not those of a compressed one."""
    return [suffix for kind in FORMATS if kind.read for suffix in kind.suffixes if suffix.count(".") == 1]


def writable() -> list[str]:
    """Suffixes of all formats that are written, as far as they are not those of a compressed one."""
    return [suffix for kind in FORMATS if kind.write for suffix in kind.suffixes if suffix.count(".") == 1]


def opened(path: Path, reading: Reading, kind: Format) -> Part:
    """A file as a part.

    Raises:
        DataError: if it is empty or not of the format, or its name is no text.
    """
    _require_text(path)
    if path.is_file() and not path.stat().st_size:
        raise DataError(f"{path}: the file is empty")
    if kind.read is None:
        raise DataError(f"{path}: files of the format {kind.name} are written, and not read")
    return kind.read(path, reading)


def _require_text(path: str | Path) -> None:
    """
    Raises:
        DataError: if a name holds bytes that are no UTF-8, which the readers and writers of tables cannot open.
    """
    if not str(path).isascii() and str(path) != str(path).encode(errors="replace").decode():
        raise DataError(f"{str(path)!r}: the name holds bytes that are no UTF-8; give the file another name")
