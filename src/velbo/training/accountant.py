"""How private so many noisy steps are.

    M is (epsilon, delta)-differentially private if for all data D, D' that differ by one row, added or removed, and all
    sets of outcomes S                  P[M(D) in S] <= exp(epsilon) P[M(D') in S] + delta

A step of privacy.py sees each row with probability r and adds noise of sigma times the longest that a row can be. With
P = N(0, sigma^2) and Q = (1 - r) N(0, sigma^2) + r N(1, sigma^2), T such steps have a Renyi divergence of order alpha
of T D_alpha(Q || P) at most, and by that

    epsilon = min over alpha of  T D_alpha(Q || P) + log((alpha - 1) / alpha) - (log delta + log alpha) / (alpha - 1)

which holds of what all steps together give away, not of the last weights alone. opacus computes it (the extra
`privacy`), by its accountant of Renyi divergences, whose bound is proved for a row added and for a row removed; the one
by numerical convolution (PRV) would allow noise 5 to 7 % lower.

Sources: Deep learning with differential privacy, Abadi, Chu, Goodfellow, McMahan, Mironov, Talwar and Zhang, 2016,
https://arxiv.org/abs/1607.00133; Renyi differential privacy of the sampled Gaussian mechanism, Mironov, Talwar and
Zhang, 2019, https://arxiv.org/abs/1908.10530 (theorems 4, 5; section 3.3); Hypothesis testing interpretations and Renyi
differential privacy, Balle, Barthe, Gaboardi, Hsu and Sato, 2020, https://arxiv.org/abs/1905.09982 (theorem 21).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, need

ORDERS = (1.1, 1.25, 1.5, 1.75, 2.5, 3.5, *range(2, 64), 64, 80, 96, 128, 192, 256, 384, 512, 1024)
"""alpha; the lowest are for large epsilon, the highest for small. Those that are no whole numbers take ten times as
long as the others."""
TOLERANCE = 1e-3
"""How far below epsilon noise may stay, as a share of it."""


def spent(noise: float, rate: float, steps: int, delta: float) -> float:
    """epsilon of so many steps; 0 of none.

    Args:
        noise: sigma, standard deviation of the noise over the longest gradient of a row.
        rate: r, probability of a row to be in a step.
        steps: T.
        delta: of the same pair.

    Raises:
        MissingExtraError: without opacus.
    """
    if not steps:
        return 0.0
    of_all = steps * _divergences(noise, rate)
    found = need("opacus.accountants.analysis.rdp", "privacy").get_privacy_spent
    # where there is a lot of noise and little data, the formula of a high order is below 0
    return max(0.0, _quietly(lambda: found(orders=ORDERS, rdp=of_all, delta=delta)[0]))


@lru_cache(maxsize=8)  # it takes a tenth of a second, and is asked for after every epoch
def _divergences(noise: float, rate: float) -> NDArray[np.float64]:
    """D_alpha(Q || P) for each of ORDERS, which is that of one step."""
    compute = need("opacus.accountants.analysis.rdp", "privacy").compute_rdp
    return compute(q=rate, noise_multiplier=noise, steps=1, orders=ORDERS)


@lru_cache(maxsize=8)  # it takes a second or more, and a sweep asks for the same again
def noise_for(epsilon: float, rate: float, steps: int, delta: float) -> float:
    """The least noise, to a thousandth of epsilon, whose ``steps`` spend no more than epsilon; see `spent`.

    Raises:
        ConfigError: if no noise is enough.
        MissingExtraError: without opacus.
    """
    search = need("opacus.accountants.utils", "privacy").get_noise_multiplier
    asked = {"target_epsilon": epsilon, "target_delta": delta, "sample_rate": rate, "steps": steps}
    tolerance = min(0.01, TOLERANCE * epsilon)
    try:
        return _quietly(search, **asked, accountant="rdp", epsilon_tolerance=tolerance, alphas=ORDERS)
    except ValueError:
        raise ConfigError(
            f"no noise makes {steps} steps ({epsilon:g}, {delta:g})-differentially private; take a larger epsilon, a "
            "larger delta or fewer epochs"
        ) from None


def _quietly(compute: Callable[..., float], **arguments: Any) -> float:
    """Without the advice to try further orders, which could only lower an epsilon that holds as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return float(compute(**arguments))
