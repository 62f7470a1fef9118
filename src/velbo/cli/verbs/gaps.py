"""velbo gaps: the gap between log p(x) and the ELBO, taken apart."""

from __future__ import annotations

from ..app import app
from ..options import Count, CountOr0, Folder, OwnParts, Positive, ReadAs, ReadingOptions, Seed, SomeRows
from ..output import print_result
from ..pages import MEASURE


@app.command(group=MEASURE)
def gaps(
    run: Folder,
    data: str,
    *,
    rows: SomeRows = None,
    samples: Count = 500,
    steps: Count = 300,
    lr: Positive = 0.03,
    temperatures: CountOr0 = 0,
    seed: Seed = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
    json: bool = False,
) -> None:
    """What is lost between log p(x) and the ELBO.

    The gap is taken apart: what the posterior's family costs, and what the encoder costs.

    Args:
        run: folder of a trained model.
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        rows: look at a seeded random subset of so many rows.
        samples: of every bound.
        steps: of the ascent to the best posterior of each row.
        lr: of the ascent.
        temperatures: anneal too, over so many; 0 leaves it.
        seed: of the subset and of all noise.
        json: print one JSON object.
    """
    from ...evaluation import Annealing, Ascent
    from ...evaluation import gaps as take_apart
    from ..data import model_and_rows

    trained, chosen = model_and_rows(run, model, data, read, rows, seed)
    annealing = Annealing(temperatures, seed=seed) if temperatures else None
    found = take_apart(trained, chosen, samples, Ascent(steps, lr), annealing, seed)
    print_result(found, json)
