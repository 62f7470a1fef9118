"""What two samples of one distribution differ by: the zero of every distance between tables.

Shares k/n and l/m of two samples, drawn without replacement from a pool of T = n + m cells of which K have a property,
differ by (1/n + 1/m)(k - nK/T), with k ~ Hypergeometric(T, K, n) of probability function f. De Moivre's telescoping sum
gives its mean deviation:

    E|k - nK/T| = 2 a (T - K - n + a) f(a) / T,     a = floor(nK/T) + 1

The pool is the real column, each of whose cells is repeated as often as its rank says, so that bad synthetic cells do
not count as chance.

Source: Closed form summation for classical distributions: variations on a theme of De Moivre, Diaconis and Zabell,
1991, https://doi.org/10.1214/ss/1177011699 (section 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from ..samples import Floats


def pool(values: NDArray[Any], size: int) -> NDArray[Any]:
    """``size`` cells with the distribution of sorted values (n,): each stands there size / n times, up or down."""
    return values[np.arange(size) * len(values) // size]


def mean_difference(counts: Any, n: int, m: int) -> Floats:
    """E|k/n - l/m| for each count K in the pool of n + m cells."""
    total, count = n + m, np.asarray(counts, np.int64)
    a = n * count // total + 1
    possible = a <= np.minimum(n, count)
    a = np.where(possible, a, 0)
    rest = total - count
    left = np.where(possible, rest - n + a, 0)
    log_f = _log_choose(count, a) + _log_choose(rest, np.where(possible, n - a, 0)) - _log_choose(total, n)
    return np.where(possible, 2 * a * left * np.exp(log_f) / total, 0.0) * (1 / n + 1 / m)


def _log_choose(n: Any, k: Any) -> Floats:
    return gammaln(np.asarray(n) + 1.0) - gammaln(np.asarray(k) + 1.0) - gammaln(np.asarray(n - k) + 1.0)
