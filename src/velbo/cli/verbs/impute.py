"""velbo impute: missing cells filled."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ...limits import COUNT
from ..app import app, say
from ..options import Count, CountOr0, Folder, Output, OwnParts, ReadAs, ReadingOptions, Seed
from ..pages import USE

if TYPE_CHECKING:
    import pyarrow as pa


@app.command(group=USE)
def impute(
    run: Folder,
    data: str,
    *,
    output: Output,
    n: Annotated[int | None, Parameter(name=["--n", "-n"], validator=COUNT.validate)] = None,
    samples: Count = 1000,
    steps: CountOr0 = 20,
    seed: Seed = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
) -> None:
    """Rows with their missing cells filled.

    With the mean of numbers and the likeliest category; observed cells are as they were, in text character by
    character.

    Args:
        run: folder of a trained model.
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        output: file to write; of several fillings, full.csv becomes full-1.csv ...
        n: draw so many fillings from what the model believes instead, for multiple imputation.
        samples: importance samples.
        steps: of Gibbs refinement of every drawn filling.
        seed: of all noise.
    """
    from ...trained_model import TrainedModel
    from ..data import change_rows, missing_cells, open_for

    trained = TrainedModel.load(run, model)
    source = open_for(trained, data, read)
    seeds = count(seed)  # equal rows in different batches are to have different draws
    paths = [output] if n is None else [output.with_stem(f"{output.stem}-{i + 1}") for i in range(n)]
    left = Counter[str]()

    def fill(rows: pa.Table) -> list[pa.Table]:
        if n is None:
            new = [trained.impute(rows, samples, seed)]
        else:
            new = trained.impute_many(rows, n, samples, steps, next(seeds))
        left.update(missing_cells(new[0]))
        return new

    change_rows(source, paths, fill)
    for name, cells in left.items():
        if cells:
            why = trained.why_left(name)
            say(f"impute: {cells} missing cell{'s'[: cells != 1]} of '{name}' stay{', as ' + why if why else ''}")
