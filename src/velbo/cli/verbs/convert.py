"""velbo convert: rows in another format."""

from __future__ import annotations

from ...files import shown
from ..app import app, say
from ..options import File, ReadAs, ReadingOptions
from ..pages import DATA


@app.command(group=DATA)
def convert(data: str, output: File, *, read: ReadAs = ReadingOptions()) -> None:
    """Rows in another format.

    They are read and written in a stream: from CSV to Parquet for training on more than fits into memory.

    Args:
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        output: file to write.
    """
    from ...formats import convert as convert_rows
    from ...formats import open_source

    say(f"wrote {convert_rows(open_source(data, read.reading()), output)} rows to {shown(output)}")
