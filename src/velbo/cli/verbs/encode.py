"""velbo encode: embeddings."""

from __future__ import annotations

from ..app import app
from ..options import ClusterOptions, Folder, InParts, Output, OwnParts, ReadAs, ReadingOptions, Seed
from ..pages import USE


@app.command(group=USE)
def encode(
    run: Folder,
    data: str,
    *,
    output: Output,
    seed: Seed = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
    parts: InParts = ClusterOptions(),
) -> None:
    """Embeddings: the posterior mean of every row.

    Columns that are no part of the model, such as identifiers, go along.

    Args:
        run: folder of a trained model.
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        output: file to write; with --cluster a folder.
        seed: of the binarisation of grey images, where there is one.
    """
    from ...rows.results import as_table
    from ...trained_model import TrainedModel
    from ..data import map_rows, not_modelled, open_for
    from ..ranks import shared, together

    if parts.cluster is not None:
        from ..bulk import Bulk, function_of

        trained = TrainedModel.load(run, model)
        f, about = function_of(trained, run, model, "encode", {"seed": seed})
        Bulk(parts, output, about).map(open_for(trained, data, read), f)
        return
    with together("cpu") as team:
        trained = TrainedModel.load(run, model)
        with shared(team, lambda rows: as_table(trained.encode(rows, seed), "z")) as encoded:
            if encoded is not None:
                source = open_for(trained, data, read)
                map_rows(source, output, encoded, "z", not_modelled(trained, source))
