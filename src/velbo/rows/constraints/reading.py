"""Constraints as people write them -> what they are, for known columns; the grammar is in the package's first lines.

Signs stand between blanks; where nothing is found so, blanks may be left out: a+b=c. What is a name as a whole is one,
whatever signs are in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ...errors import ConfigError, unknown
from ..field import Field
from ..kinds import kind_of
from . import Constraint
from .combination import Combination
from .linear import Linear

SIGNS = ("<=", ">=", "<", ">", "=")
FORMS = "'start <= end', 'a + b = c' or 'city with country'"


def constraints_of(text: str, fields: Sequence[Field]) -> list[Constraint]:
    """What a text declares: several inequalities if it is a chain.

    Raises:
        ConfigError: for what is none of these forms, a name that there is not, or a column that has no numbers.
    """
    known = {f.name: f for f in fields if kind_of(f).is_modelled and not f.shape}
    hidden, real = _hidden(text, known)
    names = [real.get(part, part) for part in _parts(hidden, ["with"])[::2]]
    if len(names) > 1:
        for name in names:
            _require(text, name, known)
        return [Combination(text, _once(text, names))]
    parts = _parts(hidden, SIGNS)
    if len(parts) < 3 or not all(part.strip() for part in parts):
        raise ConfigError(f"constraint '{text}' is none: write {FORMS}")
    sides = [_side(text, [real.get(name, name) for name in _parts(part, ["+"])[::2]], known) for part in parts[::2]]
    return [_linear(text, left, sign, right) for (left, right), sign in zip(pairwise(sides), parts[1::2], strict=True)]


def _hidden(text: str, known: Iterable[str]) -> tuple[str, dict[str, str]]:
    """(the text with names that hold a sign replaced by words without one, word -> name)."""
    real = dict[str, str]()
    for name in sorted(known, key=len, reverse=True):
        if re.search(r"[<>=+]|\bwith\b", name) and name in text:
            real[word := f"\0{len(real)}\0"] = name
            text = text.replace(name, word)
    return text, real


def _parts(text: str, signs: Sequence[str]) -> list[str]:
    """Operands and signs in turn."""
    either = "|".join(map(re.escape, signs))
    found = re.split(rf"\s+({either})\s+", text.strip())
    if len(found) == 1 and signs != ["with"]:
        found = re.split(rf"\s*({either})\s*", text.strip())
    return found


def _side(text: str, operands: Sequence[str], known: dict[str, Field]) -> tuple[list[str], float]:
    """(columns, a number to be added)."""
    names, constant = list[str](), 0.0
    for operand in operands:
        if operand not in known and (number := _number(operand)) is not None:
            constant += number
        else:
            _require(text, operand, known)
            _require_numbers(text, known[operand])
            names.append(operand)
    return names, constant


def _linear(text: str, left: tuple[list[str], float], sign: str, right: tuple[list[str], float]) -> Linear:
    if sign.startswith(">"):
        left, right, sign = right, left, sign.replace(">", "<")
    names = [*left[0], *right[0]]
    coefficients = [1.0] * len(left[0]) + [-1.0] * len(right[0])
    return Linear(text, _once(text, names), tuple(coefficients), sign, right[1] - left[1])


def _once(text: str, names: Sequence[str]) -> tuple[str, ...]:
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"constraint '{text}' needs columns, each of them once; write {FORMS}")
    return tuple(names)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _require(text: str, name: str, known: dict[str, Field]) -> None:
    if name not in known:
        raise unknown(f"column (of constraint '{text}')", name, known)


def _require_numbers(text: str, field: Field) -> None:
    if field.categories and not are_numbers(field):
        raise ConfigError(
            f"constraint '{text}' compares numbers or dates, and '{field.name}' holds names; fixed combinations of "
            f"names are declared by 'with': '{field.name} with OTHER'"
        )


def are_numbers(field: Field) -> bool:
    """Whether the categories of a field are numbers, as a column of few whole numbers has them."""
    return all(isinstance(c, int | float) and not isinstance(c, bool) for c in field.categories)
