"""velbo convert: rows in another format."""

from __future__ import annotations

from ..app import app, say
from ..options import File, ReadAs, ReadingOptions


@app.command
def convert(data: str, output: File, *, read: ReadAs = ReadingOptions()) -> None:
    """Rows in another format, in a stream: from CSV to Parquet for training on more than fits into memory.

    Args:
        data: as for fit.
        output: file to write.
    """
    from ...formats import convert as convert_rows
    from ...formats import open_source

    say(f"wrote {convert_rows(open_source(data, read.reading()), output)} rows to {output}")
