"""velbo decode: from latents to data."""

from __future__ import annotations

from ..app import app
from ..options import Folder, Output, OwnParts
from ..pages import USE


@app.command(group=USE)
def decode(run: Folder, latents: str, *, output: Output, model: OwnParts = None) -> None:
    """From latents back to data.

    The mean (or mode) of p(x|z). Columns beside z0, z1, ... go along.

    Args:
        run: folder of a trained model.
        latents: file with one number a latent in each row, such as 'velbo encode' writes in any format.
        output: file to write.
    """
    from ...formats import open_source
    from ...rows import infer
    from ...trained_model import TrainedModel
    from ..data import map_rows

    trained = TrainedModel.load(run, model)
    source = open_source(latents)
    names = [f"z{i}" for i in range(trained.n_latents)]
    if not set(names) <= set(source.names):
        names = source.names
    of_latents = infer(source.select(names), kind="real")
    others = [name for name in source.names if name not in names]
    map_rows(source, output, lambda rows: trained.decode(of_latents.numbers(rows, latents)), "x", others)
