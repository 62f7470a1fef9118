"""Files that are whole or absent: temporary file, fsync, rename.

A temporary file or folder is called .PID.tmp.NAME. One that a killed process left goes when NAME is written next, or
when the lock of its folder is taken.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import RunError, need
from .urls import send, url_of

TEMPORARY = re.compile(r"\.(\d+)\.tmp\.(.+)", re.DOTALL)


def temporary_for(path: Path) -> Path:
    """A path beside ``path``, hidden and of the same suffix, that is this process's."""
    return path.with_name(f".{os.getpid()}.tmp.{path.name}")


def remove_temporaries(folder: Path, is_stale: Callable[[int, str], bool]) -> None:
    """Remove the temporary files and folders of which ``is_stale(process id, name)``."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = TEMPORARY.fullmatch(entry.name)
            if found and is_stale(int(found[1]), found[2]):
                _remove(Path(entry.path))


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """It goes by one rename, so that nobody finds a part of it."""
    temporary = temporary_for(folder)
    with suppress(OSError):
        os.replace(folder, temporary)
    shutil.rmtree(temporary, ignore_errors=True)


def is_running(process: int) -> bool:
    """Whether there is a process of this number; where nobody can tell without ending it, there is."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


@contextmanager
def whole_or_absent(*paths: Path) -> Iterator[list[Path]]:
    """A temporary path beside each path to write to inside the block; renamed after it, removed if it raises.

    Of several, all are complete before the first is renamed, and the old ones go before that: whenever the process is
    killed, no set of files is half old and half new. A path that is a URL is sent there, as one object, when all are
    complete: each of several is whole or absent.

    Raises:
        MissingExtraError: if a path is a URL and fsspec is not installed.
        RunError: if the disk is full, or a place cannot be written.
    """
    urls = [url_of(path) for path in paths]
    if not any(urls):
        with _renamed(*paths) as places:
            yield places
        return
    need("fsspec", "remote")
    with tempfile.TemporaryDirectory(prefix="velbo-") as folder:
        # each in a folder of its own: two URLs may end with the same name
        here = [
            p if url is None else Path(folder, str(i), p.name)
            for i, (p, url) in enumerate(zip(paths, urls, strict=True))
        ]
        with _renamed(*here) as places:
            yield places
        for path, url in zip(here, urls, strict=True):
            if url is not None:
                send(path, url)


@contextmanager
def _renamed(*paths: Path) -> Iterator[list[Path]]:
    temporaries, path = [temporary_for(path) for path in paths], paths[0]
    try:
        for path in paths:
            _prepare(path)
        yield temporaries
        for path in paths:
            _sync(temporary_for(path))
        for path in paths[1:] and paths:
            path.unlink(missing_ok=True)
        for path in paths:
            os.replace(temporary_for(path), path)
        for folder in {path.parent for path in paths}:
            _sync(folder)
    except BaseException as error:
        for temporary in temporaries:
            _remove(temporary)
        if isinstance(error, OSError):
            raise RunError(f"{path}: cannot be written: {error}") from error
        raise


def _prepare(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError("there is a folder of this name")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_temporaries(path.parent, lambda process, name: name == path.name and not is_running(process))


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Call ``write`` with a temporary path beside ``path``, then rename: a reader sees the old file or the new one.

    Raises:
        RunError: if the disk is full or the folder cannot be written.
    """
    with whole_or_absent(path) as [temporary]:
        write(temporary)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_folder_atomically(folder: Path, write: Callable[[Path], None]) -> None:
    """As `write_atomically`, for a folder that does not exist yet.

    Raises:
        RunError: if the disk is full or the folder cannot be written.
    """
    temporary = temporary_for(folder)
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        write(temporary)
        os.replace(temporary, folder)
        _sync(folder.parent)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8, whole or absent."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """A file, whole or absent."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)

    write_atomically(path, write)
