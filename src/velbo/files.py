"""Files that are whole or absent: temporary file, fsync, rename; and folders that one process at a time changes. JSON
and safetensors only; nothing is unpickled.

A temporary file or folder is called .PID.tmp.NAME. One that a killed process left goes when NAME is written next, or
when the lock of its folder is taken.

What is read as JSON is checked against the types of a dataclass: a value of another type, or a key that is none of its
fields, is an error that says where.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import ConfigError, RunError, unknown

T = TypeVar("T")
LOCK = ".lock"
MAX_JSON = 2**28
MAX_FOLDERS = 500
URL_AS_PATH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?=[^/])")
"""How a URL begins that was taken for a path, which has one slash of two."""
TEMPORARY = re.compile(r"\.(\d+)\.tmp\.(.+)", re.DOTALL)

if TYPE_CHECKING:
    from torch import Tensor  # which takes seconds to load, and whoever converts a table does not need


def as_path(text: str | Path) -> Path:
    """A path by what a user names; "" is not the current folder, which is called ".".

    Raises:
        ConfigError: if it is empty, or no system has such names.
    """
    if not str(text) or "\0" in str(text):
        raise ConfigError("a path must have a name" if not str(text) else "a path must not hold the character NUL")
    path = Path(text)
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
    killed, no set of files is half old and half new.

    Raises:
        RunError: if the disk is full or the folder cannot be written.
    """
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
    if URL_AS_PATH.match(str(path)):
        raise RunError(f"{path}: only rows and runs are written to a URL; give a path")
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


def as_json(value: Any) -> Any:
    """A dataclass as what JSON holds."""
    import msgspec

    # msgspec passes over fields that were not said when it made the value
    return msgspec.to_builtins(asdict(value))


def from_json(kind: type[T], value: Any, where: str) -> T:
    """The inverse of `as_json`.

    Args:
        kind: a dataclass.
        value: what JSON held.
        where: names its place in messages.

    Raises:
        ConfigError: for a value of another type, or a key that is no field; the message says where.
    """
    import msgspec

    try:
        found = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from error
    _refuse_unknown(value, as_json(found), where)
    return found


def _refuse_unknown(given: Any, known: Any, where: str) -> None:
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            if key not in known:
                raise unknown(f"key in {where}", key, known)
            _refuse_unknown(value, known[key], f"{where}: {key}")
    elif isinstance(given, list) and isinstance(known, list | tuple):
        for i, (value, other) in enumerate(zip(given, known, strict=True)):
            _refuse_unknown(value, other, f"{where} {i}")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8, whole or absent."""

    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """A file, whole or absent."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(data)

    write_atomically(path, write)


def read_file(path: Path, most: int) -> bytes:
    """All bytes of a file.

    Raises:
        RunError: if it is missing, no plain file (a pipe, a device without end), or has more than ``most`` bytes.
    """
    try:
        said = path.stat()
        if not stat.S_ISREG(said.st_mode):
            raise RunError(f"{path} is no file; name another, or restore it from a copy")
        if said.st_size > most:
            raise RunError(f"{path} has {said.st_size:,} bytes, and such a file has {most:,} at most")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise RunError(f"there is no {path}") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds; no number in it is NaN or infinite, and no text holds half a letter.

    Raises:
        RunError: if the file is missing or not JSON.
    """
    import msgspec

    data = read_file(path, MAX_JSON)
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise RunError(f"{path}: not readable as JSON ({error}); restore it from a copy, or fit again") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """A safetensors file; tensors are copied to the CPU and made contiguous."""
    from safetensors.torch import save

    plain = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}

    def write(temporary: Path) -> None:
        # not save_file, which makes files that no other user can read, whatever the umask says
        temporary.write_bytes(save(plain))

    write_atomically(path, write)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """
    Raises:
        RunError: if the file is missing, cut short, or not safetensors (a pickle, say): nothing in it is executed.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    # not load_file, which maps the file: whoever writes to it later would change these tensors
    data = read_file(path, sys.maxsize)
    try:
        return load(data)
    except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise RunError(
            f"{path}: not a whole safetensors file ({error}); it was cut short or is of another format, "
            "and was not loaded"
        ) from error
