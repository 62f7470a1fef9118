"""Rows to train on, in memory or on disk: how many, which (a fingerprint), and encoded.

in memory   numbers (N, D), encoded once            -> Store
on disk     row groups of Parquet or Arrow files    -> Stream
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .encodings import Encoding
from .intake import values
from .schema import Schema
from .store import Store
from .stream import Stream


class Rows(Protocol):
    """What a run trains on."""

    def __len__(self) -> int: ...

    def fingerprint(self) -> str:
        """A short hash."""
        ...

    def encoded(self, encoding: Encoding) -> Store | Stream: ...


class InMemory:
    """Numbers (N, *shape) that fit a schema."""

    def __init__(self, rows: NDArray[Any], schema: Schema) -> None:
        self.rows, self.schema = rows, schema

    def __len__(self) -> int:
        return len(self.rows)

    def fingerprint(self) -> str:
        """Of shape, type and values."""
        digest = hashlib.blake2b(f"{self.rows.shape} {self.rows.dtype}".encode(), digest_size=8)
        digest.update(np.ascontiguousarray(self.rows).data)
        return digest.hexdigest()

    def encoded(self, encoding: Encoding) -> Store:
        return Store.from_rows(self.rows, self.schema, encoding)


class OnDisk:
    """Row groups of a `TableSource`, of which a window is in memory."""

    def __init__(self, source: Any, schema: Schema) -> None:
        self.source, self.schema = source, schema
        self.groups = source.row_groups()

    def __len__(self) -> int:
        return sum(group.n_rows for group in self.groups)

    def fingerprint(self) -> str:
        """Of files, sizes and what their formats say of them."""
        return self.source.fingerprint()

    def read(self, number: int) -> NDArray[np.float64]:
        """The codes of a row group, (rows, D)."""
        from .frames import codes

        return codes(self.source.read_group(self.groups[number]), self.schema.columns, str(self.source.path))

    def encoded(self, encoding: Encoding) -> Stream:
        return Stream([group.n_rows for group in self.groups], self.read, self.schema.n_dims, encoding)


def rows_of(x: Any, schema: Schema) -> Rows:
    """Whatever a user hands over, for a known schema; a `TableSource` stays on disk."""
    if hasattr(x, "row_groups"):
        return OnDisk(x, schema)
    return InMemory(values(x, schema), schema)
