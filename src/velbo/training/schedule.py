"""What changes as a run goes on, as functions of its progress t in [0, 1].

    learning rate   lr * min(1, t / warmup) * (1 + cos(pi t)) / 2
    beta            beta * min(1, t / warmup)

t is the share of the budget used up, in steps or in time, whichever is further; so a warm-up that was asked for ends
within the run on data of any size, and beta is exactly its final value at t = 1. A step's beta is taken at its end, its
learning rate in its middle, so that the only step of a run of one step does not have a rate of zero.
"""

from __future__ import annotations

import math

from ..config import Budget, Weighting


def progress(budget: Budget, steps_done: float, steps_per_epoch: int, seconds: float) -> float:
    """Share of the budget used up, in [0, 1]."""
    shares = [0.0]
    if budget.n_epochs is not None:
        shares.append(steps_done / (budget.n_epochs * steps_per_epoch))
    if budget.minutes is not None:
        shares.append(seconds / (60 * budget.minutes))
    return min(1.0, max(shares))


def ramp(t: float, warmup: float) -> float:
    """Linear from 0 to 1 over the first ``warmup`` of the run."""
    return min(1.0, t / warmup) if warmup > 0 else 1.0


def learning_rate(peak: float, warmup: float, t: float) -> float:
    return peak * ramp(t, warmup) * 0.5 * (1 + math.cos(math.pi * t))


def beta(weighting: Weighting, t: float) -> float:
    return weighting.beta * ramp(t, weighting.beta_warmup)
