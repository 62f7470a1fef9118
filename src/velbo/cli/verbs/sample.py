"""velbo sample: new observations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ...errors import need
from ...files import shown
from ...limits import NOT_NEGATIVE, ROWS
from ..app import app, say
from ..options import Assignments, Folder, Output, OwnParts, Seed, assignments
from ..output import check_output
from ..pages import USE

if TYPE_CHECKING:
    from ...trained_model import TrainedModel

PICTURES = (".png", ".svg", ".pdf")


@app.command(group=USE)
def sample(
    run: Folder,
    *,
    output: Output,
    n: Annotated[int, Parameter(name=["--n", "-n"], validator=ROWS.validate)] = 100,
    seed: Seed = 0,
    mean: bool = False,
    given: Assignments = (),
    balance: str | None = None,
    missing: bool = False,
    guidance: Annotated[float, Parameter(validator=NOT_NEGATIVE.validate)] = 0.0,
    model: OwnParts = None,
) -> None:
    """New observations from the model.

    Args:
        run: folder of a trained model.
        output: file to write; of a model of images also a .png, .svg or .pdf file, which shows them on one sheet.
        n: how many.
        seed: of the draw.
        mean: write the mean (or mode) of p(x|z) for every drawn z instead of a draw of x.
        given: field=value for every row, of any field; the rest of the row follows from it. Of a conditional model,
            fields of its condition are drawn from what training rows had if not given. May be given many times.
        balance: a given field of names, all of which shall be as frequent.
        missing: leave cells out as often as they were missing in training, field by field and at random; without it
            every cell has a value.
        guidance: of a conditional diffusion (--recipe diffusion --condition FIELD), how far rows are moved beyond what
            is given: 0 draws from p(x|c), 1 to 3 rows that are more typical of it and more alike.
    """
    from ...formats import ROWS_PER_BATCH
    from ...rows.results import as_table
    from ...runtime.generators import stream_seed
    from ...trained_model import TrainedModel
    from ..data import write_parts

    if output.suffix.lower() in PICTURES:
        need("matplotlib", "report")
    else:
        check_output(output)
    trained = TrainedModel.load(run, model)
    values = assignments(given, "--given field=value") or None
    if output.suffix.lower() in PICTURES:
        _sheet(trained, trained.sample(n, seed, mean, values, balance, guidance=guidance), output)
        return
    starts = range(0, n, ROWS_PER_BATCH)
    seeds = [seed, *(stream_seed(seed, f"rows from {start}") for start in starts[1:])]
    sizes = [(min(ROWS_PER_BATCH, n - start), own) for start, own in zip(starts, seeds, strict=True)]
    parts = (trained.sample(k, s, mean, values, balance, missing, guidance) for k, s in sizes)
    write_parts([output], ([as_table(part)] for part in parts))


def _sheet(trained: TrainedModel, rows: Any, path: Path) -> None:
    """Images among the rows as one picture."""
    from ...report.pictures import save
    from ...report.samples import images_of, sheet

    images = images_of(trained, rows)
    save(sheet(images), path)
    say(f"wrote {len(images)} images to {shown(path)}")
