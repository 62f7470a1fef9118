"""NumPy's files: an array in .npy, several under names in .npz.

An array (N, *shape) is a column of tensors, an array (N,) a column of plain values, and an array of
records a column for each of their fields. A .npy file has no names; its column is called x.

    numbers, truth values     as they are; half precision and foreign byte order as numbers of this machine
    datetime64, timedelta64   timestamps, dates and durations; NaT is a missing value
    text                      text

A group is a batch of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import DataError
from .base import Format, as_tensor_column, rows_per_batch
from .npy_writing import NpySheet, NpzSheet
from .reading import Note, Reading
from .stored_array import StoredArray, array_in, arrays_in
from .typed import TypedPart

COLUMN = "x"
CHANNELS = (1, 3, 4)
COARSE = {"Y": "D", "M": "D", "W": "D", "D": "D", "h": "s", "m": "s"}
"""Units of NumPy's that Arrow does not have -> those that hold them (of durations, seconds throughout)."""


@dataclass(frozen=True)
class _Column:
    """A column of an array, or of a field of its records."""

    array: StoredArray
    field: str | None = None

    @property
    def what(self) -> str:
        """Its name in messages."""
        return self.array.what if self.field is None else f"{self.array.what}, field '{self.field}'"

    def check(self) -> None:
        """
        Raises:
            DataError: if these are no rows that a column can hold.
        """
        kind, shape = self.array.dtype, self.array.shape
        if self.field is not None:
            kind = kind[self.field]
            shape = (*shape, *kind.shape)
        if advice := _advice(kind.base, shape):
            raise DataError(f"{self.what}: {advice}")

    def rows(self, start: int, stop: int) -> pa.Array:
        """Some of its cells."""
        array = self.array.rows(start, stop)
        return _as_column(array if self.field is None else array[self.field], self.what)


class ArrayPart(TypedPart):
    """Columns that lie in a file as arrays.

    Args:
        path: of the file.
        arrays: name -> array.
    """

    def __init__(self, path: Path, arrays: Mapping[str, StoredArray]) -> None:
        self.path, self._columns = path, dict[str, _Column]()
        for name, array in arrays.items():
            fields = array.dtype.names
            self._columns |= {f: _Column(array, f) for f in fields} if fields else {name: _Column(array)}

    @property
    def names(self) -> list[str]:
        """Of the arrays, or of the fields of their records."""
        return list(self._columns)

    def select(self, names: Sequence[str]) -> ArrayPart:  # pyright: ignore[reportIncompatibleMethodOverride]
        """These columns alone; the other arrays need not even be of such rows."""
        part = type(self)(self.path, {})
        part._columns = {name: self._columns[name] for name in names}
        return part

    @cached_property
    def schema(self) -> pa.Schema:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Names and types.

        Raises:
            DataError: if an array is none of rows of numbers, dates or text.
        """
        for column in self._columns.values():
            column.check()
        return pa.schema([(name, column.rows(0, 0).type) for name, column in self._columns.items()])

    @property
    def written(self) -> pa.Schema:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The same."""
        return self.schema

    @cached_property
    def sizes(self) -> tuple[int, ...]:  # pyright: ignore
        """Rows of each batch.

        Raises:
            DataError: if the arrays have different numbers of rows.
        """
        schema, shapes = self.schema, {name: column.array.shape for name, column in self._columns.items()}
        n_rows = next(iter(shapes.values()))[0]
        if any(shape[0] != n_rows for shape in shapes.values()):
            said = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise DataError(
                f"{self.path} holds {len(shapes)} arrays of different numbers of rows: {said}; name those to read: "
                + " or ".join(f"{self.path}:{name}" for name in list(shapes)[:4])
            )
        step = rows_per_batch(schema)
        return tuple(min(step, n_rows - start) for start in range(0, n_rows, step))

    @classmethod
    def schema_of(cls, parts: Sequence[Self]) -> pa.Schema:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Names and types, once the arrays are known to be of the same rows."""
        for part in parts:
            _ = part.sizes
        return super().schema_of(parts)

    def group(self, index: int) -> pa.Table:
        """The rows of one batch."""
        start = index * self.sizes[0]
        columns = [column.rows(start, start + self.sizes[index]) for column in self._columns.values()]
        return pa.Table.from_arrays(columns, names=self.names)

    def pieces(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """The rows in order."""
        for index in range(len(self.sizes)):
            yield self.group(index)

    def notes(self) -> list[Note]:
        """Arrays that look like images with their channels first."""
        shapes = {name: column.array.shape for name, column in self._columns.items()}
        return [_channels_first(name, shape) for name, shape in shapes.items() if _has_channels_first(shape)]


def _advice(dtype: np.dtype, shape: tuple[int, ...]) -> str:
    """What is wrong with an array, and what to do; nothing if nothing is."""
    if not shape:
        return "is one value and no rows; name the arrays that have rows"
    if 0 in shape[1:]:
        return f"it has no columns (shape {shape})"
    return _advice_on_cells(dtype, len(shape))


def _advice_on_cells(dtype: np.dtype, n_axes: int) -> str:
    if dtype.hasobject:
        return (
            "holds Python objects, which are pickled and could execute anything when they are loaded; save numbers: "
            "np.save(path, np.stack(list(array)).astype(float))"
        )
    if dtype.kind == "c":
        return "Complex data not supported; give real and imaginary parts as two columns: np.stack([x.real, x.imag], 1)"
    if dtype.kind in "USMm" and n_axes > 1:
        return f"holds {dtype} in {n_axes} axes; numbers have several, text and dates one: a column for each array"
    if dtype.kind in "Mm" and np.datetime_data(dtype)[0] not in (*COARSE, "s", "ms", "us", "ns"):
        return f"holds {dtype}, which Arrow does not have; convert it: x.astype('{dtype.kind}8[ns]')"
    if dtype.kind == "f" and dtype.itemsize > 8:
        return f"holds {dtype}, which few programs have; convert it: x.astype('float64')"
    if dtype.kind not in "buifUSMm" or not dtype.itemsize:
        return f"cells of type {dtype} are no numbers; convert them first"
    return ""


def _as_column(array: NDArray[Any], what: str) -> pa.Array:
    kind = array.dtype.kind
    if kind not in "USMm":
        return as_tensor_column(array)
    array = array.astype(array.dtype.newbyteorder("="))
    try:
        if kind == "S":
            return pa.array(array).cast(pa.string())
        if kind == "U":
            return pa.array(array)
    except pa.ArrowInvalid as error:
        raise DataError(f"{what}: holds bytes that are no text in UTF-8; decode them: np.char.decode(x)") from error
    except UnicodeError as error:
        raise DataError(f"{what}: holds numbers that are no letters; restore it from a copy") from error
    if kind in "Mm":
        unit = np.datetime_data(array.dtype)[0]
        coarse = COARSE.get(unit, unit)
        array = array.astype(f"{kind}8[{'s' if kind == 'm' and coarse == 'D' else coarse}]")
    return pa.array(array)


def _has_channels_first(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[1] in CHANNELS and shape[2] == shape[3] and shape[3] not in CHANNELS


def _channels_first(name: str, shape: tuple[int, ...]) -> Note:
    return Note(
        f"The array '{name}' has shape {shape}: images with their channels first, by the look of it; the last axis is "
        "taken for the channels.",
        option="np.moveaxis(x, 1, -1)",
        column=name,
        in_doubt=True,
    )


class NpyPart(ArrayPart):
    """A .npy file.

    Raises:
        DataError: if it is none, or holds records in several axes.
    """

    @classmethod
    def opened(cls, path: Path, reading: Reading) -> NpyPart:
        """Open one."""
        stored = array_in(path)
        if len(stored.shape) > 1 and stored.dtype.names:
            raise DataError(f"{path}: records are rows of one axis, not of shape {stored.shape}; save array.ravel()")
        return cls(path, {COLUMN: stored})


class NpzPart(ArrayPart):
    """A .npz file.

    Raises:
        DataError: if it is none, or has no arrays.
    """

    @classmethod
    def opened(cls, path: Path, reading: Reading) -> NpzPart:
        """Open one."""
        arrays = arrays_in(path)
        if not arrays:
            raise DataError(f"{path}: there is no array in this archive; write some: np.savez(path, x=x)")
        return cls(path, arrays)


NPY = Format("npy", (".npy",), NpyPart.opened, NpySheet, has_names=False)
NPZ = Format("npz", (".npz",), NpzPart.opened, NpzSheet)
