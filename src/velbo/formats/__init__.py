"""Files of every format -> rows, and rows -> files: one reader and one writer a format, used by every verb.

    open_source   a file, a folder, a URL, a built-in data set -> Source
    Source        rows in batches or groups, with one schema
    Writer        tables into one file, whole or absent
    rewrite       a source into files of which some cells are new
    convert       a source into another format

Rows are a `pyarrow.Table` everywhere; an array is a column of tensors.
"""

from .base import ROWS_PER_BATCH, Change, Format, Masks, Part, Sheet, as_array, as_tensor_column
from .builtin import BUILTIN
from .reading import ColumnReading, Note, Reading
from .registry import FORMATS, format_by_suffix, readable, writable
from .source import RowGroup, Source, open_source
from .writing import Writer, convert, rewrite, write_table

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
    "as_array",
    "as_tensor_column",
    "convert",
    "format_by_suffix",
    "open_source",
    "readable",
    "rewrite",
    "writable",
    "write_table",
]
