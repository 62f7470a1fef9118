"""What files hold: JSON and safetensors only; nothing is unpickled."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RunError
from .urls import shown
from .whole import write_atomically, write_text

if TYPE_CHECKING:
    from torch import Tensor  # which takes seconds to load, and whoever converts a table does not need

MAX_JSON = 2**28


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
        raise RunError(f"there is no {shown(path)}") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


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
