"""velbo evaluate: bounds of the log-likelihood."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

from ...errors import ConfigError, DataError, VelboWarning
from ..app import app
from ..options import (
    ClusterOptions,
    Count,
    Folder,
    InParts,
    OwnParts,
    ReadAs,
    ReadingOptions,
    Seed,
    SomeOutput,
    SomeRows,
)
from ..output import print_result
from ..pages import MEASURE

if TYPE_CHECKING:
    import pyarrow as pa

    from ...cluster import ArrowFunction
    from ...evaluation import RowScores
    from ...evaluation.bounds.summary import Measure
    from ...formats import Source
    from ...rows import Schema
    from ...trained_model import TrainedModel
    from ..bulk import Bulk
    from ..ranks import Map

ROWS_A_PART = 8192


@app.command(group=MEASURE)
def evaluate(
    run: Folder,
    data: str,
    *,
    samples: Count = 100,
    rows: SomeRows = None,
    chunk: SomeRows = None,
    seed: Seed = 0,
    precision: str = "float32",
    device: str = "auto",
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
    output: SomeOutput = None,
    parts: InParts = ClusterOptions(),
    json: bool = False,
) -> None:
    """Bounds of the log-likelihood, with standard errors.

    And bits per dimension, and what the latents do; each figure has its meaning beside it.

    Args:
        run: folder of a trained model.
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        samples: importance samples K of the log-likelihood bound.
        rows: evaluate a seeded random subset of so many rows.
        chunk: samples at a time; the result does not depend on it.
        seed: of the subset and of all noise.
        precision: float32; bf16 or bf16-products: faster where the hardware is, bf16 off by about 0.01 nats on MNIST.
        device: auto takes a GPU where there is one; else the name of a device.
        output: with --cluster the folder of what is averaged, row by row.
        json: print one JSON object.
    """
    from ...trained_model import TrainedModel
    from ..bulk import Bulk, function_of
    from ..data import Picked, chosen, open_for, say_given
    from ..ranks import shared, together

    if (parts.cluster is None) != (output is None):
        raise ConfigError("--cluster and --output FOLDER go together: what workers find is written there")
    asked = {"samples": samples, "chunk": chunk, "seed": seed, "precision": precision, "device": device}
    with together(device) as team:
        trained = TrainedModel.load(run, model)

        def scored(some: pa.Table) -> pa.Table:
            return trained.row_scores(some, **asked).to_table()

        with shared(team, scored) as by_all:
            if by_all is None:
                return
            source = open_for(trained, data, read)
            picked = Picked(source) if rows is None else chosen(source, rows, seed)
            some = None if rows is None else picked.rows
            say_given(trained)
            with picked.numbered():
                if output is None:
                    scores, measure = _here(trained, source.batches() if some is None else iter([some]), by_all)
                else:
                    f, about = function_of(trained, run, model, "evaluate", asked)
                    scores = _in_parts(Bulk(parts, output, about, device), f, trained.schema, source, some)
                    measure = trained.measure(picked.rows)
            found = trained.evaluation(scores, measure, samples)
    print_result(found, json)


def _here(trained: TrainedModel, batches: Iterator[pa.Table], f: Map) -> tuple[RowScores, Measure]:
    """What is found of each row of all batches, and what figures are divided by."""
    from ...evaluation import RowScores
    from ...evaluation.bounds.summary import Measure
    from ..data import mapped

    def both(batch: pa.Table) -> tuple[Measure, pa.Table]:
        measure = trained.measure(batch)  # first, and here, where rows have their numbers: it tells what is odd
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VelboWarning)
            return measure, f(batch)

    scores, measure = list[RowScores](), Measure()
    for _, (more, found) in mapped(batches, both):
        scores.append(RowScores.from_table(found))
        measure += more
    if not scores:
        raise DataError("there are no rows to evaluate; give some")
    return RowScores.joined(scores), measure


def _in_parts(bulk: Bulk, f: ArrowFunction, schema: Schema, source: Source, some: pa.Table | None) -> RowScores:
    """What is found of each row of a source, or of some of them, by way of part files."""
    from ...cluster.blocks import sent, sent_rows
    from ...cluster.works import MapRows
    from ...evaluation import RowScores
    from ...formats import open_source
    from ...rows import rows_of

    if some is None:
        bulk.map(source, f)
    else:
        bulk.about["rows"] = rows_of(some, schema).fingerprint()
        parts = (some.slice(start, ROWS_A_PART) for start in range(0, len(some), ROWS_A_PART))
        bulk.carry_out(MapRows(sent_rows, f), sent(parts))
    found = open_source(bulk.folder).read()
    return RowScores.from_table(found.select([field.name for field in fields(RowScores)]))
