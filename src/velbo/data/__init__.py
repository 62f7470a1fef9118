"""Anything a user has -> tensors."""

from .arrays import as_rows, column_names
from .encodings import Encoding
from .noise import RowNoise
from .schema import KINDS, Schema, infer
from .sources import EMBEDDED, Data, load
from .store import Store

__all__ = [
    "EMBEDDED",
    "KINDS",
    "Data",
    "Encoding",
    "RowNoise",
    "Schema",
    "Store",
    "as_rows",
    "column_names",
    "infer",
    "load",
]
