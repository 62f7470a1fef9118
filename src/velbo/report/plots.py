"""Every picture by its name, of a trained model and a user's rows.

| name            | shows                                                  | of                        |
|-----------------|--------------------------------------------------------|---------------------------|
| learning_curve  | the bound and its two terms while training             | runs                      |
| kl              | nats of each latent, and of each group of latents      | all                       |
| latents         | a map of the posterior means, coloured by labels       | all                       |
| reconstructions | x beside the point estimate of p(x|z)                  | all                       |
| samples         | new images                                             | images                    |
| columns         | each column, real beside synthetic                     | tables, arrays of numbers |
| pairs           | associations of columns, real beside synthetic         | tables, arrays of numbers |
| missing         | which cells are missing, and which together            | missing cells             |
| calibration     | predicted quantiles against found ones                 | all                       |
| residuals       | the most anomalous rows, and what is anomalous in them | all                       |

What does not apply is refused in a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import unknown
from ..rows.labels import labels_of
from ..trained_model import TrainedModel
from .calibration import calibration
from .columns import columns, pairs
from .latents import latents
from .learning import kl, learning_curve
from .missingness import missing
from .reconstructions import reconstructions
from .residuals import residuals
from .samples import samples
from .subject import Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES: dict[str, Callable[..., Figure]] = {
    picture.__name__: picture
    for picture in (
        learning_curve,
        kl,
        latents,
        reconstructions,
        samples,
        columns,
        pairs,
        missing,
        calibration,
        residuals,
    )
}


def draw(model: TrainedModel, what: str, rows: Any, seed: int = 0, labels: Any = None) -> Figure:
    """One picture.

    Args:
        model: trained.
        what: a name of `PICTURES`.
        rows: of any container, as the model was trained on; best others.
        seed: of all noise and of random choices of rows.
        labels: for latents: (N,), or the name of a field of the rows.

    Raises:
        ConfigError: for a picture of no known name, or one that does not apply to such a model.
        DataError: if there are not as many labels as rows.
        MissingExtraError: if matplotlib is not installed.
    """
    if what not in PICTURES:
        raise unknown("picture", what, PICTURES)
    return picture(Subject.of(model, rows, seed), what, *labels_of(rows, labels))


def picture(subject: Subject, what: str, labels: Sequence[Any] | None = None, name: str = "") -> Figure:
    """The same, of a subject."""
    return latents(subject, labels, name) if what == latents.__name__ else PICTURES[what](subject)
