"""The density of the law that the flow carries N(0, I) to.

    dz/dgamma = F(z, gamma) = 1/2 alpha (alpha z - x_hat)                                                        (21)
    log p(z_0) = log N(z_1; 0, I) + integral from gamma_0 to gamma_1 of tr(dF/dz) dgamma                         (22)

by Runge and Kutta's method of order 4, for z and the integral together. The trace is exact, by D derivatives, or
Hutchinson's estimate v' dF/dz v with random signs v. The estimate has the right mean and no more: it may be averaged
over rows, and no exponential of it means anything.

Sources: Score-based generative modeling through stochastic differential equations, Song et al., 2020,
https://arxiv.org/abs/2011.13456 (appendix D.2); FFJORD, Grathwohl et al., 2018, https://arxiv.org/abs/1810.01367.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from ..errors import ConfigError
from .denoiser import Denoiser
from .samplers import slope
from .schedule import Schedule

MAX_EXACT = 64
LOG_2_PI = math.log(2 * math.pi)

Trace = Callable[[Tensor, Tensor], Tensor]
"""(F (..., D), z (..., D), of which F was computed row by row) -> tr(dF/dz), (...,)."""


def exact_trace(f: Tensor, z: Tensor) -> Tensor:
    """By D derivatives."""
    rows = [_pulled(f[..., j], z)[..., j] for j in range(z.shape[-1])]
    return torch.stack(rows).sum(0)


def hutchinson_trace(f: Tensor, z: Tensor) -> Tensor:
    """An estimate by one vector of random signs, of torch's generator: for what is averaged, and for nothing else."""
    v = torch.randint(2, z.shape, device=z.device).to(z) * 2 - 1
    return (_pulled((f * v).sum(-1), z) * v).sum(-1)


def _pulled(f: Tensor, z: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(f.sum(), z, create_graph=True)
    return gradient


def flow_log_prob(
    denoiser: Denoiser, schedule: Schedule, z: Tensor, steps: int = 50, trace: Trace = exact_trace
) -> Tensor:
    """log p(z_0), (...,) of z_0 (..., D).

    Args:
        denoiser: of the model.
        schedule: whose times are taken evenly.
        z: z_0.
        steps: of the solver, four evaluations each.
        trace: of dF/dz.

    Raises:
        ConfigError: for more than 64 numbers and the exact trace.
    """
    if trace is exact_trace and z.shape[-1] > MAX_EXACT:
        raise ConfigError(
            "the density of a diffusion takes as many derivatives as there are numbers, and for "
            f"{z.shape[-1]} of them, more than {MAX_EXACT}, that is too many; use what needs estimates alone, such as "
            "evaluate and score_rows"
        )
    gammas, total = schedule.grid(steps), z.new_zeros(z.shape[:-1])
    wanted = torch.is_grad_enabled()

    def rates(z: Tensor, gamma: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            z = z if wanted and z.requires_grad else z.detach().requires_grad_()
            f = slope(denoiser, z, gamma)
            divergence = trace(f, z) if f.requires_grad else torch.zeros_like(total)
        return (f, divergence) if wanted else (f.detach(), divergence.detach())

    for start, end in pairwise(gammas):
        h, middle = end - start, (start + end) / 2
        k1, d1 = rates(z, start)
        k2, d2 = rates(z + h / 2 * k1, middle)
        k3, d3 = rates(z + h / 2 * k2, middle)
        k4, d4 = rates(z + h * k3, end)
        z, total = z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), total + h / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
    return total - 0.5 * (z.square() + LOG_2_PI).sum(-1)
