"""velbo explore: a page that shows the latent space and decodes it."""

from __future__ import annotations

from ...files import shown
from ..app import app, say
from ..options import Folder, Output, OwnParts, ReadAs, ReadingOptions, Rows, Seed
from ..pages import SHARE

LARGE_PAGE = 15_000_000
"""Bytes that are slow to send and to open."""


@app.command(group=SHARE)
def explore(
    run: Folder,
    data: str,
    *,
    output: Output,
    labels: str | None = None,
    rows: Rows = 2000,
    seed: Seed = 0,
    title: str = "",
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
) -> None:
    """One HTML page: a map of the latents, decoded where one points.

    Args:
        run: folder of a trained model.
        data: as for fit.
        output: .html file to write; it needs no network.
        labels: field that points are coloured by, one of the model or another.
        rows: show a seeded random subset of so many, at most.
        seed: of the subset.
        title: of the page.
    """
    from ...trained_model import TrainedModel
    from ..data import rows_for

    trained = TrainedModel.load(run, model)
    made = trained.explore(rows_for(trained, data, read), output, labels, rows, seed, title)
    size = f"{made.size / 1e6:.1f} MB"
    say(f"wrote {shown(made.path)}: {made.n_points} rows, {size}, weights in {made.bits} bits; open it in a browser")
    if made.size > LARGE_PAGE and trained.schema.images() and trained.recipe.recipe in ("mlp", "resmlp"):
        say("nearly all of it are weights of the last layer; --recipe conv has a hundredth of them")
