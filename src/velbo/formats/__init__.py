"""Files of every format -> rows, and rows -> files: one reader and one writer a format, used by every verb.

    open_source   a file, a folder, a URL, a built-in data set -> Source
    Source        rows in batches or groups, with one schema
    load          the same as arrays or a table in memory
    writers       tables into files, all of them whole or none there
    rewrite       a source into files of which some cells are new
    convert       a source into another format

Rows are a `pyarrow.Table` everywhere; an array is a column of tensors. The formats are listed in registry.py. Names are
loaded when they are first used, so that the command line can name its options without loading Arrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import when_used

if TYPE_CHECKING:
    from .base import ROWS_PER_BATCH, Change, Format, Masks, Part, Sheet, as_array, as_tensor_column
    from .builtin import BUILTIN
    from .loading import load
    from .opening import absolute_name
    from .reading import ColumnReading, Note, Reading
    from .registry import FORMATS, format_by_suffix, readable, writable
    from .source import RowGroup, Source, open_source
    from .writing import Writer, convert, rewrite, write_table, writers

_HOMES = {
    "base": "ROWS_PER_BATCH Change Format Masks Part Sheet as_array as_tensor_column",
    "builtin": "BUILTIN",
    "loading": "load",
    "reading": "ColumnReading Note Reading",
    "registry": "FORMATS format_by_suffix readable writable",
    "opening": "absolute_name",
    "source": "RowGroup Source open_source",
    "writing": "Writer convert rewrite write_table writers",
}

__all__ = [
    "BUILTIN",
    "FORMATS",
    "ROWS_PER_BATCH",
    "Change",
    "ColumnReading",
    "Format",
    "Masks",
    "Note",
    "Part",
    "Reading",
    "RowGroup",
    "Sheet",
    "Source",
    "Writer",
    "absolute_name",
    "as_array",
    "as_tensor_column",
    "convert",
    "format_by_suffix",
    "load",
    "open_source",
    "readable",
    "rewrite",
    "writable",
    "write_table",
    "writers",
]

__getattr__, __dir__ = when_used(__name__, _HOMES)
