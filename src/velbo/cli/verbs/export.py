"""velbo export: a model as a file that runs without velbo."""

from __future__ import annotations

from typing import Literal

from ...files import shown
from ..app import app, say
from ..options import Count, Folder, Output, OwnParts, Seed
from ..pages import SHARE


@app.command(group=SHARE)
def export(
    run: Folder,
    *,
    output: Output,
    what: Literal["encoder", "decoder", "score"] = "encoder",
    samples: Count = 100,
    seed: Seed = 0,
    model: OwnParts = None,
) -> None:
    """Write the encoder, decoder or score as a file that runs without velbo, and a description as .json beside it.

    Args:
        run: folder of a trained model.
        output: file to write, .onnx or .pt2 (torch.export).
        what: encoder, values of the data to the embedding; decoder, latents to values; score, values to a lower bound
            of log p(x) in nats.
        samples: importance samples of a score.
        seed: of the noise in a score, which is the same for every row.
    """
    from ...trained_model import TrainedModel

    made = TrainedModel.load(run, model).export(output, what, samples, seed)
    say(
        f"wrote the {made.what} to {shown(made.path)}: {', '.join(made.inputs)} -> {', '.join(made.outputs)}; it "
        f"differs from velbo by {made.difference:.1e} at most ({made.tolerance:g} is allowed)"
    )
