"""Names of columns after a colon: `a+b`, or `+c` for what is read anyway and one more. Names may have a + in them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from ..errors import DataError

SHOWN = 20


def resolved(text: str | Sequence[str], choices: Sequence[str], usual: Sequence[str], what: str) -> list[str]:
    """The columns that a text names, each once.

    Args:
        text: what follows the colon; or the names one by one.
        choices: all columns that there are.
        usual: those that are read where none are named.
        what: the name of the source in messages.

    Raises:
        DataError: if there is no column of a name.
    """
    known = set(choices)
    if not isinstance(text, str):
        return list(dict.fromkeys(next(_parsed([name], known, choices, what)) for name in text))
    if text in known:
        return [text]
    begin, rest = (list(usual), text[1:]) if text.startswith("+") else ([], text)
    return list(dict.fromkeys([*begin, *_parsed(rest.split("+"), known, choices, what)]))


def _parsed(pieces: list[str], known: set[str], choices: Sequence[str], what: str) -> Iterator[str]:
    start, longest = 0, 1 + max(name.count("+") for name in known)
    while start < len(pieces):
        ends = range(min(len(pieces), start + longest), start, -1)
        end = next((end for end in ends if "+".join(pieces[start:end]) in known), None)
        if end is None:
            raise DataError(_no_column(pieces[start], choices, what))
        yield "+".join(pieces[start:end])
        start = end


def _no_column(name: str, choices: Sequence[str], what: str) -> str:
    close = difflib.get_close_matches(name, choices, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    more = ", ..." if len(choices) > SHOWN else ""
    return f"{what}: there is no column '{name}'.{hint} There are: {', '.join(choices[:SHOWN])}{more}"
