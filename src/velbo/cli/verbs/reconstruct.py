"""velbo reconstruct: rows as the model sees them."""

from __future__ import annotations

from ..app import app
from ..options import ClusterOptions, Folder, InParts, Output, OwnParts, ReadAs, ReadingOptions, Seed
from ..pages import USE


@app.command(group=USE)
def reconstruct(
    run: Folder,
    data: str,
    *,
    output: Output,
    seed: Seed = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
    parts: InParts = ClusterOptions(),
) -> None:
    """Every row as the model sees it.

    The mean (or mode) of p(x|z) at its embedding. Fields that are given or no part of the model are as they were.

    Args:
        run: folder of a trained model.
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        output: file to write; with --cluster a folder.
        seed: of the binarisation of grey images, where there is one.
    """
    from ...trained_model import TrainedModel
    from ..data import change_rows, open_for
    from ..ranks import shared, together

    if parts.cluster is not None:
        from ..bulk import rewrite

        trained = TrainedModel.load(run, model)
        rewrite(trained, (run, model), "reconstruct", {"seed": seed}, open_for(trained, data, read), parts, output)
        return
    with together("cpu") as team:
        trained = TrainedModel.load(run, model)
        with shared(team, lambda rows: trained.reconstruct(rows, seed)) as reconstructed:
            if reconstructed is not None:
                change_rows(open_for(trained, data, read), [output], lambda rows: [reconstructed(rows)])
