"""velbo anneal: log p(x) by annealed importance sampling."""

from __future__ import annotations

from ..app import app
from ..options import Count, Folder, OwnParts, ReadAs, ReadingOptions, Rows, Seed
from ..output import print_result
from ..pages import MEASURE


@app.command(group=MEASURE)
def anneal(
    run: Folder,
    data: str,
    *,
    rows: Rows = 100,
    temperatures: Count = 1000,
    chains: Count = 16,
    leapfrog: Count = 10,
    seed: Seed = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
    json: bool = False,
) -> None:
    """log p(x) held between two bounds, by annealing.

    By annealed importance sampling. On data of the model's own the bracket holds the true value; on the data given
    there is the lower bound alone.

    Args:
        run: folder of a trained model.
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        rows: anneal a seeded random subset of so many rows, and as many of the model's own.
        temperatures: from prior to posterior; the bracket narrows as they grow.
        chains: of each row.
        leapfrog: steps of one proposal.
        seed: of the subset and of all noise.
        json: print one JSON object.
    """
    from ...evaluation import Annealing, bracket
    from ..data import model_and_rows

    trained, chosen = model_and_rows(run, model, data, read, rows, seed)
    found = bracket(trained, chosen, Annealing(temperatures, chains, leapfrog, seed))
    print_result(found, json)
