"""Everything that the doctor's questions are answered from, measured once.

    rows it has not seen     bounds and their curve in K, rate of each latent, calibration, aggregated posterior
    rows it was trained on   the ELBO alone: train - test is what over-fitting costs
    two-sample tests         z ~ q(z|x), x ~ p_data   against   z ~ p(z)          where the prior has holes
                             x ~ p(x|z), z ~ q        against   x ~ p(x|z), z ~ p   what the holes do to samples
    scales at their floor    share of predicted standard deviations that are as small as the model can make them

The area under the curve (AUC) of a classifier that tells the two apart is 1/2 where they are alike, 1 where never.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..build.parts import MECHANISMS
from ..errors import CollapseWarning, ConfigError, DataError
from ..evaluation import (
    Aggregated,
    BoundCurve,
    Calibration,
    Evaluation,
    RowScores,
    aggregated_posterior,
    calibrate,
    summarise,
)
from ..evaluation.bounds.curve import scores_and_curve
from ..evaluation.samples import two_sample_auc
from ..likelihoods.mixed import row_and_mask
from ..nets import FieldFeatures
from ..posteriors import RowDraw
from ..posteriors.base import MIN_SCALE as MIN_POSTERIOR_SCALE
from ..priors import Estimated
from ..rows import Store
from ..runtime.generators import OwnGenerator
from ..terms import Model, view_of
from ..trained_model import TrainedModel
from ..training.refit import place_of_prior

MIN_ROWS = 20
AT_THE_FLOOR = 2.0


@dataclass(frozen=True)
class Examination:
    """What was measured.

    Attributes:
        test: summary of the rows that the model has not seen.
        scores: of those rows, one by one.
        curve: of the importance-weighted bound, over those rows.
        aggregated: their rate taken apart.
        calibration: of the likelihood, on those rows.
        names: of the dimensions; empty if they have none.
        n_dims: dimensions that have a likelihood, which given ones have not.
        train: summary of rows that the model was trained on; None if none were given.
        metrics: lines of metrics.jsonl; empty for a model without a run.
        auc_latents: how well posterior draws of z are told from draws of the prior; NaN where no classifier was
            trained.
        auc_samples: how well x drawn from posterior z is told from x drawn from prior z; likewise.
        floor_data: share of the predicted standard deviations of x at their floor; 0 where there is none.
        floor_latents: share of the posterior's standard deviations at theirs.
        z: one posterior draw of each row, (N, Z), and as many of the prior.
        refittable: whether another prior can be put into the model.
        annealable: whether its prior has the density that annealing climbs.
    """

    test: Evaluation
    scores: RowScores
    curve: BoundCurve
    aggregated: Aggregated
    calibration: Calibration
    names: tuple[str, ...]
    n_dims: int
    train: Evaluation | None
    metrics: Sequence[dict[str, Any]]
    auc_latents: float
    auc_samples: float
    floor_data: float
    floor_latents: float
    z: tuple[Tensor, Tensor] = field(repr=False)
    refittable: bool
    annealable: bool


def examine(
    fitted: TrainedModel,
    test: Any,
    train: Any = None,
    metrics: Sequence[dict[str, Any]] = (),
    samples: int = 256,
    seed: int = 0,
    two_samples: bool = True,
) -> Examination:
    """Measure a trained model.

    Args:
        fitted: the model.
        test: rows it has not seen, 20 at least; some hundreds tell more.
        train: rows it was trained on.
        metrics: of its run.
        samples: of the importance-weighted bound, a power of two.
        seed: of all noise.
        two_samples: whether classifiers are trained to tell posterior from prior draws, which takes the longest of all.

    Raises:
        DataError: for fewer than 20 rows.
    """
    model, data = fitted.model, fitted.store(test)
    if len(data) < MIN_ROWS:
        raise DataError(f"the doctor needs at least {MIN_ROWS} rows to see anything, not {len(data)}")
    scores, curve = scores_and_curve(model, data, samples, seed)
    posterior, prior = _draws(model, data, seed, _features(fitted, seed))
    floor_data, floor_latents = _at_the_floor(model, data, seed)
    return Examination(
        test=summarise(scores, data, samples),
        scores=scores,
        curve=curve,
        aggregated=aggregated_posterior(model, data, seed=seed),
        calibration=calibrate(model, data, seed),
        names=tuple(cell.name for cell in fitted.schema.cells),
        n_dims=int(data.units.has_likelihood.sum()),
        train=None if train is None else _quietly(fitted, train, seed),
        metrics=metrics,
        auc_latents=two_sample_auc(posterior[0], prior[0], seed) if two_samples else math.nan,
        auc_samples=two_sample_auc(posterior[1], prior[1], seed) if two_samples else math.nan,
        floor_data=floor_data,
        floor_latents=floor_latents,
        z=(posterior[0], prior[0]),
        refittable=_takes_a_prior(model),
        annealable=not isinstance(view_of(model, data.fixed(seed)[:1]).prior(), Estimated),
    )


def _takes_a_prior(model: Model) -> bool:
    try:
        place_of_prior(model)
    except ConfigError:
        return False
    return True


def _features(fitted: TrainedModel, seed: int) -> FieldFeatures:
    """What a classifier sees of a row: all that is modelled, as an encoder does, and nothing that is given.

    Which cells are missing is modelled too, or no cell of the model's own rows is missing. Of very many names each is
    16 random numbers.
    """
    schema = fitted.schema
    given = set(schema.dims(fitted.recipe.condition))
    seen = [d for d in range(schema.n_dims) if d not in given]
    with OwnGenerator(seed, "features"):
        return FieldFeatures(schema.cells, mask=MECHANISMS[fitted.recipe.missing] is not None, only=seen)


def _quietly(fitted: TrainedModel, rows: Any, seed: int) -> Evaluation:
    """Collapse is a finding here, no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)
        return fitted.evaluate(rows, samples=1, seed=seed)


@torch.no_grad()
def _draws(
    model: Model, data: Store, seed: int, features: Callable[[Tensor], Tensor]
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """((z, features of x) from the posterior, the same from the prior), (N, Z) and (N, F) each."""
    with OwnGenerator(seed, "doctor"):
        x = data.fixed(seed)
        view = view_of(model, x)
        z = RowDraw(data.kept, seed).sample(view.encode(x), 1)[0]
        other = view.prior().sample(torch.Size((len(data),)))
        return (z, features(row_and_mask(view.decode(z)))), (other, features(row_and_mask(view.decode(other))))


@torch.no_grad()
def _at_the_floor(model: Model, data: Store, seed: int) -> tuple[float, float]:
    """Shares of scales within twice the least that is possible."""
    x = data.fixed(seed)
    view = view_of(model, x)
    q = view.encode(x)
    p = view.decode(q.mean)
    cells: list[Any] = [part.cell for _, part in getattr(p, "parts", ()) if part.cell.least_scale > 0]
    data_share = [_share(cell.scale, cell.least_scale) for cell in cells]
    return float(sum(data_share) / max(1, len(data_share))), _share(q.stddev, MIN_POSTERIOR_SCALE)


def _share(scale: Tensor, floor: float) -> float:
    return float((scale <= AT_THE_FLOOR * floor).double().mean())
