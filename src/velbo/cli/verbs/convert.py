"""velbo convert: rows in another format."""

from __future__ import annotations

from ...files import shown
from ..app import app, say
from ..options import ClusterOptions, File, InParts, ReadAs, ReadingOptions
from ..pages import DATA


@app.command(group=DATA)
def convert(data: str, output: File, *, read: ReadAs = ReadingOptions(), parts: InParts = ClusterOptions()) -> None:
    """Rows in another format.

    They are read and written in a stream: from CSV to Parquet for training on more than fits into memory.

    Args:
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        output: file to write; with --cluster a folder.
    """
    from ...formats import convert as convert_rows
    from ...formats import open_source

    if parts.cluster is not None:
        from ...cluster.works import as_they_are
        from ..bulk import Bulk

        Bulk(parts, output, {"verb": "convert"}).map(open_source(data, read.reading()), as_they_are)
        return
    say(f"wrote {convert_rows(open_source(data, read.reading()), output)} rows to {shown(output)}")
