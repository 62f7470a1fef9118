"""Constraints as people write them -> what they are, for known columns; the grammar is in the package's first lines.

Blanks around signs may be left out: a+b=c. What is a name as a whole is one, whatever signs are in it; in backticks it
is one in any case, as `+` is that is nothing but a sign. A backtick in such a name is written twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise

from ...errors import ConfigError, unknown
from ..field import Field
from ..kinds import kind_of
from . import Constraint
from .combination import Combination
from .linear import Linear

FORMS = "'start <= end', 'a + b = c' or 'city with country'"
QUOTES = "a name that is, or holds, a sign goes into backticks: `+` <= total"
HOLDS_SIGN = re.compile(r"[<>=+`]|\bwith\b")
NOTHING_BUT_SIGNS = re.compile(r"(?:[<>=+\s]|\bwith\b)*")
QUOTED = re.compile(r"(?<![\w`])`((?:[^`]|``)+)`(?![\w`])")
WORD = re.compile(r"\0[0-9]+\0")
WITH = re.compile(r"\s+(with)\s+")
RELATION = re.compile(r"\s*(<=|>=|<|>|=)\s*")
HALF_A_NUMBER = re.compile(r"\s*-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE]")


def constraints_of(text: str, fields: Sequence[Field]) -> list[Constraint]:
    """What a text declares: several inequalities if it is a chain.

    Raises:
        ConfigError: for what is none of these forms, a name that there is not, or a column that has no numbers.
    """
    known = {f.name: f for f in fields if kind_of(f).is_modelled and not f.shape}
    hidden, real = _hidden(text, known)
    names = [_real(part, real) for part in WITH.split(hidden.strip())[::2]]
    if len(names) > 1:
        for name in names:
            _require(text, name, known)
        return [Combination(text, _once(text, names))]
    parts = RELATION.split(hidden.strip())
    operands = [_operands(part) for part in parts[::2]]
    if len(parts) < 3 or not all(all(side) for side in operands):
        raise ConfigError(f"constraint '{text}' is none: write {FORMS}; {QUOTES}")
    sides = [_side(text, side, real, known) for side in operands]
    return [_linear(text, left, sign, right) for (left, right), sign in zip(pairwise(sides), parts[1::2], strict=True)]


def _operands(side: str) -> list[str]:
    """What is added up; the plus of 1e+5 is a part of a number."""
    found, start = list[str](), 0
    for plus in re.finditer(r"\+(?P<digit>[0-9])?", side):
        if not (plus["digit"] and HALF_A_NUMBER.fullmatch(side, start, plus.start())):
            found.append(side[start : plus.start()].strip())
            start = plus.start() + 1
    return [*found, side[start:].strip()]


def _hidden(text: str, known: Collection[str]) -> tuple[str, dict[str, str]]:
    """(the text with names in backticks, and names that hold a sign, replaced by words without one, word -> name)."""
    real = dict[str, str]()

    def word(name: str) -> str:
        real[found := f"\0{len(real)}\0"] = name
        return found

    def quoted(found: re.Match[str], names: Collection[str] | None = None) -> str:
        name = found[1].replace("``", "`")
        return word(name) if names is None or name in names else found[0]

    text = QUOTED.sub(lambda found: quoted(found, known), text)
    with_signs = [n for n in sorted(known, key=len, reverse=True) if HOLDS_SIGN.search(n)]
    for name in (n for n in with_signs if "`" in n):
        text = _without(text, name, word)
    text = QUOTED.sub(quoted, text)  # of names that are not known, too
    for name in (n for n in with_signs if not NOTHING_BUT_SIGNS.fullmatch(n)):
        text = _without(text, name, word)
    return text, real


def _without(text: str, name: str, word: Callable[[str], str]) -> str:
    """A text with a name replaced, where it is no part of a longer one."""
    before, after = (r"(?<!\w)" if re.match(r"\w", name) else ""), (r"(?!\w)" if re.search(r"\w\Z", name) else "")
    return re.sub(before + re.escape(name) + after, lambda _: word(name), text)


def _real(part: str, real: dict[str, str]) -> str:
    """The name that a word stands for; of what is more than a word, as it was written."""
    return real.get(part) or WORD.sub(lambda found: f"`{real[found[0]]}`", part)


def _side(text: str, operands: Sequence[str], real: dict[str, str], known: dict[str, Field]) -> tuple[list[str], float]:
    """(columns, a number to be added)."""
    names, constant = list[str](), 0.0
    for part in operands:
        operand = _real(part, real)
        if part not in real and operand not in known and (number := _number(operand)) is not None:
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
