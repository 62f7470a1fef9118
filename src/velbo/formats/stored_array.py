"""An array in a file, of which rows are read: NumPy's format, by itself (.npy) or in an archive (.npz).

    magic \\x93NUMPY, version (2 bytes), length of the header (2 or 4 bytes), header: a Python literal, then the cells,
    row by row or (Fortran) column by column

Nothing is unpickled. Cells are read, not mapped into memory: whoever cuts the file short meanwhile would end this
process.
"""

from __future__ import annotations

import ast
import math
import struct
import tempfile
import weakref
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from shutil import copyfileobj, disk_usage
from threading import Lock
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

MAGIC, MAX_HEADER, MAX_AXES = b"\x93NUMPY", 2**16, 32
LOCAL_HEADER, LOCAL_NAMES, ENCRYPTED = 30, 26, 1
"""Of a member of a zip archive: length of its header, where those of its two names stand in it, a flag."""

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


class Header(NamedTuple):
    """What a file says of its array."""

    dtype: np.dtype
    is_fortran: bool
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """Of all cells."""
        return math.prod(self.shape) * self.dtype.itemsize


class StoredArray:
    """An array in a file.

    Args:
        what: its name in messages.
        opened: the file, in which any place can be read.
        start: where in it the array begins.
        end: where it ends at the latest.
        begun: the same bytes for those who read the beginning only.

    Raises:
        DataError: if it is no array, or cut short.
    """

    def __init__(self, what: str, opened: Opener, start: int, end: int, begun: Opener | None = None) -> None:
        self.what, self._opened = what, opened
        with (begun or opened)() as file:
            file.seek(start)
            header = _header(file, what)
            self._start = file.tell()
        self.dtype, self._is_fortran, self.shape = header
        if header.n_bytes > end - self._start and not self.dtype.hasobject:
            raise DataError(
                f"{what}: is cut short: {max(0, end - self._start)} of {header.n_bytes} bytes are there; restore it "
                "from a copy"
            )

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Some rows, as (stop - start, *shape)."""
        n, rest = stop - start, self.shape[1:]
        if not n:
            return np.empty((0, *rest), self.dtype)
        runs = math.prod(rest) if self._is_fortran else 1
        length = n * (1 if self._is_fortran else math.prod(rest))
        stride = self.shape[0] if self._is_fortran else 0
        first = start if self._is_fortran else start * math.prod(rest)
        with self._opened() as file:
            cells = [self._cells(file, first + run * stride, length) for run in range(runs)]
        if not self._is_fortran:
            return cells[0].reshape(n, *rest)
        return np.stack(cells).T.reshape(n, *rest, order="F")

    def _cells(self, file: IO[bytes], first: int, n: int) -> NDArray[Any]:
        file.seek(self._start + first * self.dtype.itemsize)
        data = file.read(n * self.dtype.itemsize)
        if len(data) != n * self.dtype.itemsize:
            raise DataError(f"{self.what}: is shorter than it was when it was opened; read it again")
        return np.frombuffer(data, self.dtype)


def _header(file: IO[bytes], what: str) -> Header:
    try:
        magic, (major, _minor) = file.read(len(MAGIC)), file.read(2)
        if magic != MAGIC:
            raise ValueError("it does not begin as such a file does")
        width = "<H" if major == 1 else "<I"
        (length,) = struct.unpack(width, file.read(struct.calcsize(width)))
        if length > MAX_HEADER:
            raise ValueError(f"its header has {length} bytes")
        said = ast.literal_eval(file.read(length).decode("utf-8" if major >= 3 else "latin-1").strip())
        shape = tuple(said["shape"])
        if not all(type(n) is int and 0 <= n < 2**63 for n in shape) or len(shape) > MAX_AXES:
            raise ValueError(f"its shape is {shape!s:.60}")
        return Header(np.lib.format.descr_to_dtype(said["descr"]), bool(said["fortran_order"]), shape)
    except (ValueError, TypeError, KeyError, SyntaxError, struct.error, MemoryError, RecursionError) as error:
        raise DataError(f"{what}: cannot be read: no NumPy array ({str(error).splitlines()[0]})") from error


def array_in(path: Path) -> StoredArray:
    """The array of a .npy file."""
    return StoredArray(str(path), partial(path.open, "rb"), 0, path.stat().st_size)


def arrays_in(path: Path) -> dict[str, StoredArray]:
    """Name of each array of a .npz file -> the array.

    Raises:
        DataError: if it is no archive, or an array is cut short.
    """
    with _archive(path) as archive:
        members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
    return {m.filename.removesuffix(".npy"): _member(path, m) for m in members}


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DataError:
        raise
    except Exception as error:  # a damaged archive raises from several libraries
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{path}: not a readable .npz archive ({said})") from error


@contextmanager
def _unpacking(path: Path, member: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """A member, from its beginning on."""
    with _archive(path) as archive, archive.open(member) as file:
        yield file


def _member(path: Path, member: zipfile.ZipInfo) -> StoredArray:
    what = f"{path}:{member.filename.removesuffix('.npy')}"
    if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & ENCRYPTED:
        start = _start_of(path, member)
        end = min(start + member.file_size, path.stat().st_size)
        return StoredArray(what, partial(path.open, "rb"), start, end)
    return StoredArray(what, _Unpacked(path, member).opened, 0, member.file_size, partial(_unpacking, path, member))


def _start_of(path: Path, member: zipfile.ZipInfo) -> int:
    """Where the bytes of a member lie that is not compressed."""
    if not 0 <= member.header_offset < path.stat().st_size:
        raise DataError(f"{path}: not a readable .npz archive (its directory points out of it)")
    with path.open("rb") as file:
        file.seek(member.header_offset + LOCAL_NAMES)
        lengths = struct.unpack("<HH", file.read(4).ljust(4, b"\0"))
    return member.header_offset + LOCAL_HEADER + sum(lengths)


class _Unpacked:
    """A compressed member, on disk as it is without: rows in any order, in constant memory. It is made when it is read
    first, and goes when nobody refers to it.
    """

    def __init__(self, path: Path, member: zipfile.ZipInfo) -> None:
        self._path, self._member = path, member
        self._lock, self._file = Lock(), None

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The file, for one reader at a time."""
        with self._lock:
            if self._file is None:
                self._file = self._unpack()
            yield self._file

    def _unpack(self) -> IO[bytes]:
        room = disk_usage(tempfile.gettempdir()).free
        if self._member.file_size > room:
            raise DataError(
                f"{self._path}: '{self._member.filename}' takes {self._member.file_size:,} bytes on disk, and {room:,} "
                f"are free in {tempfile.gettempdir()}; make room, or name another folder in TMPDIR"
            )
        file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this
        weakref.finalize(self, file.close)
        with _unpacking(self._path, self._member) as packed:
            copyfileobj(packed, file)
        return file
