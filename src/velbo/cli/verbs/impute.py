"""velbo impute: missing cells filled."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ...errors import ConfigError
from ..app import app, say
from ..options import Output, OwnParts, ReadAs, ReadingOptions


@app.command
def impute(
    run: Path,
    data: str,
    *,
    output: Output,
    n: Annotated[int | None, Parameter(name=["--n", "-n"])] = None,
    samples: int = 1000,
    steps: int = 20,
    seed: int = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
) -> None:
    """Rows with their missing cells filled: the mean of numbers, the likeliest category; observed cells as they were,
    in text character by character.

    Args:
        run: folder of a trained model.
        data: as for fit.
        output: file to write; of several fillings, full.csv becomes full-1.csv ...
        n: draw so many fillings from what the model believes instead, for multiple imputation.
        samples: importance samples.
        steps: of Gibbs refinement of every drawn filling.
        seed: of all noise.
    """
    from ...trained_model import TrainedModel
    from ..data import change_rows, open_for

    trained = TrainedModel.load(run, model)
    source = open_for(trained, data, read)
    left = [f.name for f in trained.schema.fields if None in f.categories]
    if left:
        say(f"impute: missing is a value of its own in {', '.join(left)}, and is left as it is")
    if n is None:
        change_rows(source, [output], lambda rows: [trained.impute(rows, samples, seed)])
        return
    if n < 1:
        raise ConfigError(f"the number of fillings must be at least 1, not {n}")
    seeds = count(seed)  # equal rows in different batches are to have different draws
    paths = [output.with_stem(f"{output.stem}-{i + 1}") for i in range(n)]
    change_rows(source, paths, lambda rows: trained.impute_many(rows, n, samples, steps, next(seeds)))
