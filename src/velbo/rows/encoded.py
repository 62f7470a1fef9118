"""Rows to train on, in memory or on disk: how many, which (a fingerprint), and encoded.

in memory   numbers (N, D), made once               -> Store
sparse      a matrix in memory, dense by the batch  -> Store
on disk     groups of rows of files                 -> Stream
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import accumulate
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ConfigError
from .containers import Column, container_of
from .encodings import Encoding
from .inference import infer_fields
from .row_numbers import rows_at, rows_from
from .schema import Schema
from .sparse import SparseRows, in_blocks
from .sparse_cells import SparseCells
from .store import Store
from .stream import Stream

ROWS_PER_BLOCK = 2**16
TOLD = {"count": "whole numbers from 0, of a sparse matrix"}
"""Reasons of kinds that rows tell of themselves."""


class Group(Protocol):
    """Rows of a file that can be read by themselves."""

    @property
    def n_rows(self) -> int: ...


@runtime_checkable
class Stored(Protocol):
    """Rows in files, read when they are asked for: a `velbo.formats.Source`."""

    @property
    def name(self) -> str: ...

    def batches(self) -> Iterator[pa.Table]: ...

    def row_groups(self) -> Sequence[Any]: ...

    def read_group(self, group: Any) -> pa.Table: ...

    def fingerprint(self) -> str: ...


class Rows(Protocol):
    """What a run trains on."""

    def __len__(self) -> int: ...

    def fingerprint(self) -> str:
        """A short hash."""
        ...

    def encoded(self, encoding: Encoding) -> Store | Stream: ...

    def first(self, n: int) -> NDArray[Any]:
        """Numbers of the first n rows, (n, D) at most."""
        ...

    @property
    def at_hand(self) -> int:
        """How many rows, from the first on, cost little to read."""
        ...

    def at(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """Numbers of the rows of these indices, (n, D), in their order."""
        ...

    def blocks(self) -> Iterator[NDArray[Any]]:
        """All numbers in order, some rows at a time."""
        ...


class InMemory:
    """Numbers (N, D) that fit a schema.

    Args:
        rows: v.
        weight: how often each row counts in training, (N,); once, if not given.
    """

    def __init__(self, rows: NDArray[Any], weight: NDArray[np.float64] | None = None) -> None:
        self.rows, self.weight = rows, weight

    def __len__(self) -> int:
        return len(self.rows)

    def fingerprint(self) -> str:
        """Of shape, type and values."""
        digest = hashlib.blake2b(f"{self.rows.shape} {self.rows.dtype}".encode(), digest_size=8)
        digest.update(np.ascontiguousarray(self.rows).data)
        return digest.hexdigest()

    def encoded(self, encoding: Encoding) -> Store:
        return Store.from_rows(self.rows, encoding).weighted(_tensor(self.weight))

    def first(self, n: int) -> NDArray[Any]:
        return self.rows[:n]

    @property
    def at_hand(self) -> int:
        return len(self.rows)

    def at(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return self.rows[index]

    def blocks(self) -> Iterator[NDArray[Any]]:
        for start in range(0, len(self), ROWS_PER_BLOCK):
            yield self.rows[start : start + ROWS_PER_BLOCK]


class OnDisk:
    """Groups of rows in files, of which a window is in memory."""

    def __init__(self, source: Stored, schema: Schema) -> None:
        self.source, self.schema = source, schema
        self.groups = source.row_groups()

    def __len__(self) -> int:
        return sum(group.n_rows for group in self.groups)

    def fingerprint(self) -> str:
        """Of files, sizes and what their formats say of them."""
        return self.source.fingerprint()

    def read(self, number: int) -> NDArray[Any]:
        """v of a group of rows, (rows, D)."""
        rows = self.source.read_group(self.groups[number])
        with rows_from(self._starts[number]):
            return self.schema.numbers(rows, str(getattr(self.source, "name", "data")))

    @cached_property
    def _starts(self) -> list[int]:
        """The number of the first row of each group."""
        return [0, *accumulate(group.n_rows for group in self.groups)]

    def encoded(self, encoding: Encoding) -> Stream:
        return Stream([group.n_rows for group in self.groups], self.read, self.schema.n_dims, encoding)

    def first(self, n: int) -> NDArray[Any]:
        """Of the first group, which is read for them."""
        return self.read(0)[:n]

    @property
    def at_hand(self) -> int:
        return self.groups[0].n_rows if self.groups else 0

    def at(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """Each group that has one of them is read once."""
        starts = np.array(self._starts)
        group = np.searchsorted(starts, index, side="right") - 1
        found = np.full((len(index), self.schema.n_dims), np.nan)
        for number in np.unique(group):
            here = group == number
            found[here] = self.read(int(number))[index[here] - starts[number]]
        return found

    def blocks(self) -> Iterator[NDArray[Any]]:
        return map(self.read, range(len(self.groups)))


class Sparse:
    """Rows of a sparse matrix in memory, which stay sparse until their batch.

    Args:
        source: the rows.
        schema: that they fit.
        weight: as for `InMemory`.
    """

    def __init__(self, source: SparseRows, schema: Schema, weight: NDArray[np.float64] | None = None) -> None:
        self.source, self.schema, self.weight = source, schema, weight
        self._in_blocks = OnDisk(source, schema)

    def __len__(self) -> int:
        return len(self.source)

    def fingerprint(self) -> str:
        """Of the matrix and the columns beside it."""
        return self.source.fingerprint()

    def encoded(self, encoding: Encoding) -> Store:
        def read(index: NDArray[np.int64]) -> Tensor:
            with rows_at(index):
                return encoding.store(self.schema.numbers(self.source.take(index), self.source.name), torch.float32)

        return Store(SparseCells(read, len(self), self.schema.n_dims), encoding).weighted(_tensor(self.weight))

    def first(self, n: int) -> NDArray[Any]:
        return self._in_blocks.first(n)

    @property
    def at_hand(self) -> int:
        """Those of a block: all of them would be dense together."""
        return self._in_blocks.at_hand

    def at(self, index: NDArray[np.int64]) -> NDArray[Any]:
        return self._in_blocks.at(index)

    def blocks(self) -> Iterator[NDArray[Any]]:
        return self._in_blocks.blocks()


def _tensor(weight: NDArray[np.float64] | None) -> Tensor | None:
    return None if weight is None else torch.from_numpy(np.array(weight, np.float64))


def rows_of(x: Any, schema: Schema, what: str = "data", weight: NDArray[np.float64] | None = None) -> Rows:
    """Whatever a user hands over, for a known schema; what is `Stored` stays on disk, and sparse rows stay sparse.

    Args:
        x: rows.
        schema: that they fit.
        what: names them in messages.
        weight: how often each row counts in training, (N,); once, if not given.

    Raises:
        DataError: if they are no rows, or do not fit.
        ConfigError: for weights of rows in files.
    """
    x = in_blocks(x, (f.name for f in schema.modelled), what)
    if isinstance(x, SparseRows) and x.is_in_memory:
        return Sparse(x, schema, weight)
    if not isinstance(x, Stored):
        return InMemory(schema.numbers(x, what), weight)
    if weight is not None:
        raise ConfigError("rows in files have no weights; read them first, as source.read() does")
    return OnDisk(x, schema)


def infer(x: Any, columns: dict[str, str] | None = None, kind: str | None = None, levels: int | None = None) -> Schema:
    """What the fields of rows are, guessed from their types and values.

    Args:
        x: an array (N, *shape), which is one field "x"; a mapping of arrays; a data frame; a sparse matrix or an
            AnnData (see `velbo.rows.sparse`), of whose obs the columns named below are taken; or rows in files.
        columns: field -> kind, "kind:likelihood" or "drop", where the guess is to be another.
        kind: of all fields that ``columns`` does not name.
        levels: of fields of kind byte.

    Raises:
        DataError: if there are no rows.
        SchemaError: if fields are identifiers, free text, or not of the kinds asked for.
        ConfigError: for names that there are not, or unknown kinds.
    """
    columns = columns or {}
    x = in_blocks(x, (name for name, asked in columns.items() if asked != "drop"))
    told = {} if kind else {name: of for name, of in getattr(x, "kinds", {}).items() if name not in columns}
    columns = {**told, **columns}
    chunks, container = _chunks(x)
    first = next(chunks, [])
    asked = (dict.fromkeys([c.name for c in first], kind) if kind else {}) | columns

    def again() -> Iterator[Sequence[Column]]:
        yield from ([first] if first else [])
        yield from chunks

    fields = infer_fields(again(), asked, levels)
    return Schema(tuple(replace(f, reason=TOLD[f.kind]) if f.name in told else f for f in fields), container)


def _chunks(x: Any) -> tuple[Iterator[list[Column]], str]:
    if isinstance(x, SparseRows):
        chunks = (container_of(table).columns(table, x.name) for table in x.batches())
        return chunks, "mapping" if x.columns else "array"
    if isinstance(x, Stored):
        return (container_of(table).columns(table, "data") for table in x.batches()), "pyarrow"
    container = container_of(x)
    return iter([container.columns(x, "data")]), container.name
