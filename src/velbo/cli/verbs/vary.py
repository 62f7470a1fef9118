"""velbo vary: rows like given ones."""

from __future__ import annotations

from itertools import count
from typing import Annotated

from cyclopts import Parameter

from ...limits import COUNT
from ..app import app
from ..options import CountOr0, Folder, Output, OwnParts, ReadAs, ReadingOptions, Seed
from ..pages import USE


@app.command(group=USE)
def vary(
    run: Folder,
    data: str,
    *,
    output: Output,
    n: Annotated[int, Parameter(name=["--n", "-n"], validator=COUNT.validate)] = 1,
    groups: CountOr0 = 1,
    seed: Seed = 0,
    mean: bool = False,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
) -> None:
    """Rows like those of the data.

    The first groups of latents are each row's own, those below are drawn anew.

    Args:
        run: folder of a trained model; of a ladder, which has several groups of latents, this shows what each is for.
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        output: file to write; of several variations, new.csv becomes new-1.csv ...
        n: variations of each row.
        groups: groups that are the row's own, from the top.
        seed: of the draw.
        mean: write the mean (or mode) of p(x|z) instead of a draw of x.
    """
    from ...trained_model import TrainedModel
    from ..data import change_rows, open_for

    trained, seeds = TrainedModel.load(run, model), count(seed)  # equal rows in different batches have different draws
    paths = [output] if n == 1 else [output.with_stem(f"{output.stem}-{i + 1}") for i in range(n)]
    change_rows(
        open_for(trained, data, read), paths, lambda rows: trained.variations(rows, n, groups, next(seeds), mean)
    )
