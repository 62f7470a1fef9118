"""Where files may be: paths by what a user names, and folders that one process at a time changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ConfigError, RunError
from .urls import local_path, shown, url_of

LOCK = ".lock"
MAX_FOLDERS = 500


def as_path(text: str | Path) -> Path:
    """A path by what a user names; "" is not the current folder, which is called ".".

    Raises:
        ConfigError: if it is empty, or no system has such names.
    """
    if not str(text) or "\0" in str(text):
        raise ConfigError("a path must have a name" if not str(text) else "a path must not hold the character NUL")
    path = local_path(str(text)) or Path(text)
    if len(path.parts) > MAX_FOLDERS:
        raise ConfigError(f"a path of {len(path.parts):,} folders is too long; {MAX_FOLDERS} are the most")
    return path


def require_place(folder: Path) -> None:
    """
    Raises:
        RunError: if no folder can be there: a file is, or the name is too long, or the place is closed.
    """
    try:
        if os.path.lexists(folder) and not folder.is_dir():
            raise RunError(f"{folder} is a file, and a run is a folder; give another name")
        folder.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise RunError(f"{folder}: no folder can be there ({error.strerror}); give another name") from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside the block no other process that asks for the lock changes the folder, which is made if it is not there.
    The lock goes with the process, however that ends.

    Raises:
        RunError: if another has the lock, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    if url_of(folder):
        raise RunError(f"{shown(folder)}: this folder must be on this machine; give a path")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder / LOCK).acquire(blocking=False)
    except Timeout as error:
        raise RunError(
            f"{folder}: another process is writing into this folder; wait until it has ended, or give another folder"
        ) from error
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error}") from error
    with held:
        yield
