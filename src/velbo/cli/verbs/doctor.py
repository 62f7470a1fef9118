"""velbo doctor: what is wrong with a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import VelboError, need
from ..app import app, say
from ..options import Count, Folder, OwnParts, ReadAs, ReadingOptions, Rows, Seed, SomeOutput
from ..output import print_json
from ..pages import MEASURE

if TYPE_CHECKING:
    from ...trained_model import TrainedModel


@app.command(group=MEASURE)
def doctor(
    run: Folder,
    data: str,
    *,
    train: str | None = None,
    rows: Rows = 1000,
    samples: Count = 256,
    seed: Seed = 0,
    output: SomeOutput = None,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
    json: bool = False,
) -> None:
    """What is wrong with a model, and what to try.

    Each finding comes with the figure that shows it and the option to try.

    Args:
        run: folder of a trained model.
        data: rows that it has not seen, as for fit.
        train: the rows it was trained on; those that the run itself names, if they are still there.
        rows: look at a seeded random subset of so many of either, at most.
        samples: importance samples of the bound, a power of two.
        seed: of the subset and of all noise.
        output: .png file to draw, with what the findings rest on.
        json: print one JSON object.
    """
    from ...doctor import diagnose, draw, examine, write
    from ...trained_model import TrainedModel
    from ...training import Run
    from ..data import at_most, rows_for, say_given

    if output is not None:
        need("matplotlib", "report")
    trained = TrainedModel.load(run, model)
    test = at_most(rows_for(trained, data, read), rows, seed)
    say_given(trained)
    seen = _training_rows(trained, data, train, rows, seed, read)
    found = examine(trained, test, seen, Run(run).metrics(), samples, seed)
    findings = diagnose(found)
    if output is not None:
        draw(found, findings, output)
        say(f"wrote {output}")
    if json:
        print_json([finding.to_json() for finding in findings])
    else:
        print(write(findings))


def _training_rows(trained: TrainedModel, data: str, named: str | None, n: int, seed: int, read: ReadingOptions) -> Any:
    """Rows of the file that is named here or in the run; None, said so, where there are none to compare with."""
    from ...formats import absolute_name
    from ..data import training_rows

    said = trained.plan.data
    if named is None and not said.source:
        return None
    if named is None and said.source == absolute_name(data):
        say("these are the rows that the model was trained on: what it does to others cannot be seen")
        return None
    try:
        return training_rows(trained, named, n, seed, read)
    except VelboError as error:
        if named is not None:
            raise
        say(f"the rows that it was trained on cannot be read ({error}); name them with --train")
        return None
