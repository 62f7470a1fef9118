"""What a row is: a few fields; from anything a user has to numbers, and back."""

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
