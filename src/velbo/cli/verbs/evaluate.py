"""velbo evaluate: bounds of the log-likelihood."""

from __future__ import annotations

from ..app import app
from ..options import Count, Folder, OwnParts, ReadAs, ReadingOptions, Seed, SomeRows
from ..output import print_result
from ..pages import MEASURE


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
    from ...trained_model import TrainedModel
    from ..data import rows_for, say_given

    trained = TrainedModel.load(run, model)
    x = rows_for(trained, data, read, rows, seed)
    say_given(trained)
    print_result(trained.evaluate(x, samples, chunk, seed, precision, device), json)
