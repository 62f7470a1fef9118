"""velbo encode: embeddings."""

from __future__ import annotations

from ..app import app
from ..options import Folder, Output, OwnParts, ReadAs, ReadingOptions, Seed


@app.command
def encode(
    run: Folder, data: str, *, output: Output, seed: Seed = 0, model: OwnParts = None, read: ReadAs = ReadingOptions()
) -> None:
    """Embeddings: the posterior mean of every row.

    Args:
        run: folder of a trained model.
        data: as for fit.
        output: file to write.
        seed: of the binarisation of grey images, where there is one.
    """
    from ...trained_model import TrainedModel
    from ..data import map_rows, open_for

    trained = TrainedModel.load(run, model)
    map_rows(open_for(trained, data, read), output, lambda rows: trained.encode(rows, seed), "z")
