"""velbo compare: how good a synthetic table is, and how private."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from ...errors import ConfigError, DataError
from ...limits import ROWS, Limits
from ..app import app
from ..options import Folder, OwnParts, ReadAs, ReadingOptions, Seed
from ..output import print_json
from ..pages import MEASURE

LEAST = 5
"""Rows that a classifier needs, one a fold."""
SomeOfThem = Annotated[int, Parameter(validator=Limits(LEAST, ROWS.high).validate)]


@app.command(group=MEASURE)
def compare(
    run: Folder,
    real: str,
    synthetic: str,
    *,
    holdout: str | None = None,
    target: str | None = None,
    rows: SomeOfThem = 10_000,
    seed: Seed = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
    json: bool = False,
) -> None:
    """How good a synthetic table is, and how private.

    Columns, pairs of columns, a classifier that tries to tell its rows from real ones, what can be learned from it, and
    whether it gives training rows away. For images and other arrays see 'velbo quality', for several runs 'velbo info'.

    Args:
        run: folder of a trained model, whose schema says what the columns are.
        real: the table that was trained on.
        synthetic: the table to judge, as 'velbo sample' writes it.
        holdout: rows of the same sort that had no part in training; for privacy, and for an honest classifier.
        target: column to predict: models trained on synthetic rows against models trained on real ones.
        rows: at most so many of each table for distances and the classifier.
        seed: of all that is random.
        json: print one JSON object.
    """
    from ...evaluation.synthetic import synthetic_report
    from ...trained_model import TrainedModel
    from ..data import rows_for

    if target is not None and holdout is None:
        raise ConfigError("--target needs rows that had no part in training; name them with --holdout FILE")
    trained = TrainedModel.load(run, model)
    schema = trained.schema
    if not schema.is_table:
        raise ConfigError(
            "columns are compared one by one, and this model has arrays; whether its samples are like other rows says "
            f"'velbo quality {run} {holdout or real}', and several runs are compared by 'velbo info RUN RUN'"
        )
    names = (real, synthetic, *([holdout] if holdout else []))
    codes = [schema.numbers(rows_for(trained, name, read), name) for name in names]
    for name, numbers in zip(names, codes, strict=True):
        if len(numbers) < LEAST:
            raise DataError(f"{name} has {len(numbers)} rows, and {LEAST} at least are needed to compare")
    held = codes[2] if holdout else None
    report = synthetic_report(codes[0], codes[1], schema.modelled, held, target, seed, rows=rows)
    if json:
        print_json(report.to_json())
    else:
        print(report)
