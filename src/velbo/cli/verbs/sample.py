"""velbo sample: new observations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ...errors import need
from ...files import shown
from ...limits import NOT_NEGATIVE, ROWS
from ..app import app, say
from ..options import Assignments, ClusterOptions, Folder, InParts, Output, OwnParts, Seed, assignments
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
    parts: InParts = ClusterOptions(),
) -> None:
    """New observations from the model.

    Args:
        run: folder of a trained model.
        output: file to write; of a model of images also a .png, .svg or .pdf file, which shows them on one sheet; with
            --cluster a folder.
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
    from ...cluster.works import Drawn, blocks_to_draw
    from ...trained_model import TrainedModel
    from ..bulk import Bulk, about_of, model_of
    from ..data import write_parts

    is_picture = parts.cluster is None and output.suffix.lower() in PICTURES
    if is_picture:
        need("matplotlib", "report")
    elif parts.cluster is None:
        check_output(output)
    trained = TrainedModel.load(run, model)
    values = assignments(given, "--given field=value") or None
    if is_picture:
        _sheet(trained, trained.sample(n, seed, mean, values, balance, guidance=guidance), output)
        return
    asked = {"mean": mean, "given": values, "balance": balance, "missing": missing, "guidance": guidance}
    blocks, draw = blocks_to_draw(n), Drawn(model_of(trained, run, model), seed, asked)
    if parts.cluster is not None:
        Bulk(parts, output, about_of(trained, "sample", {**asked, "n": n, "seed": seed})).carry_out(draw, blocks)
        return
    write_parts([output], ([draw(block)] for block in blocks))


def _sheet(trained: TrainedModel, rows: Any, path: Path) -> None:
    """Images among the rows as one picture."""
    from ...report.pictures import save
    from ...report.samples import images_of, sheet

    images = images_of(trained, rows)
    save(sheet(images), path)
    say(f"wrote {len(images)} images to {shown(path)}")
