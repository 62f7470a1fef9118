"""From noise to z_0 in T steps: z_1 ~ N(0, I), then z_s of z_t for s < t. A sampler is its `step`.

    ancestral   z_s ~ p(z_s|z_t)                                                      the model's own law          (20)
    DDIM        z_s = alpha_s x_hat + sigma_s eps_hat                                 of order 1 for the flow
    Heun        a step along the flow, its slope the mean of those at both ends       of order 2                   (21)

The flow is the ordinary differential equation dz/dgamma = 1/2 alpha (alpha z - x_hat), whose marginals are the
diffusion's where x_hat is the optimum.

Sources: Denoising diffusion implicit models, Song, Meng and Ermon, 2020, https://arxiv.org/abs/2010.02502 (eq. 12);
Elucidating the design space of diffusion-based generative models, Karras, Aittala, Aila and Laine, 2022,
https://arxiv.org/abs/2206.00364 (algorithm 1); Score-based generative modeling through stochastic differential
equations, Song et al., 2020, https://arxiv.org/abs/2011.13456 (section 4.3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from ..errors import ConfigError
from .denoiser import Denoiser
from .prediction import Prediction
from .schedule import Schedule, alpha, sigma
from .steps import Step


def slope(denoiser: Denoiser, z: Tensor, gamma: Tensor) -> Tensor:
    """dz/dgamma of the flow."""
    a = alpha(gamma)
    return 0.5 * a * (a * z - denoiser(z, gamma))


class Sampler(ABC):
    """z_1 -> z_0.

    Args:
        denoiser: of the model.
        schedule: whose times are taken evenly.
        steps: T, at least 1.

    Raises:
        ConfigError: for no step.
    """

    def __init__(self, denoiser: Denoiser, schedule: Schedule, steps: int) -> None:
        if steps < 1:
            raise ConfigError(f"a sampler takes at least 1 step, not {steps}")
        self.denoiser, self.schedule, self.steps = denoiser, schedule, steps

    @abstractmethod
    def step(self, z: Tensor, late: Tensor, early: Tensor) -> Tensor:
        """z_s of z_t (..., D), where gamma is ``late`` at t and ``early`` at s."""

    @torch.no_grad()
    def __call__(self, z: Tensor) -> Tensor:
        """z_0 of z_1 (..., D)."""
        gammas = self.schedule.grid(self.steps)
        for i in range(self.steps, 0, -1):
            z = self.step(z, gammas[i], gammas[i - 1])
        return z


class Ancestral(Sampler):
    """p(z_s|z_t), by torch's generator."""

    def step(self, z: Tensor, late: Tensor, early: Tensor) -> Tensor:
        step = Step(early, late)
        scale = step.model_scale(self.denoiser.spread(late))
        return step.mean(z, self.denoiser(z, late)) + scale * torch.randn_like(z)


class DDIM(Sampler):
    """As if x_hat and eps_hat were right; nothing is drawn but z_1."""

    def step(self, z: Tensor, late: Tensor, early: Tensor) -> Tensor:
        said = Prediction(self.denoiser(z, late), z, late)
        return alpha(early) * said.x + sigma(early) * said.noise


class Heun(Sampler):
    """The flow, two evaluations a step; nothing is drawn but z_1."""

    def step(self, z: Tensor, late: Tensor, early: Tensor) -> Tensor:
        width = early - late
        first = slope(self.denoiser, z, late)
        return z + 0.5 * width * (first + slope(self.denoiser, z + width * first, early))
