"""Standard normal points for expectations that must be the same at every call: quasi-random, in pairs.

    E[f(eps)], eps ~ N(0, I)   is   1/S sum_s f(eps_s)   approximately

    eps_s = Phi^-1(u_s) for s <= S/2, u a scrambled Sobol sequence of a fixed seed; the other half are their negatives

A linear map then makes the second moments those of N(0, I): all of them where S >= 2 Z, and polynomials up to the third
degree are integrated exactly; with fewer points every single latent's.

Source: Monte Carlo theory, methods and examples, Owen, 2013, https://artowen.su.domains/mc/ (section 8.2);
Quasi-Monte Carlo variational inference, Buchholz, Wenzel and Mandt, 2018, https://arxiv.org/abs/1807.01604.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from ..errors import ConfigError

SEED = 0


@cache
def normal_points(n_points: int, n_dims: int) -> Tensor:
    """S points, (S, Z) float64; shared by all callers, so not to be written to.

    Raises:
        ConfigError: unless S is even and positive.
    """
    if n_points < 2 or n_points % 2:
        raise ConfigError(f"points come in pairs, so their number must be 2, 4, 6, ..., not {n_points}")
    half = n_points // 2
    with torch.device("cpu"):  # whatever device is the default: what is cached serves all
        uniform = SobolEngine(n_dims, scramble=True, seed=SEED).draw(half, dtype=torch.float64)
    points = torch.special.ndtri(uniform.clamp(2.0**-40, 1 - 2.0**-40))
    if half >= n_dims:
        q, r = torch.linalg.qr(points)
        points = math.sqrt(half) * q * r.diagonal().sign()
    else:
        points = points / points.square().mean(0).sqrt()
    return torch.cat((points, -points))
