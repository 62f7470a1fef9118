"""velbo compress: rows into a small file."""

from __future__ import annotations

from ...files import shown
from ..app import app, say
from ..options import Folder, Output, OwnParts, ReadAs, ReadingOptions
from ..pages import USE


@app.command(group=USE)
def compress(
    run: Folder,
    data: str,
    *,
    output: Output,
    any_order: bool = False,
    self_contained: bool = False,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
) -> None:
    """Rows into a small file, from which they come back exactly.

    It has about as many bits as the bound of the model says. A text comes back byte for byte, a table or an array bit
    for bit.

    Args:
        run: folder of a trained model.
        data: as for fit; a text is one file.
        output: file to write, x.vlb by custom.
        any_order: rows come back in another order, which saves log2 n! bits.
        self_contained: put the model inside, with weights of few bits; no run is needed to read such a file.
    """
    from ...compress import compress as into_file
    from ...trained_model import TrainedModel
    from ..data import open_for

    trained = TrainedModel.load(run, model)
    done = into_file(trained, open_for(trained, data, read), output, any_order=any_order, self_contained=self_contained)
    bits = 8 * (done.n_stack + done.n_aside) / done.n_rows
    head = "the head and the model" if self_contained else "the head"
    say(
        f"wrote {done.n_rows} rows to {shown(output)}: {done.n_bytes} bytes, of which {done.n_head} are {head}, and "
        f"{done.n_aside} what the model does not code; {bits:.1f} bits a row without the head"
    )
    of = "" if self_contained else f" --run {shown(run)}"
    say(f"the rows come back with: velbo decompress {shown(output)}{of} -o FILE")
