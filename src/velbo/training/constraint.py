"""Train to a given rate or reconstruction: the weight of the rate is a Lagrange multiplier that follows the constraint.

    reach a rate R            max E[log p(x|z)]  subject to  rate = R:             log beta <- log beta + pace * v
    reach a reconstruction D  min rate           subject to  E[log p(x|z)] = D:    likewise

    v = (rate - R) / R     or     v = (reconstruction - D) / rate,   averaged over the last steps, within [-1, 1]

Both maximise reconstruction - beta rate. Violations as shares of the rate make one pace serve tables and images;
the pace falls with the learning rate, for a model that hardly moves any more cannot answer. The reported bound is the
one at beta = 1, as ever.

Source: Taming VAEs, Rezende and Viola, 2018, https://arxiv.org/abs/1810.00597 (algorithm 1, GECO), whose multiplier of
the reconstruction is 1 / beta.
"""

from __future__ import annotations

import math

from ..config import Weighting
from . import schedule
from .state import State

PACE, DECAY, LEAST_RATE = 0.05, 0.9, 1e-3


def beta(weighting: Weighting, state: State, t: float) -> float:
    """Weight of the rate at progress t: the schedule's, or the multiplier where there is a constraint."""
    if not weighting.constrained:
        return schedule.beta(weighting, t)
    return weighting.beta * math.exp(state.log_multiplier)


def violation(weighting: Weighting, reconstruction: float, rate: float) -> float:
    """v of one step; positive asks for a larger beta."""
    if weighting.target_rate is not None:
        v = (rate - weighting.target_rate) / weighting.target_rate
    else:
        v = (reconstruction - (weighting.target_reconstruction or 0.0)) / max(rate, LEAST_RATE)
    return max(-1.0, min(1.0, v))


def follow(weighting: Weighting, state: State, reconstruction: float, rate: float, pace: float) -> None:
    """Move the multiplier after a step.

    Args:
        weighting: with a target.
        state: whose multiplier moves.
        reconstruction: mean over the batch, nats of the data.
        rate: likewise.
        pace: 1 at the peak of the learning rate, 0 at its end.
    """
    v = violation(weighting, reconstruction, rate)
    before = v if state.violation is None else state.violation
    state.violation = DECAY * before + (1 - DECAY) * v
    state.log_multiplier += PACE * pace * state.violation
