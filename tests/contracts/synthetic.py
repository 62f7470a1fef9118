"""A table of four columns that depend on each other."""

from __future__ import annotations

import numpy as np

from velbo.rows import Field

REAL, COUNT = Field("size", "real"), Field("number", "count")
FLAG = Field("flag", "binary", categories=("no", "yes"))
COLOUR = Field("colour", "categorical", categories=("red", "green", "blue", "none"))
COLUMNS = (REAL, COUNT, FLAG, COLOUR)


def table(n: int, seed: int, missing: float = 0.0) -> np.ndarray:
    """Four columns that depend on each other; nobody is of the fourth colour."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    colour = np.digitize(z + rng.normal(size=n), (-0.5, 0.8))
    codes = np.stack((50 + 10 * z, rng.poisson(np.exp(0.5 * z)), rng.random(n) < 1 / (1 + np.exp(2 - z)), colour), 1)
    return np.where(rng.random(codes.shape) < missing, np.nan, codes)
