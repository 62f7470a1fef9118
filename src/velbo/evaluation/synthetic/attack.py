"""Membership inference: does a score tell training rows from rows that nobody trained on?

An attacker who calls each row with a score above t a member has true and false positive rates TPR(t) and FPR(t):

    advantage = max(0, max_t TPR(t) - FPR(t)),     AUC = P(member > stranger) + 1/2 P(member = stranger)

A maximum is above 0 by chance; permutations of the labels give its mean and a p-value that is exact for every sample
size: p = (1 + #{permuted >= observed}) / (1 + permutations). The error of the AUC is DeLong's: with V_i the share of
strangers below member i (ties half) and W_j the share of members above stranger j, var = var V / n + var W / m.

Sources: Privacy risk in machine learning: analyzing the connection to overfitting, Yeom, Giacomelli, Fredrikson and
Jha, 2018, https://arxiv.org/abs/1709.01604 (definition 4); Comparing the areas under two or more correlated receiver
operating characteristic curves, DeLong, DeLong and Clarke-Pearson, 1988, https://doi.org/10.2307/2531595.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ...errors import ConfigError, DataError
from ..samples import Floats


@dataclass(frozen=True)
class Attack:
    """What an attacker reaches: advantage about ``by_chance`` and AUC 1/2 if nothing is learned by heart.

    Attributes:
        advantage: TPR - FPR at the best threshold, in [0, 1].
        by_chance: mean advantage for permuted labels.
        p_value: of scores that are no larger for members, from the advantage.
        auc: area under the ROC curve.
        auc_error: its standard error, over rows, for these synthetic rows or this model.
    """

    advantage: float
    by_chance: float
    p_value: float
    auc: float
    auc_error: float


def attack(members: Any, strangers: Any, permutations: int = 999, seed: int = 0) -> Attack:
    """How well do scores tell members from strangers?

    Args:
        members: scores (n,) of training rows, larger where the attacker thinks so: log p(x), or minus a distance.
        strangers: scores (m,) of rows from the same source that were not trained on.
        permutations: of the labels.
        seed: of the permutations.

    Raises:
        DataError: for fewer than 2 scores of either, or NaN.
        ConfigError: for no permutations.
    """
    if permutations < 1:
        raise ConfigError(f"permutations = {permutations}: at least 1 is needed; give permutations=999")
    x, y = (_scores(s, w) for s, w in ((members, "members"), (strangers, "strangers")))
    n, m = len(x), len(y)
    both = np.concatenate((x, y))
    order = np.argsort(-both, kind="stable")
    ends = np.append(both[order][1:] != both[order][:-1], True)  # rows of one score are called together
    steps = np.repeat((m, -n), (n, m))  # n m times TPR - FPR: whole numbers, so that equal values are equal
    observed = _highest(steps[order], ends)
    rng = np.random.default_rng(seed)
    permuted = np.array([_highest(rng.permutation(steps), ends) for _ in range(permutations)])
    p = (1 + int((permuted >= observed).sum())) / (1 + permutations)
    return Attack(observed / (n * m), float(permuted.mean()) / (n * m), p, *_auc(x, y))


def _scores(scores: Any, what: str) -> Floats:
    found = np.asarray(scores, np.float64)
    if found.ndim != 1 or len(found) < 2:
        raise DataError(f"{what}: scores of shape {found.shape}; give one number a row, (n,), for at least 2 rows")
    if np.isnan(found).any():
        raise DataError(f"{what}: the score of row {int(np.argmax(np.isnan(found)))} is NaN; leave such rows out")
    return found


def _highest(steps: NDArray[np.int64], ends: NDArray[np.bool_]) -> int:
    """Of a path that starts at 0, among places where it may be read."""
    return max(0, int(steps.cumsum()[ends].max()))


def _auc(x: Floats, y: Floats) -> tuple[float, float]:
    n, m = len(x), len(y)
    ranks = rankdata(np.concatenate((x, y)))
    below = (ranks[:n] - rankdata(x)) / m
    above = 1 - (ranks[n:] - rankdata(y)) / n
    return float(below.mean()), math.sqrt(below.var(ddof=1) / n + above.var(ddof=1) / m)
