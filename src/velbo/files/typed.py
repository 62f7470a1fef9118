"""JSON that is checked against the types of a dataclass: a value of another type, or a key that is none of its fields,
is an error that says where.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, TypeVar

from ..errors import ConfigError, unknown

T = TypeVar("T")


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
