"""velbo what-if: rows under another condition."""

from __future__ import annotations

from ..app import app
from ..options import Assignments, Folder, Output, OwnParts, ReadAs, ReadingOptions, Seed, assignments
from ..pages import USE


@app.command(group=USE)
def what_if(
    run: Folder,
    data: str,
    *,
    output: Output,
    set: Assignments,
    seed: Seed = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
) -> None:
    """Rows as they would be under another condition.

    Other values are given to a conditional model; each row keeps its own z.

    Args:
        run: folder of a trained model with a condition.
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        output: file to write.
        set: field=value, of a field of the condition. May be given many times.
        seed: of all noise.
    """
    from ...trained_model import TrainedModel
    from ..data import change_rows, open_for

    trained, changes = TrainedModel.load(run, model), assignments(set, "--set field=value")
    change_rows(open_for(trained, data, read), [output], lambda rows: [trained.what_if(rows, changes, seed)])
