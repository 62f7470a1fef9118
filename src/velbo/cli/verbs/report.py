"""velbo report: one page of a model."""

from __future__ import annotations

from ...errors import ConfigError, need
from ...files import shown
from ..app import app, say
from ..options import Folder, Output, OwnParts, ReadAs, ReadingOptions, Rows, Seed
from ..pages import SHARE


@app.command(group=SHARE)
def report(
    run: Folder,
    data: str,
    *,
    output: Output,
    train: str | None = None,
    labels: str | None = None,
    rows: Rows = 500,
    seed: Seed = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
) -> None:
    """One HTML page of a model.

    It holds what the data are, what the model is and why, learning, bounds and their meaning, findings,
    reconstructions, latents, anomalous rows with their reasons, new rows beside real ones, privacy; and it needs
    neither script nor network.

    Args:
        run: folder of a trained model.
        data: rows that it has not seen, as for fit.
        output: .html file to write.
        train: the rows it was trained on, for what it has learned by heart and gives away; those that the run itself
            names, if they are still there.
        labels: for the map of latents: a column of the data, or a file with as many rows (file.npz:label).
        rows: of a seeded random subset of either, at most.
        seed: of the subset and of all noise.
    """
    need("matplotlib", "report")
    from ...report.page import report as write
    from ...trained_model import TrainedModel
    from ..data import labels_for, rows_for, say_given, seen_rows

    if output.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"a report is an HTML file; write -o {output.with_suffix('.html')}")
    trained = TrainedModel.load(run, model)
    table = rows_for(trained, data, read)
    say_given(trained)
    seen = seen_rows(trained, data, train, rows, seed, read)
    known, name = labels_for(table, labels)
    write(trained, table, output, seen, known, rows, seed, name)
    say(f"wrote {shown(output)}")
