"""Groups of options, as the functions of the command line take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from ..config import Recipe
from ..errors import ConfigError

Flat = Parameter(name="*")
Output = Annotated[Path, Parameter(name=["--output", "-o"])]


ColumnKinds = Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=False)]


@dataclass(frozen=True)
class Kinds:
    """What the user says of the data: kind and levels of all dimensions, or the kinds of single columns."""

    kind: str | None = None
    levels: int | None = None
    column: tuple[str, ...] = ()


def assignments(texts: Sequence[str]) -> dict[str, str]:
    """column=value -> {column: value}.

    Raises:
        ConfigError: if one is not of that form.
    """
    pairs = [text.partition("=") for text in texts]
    for text, (name, sign, _) in zip(texts, pairs, strict=True):
        if not name or not sign:
            raise ConfigError(f"a value is given as column=value, not '{text}'")
    return {name: value for name, _, value in pairs}


def _widths(type_: Any, tokens: Sequence[Token]) -> tuple[int, ...]:
    try:
        return tuple(int(part) for token in tokens for part in token.value.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f"hidden is a list of whole numbers such as 200,200, not '{tokens[0].value}'") from None


def _names(type_: Any, tokens: Sequence[Token]) -> tuple[str, ...]:
    return tuple(part.strip() for token in tokens for part in token.value.split(",") if part.strip())


@dataclass(frozen=True)
class RecipeOptions(Recipe):
    """Recipe, its lists written 200,200."""

    hidden: Annotated[tuple[int, ...], Parameter(converter=_widths, n_tokens=1)] = ()
    condition: Annotated[tuple[str, ...], Parameter(converter=_names, n_tokens=1)] = ()
