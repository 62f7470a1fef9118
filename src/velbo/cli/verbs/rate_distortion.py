"""velbo rate-distortion: what rate buys."""

from __future__ import annotations

from ...tables import Figure, explained
from ..app import app
from ..options import Count, Folder, Output, OwnParts, ReadAs, ReadingOptions, Rows, Seed
from ..output import check_output, print_table, write_rows
from ..pages import MEASURE


@app.command(group=MEASURE)
def rate_distortion(
    run: Folder,
    data: str,
    *,
    output: Output,
    rows: Rows = 100,
    temperatures: Count = 1000,
    chains: Count = 16,
    leapfrog: Count = 10,
    seed: Seed = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
) -> None:
    """What rate buys: a curve of rate against distortion.

    In nats; the file has the columns b, rate and distortion.

    Args:
        run: folder of a trained model.
        data: rows: a file or folder of any format, or the name of an embedded set, as for fit.
        output: file to write.
        rows: of a seeded random subset.
        temperatures: from prior to posterior, one line each.
        chains: of each row.
        leapfrog: steps of one proposal.
        seed: of the subset and of all noise.
    """
    import pyarrow as pa

    from ...evaluation import Annealing
    from ...evaluation import rate_distortion as trace
    from ..data import model_and_rows

    check_output(output)
    trained, chosen = model_and_rows(run, model, data, read, rows, seed)
    curve = trace(trained, chosen, Annealing(temperatures, chains, leapfrog, seed))
    columns = {"b": curve.b, "rate": curve.rates, "distortion": curve.distortions}
    write_rows(output, pa.table({name: values.numpy() for name, values in columns.items()}))
    rate, distortion = curve.encoder
    print_table(
        explained(
            (
                Figure("rate", rate, "of the encoder, KL(q(z|x) || p(z)), nats a row"),
                Figure("distortion", distortion, "of the same, -E_q[log p(x|z)]; the curve is what annealing found"),
            )
        )
    )
