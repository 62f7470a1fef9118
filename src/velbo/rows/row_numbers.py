"""Numbers of rows in messages. Rows that are read a part at a time are counted through all parts, from 0.

    with rows_from(65_536):     what is said of row i of a part is said of row 65,536 + i
    with rows_at(index):        ... of row index[i]
    with part_from(65_536):     the first, and errors that name no row tell where their rows begin

Parts of parts are counted alike. Each thread has numbers of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from numpy.typing import NDArray

from ..errors import DataError

Number = Callable[[int], int]
NAMED = re.compile(r"\brow \d")


def _itself(row: int) -> int:
    return row


_number: ContextVar[Number] = ContextVar("number", default=_itself)


def row_name(row: int) -> str:
    """What a message calls a row, by its place among the rows at hand."""
    return f"row {_number.get()(int(row))}"


@contextmanager
def rows_from(start: int) -> Iterator[None]:
    """Inside the block the rows at hand are those from number ``start`` on."""
    outer = _number.get()
    with _numbered(lambda row: outer(start + row)):
        yield


@contextmanager
def rows_at(index: Sequence[int] | NDArray[Any]) -> Iterator[None]:
    """Inside the block the rows at hand are those of these numbers."""
    outer = _number.get()
    with _numbered(lambda row: outer(int(index[row]))):
        yield


@contextmanager
def _numbered(number: Number) -> Iterator[None]:
    token = _number.set(number)
    try:
        yield
    finally:
        _number.reset(token)


@contextmanager
def part_from(start: int) -> Iterator[None]:
    """The same; and an error that names no row tells where the rows at hand begin, unless they are the first ones.

    Raises:
        DataError: of the type that was raised inside.
    """
    try:
        with rows_from(start):
            yield
    except DataError as error:
        if not start or NAMED.search(str(error)):
            raise
        raise type(error)(f"of the rows from {start} on: {error}") from error
