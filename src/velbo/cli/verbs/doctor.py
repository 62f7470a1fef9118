"""velbo doctor: what is wrong with a model."""

from __future__ import annotations

from ...errors import need
from ...files import shown
from ..app import app, say
from ..options import Count, Folder, OwnParts, ReadAs, ReadingOptions, Rows, Seed, SomeOutput
from ..output import print_json
from ..pages import MEASURE


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
    from ...doctor import diagnose, examine, write
    from ...report.examination import examination
    from ...report.pictures import save
    from ...trained_model import TrainedModel
    from ...training import Run
    from ..data import say_given, seen_rows, some_rows

    if output is not None:
        need("matplotlib", "report")
    trained = TrainedModel.load(run, model)
    picked = some_rows(trained, data, read, rows, seed)
    with picked.numbered():
        test = trained.store(picked.rows)
    say_given(trained)
    seen = seen_rows(trained, data, train, rows, seed, read)
    found = examine(trained, test, seen, Run(run).metrics(), samples, seed)
    findings = diagnose(found)
    if output is not None:
        save(examination(found, findings), output)
        say(f"wrote {shown(output)}")
    if json:
        print_json([finding.to_json() for finding in findings])
    else:
        print(write(findings))
