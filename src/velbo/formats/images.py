"""A folder of images, of any format that Pillow reads: a column `image` of arrays, in the order of the files' paths.

All images must have one size and one form (pictures.py). Headers are read when the folder is opened, pixels when they
are asked for, a group of images at a time. What is known of the images besides is read on request: the folder that each
lies in, or a table beside them (image_labels.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..errors import ConfigError, DataError, unknown
from .base import Format, as_tensor_column, rows_per_batch
from .folder import files_in
from .image_labels import Labels, from_folders, from_table
from .pictures import DTYPES, Look, image_suffixes, joint_form, look, pixels, shape_of
from .reading import Note, Reading
from .typed import TypedPart, bytes_of

COLUMN = "image"
IMAGES_PER_GROUP = 256
SHOWN = 3
"""Names that are given as examples."""
LABELS = ("folders", "table")


def is_image(file: Path) -> bool:
    """Whether a file is one by its suffix."""
    return file.suffix.lower() in image_suffixes()


class ImageFolder(TypedPart):
    """A folder of images.

    Args:
        path: of the folder.
        reading: of which `labels` counts, and all that is said of how a table beside the images is read.

    Raises:
        DataError: if there are no images, or they have several sizes or forms.
    """

    def __init__(self, path: Path, reading: Reading) -> None:
        self.path = path
        files = files_in(path)
        self._files = [file for file in files if is_image(file)]
        self._others = [file for file in files if not is_image(file)]
        if not self._files:
            raise DataError(f"{path}: there are no images in this folder; it holds {_some(self._others, path)}")
        self._looks = [look(file) for file in self._files]
        self._form = self._common_form()
        self._labels = self._read_labels(reading)
        cells = pa.from_numpy_dtype(np.dtype(DTYPES[self._form]))
        self._shape = shape_of(self._looks[0].size, self._form)
        image = pa.field(COLUMN, pa.fixed_shape_tensor(cells, self._shape))
        self.schema = self.written = pa.schema([image, *self._labels.columns.schema])

    def _common_form(self) -> str:
        first: dict[tuple[tuple[int, int], str], tuple[Path, Look]] = {}  # of each size and form
        for file, each in zip(self._files, self._looks, strict=True):
            for other, before in first.values():
                if each.size != before.size or joint_form({each.form, before.form}) is None:
                    raise DataError(
                        f"{file} is {each}, but {other.relative_to(self.path)} is {before}; all images must have one "
                        "size and be all grey or all coloured: convert them first"
                    )
            first.setdefault((each.size, each.form), (file, each))
        form = joint_form({form for _, form in first})
        assert form is not None
        return form

    def _read_labels(self, reading: Reading) -> Labels:
        names = [file.relative_to(self.path) for file in self._files]
        if not reading.labels:
            return Labels(pa.table({}))
        if reading.labels not in LABELS:
            raise ConfigError(str(unknown("source of labels", reading.labels, LABELS)))
        if reading.labels == "folders":
            return from_folders(self.path, names)
        return from_table(self.path, names, self._others, reading)

    @cached_property
    def sizes(self) -> tuple[int, ...]:  # pyright: ignore
        """Images of each group."""
        step, n = min(IMAGES_PER_GROUP, rows_per_batch(self.schema)), len(self._files)
        return tuple(min(step, n - start) for start in range(0, n, step))

    def group(self, index: int) -> pa.Table:
        """The images of one group."""
        start = index * self.sizes[0]
        files = slice(start, start + self.sizes[index])
        columns = {name: self._labels.columns[name][files] for name in self.names if name != COLUMN}
        if COLUMN in self.names:
            arrays = [self._array(file) for file in self._files[files]]
            columns[COLUMN] = as_tensor_column(np.stack(arrays))
        return pa.table({name: columns[name] for name in self.names})

    def _array(self, file: Path) -> np.ndarray:
        array = pixels(file, self._form)
        if array.shape != self._shape:
            raise DataError(f"{file}: has shape {array.shape}, and its header said {self._shape}; save it anew")
        return array

    def pieces(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """The images in order, a group at a time."""
        for index in range(len(self.sizes)):
            yield self.group(index)

    def reading(self) -> Reading:
        """Where labels come from, and how their table was read."""
        return self._labels.reading

    def notes(self) -> list[Note]:
        """What is not shown as it is, and what is not read."""
        transparent = [f for f, each in zip(self._files, self._looks, strict=True) if each.has_alpha]
        printed = [f for f, each in zip(self._files, self._looks, strict=True) if each.is_print]
        several = [f for f, each in zip(self._files, self._looks, strict=True) if each.has_more]
        said = [
            (transparent, "What is transparent in {} is shown on white."),
            (printed, "Colours of print in {} are taken for red, green and blue without their colour profile."),
            (several, "There are further pictures in {}; the first of each file is read."),
        ]
        notes = [Note(text.format(_some(files, self.path)), column=COLUMN) for files, text in said if files]
        return [*notes, *self._notes_on_labels(), *self._labels.notes]

    def _notes_on_labels(self) -> list[Note]:
        from .registry import is_table  # which has this format in it

        notes, used = [], self._labels
        unused = [file for file in self._others if file != used.table]
        tables = [file for file in unused if is_table(file)]
        rest = [file for file in unused if not is_table(file)]
        if tables:
            text = f"Not read: the tables beside the images, {_some(tables, self.path)}."
            notes.append(Note(text, "--labels table", in_doubt=len(tables) > len(self._files)))
        if rest:
            notes.append(Note(f"No images, and left out: {_some(rest, self.path)}."))
        folders = sorted({file.parent.name for file in self._files if file.parent != self.path})
        if folders and not used.columns.num_columns:
            shown = ", ".join(folders[:SHOWN]) + (", ..." if len(folders) > SHOWN else "")
            notes.append(Note(f"The images lie in folders whose names are not read: {shown}.", "--labels folders"))
        return notes

    def stamp(self) -> Iterator[bytes]:
        """Names and bytes of all images, and of the table of their labels."""
        for file in [*self._files, *([self._labels.table] if self._labels.table else [])]:
            yield f"{file.relative_to(self.path).as_posix()}\0{file.stat().st_size}\0".encode()
            yield from bytes_of(file)


def _some(files: Sequence[Path], folder: Path) -> str:
    """Files by number, and the first of them by name."""
    if not files:
        return "no files"
    shown = ", ".join(str(file.relative_to(folder)) for file in files[:SHOWN])
    more = ", ..." if len(files) > SHOWN else ""
    return f"{len(files)} file{'s' * (len(files) > 1)} ({shown}{more})"


IMAGES = Format("images", (), ImageFolder, None, extra="images")
