"""velbo plot: pictures of a model and of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ...errors import ConfigError, VelboError, need, unknown
from ...files import shown
from ..app import app, say
from ..options import Folder, Output, OwnParts, ReadAs, ReadingOptions, Rows, Seed
from ..pages import USE

if TYPE_CHECKING:
    from ...report.subject import Subject

Names = Annotated[tuple[str, ...], Parameter(negative="", consume_multiple=True)]


@app.command(group=USE)
def plot(
    run: Folder,
    data: str,
    *,
    output: Output,
    what: Names = (),
    labels: str | None = None,
    rows: Rows = 1000,
    seed: Seed = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
) -> None:
    """Pictures of a model and of rows.

    Learning curve, KL of the latents, map of the latents, reconstructions, samples, columns and pairs real beside
    synthetic, missing cells, calibration, residuals of the most anomalous rows.

    Args:
        run: folder of a trained model.
        data: rows to show, as for fit; best others than it was trained on.
        output: folder for the pictures; or, of one picture, a .png, .svg or .pdf file.
        what: which ones, by name: learning_curve, kl, latents, reconstructions, samples, columns, pairs, missing,
            calibration, residuals. All that apply, if none is named.
        labels: for the map of latents: a column of the data, or a file with as many rows (file.npz:label); if not
            given, the one field of names where there is one.
        rows: of a seeded random subset, at most.
        seed: of the subset and of all noise.
    """
    need("matplotlib", "report")
    from ...report.pictures import save
    from ...report.plots import PICTURES, picture

    for name in what:
        if name not in PICTURES:
            raise unknown("picture", name, PICTURES)
    if output.suffix and len(what) != 1:
        raise ConfigError(f"{output} is one file, for one picture: name it with --what, or give a folder, -o pictures")
    subject, known = _subject(run, model, data, read, rows, seed, labels)
    for name in what or PICTURES:
        try:
            figure = picture(subject, name, *known)
        except VelboError as error:
            if what:
                raise
            say(f"{name} is left out: {error}")
            continue
        path = output if output.suffix else output / f"{name}.png"
        save(figure, path)
        say(f"wrote {shown(path)}")


def _subject(
    run: Path, model: str | None, data: str, read: ReadingOptions, n: int, seed: int, labels: str | None
) -> tuple[Subject, tuple[Any, str]]:
    """(model and rows, (labels of the rows, what they are))."""
    from ...report.subject import Subject
    from ...trained_model import TrainedModel
    from ..data import labels_for, rows_for, say_given

    trained = TrainedModel.load(run, model)
    table = rows_for(trained, data, read)
    say_given(trained)
    subject = Subject.of(trained, table, seed)
    known, name = labels_for(table, labels)
    at = subject.some(n)
    if len(at) < len(table):
        say(f"pictures are of {len(at)} of {len(table)} rows, drawn at random; --rows takes more")
    return subject.of_rows(at), (None if known is None else [known[i] for i in at], name)
