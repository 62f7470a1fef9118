"""Tables into NumPy's files, in constant memory.

.npy   one array: that of the only column, (N,) or (N, *shape), or several columns side by side, (N, D)
.npz   one array a column, under its name

A missing value is NaN, or NaT in dates; whole numbers, truth values and text have none, and are refused with one.
"""

from __future__ import annotations

import io
import math
import tempfile
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .base import Sheet, UnfitError, as_array, is_tensor, rows_per_batch
from .typed import CHUNK, called, cast, is_number

EXACT = 2**53
"""Up to here float64 holds every whole number."""


class NpySheet(Sheet):
    """A .npy file that is being written.

    Raises:
        UnfitError: if no array holds all columns.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema, self._step, self._n_rows = schema, rows_per_batch(schema), 0
        self._dtype, self._shape = _array_of(schema)
        self._file = path.open("wb")
        self._write_header()

    def _write_header(self) -> None:
        # NumPy leaves room for a number of rows of any length
        self._file.seek(0)
        self._file.write(_header(self._dtype, (self._n_rows, *self._shape)))

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        for start in range(0, len(table), self._step):
            rows = table.slice(start, self._step)
            columns = [_exact(_cells(rows, field), self._dtype, field.name) for field in self.schema]
            array = columns[0] if len(columns) == 1 else np.stack(columns, 1)
            self._file.write(array.tobytes())
            self._n_rows += len(rows)

    def close(self) -> None:
        """Say how many rows there are."""
        self._write_header()
        self._file.close()


def _array_of(schema: pa.Schema) -> tuple[np.dtype, tuple[int, ...]]:
    """(type of the cells, shape of a row)."""
    if len(schema) == 1 and is_tensor(schema.field(0).type):
        kind = schema.field(0).type
        return np.dtype(kind.value_type.to_pandas_dtype()), tuple(kind.shape)
    for field in schema:
        if not is_number(field.type):
            raise UnfitError(
                f"column '{field.name}' is of type {called(field.type)}, and a .npy file holds numbers, or one column "
                "of arrays; name a .npz file, or a .parquet file, which holds all types"
            )
    if len({pa.types.is_boolean(kind) for kind in schema.types}) > 1:
        raise UnfitError("some columns are truth values and some are numbers; name a .npz or a .parquet file")
    return np.result_type(*(kind.to_pandas_dtype() for kind in schema.types)), (len(schema),) if len(schema) > 1 else ()


def _exact(array: NDArray[Any], dtype: np.dtype, name: str) -> NDArray[Any]:
    """The same numbers as another type."""
    if dtype.kind == "f" and array.dtype.kind in "iu" and ((array > EXACT) | (array < -EXACT)).any():
        raise UnfitError(
            f"column '{name}' has whole numbers that {dtype}, the type of the whole array, does not hold; name a .npz "
            "file, which has a type for each column"
        )
    return array.astype(dtype)


def _header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    said = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, said)
    return header.getvalue()


def _cells(rows: pa.Table, field: pa.Field) -> NDArray[Any]:
    """A column as an array of the type that its field says."""
    name, kind, column = field.name, field.type, cast(rows.column(field.name), field.type)
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if is_tensor(kind) or is_number(kind):
        numbers = as_array(column)
        if numbers.dtype != (kind.value_type if is_tensor(kind) else kind).to_pandas_dtype():
            raise _missing(name, called(kind))
        return numbers
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _texts(column, name)
    is_local = pa.types.is_timestamp(kind) and kind.tz is None
    if is_local or pa.types.is_date32(kind) or pa.types.is_duration(kind):
        return column.to_numpy()
    raise UnfitError(f"column '{name}' is of type {called(kind)}, which NumPy does not have; name a .parquet file")


def _texts(column: Any, name: str) -> NDArray[np.str_]:
    if column.null_count:
        raise _missing(name, "text")
    cells = column.to_pylist()
    if any(cell.endswith("\0") for cell in cells):
        raise UnfitError(f"column '{name}' has text that ends with a zero byte; name a .parquet file")
    return np.array(cells, dtype=np.str_)


def _missing(name: str, what: str) -> UnfitError:
    return UnfitError(
        f"column '{name}' has a missing value, and in NumPy's files {what} has none; name a .parquet file, or make the "
        "column one of floats"
    )


class NpzSheet(Sheet):
    """A .npz file that is being written: each column to a file of its own, then all of them into the archive."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema, self._path, self._step = schema, path, rows_per_batch(schema)
        empty = schema.empty_table()
        kinds = {field.name: _cells(empty, field) for field in schema}
        self._columns = {name: _Spool(array.dtype, array.shape[1:]) for name, array in kinds.items()}

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        for start in range(0, len(table), self._step):
            rows = table.slice(start, self._step)
            for field in self.schema:
                self._columns[field.name].add(_cells(rows, field))

    def discard(self) -> None:
        """Close the files of the columns."""
        for spool in self._columns.values():
            spool.close()

    def close(self) -> None:
        """Make the archive."""
        with zipfile.ZipFile(self._path, "w") as archive:
            for name, spool in self._columns.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    spool.pour(member)


class _Spool:
    """Parts of an array, one after another; text as wide as the widest of each part."""

    def __init__(self, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self._dtype, self._shape, self._parts = dtype, shape, list[tuple[int, np.dtype]]()
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed when it has been poured out
        self.close = self._file.close

    def add(self, array: NDArray[Any]) -> None:
        """More rows."""
        self._file.write(array.tobytes())
        self._parts.append((len(array), array.dtype))
        self._dtype = max(self._dtype, array.dtype, key=lambda dtype: dtype.itemsize)

    def pour(self, target: IO[bytes]) -> None:
        """The whole array as a .npy file."""
        target.write(_header(self._dtype, (sum(n for n, _ in self._parts), *self._shape)))
        self._file.seek(0)
        for n, part in self._parts:
            if part == self._dtype:
                _copy(self._file, target, n * part.itemsize * math.prod(self._shape))
            else:
                target.write(np.frombuffer(self._file.read(n * part.itemsize), part).astype(self._dtype).tobytes())
        self.close()


def _copy(source: IO[bytes], target: IO[bytes], n_bytes: int) -> None:
    for start in range(0, n_bytes, CHUNK):
        target.write(source.read(min(CHUNK, n_bytes - start)))
