"""An objective in one word: ``name`` or ``name:option=value:option=value``, as in ``renyi:alpha=0.5:samples=10``.

Options are those fields of the objective that are plain numbers, by their own names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, cast

from ..errors import ConfigError, unknown
from .base import Objective

NUMBERS: dict[str, tuple[Callable[[str], float], str]] = {
    "int": (int, "a whole number (int)"),
    "float": (float, "a number (float)"),
}


def split_spec(spec: str) -> tuple[str, dict[str, str]]:
    """Name and options as text.

    Raises:
        ConfigError: if it is not written so.
    """
    name, *parts = spec.split(":")
    options = dict[str, str]()
    for part in parts:
        option, _, value = part.partition("=")
        if not option or not value or option in options:
            raise ConfigError(
                f"objective '{spec}': '{part}' is no option=value, or a second one; write name:option=value, as in "
                "renyi:alpha=0.5"
            )
        options[option] = value
    return name, options


def options_of(objective: Objective) -> dict[str, str]:
    """Option -> type, "int" or "float"."""
    return {f.name: str(f.type) for f in fields(cast(Any, objective)) if f.type in NUMBERS}


def read_options(name: str, objective: Objective, texts: dict[str, str]) -> dict[str, Any]:
    """The values of options, by the types of the objective's fields.

    Raises:
        ConfigError: for an option that it does not have, or a value of another type.
    """
    types, values = options_of(objective), dict[str, Any]()
    for option, text in texts.items():
        if option not in types:
            raise unknown(f"option of objective '{name}'", option, types)
        convert, wanted = NUMBERS[types[option]]
        try:
            values[option] = convert(text)
        except ValueError:
            raise ConfigError(f"option {option} of objective '{name}' takes {wanted}, not '{text}'") from None
    return values
