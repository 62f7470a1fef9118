"""Which numbers a setting may be, said once, beside its type:

    samples: Annotated[int, Limits(1, 10**6)] = 100

A group of settings is a dataclass that inherits `Checked`: Python, config.json and the command line are then held to
the same. Every number has both ends: NaN and infinity are in no such interval, and a number with too many zeros is
refused before memory is asked for or time is spent.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from .errors import ConfigError

T = TypeVar("T", int, float)
MAX_SHOWN = 60
MAX_LISTED = 10_000


@dataclass(frozen=True)
class Limits:
    """An interval of numbers.

    Attributes:
        low: the least number.
        high: the greatest one.
        above: whether ``low`` itself is left out.
        below: whether ``high`` itself is left out.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False

    def check(self, name: str, value: T) -> T:
        """The value.

        Raises:
            ConfigError: if it is not in the interval.
        """
        if wrong := self._wrong(value):
            raise ConfigError(f"{name} must be {wrong}, not {shown(value)}")
        return value

    def validate(self, value: Any) -> None:
        """The same for an option of the command line, which puts its name before the sentence.

        Raises:
            ValueError: if a number is not in the interval.
        """
        if value is not None and (wrong := self._wrong(value)):
            raise ValueError(f"It must be {wrong}")

    def _wrong(self, value: float) -> str:
        if not (value > self.low if self.above else value >= self.low):  # NaN is neither
            return f"{'more than' if self.above else 'at least'} {self.low:,}"
        if not (value < self.high if self.below else value <= self.high):
            return f"{'less than' if self.below else 'at most'} {self.high:,}"
        return ""


COUNT = Limits(1, 1_000_000)
"""Of samples, steps, points and the like."""
ROWS = Limits(1, 1_000_000_000)
SEED = Limits(0, 2**63, below=True)
SHARE = Limits(0, 1, below=True)
POSITIVE = Limits(0, 1e30, above=True)
NOT_NEGATIVE = Limits(0, 1e30)

MAX_CELLS = 2**22
"""Of a row. A head is built cell by cell, and one of more cells would take minutes to build and gigabytes."""


def shown(value: object) -> str:
    """A value in a message, shortened."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


class Checked:
    """A dataclass of settings, each of its declared type and within its `Limits`. NumPy's numbers become Python's."""

    def __post_init__(self) -> None:
        for name, check in _checks(type(self)).items():
            object.__setattr__(self, name, check(name, getattr(self, name)))


Check = Callable[[str, Any], Any]
"""(name, value) -> the value, or ConfigError."""


@cache
def _checks(group: type) -> dict[str, Check]:
    hints = get_type_hints(group, include_extras=True)
    return {f.name: _check_of(hints[f.name]) for f in fields(cast(Any, group))}


def _check_of(hint: Any) -> Check:
    if get_origin(hint) is Annotated:
        base, *said = get_args(hint)
        limits = next((each for each in said if isinstance(each, Limits)), None)
        return _check_of_base(base, limits)
    return _check_of_base(hint, None)


def _check_of_base(hint: Any, limits: Limits | None) -> Check:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        (base,) = (each for each in inner if each is not type(None))
        check = _check_of_base(base, limits)
        return lambda name, value: None if value is None else check(name, value)
    if origin is tuple:
        check = _check_of_base(inner[0], limits)
        return lambda name, value: tuple(check(name, each) for each in _sequence(name, value))
    convert = CONVERT.get(hint)
    if convert is None:
        return lambda name, value: value

    def checked(name: str, value: Any) -> Any:
        try:
            plain = convert(value)
        except (TypeError, OverflowError):
            raise ConfigError(f"{name} must be {WORDS[hint]}, not {shown(value)}") from None
        return plain if limits is None else limits.check(name, plain)

    return checked


def _sequence(name: str, value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{name} must be a list or tuple, not {shown(value)}")
    if len(value) > MAX_LISTED:
        raise ConfigError(f"{name} must have at most {MAX_LISTED:,} values, not {len(value):,}")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def _number(value: Any) -> float:
    if isinstance(value, bool | str | bytes):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise OverflowError
    return number


def _truth(value: Any) -> bool:
    if value not in (True, False):
        raise TypeError
    return bool(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return str(value)


CONVERT: dict[Any, Callable[[Any], Any]] = {int: _whole, float: _number, bool: _truth, str: _text}
WORDS = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a text"}
