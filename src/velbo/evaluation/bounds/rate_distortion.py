"""What a model trades: nats of rate for nats of distortion, whatever its encoder does.

    R(D) = min over channels q(z|x) of KL( q(z|x) || p(z) )  with  E_q[-log p(x|z)] <= D
    its slope at the tempered posterior p(z) p(x|z)^b is -1/b;  at b = 1:  R + D = -log p(x)

One annealing run passes the channels of every b between 0 and 1 (annealing.py) and bounds their rate from above. The
encoder is one channel more, at (rate, -reconstruction): R + D is its -ELBO, and its distance from the curve along
that diagonal is what inference loses.

Source: Evaluating lossy compression rates of deep generative models, Huang, Makhzani, Cao and Grosse, 2020,
https://arxiv.org/abs/2008.06653 (section 4); Fixing a broken ELBO, Alemi et al., 2018,
https://arxiv.org/abs/1711.00464 (section 3).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ...checks import rows_for
from ...rows import AnyRows
from ...terms import Model
from .annealing import Annealing, anneal
from .log_likelihood import score_rows


@dataclass(frozen=True)
class RateDistortion:
    """Means over rows in nats of the data (rows/units.py), on which rates do not depend.

    Attributes:
        b: exponents of the likelihood, 0 to 1, (T + 1,).
        rates: upper bounds of the channels' rates, (T + 1,).
        distortions: of the same channels, (T + 1,).
        encoder: (rate, distortion) of the model's own q(z|x).
    """

    b: Tensor
    rates: Tensor
    distortions: Tensor
    encoder: tuple[float, float]


def rate_distortion(
    model: Model, data: AnyRows, settings: Annealing = Annealing(), samples: int = 100
) -> RateDistortion:
    """The curve that annealing passes, and the encoder's point.

    Args:
        model: in evaluation mode, on the CPU.
        data: rows x, (N, D), of any container; see `velbo.checks.rows_for`.
        settings: how long to anneal; slower is nearer to the curve.
        samples: of the encoder's point.
    """
    data = rows_for(model, data)
    run = anneal(model, data.fixed(settings.seed), settings)
    own = score_rows(model, data, samples, seed=settings.seed)
    encoder = float(own.rate.mean()), -float(own.reconstruction.mean())
    distortions = run.distortions.mean(1) - data.log_det().mean()
    return RateDistortion(settings.schedule, run.rates.mean(1), distortions, encoder)
