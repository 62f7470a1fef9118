"""What a row is: a few fields; from anything a user has to numbers, and back.

Names are loaded when they are first used: what a schema says is told without torch, which holds the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import when_used

if TYPE_CHECKING:
    from .any_rows import AnyRows, store_of
    from .containers import container_of
    from .encoded import Rows, Stored, infer, rows_of
    from .encodings import Encoding
    from .field import Field
    from .kinds import KINDS, Kind, kind_of
    from .noise import RowNoise
    from .schema import Schema
    from .store import Store
    from .stream import Stream

_HOMES = {
    "any_rows": "AnyRows store_of",
    "containers": "container_of",
    "encoded": "Rows Stored infer rows_of",
    "encodings": "Encoding",
    "field": "Field",
    "kinds": "KINDS Kind kind_of",
    "noise": "RowNoise",
    "schema": "Schema",
    "store": "Store",
    "stream": "Stream",
}

__all__ = [
    "KINDS",
    "AnyRows",
    "Encoding",
    "Field",
    "Kind",
    "RowNoise",
    "Rows",
    "Schema",
    "Store",
    "Stored",
    "Stream",
    "container_of",
    "infer",
    "kind_of",
    "rows_of",
    "store_of",
]

__getattr__, __dir__ = when_used(__name__, _HOMES)
