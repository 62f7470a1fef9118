"""velbo quality: are samples like the data?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..app import app
from ..options import Count, Folder, OwnParts, ReadAs, ReadingOptions, Rows, Seed
from ..output import print_result
from ..pages import MEASURE

if TYPE_CHECKING:
    from ...trained_model import TrainedModel


@app.command(group=MEASURE)
def quality(
    run: Folder,
    data: str,
    *,
    features: Literal["raw", "latent"] = "raw",
    rows: Rows = 2000,
    neighbours: Count = 5,
    seed: Seed = 0,
    model: OwnParts = None,
    read: ReadAs = ReadingOptions(),
    json: bool = False,
) -> None:
    """Are samples like the data?

    Precision, recall, density, coverage, MMD, and a classifier that tries to tell them. For synthetic tables, column by
    column and with their privacy, see 'velbo compare'.

    Args:
        run: folder of a trained model.
        data: as for fit, best not what it was trained on; missing cells of arrays are refused.
        features: what is compared: values (of columns one-hot and standardised), or posterior means.
        rows: of a seeded random subset at most, and as many samples.
        neighbours: of the radii of precision and the rest.
        seed: of the subset, the samples and the tests.
        json: print one JSON object.
    """
    from ...evaluation.samples import sample_quality
    from ...trained_model import TrainedModel
    from ..data import some_rows

    trained = TrainedModel.load(run, model)
    picked = some_rows(trained, data, read, rows, seed)
    fake = trained.sample(len(picked.rows), seed)
    with picked.numbered():
        real, fake = _compared(trained, picked.rows, fake, features, seed)
    print_result(sample_quality(real, fake, k=neighbours, seed=seed), json)


def _compared(trained: TrainedModel, real: Any, fake: Any, features: str, seed: int) -> tuple[Any, Any]:
    """Both as numbers whose distances mean something: embeddings, or what is modelled, columns by their features, and
    arrays as the model sees them, such as grey images black and white.
    """
    from ...evaluation.synthetic import features as of_columns

    if features == "latent":
        return trained.encode(real), trained.encode(fake)
    schema = trained.schema
    given = set(schema.dims(trained.recipe.condition)) if not schema.is_table else set()
    kept = [d for d in range(schema.n_dims) if d not in given]
    if not schema.is_table:
        encoding = trained.plan.encoding
        x, y = (encoding.restore(trained.store(rows).fixed(seed)).double().numpy() for rows in (real, fake))
        return x[:, kept], y[:, kept]
    x, y = schema.numbers(real)[:, kept], schema.numbers(fake)[:, kept]
    return of_columns(x, schema.modelled), of_columns(y, schema.modelled, x)
