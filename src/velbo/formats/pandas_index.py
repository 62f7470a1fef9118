"""Which columns of a file are the index of a pandas frame: its metadata says so, under the key "pandas".

An index is no column of the rows. One without a name is called __index_level_0__ and so on, in the file only.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa

from .reading import Note
from .typed import type_of_rows

KEY = b"pandas"


def split_index(written: pa.Schema) -> tuple[pa.Schema, pa.Schema]:
    """(columns of the rows, columns of the index) of what is written in a file; tensors for fixed-size lists."""
    fields = [pa.field(field.name, type_of_rows(field.type), field.nullable) for field in written]
    index = _index_names(written)
    kept = pa.schema([field for field in fields if field.name not in index])
    return kept, pa.schema([field for field in fields if field.name in index])


def _index_names(schema: pa.Schema) -> set[str]:
    about = (schema.metadata or {}).get(KEY, b"{}")
    try:
        columns = json.loads(about).get("index_columns")
    except (ValueError, AttributeError):  # written by others than pandas
        return set()
    if not isinstance(columns, list):
        return set()
    return {name for name in columns if isinstance(name, str)}  # a range of numbers is described, not stored


def has_name(column: str) -> bool:
    """Whether an index has a name, which it goes by outside of pandas' files too."""
    return re.fullmatch(r"__index_level_\d+__", column) is None


def index_note(path: Path, index: pa.Schema) -> list[Note]:
    """That these columns are left out."""
    if not len(index):
        return []
    names = "+".join(index.names)
    shown = ", ".join(f"'{name}'" for name in index.names)
    text = f"{shown} is the index of a pandas frame, and no field."
    return [Note(text, option=f"{path}:+{names}")]
