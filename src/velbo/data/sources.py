"""What a user names on the command line -> rows.

file.npy            an array
file.npz:key        one array of an archive; without the key if there is only one
file.npz:key+labels the same with the labels of its rows
file.csv            a table of numbers with an optional header; empty cells are missing
folder/             images (PNG, JPEG), all of one size, in the order of their names
digits, ...         small data sets that ship with scikit-learn
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, need, unknown
from .arrays import MISSING_WORDS, as_rows, is_number_or_missing

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


LABEL = "label"
"""What the labels of an array's rows are called."""


@dataclass(frozen=True)
class Data:
    """Rows (N, *shape) and what is known of them: names of the columns, a label for each row (N,)."""

    rows: NDArray[Any]
    names: tuple[str, ...] = ()
    labels: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def subset(self, index: NDArray[np.integer]) -> Data:
        """Some of the rows."""
        return Data(self.rows[index], self.names, None if self.labels is None else self.labels[index])


def load(source: str | Path) -> Data:
    """Read rows from a file, a folder of images, or the name of an embedded set.

    Raises:
        DataError: if there is nothing of that name or it cannot be read as rows of numbers.
    """
    text = str(source)
    if text in EMBEDDED:
        return EMBEDDED[text]()
    path, _, key = text.partition(".npz:")
    file = Path(path + ".npz") if key else Path(text)
    if file.is_dir():
        return _checked(_images(file), text)
    if not file.exists():
        if file.suffix or file.parent != Path():
            raise DataError(f"there is no file or folder {file}")
        raise DataError(f"there is no file {file}, and " + str(unknown("embedded data set", text, EMBEDDED)))
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise DataError(
            f"{file}: cannot read '{file.suffix}' files; give one of {', '.join(READERS)}, or a folder of images"
        )
    try:
        return _checked(reader(file, key), text)
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file}: cannot be read: {_first_line(error)}") from error


def _checked(data: Data, what: str) -> Data:
    return Data(as_rows(data.rows, what), data.names, data.labels)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _npy(file: Path, key: str) -> Data:
    if file.stat().st_size == 0:
        raise DataError(f"{file}: the file is empty")
    return Data(np.load(file, allow_pickle=False))


def _npz(file: Path, key: str) -> Data:
    try:
        archive = np.load(file, allow_pickle=False)
        names = list(archive.files)
    except Exception as error:  # a damaged zip raises from several libraries
        raise DataError(f"{file}: not a readable .npz archive ({_first_line(error)})") from error
    if not key and len(names) != 1:
        raise DataError(f"{file} holds {len(names)} arrays; name one: " + ", ".join(f"{file}:{n}" for n in names))
    key = key or names[0]
    rows, _, labels = (key, "", "") if key in names else key.partition("+")
    for name in (rows, labels):
        if name and name not in names:
            raise DataError(f"{file}: " + str(unknown("array", name, names)))
    return Data(archive[rows], labels=archive[labels] if labels else None)


def _csv(file: Path, key: str) -> Data:
    try:
        with file.open(newline="", encoding="utf-8-sig") as f:
            lines = [line for line in csv.reader(f) if any(cell.strip() for cell in line) or len(line) > 1]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: not a text table ({_first_line(error)})") from error
    if not lines:
        raise DataError(f"{file}: the file is empty")
    header = () if all(is_number_or_missing(cell) for cell in lines[0]) else tuple(cell.strip() for cell in lines[0])
    body = lines[1:] if header else lines
    if not body:
        raise DataError(f"{file}: there is a header and no row below it")
    width = len(lines[0])
    rows = np.empty((len(body), width))
    for i, line in enumerate(body, start=2 if header else 1):
        if len(line) != width:
            raise DataError(f"{file}: line {i} has {len(line)} cells, the first line has {width}")
        rows[i - (2 if header else 1)] = [_number(cell, file, i, j, header) for j, cell in enumerate(line)]
    return Data(rows, header)


def _number(cell: str, file: Path, line: int, column: int, header: Sequence[str]) -> float:
    if cell.strip().lower() in MISSING_WORDS:
        return float("nan")
    try:
        return float(cell)
    except ValueError:
        name = f"'{header[column]}'" if header else str(column)
        raise DataError(
            f"{file}: line {line}, column {name} holds {cell.strip()!r}, which is no number; "
            "leave the column out or encode it as numbers"
        ) from None


def _images(folder: Path) -> Data:
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise DataError(f"{folder}: there are no {', '.join(IMAGE_SUFFIXES)} images in this folder")
    image_module = need("PIL.Image", "images")
    pictures = []
    for file in files:
        try:
            with image_module.open(file) as image:
                grey = image.mode in ("1", "L", "LA", "I;16")
                pictures.append(np.asarray(image.convert("L" if grey else "RGB")))
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError(f"{file}: not a readable image ({_first_line(error)})") from error
        if pictures[-1].shape != pictures[0].shape:
            raise DataError(
                f"{file} is {_size(pictures[-1])}, but {files[0].name} is {_size(pictures[0])}; "
                "all images must have one size and be all grey or all coloured"
            )
    return Data(np.stack(pictures))


def _size(picture: NDArray[Any]) -> str:
    height, width = picture.shape[:2]
    return f"{width} x {height} pixels, {'grey' if picture.ndim == 2 else 'coloured'}"


def _digits() -> Data:
    """1,797 handwritten digits, 8 x 8 pixels with 17 levels."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    return Data(bunch.images.astype(np.int64), labels=bunch.target)


def _table(loader: str) -> Callable[[], Data]:
    def read() -> Data:
        from sklearn import datasets

        bunch = getattr(datasets, loader)()
        return Data(bunch.data, tuple(bunch.feature_names), bunch.target)

    return read


EMBEDDED: dict[str, Callable[[], Data]] = {
    "digits": _digits,
    "breast_cancer": _table("load_breast_cancer"),
    "iris": _table("load_iris"),
    "wine": _table("load_wine"),
}

READERS: dict[str, Callable[[Path, str], Data]] = {".npy": _npy, ".npz": _npz, ".csv": _csv}
