"""velbo evaluate: bounds of the log-likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..app import app
from ..options import Count, Folder, OwnParts, ReadAs, ReadingOptions, Seed, SomeRows
from ..output import print_result
from ..pages import MEASURE

if TYPE_CHECKING:
    import pyarrow as pa


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
        json: print one JSON object.
    """
    from ...evaluation.bounds.log_likelihood import RowScores
    from ...trained_model import TrainedModel
    from ..data import rows_for, say_given
    from ..ranks import shared, together

    with together(device) as team:
        trained = TrainedModel.load(run, model)

        def scored(some: pa.Table) -> pa.Table:
            return trained.row_scores(some, samples, chunk, seed, precision, device).to_table()

        with shared(team, scored) as by_all:
            if by_all is None:
                return
            x = rows_for(trained, data, read, rows, seed)
            say_given(trained)
            found = trained.evaluation(RowScores.from_table(by_all(x)), x, samples)
    print_result(found, json)
