"""Rows held out, scored by the very bound that training reports, with the same noise at every evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import TrainingError
from ..objectives import Objective
from ..posteriors import RepeatedDraw
from ..rows import Store
from ..terms import Model
from .team import Team
from .weights import mean_one

MAX_ROWS, MIN_ROWS = 2000, 10
MIN_GROUPS = 50
CHUNK = 500


def n_held_out(n_rows: int, fraction: float) -> int:
    """None of fewer than 10 rows, and 2,000 at most."""
    return min(round(n_rows * fraction), MAX_ROWS) if n_rows >= MIN_ROWS else 0


def split(n_rows: int, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of training rows (in order) and of a random held-out share; none are held out of fewer than 10 rows."""
    n = n_held_out(n_rows, fraction)
    order = torch.randperm(n_rows, generator=torch.Generator().manual_seed(seed))
    return order[n:].sort().values, order[:n].sort().values


def split_of_groups(groups: Sequence[int], fraction: float, seed: int) -> Tensor:
    """Indices of held-out rows, in order, where rows are read group by group and too many to permute.

    Every group that has one must be read to begin with. So they are drawn from 50 random groups, or from as many as it
    takes not to hold out a greater share of those.

    Args:
        groups: number of rows of each.
        fraction: of all rows.
        seed: of the draw.
    """
    generator, n = np.random.default_rng(seed), n_held_out(sum(groups), fraction)
    sizes = np.asarray(groups, dtype=np.int64)
    order = generator.permutation(len(sizes))
    enough = int(np.searchsorted(sizes[order].cumsum() * fraction, n)) + 1
    drawn = np.sort(order[: max(MIN_GROUPS, enough)])
    ends = sizes[drawn].cumsum()
    places = np.sort(generator.choice(int(ends[-1]), n, replace=False, shuffle=False))
    shifts = sizes.cumsum()[drawn] - ends
    return torch.from_numpy(places + shifts[np.searchsorted(ends, places, side="right")])


class ValidationSet:
    """Held-out rows on the device, with noise fixed once.

    Args:
        data: the rows, in memory.
        objective: whose bound is reported.
        seed: of all noise.
        device: to compute on.
        team: among whom the rows are dealt out.
    """

    def __init__(self, data: Store, objective: Objective, seed: int, device: torch.device, team: Team) -> None:
        self.objective, self.n_rows, self.team = objective, len(data), team
        if data.weight is not None:
            data = data.weighted(mean_one(data.weight))
        mine = list(data.chunks(CHUNK))[team.rank :: team.size]
        self.chunks = [
            (chunk, chunk.fixed(seed).to(device), chunk.log_det().to(device), RepeatedDraw(chunk.kept, seed))
            for chunk in mine
        ]

    @torch.no_grad()
    def evaluate(self, model: Model, autocast: AbstractContextManager[Any]) -> dict[str, float]:
        """Means over all held-out rows, by their weights, an observation's nats of the data; of several groups of
        latents the rate of each too, from the top.
        """
        totals, of_groups = {"bound": 0.0, "reconstruction": 0.0, "rate": 0.0}, list[float]()
        for chunk, x, log_det, draw in self.chunks:
            with autocast:
                terms = model.terms(x, self.objective.samples, draw.again())
            bound = self.objective(terms).plus(log_det)
            bound = bound if chunk.weight is None else bound.weighted(chunk.weight.to(x.device))
            totals["bound"] += float(bound.value.double().sum())
            totals["reconstruction"] += float(bound.reconstruction.double().sum())
            totals["rate"] += float(bound.rate.double().sum())
            if len(terms.groups) > 1:
                kl = terms.group_kl.double().sum(0).tolist()
                of_groups = [a + b for a, b in zip(of_groups or [0.0] * len(kl), kl, strict=True)]
        # a process without a row does not know how many groups there are
        n_groups = max(int(n) for n in self.team.gather(torch.tensor(len(of_groups))))
        of_groups = of_groups or [0.0] * n_groups
        totals |= {f"rate_{group}": kl for group, kl in enumerate(of_groups, start=1)}
        sums = self.team.total(list(totals.values()))
        return {f"validation_{name}": total / self.n_rows for name, total in zip(totals, sums, strict=True)}


def require_finite(means: dict[str, float], step: int) -> dict[str, float]:
    """What was measured.

    Raises:
        TrainingError: if the bound is not finite.
    """
    if not math.isfinite(bound := means["validation_bound"]):
        raise TrainingError(
            f"the validation bound is {bound} at step {step}: the weights have run away, or a held-out row is far from "
            "all others. Lower lr, or look for huge values"
        )
    return means
