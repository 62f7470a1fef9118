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


def _widths(type_: Any, tokens: Sequence[Token]) -> tuple[int, ...]:
    try:
        return tuple(int(part) for token in tokens for part in token.value.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f"hidden is a list of whole numbers such as 200,200, not '{tokens[0].value}'") from None


@dataclass(frozen=True)
class RecipeOptions(Recipe):
    """Recipe, its widths written 200,200."""

    hidden: Annotated[tuple[int, ...], Parameter(converter=_widths, n_tokens=1)] = ()
