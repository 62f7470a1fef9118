"""velbo decompress: the rows of a compressed file."""

from __future__ import annotations

from pathlib import Path

from ...files import shown
from ..app import app, say
from ..options import Output, OwnParts
from ..pages import USE


@app.command(group=USE)
def decompress(
    file: Path, *, output: Output, run: Path | None = None, skip_damaged: bool = False, model: OwnParts = None
) -> None:
    """The rows of a file that velbo compress has written, exactly.

    Args:
        file: that was compressed.
        output: file to write: of a text a .csv file or the like, of a table any format.
        run: folder of the model that it was compressed by; not needed if that is inside.
        skip_damaged: write what is whole of a damaged file, and say which rows are lost.
    """
    from ...compress import decompress as from_file
    from ...trained_model import TrainedModel

    trained = TrainedModel.load(run, model) if run is not None else None
    for lost in from_file(file, output, trained=trained, skip_damaged=skip_damaged):
        say(f"decompress: block {lost.number}, which begins at row {lost.first}, is damaged and left out")
    say(f"wrote {shown(output)}")
