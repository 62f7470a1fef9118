"""Anything a user has -> tensors."""

from .arrays import as_rows, column_names
from .columns import COLUMN_KINDS, Column
from .encodings import Encoding
from .intake import as_frame, holds_only_numbers, infer_table, is_frame, read, repeated, take, understand, values
from .noise import RowNoise
from .rows import Rows, rows_of
from .schema import KINDS, Schema, infer
from .sources import EMBEDDED, Data, load
from .store import Store

__all__ = [
    "COLUMN_KINDS",
    "EMBEDDED",
    "KINDS",
    "Column",
    "Data",
    "Encoding",
    "RowNoise",
    "Rows",
    "Schema",
    "Store",
    "as_frame",
    "as_rows",
    "column_names",
    "holds_only_numbers",
    "infer",
    "infer_table",
    "is_frame",
    "load",
    "read",
    "repeated",
    "rows_of",
    "take",
    "understand",
    "values",
]
