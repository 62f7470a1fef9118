"""(z_t, gamma_t) -> x_hat: the one network of a diffusion, which says what x was.

    x_hat = c_skip z_t + c_out network(c_in z_t, gamma)

    c_skip = alpha s^2 / v,   c_out = sigma s / sqrt v,   c_in = 1 / sqrt v,   v = alpha^2 s^2 + sigma^2

for numbers of standard deviation s: the network's input has variance 1, and what it has to say too. A network that says
0 leaves the optimum for N(0, s^2 I); with s = 1 that is x_hat = alpha z_t, and the flow carries N(0, I) to N(0, I). So
does the chain, as its spread begins as that of N(0, s^2 I), c_out^2; from there on it is learned.

Source: Elucidating the design space of diffusion-based generative models, Karras, Aittala, Aila and Laine, 2022,
https://arxiv.org/abs/2206.00364 (section 5); Score-based generative modeling in latent space, Vahdat, Kreis and Kautz,
2021, https://arxiv.org/abs/2106.05931 (section 3.2: a prior that begins as N(0, I)).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from .schedule import alpha, sigma

LOWEST, HIGHEST = -14, 10
PACE = 5.0
"""How much faster the spread is learned than weights are."""


class Denoiser(nn.Module, ABC):
    """(z_t, gamma_t) -> x_hat, the mean of x given z_t as far as it is known."""

    @abstractmethod
    def forward(self, z: Tensor, gamma: Tensor) -> Tensor:
        """
        Args:
            z: z_t, (..., D).
            gamma: of t; it broadcasts against z, such as () or (..., 1).

        Returns:
            x_hat, (..., D).
        """

    @abstractmethod
    def spread(self, gamma: Tensor) -> Tensor:
        """nu, what the mean squared error of a number of x_hat is held to be; of the shape of gamma. See steps.py."""


class Preconditioned(Denoiser):
    """A denoiser by a network.

    Args:
        network: (input (..., D), gamma (..., 1)) -> (..., D).
        scale: s, standard deviation of the numbers that are noised.

    Attributes:
        log_left: log of the share of c_out^2 that is left of the squared error, at whole numbers of gamma; 0 at first.
    """

    def __init__(self, network: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.network, self.scale = network, scale
        self.log_left = nn.Parameter(torch.zeros(HIGHEST - LOWEST + 1))

    def by(self, network: nn.Module) -> Preconditioned:
        """This denoiser by another network, such as its own with something given."""
        other = Preconditioned(network, self.scale)
        other.log_left = self.log_left
        return other

    def spread(self, gamma: Tensor) -> Tensor:
        a, b, s = alpha(gamma), sigma(gamma), self.scale
        place = (gamma - LOWEST).clamp(0, HIGHEST - LOWEST)
        below = place.detach().floor().long().clamp_max(HIGHEST - LOWEST - 1)
        log_left = torch.lerp(self.log_left[below], self.log_left[below + 1], place - below)
        return (b * s) ** 2 / (a**2 * s**2 + b**2) * (PACE * log_left).exp()

    def forward(self, z: Tensor, gamma: Tensor) -> Tensor:
        a, b, s = alpha(gamma), sigma(gamma), self.scale
        deviation = (a**2 * s**2 + b**2).sqrt()
        said = self.network(z / deviation, gamma.expand(*z.shape[:-1], 1))
        return a * s**2 / deviation**2 * z + b * s / deviation * said


class GaussianDenoiser(Denoiser):
    """The optimum for x ~ N(mu, S): x_hat = mu + alpha S (alpha^2 S + sigma^2 I)^-1 (z_t - alpha mu).

    Args:
        mean: mu, (D,).
        covariance: S, (D, D), positive definite.
    """

    mean: Tensor
    variances: Tensor
    axes: Tensor

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        super().__init__()
        variances, axes = torch.linalg.eigh(covariance)
        for name, value in (("mean", mean), ("variances", variances), ("axes", axes)):
            self.register_buffer(name, value)

    def spread(self, gamma: Tensor) -> Tensor:
        return torch.zeros_like(gamma)

    def forward(self, z: Tensor, gamma: Tensor) -> Tensor:
        a, b = alpha(gamma), sigma(gamma)
        gain = a * self.variances / (a**2 * self.variances + b**2)
        return self.mean + (gain * ((z - a * self.mean) @ self.axes)) @ self.axes.T
