"""One prediction in four units. What a network says of z_t = alpha x + sigma eps may be read as x, noise, score or v:

    eps_hat = (z_t - alpha x_hat) / sigma            noise
    score   = (alpha x_hat - z_t) / sigma^2          grad log q(z_t), by Tweedie's formula
    v_hat   = alpha eps_hat - sigma x_hat            velocity                                            equation (18)

and back: each is a line in x_hat.

Sources: Tweedie's formula and selection bias, Efron, 2011, https://doi.org/10.1198/jasa.2011.tm11181; Progressive
distillation for fast sampling of diffusion models, Salimans and Ho, 2022, https://arxiv.org/abs/2202.00512 (v).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .schedule import alpha, sigma


@dataclass(frozen=True)
class Prediction:
    """What is said of x where z_t is known.

    Attributes:
        x: x_hat, (..., D).
        z: z_t, (..., D).
        gamma: of t; it broadcasts against z.
    """

    x: Tensor
    z: Tensor
    gamma: Tensor

    @property
    def noise(self) -> Tensor:
        """eps_hat."""
        return (self.z - alpha(self.gamma) * self.x) / sigma(self.gamma)

    @property
    def score(self) -> Tensor:
        """Gradient of log q(z_t)."""
        return (alpha(self.gamma) * self.x - self.z) / sigma(self.gamma) ** 2

    @property
    def velocity(self) -> Tensor:
        """v_hat."""
        return alpha(self.gamma) * self.noise - sigma(self.gamma) * self.x

    @classmethod
    def of_noise(cls, noise: Tensor, z: Tensor, gamma: Tensor) -> Prediction:
        """From eps_hat."""
        return cls((z - sigma(gamma) * noise) / alpha(gamma), z, gamma)

    @classmethod
    def of_score(cls, score: Tensor, z: Tensor, gamma: Tensor) -> Prediction:
        """From the score."""
        return cls((z + sigma(gamma) ** 2 * score) / alpha(gamma), z, gamma)

    @classmethod
    def of_velocity(cls, velocity: Tensor, z: Tensor, gamma: Tensor) -> Prediction:
        """From v_hat."""
        return cls(alpha(gamma) * z - sigma(gamma) * velocity, z, gamma)
