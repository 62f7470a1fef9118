"""Commands for tables: what their columns are, filled holes, changed conditions, other files."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..errors import ConfigError
from .app import app, say
from .options import ColumnKinds, Kinds, Output, assignments
from .tables import load_rows, map_rows, map_rows_to_many, print_table, understand_rows


@app.command
def schema(data: str, *, column: ColumnKinds = (), kind: str | None = None, json: bool = False) -> None:
    """What every column of a table is taken for, and why.

    Args:
        data: a table, as for fit.
        column: what a column is instead, age=count; id=drop leaves one out. May be given many times.
        kind: of all columns, such as count.
        json: print one JSON object.
    """
    import json as json_module

    from ..data.frames import describe
    from ..recipes import settled

    kinds = Kinds(kind, None, column)
    rows, names = load_rows(data, kinds)
    found = settled(understand_rows(rows, names, kinds))
    if json:
        print(json_module.dumps(found.to_json()))
    elif found.columns:
        print_table(describe(found.columns))
    else:
        print(found.describe())


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
) -> None:
    """A table with its missing cells filled: the mean of numbers, the likeliest category; observed cells as they were.

    Args:
        run: folder of a trained model.
        data: as for fit.
        output: .csv, .parquet or (for arrays) .npy file to write; of several fillings, full.csv becomes full-1.csv ...
        n: draw so many fillings from what the model believes instead, for multiple imputation.
        samples: importance samples.
        steps: of Gibbs refinement of every drawn filling.
        seed: of all noise.
    """
    from ..fitted import FittedVAE

    fitted = FittedVAE.load(run)
    names = fitted.schema.names
    if n is None:
        map_rows(fitted, data, output, lambda rows: fitted.impute(rows, samples, seed), "x", names)
        return
    if n < 1:
        raise ConfigError(f"the number of fillings must be at least 1, not {n}")
    seeds = count(seed)  # equal rows in different batches are to have different draws
    paths = [output.with_stem(f"{output.stem}-{i + 1}") for i in range(n)]
    map_rows_to_many(
        fitted, data, paths, lambda rows: fitted.impute_many(rows, n, samples, steps, next(seeds)), "x", names
    )


@app.command
def what_if(
    run: Path, data: str, *, output: Output, set: Annotated[tuple[str, ...], Parameter(negative="")], seed: int = 0
) -> None:
    """Rows as they would be, were other values given to a conditional model: each row's own z, another condition.

    Args:
        run: folder of a trained model with a condition.
        data: as for fit.
        output: .csv or .parquet file to write.
        set: column=value, of a column of the condition. May be given many times.
        seed: of all noise.
    """
    from ..fitted import FittedVAE

    fitted, changes = FittedVAE.load(run), assignments(set)
    map_rows(fitted, data, output, lambda rows: fitted.what_if(rows, changes, seed), "x")


@app.command
def compare(
    run: Path,
    real: str,
    synthetic: str,
    *,
    holdout: str | None = None,
    target: str | None = None,
    rows: int = 10_000,
    seed: int = 0,
    json: bool = False,
) -> None:
    """How good a synthetic table is, and how private: columns, pairs of columns, a classifier that tries to tell its
    rows from real ones, what can be learned from it, and whether it gives training rows away.

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
    import json as json_module

    from ..data import read, values
    from ..evaluation.synthetic import synthetic_report
    from ..fitted import FittedVAE

    schema = FittedVAE.load(run).schema
    if not schema.columns:
        raise ConfigError("this model is of an array, whose columns have no kinds; use 'velbo quality'")
    names = (real, synthetic, *([holdout] if holdout else []))
    codes = [values(read(name, schema), schema, name) for name in names]
    held = codes[2] if holdout else None
    report = synthetic_report(codes[0], codes[1], schema.modelled, held, target, seed, rows=rows)
    print(json_module.dumps(report.to_json()) if json else "\n".join(report.lines()))


@app.command
def convert(data: Path, output: Path) -> None:
    """A table in another format, in a stream: from CSV to Parquet for training on more than fits into memory.

    Args:
        data: .csv, .tsv, .parquet or .feather file, or a folder of such.
        output: .csv, .tsv, .parquet or .feather file to write.
    """
    from ..data.table_writing import convert as convert_file

    say(f"wrote {convert_file(data, output)} rows to {output}")
