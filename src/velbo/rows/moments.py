"""Count, mean and central moments of numbers, merged chunk by chunk:  M_k = sum (v - mean)^k.

Source: Updating formulae and a pairwise algorithm for computing sample variances, Chan, Golub and LeVeque, 1979,
http://i.stanford.edu/pub/cstr/reports/cs/tr/79/773/CS-TR-79-773.pdf.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Of numbers (n,), or of each column of numbers (n, D): then all of them but a count that all share are (D,)."""

    n: Any = 0
    mean: Any = 0.0
    m2: Any = 0.0
    m3: Any = 0.0

    @classmethod
    def of(cls, v: NDArray[Any], skewed: bool = True) -> Moments:
        """Of observed cells; NaN does not count.

        Args:
            v: (n,) or (n, D).
            skewed: whether M3 is wanted; it is 0 otherwise.
        """
        if not len(v):
            return cls()
        n: Any = len(v)
        mean = v.mean(0, dtype=np.float64)
        if np.isnan(mean).any():
            missing = np.isnan(v)
            n = n - missing.sum(0)
            mean = np.where(missing, 0.0, v).sum(0, dtype=np.float64) / np.maximum(n, 1)
            d = np.where(missing, 0.0, v - mean)
        else:
            d = v - mean
        squares = d * d
        return cls(n, mean, squares.sum(0), (squares * d).sum(0) if skewed else 0.0)

    def merged(self, other: Moments) -> Moments:
        n, delta = np.maximum(self.n + other.n, 1), other.mean - self.mean
        a, b = self.n, other.n
        m2 = self.m2 + other.m2 + delta**2 * a * b / n
        m3 = self.m3 + other.m3 + delta**3 * a * b * (a - b) / n**2 + 3 * delta * (a * other.m2 - b * self.m2) / n
        return Moments(a + b, self.mean + delta * b / n, m2, m3)

    @property
    def spread(self) -> Any:
        """Standard deviation; 0 where there is nothing but rounding error."""
        s = np.sqrt(self.m2 / np.maximum(self.n, 1))
        return np.where(s > 1e-12 * np.abs(self.mean), s, 0.0)[()]

    @property
    def skewness(self) -> float:
        """Of numbers (n,)."""
        spread = float(self.spread)
        return float(self.m3 / self.m2 / spread) if spread else 0.0
