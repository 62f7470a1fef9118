"""velbo score: the log-likelihood of every row."""

from __future__ import annotations

from ..app import app
from ..options import Count, Folder, Output, OwnParts, ReadAs, ReadingOptions, Seed
from ..pages import USE


@app.command(group=USE)
def score(
    run: Folder,
    data: str,
    *,
    output: Output,
    samples: Count = 100,
    explain: bool = False,
    seed: Seed = 0,
    device: str = "auto",
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
) -> None:
    """The log-likelihood of every row; low is anomalous.

    In nats, a lower bound. Identifiers are carried along, and the most anomalous rows are named.

    Args:
        run: folder of a trained model.
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        output: file to write.
        samples: importance samples.
        explain: say of every cell what it is worth given the rest of its row, log p(cell | others) in nats, and which
            one is the most anomalous: the furthest below its column's median.
        seed: of all noise.
        device: auto takes a GPU where there is one; else the name of a device.
    """
    from ...trained_model import TrainedModel
    from ..data import map_rows, open_for, say_given

    trained = TrainedModel.load(run, model)
    source = open_for(trained, data, read)
    say_given(trained)
    if explain:
        map_rows(source, output, lambda rows: trained.explain(rows, samples, seed), "x")
    else:
        map_rows(source, output, lambda x: trained.log_likelihood(x, samples, seed, device), "log_likelihood")
