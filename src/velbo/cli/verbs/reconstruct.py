"""velbo reconstruct: rows as the model sees them."""

from __future__ import annotations

from pathlib import Path

from ..app import app
from ..options import Output, OwnParts, ReadAs, ReadingOptions


@app.command
def reconstruct(
    run: Path, data: str, *, output: Output, seed: int = 0, model: OwnParts = None, read: ReadAs = ReadingOptions()
) -> None:
    """Every row as the model sees it: the mean (or mode) of p(x|z) at its embedding. Fields that are given or no part
    of the model are as they were.

    Args:
        run: folder of a trained model.
        data: as for fit.
        output: file to write.
        seed: of the binarisation of grey images, where there is one.
    """
    from ...trained_model import TrainedModel
    from ..data import change_rows, open_for

    trained = TrainedModel.load(run, model)
    change_rows(open_for(trained, data, read), [output], lambda rows: [trained.reconstruct(rows, seed)])
