"""Diffusions of which all is known: of a Gaussian, by the optimal denoiser, and of two points.

    x ~ N(mu, S),  S = U diag(lam) U',  d_j = u_j'(x - mu),  v = SNR,  u = 1 + v lam;  v_0, v_1 and u_0, u_1 at the ends

    E_eps |x - x_hat|^2 = sum_j (d_j^2 + v lam_j^2) / (1 + v lam_j)^2
    L_T(x)   = 1/2 sum over steps of (v_s - v_t) of that at v_t
    L_inf(x) = 1/2 sum_j [ log(u_0 / u_1) + (1 - d_j^2 / lam_j) (1/u_0 - 1/u_1) ]
    T (E L_T - E L_inf) -> (gamma_1 - gamma_0) / 4 sum_j [ log(u_0 / u_1) + 1/u_0 - 1/u_1 ]   where gamma is linear
    E_x[ log p(x) - bound ] = 1/2 sum_j log(1 + 1 / (v_0 lam_j)) + KL( q(z_1) || N(0, I) )    in continuous time

The chain of T steps is linear and Gaussian, and so is its law p_T(x), by recursion. The flow multiplies distances from
alpha mu by sqrt(alpha^2 lam + sigma^2), so its density is Normal too.

    x = +-1:  x_hat = tanh(alpha z / sigma^2),  1/2 integral of E|x - x_hat|^2 dv = log 2: the bound is exact

Source: Variational diffusion models, Kingma, Salimans, Poole and Ho, 2021, https://arxiv.org/abs/2107.00630; Mutual
information and minimum mean-square error in Gaussian channels, Guo, Shamai and Verdu, 2005,
https://arxiv.org/abs/cs/0412108 (eq. 6). The closed forms for Gaussians are our own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from ..diffusion import Denoiser, GaussianDenoiser, alpha, sigma, snr
from ..diffusion.steps import Step

Gamma = Callable[[Tensor], Tensor]
"""t -> gamma(t)."""


@dataclass(frozen=True)
class DiffusedGaussian:
    """The diffusion of N(mu, S) by its optimal denoiser.

    Args:
        mean: mu, (D,), float64.
        covariance: S, (D, D), float64.
        gamma: t -> gamma(t), such as a `velbo.diffusion.Schedule` in float64.
    """

    mean: Tensor
    covariance: Tensor
    gamma: Gamma

    @classmethod
    def random(cls, n_dims: int, gamma: Gamma, seed: int = 0) -> DiffusedGaussian:
        """A problem with variances from 0.05 to 3 along random axes."""
        g = torch.Generator().manual_seed(seed)
        axes = torch.linalg.qr(torch.randn(n_dims, n_dims, generator=g, dtype=torch.float64))[0]
        variances = torch.logspace(math.log10(0.05), math.log10(3.0), n_dims, dtype=torch.float64)
        mean = 0.5 * torch.randn(n_dims, generator=g, dtype=torch.float64)
        return cls(mean, axes * variances @ axes.T, gamma)

    @cached_property
    def _axes(self) -> tuple[Tensor, Tensor]:
        """(lam, U)."""
        return torch.linalg.eigh(self.covariance)  # type: ignore[return-value]

    def _at(self, t: float) -> Tensor:
        return self.gamma(torch.tensor(t, dtype=torch.float64))

    def _grid(self, steps: int) -> Tensor:
        return self.gamma(torch.linspace(0, 1, steps + 1, dtype=torch.float64))

    def denoiser(self) -> GaussianDenoiser:
        """The optimum."""
        return GaussianDenoiser(self.mean, self.covariance)

    def data(self) -> MultivariateNormal:
        """N(mu, S)."""
        return MultivariateNormal(self.mean, self.covariance)

    def squared_error(self, x: Tensor, v: Tensor) -> Tensor:
        """E |x - x_hat|^2 over the noise, (B,) of x (B, D), at the signal-to-noise ratio v."""
        lam, axes = self._axes
        d = (x - self.mean) @ axes
        return ((d**2 + v * lam**2) / (1 + v * lam) ** 2).sum(-1)

    def matching(self, x: Tensor, steps: int | None = None) -> Tensor:
        """L_T(x), L_inf(x) if no number of steps is given, (B,)."""
        lam, axes = self._axes
        if steps is None:
            u0, u1 = (1 + snr(self._at(t)) * lam for t in (0.0, 1.0))
            d = (x - self.mean) @ axes
            return 0.5 * (torch.log(u0 / u1) + (1 - d**2 / lam) * (1 / u0 - 1 / u1)).sum(-1)
        v = snr(self._grid(steps))
        return 0.5 * torch.stack([(v[i - 1] - v[i]) * self.squared_error(x, v[i]) for i in range(1, steps + 1)]).sum(0)

    def expected_matching(self, steps: int | None = None) -> Tensor:
        """E_x of `matching`, a scalar."""
        lam, _ = self._axes
        if steps is None:
            u0, u1 = (1 + snr(self._at(t)) * lam for t in (0.0, 1.0))
            return 0.5 * torch.log(u0 / u1).sum()
        v = snr(self._grid(steps)).unsqueeze(-1)
        return 0.5 * ((v[:-1] - v[1:]) * lam / (1 + v[1:] * lam)).sum()

    def rate(self) -> Tensor:
        """What T (E L_T - E L_inf) tends to, for a linear gamma."""
        lam, _ = self._axes
        u0, u1 = (1 + snr(self._at(t)) * lam for t in (0.0, 1.0))
        return (self._at(1.0) - self._at(0.0)) / 4 * (torch.log(u0 / u1) + 1 / u0 - 1 / u1).sum()

    def bound(self, x: Tensor, steps: int | None = None) -> Tensor:
        """The bound of T steps, or in continuous time, (B,) of x (B, D)."""
        g0, g1 = self._at(0.0), self._at(1.0)
        reconstruction = -0.5 * x.shape[-1] * (math.log(2 * math.pi) + g0 + 1)
        variance = sigma(g1) ** 2
        prior = 0.5 * (alpha(g1) ** 2 * x**2 + variance - variance.log() - 1).sum(-1)
        return reconstruction - prior - self.matching(x, steps)

    def expected_gap(self) -> Tensor:
        """E_x[ log p(x) - bound ] in continuous time: what the two ends cost."""
        lam, _ = self._axes
        g0, g1 = self._at(0.0), self._at(1.0)
        eye = torch.eye(len(lam), dtype=lam.dtype)
        last = MultivariateNormal(alpha(g1) * self.mean, alpha(g1) ** 2 * self.covariance + sigma(g1) ** 2 * eye)
        end = kl_divergence(last, MultivariateNormal(torch.zeros_like(self.mean), eye))
        return 0.5 * torch.log1p(g0.exp() / lam).sum() + end

    def cross_entropy(self, mean: Tensor, scale: Tensor) -> Tensor:
        """E_q[ -bound(z) ] in continuous time, of q = N(mean, diag(scale^2)), (B,)."""
        lam, axes = self._axes
        g0, g1 = self._at(0.0), self._at(1.0)
        u0, u1 = (1 + snr(g) * lam for g in (g0, g1))
        d2 = ((mean - self.mean) @ axes) ** 2 + (axes**2 * scale.unsqueeze(-1) ** 2).sum(-2)
        variance = sigma(g1) ** 2
        prior = 0.5 * (alpha(g1) ** 2 * (mean**2 + scale**2) + variance - variance.log() - 1).sum(-1)
        matching = 0.5 * (torch.log(u0 / u1) + (1 - d2 / lam) * (1 / u0 - 1 / u1)).sum(-1)
        return 0.5 * mean.shape[-1] * (math.log(2 * math.pi) + g0 + 1) + prior + matching

    def first_latents(self, steps: int) -> MultivariateNormal:
        """The law of z_0 of the chain of T steps."""
        lam, axes = self._axes
        mean, variance = torch.zeros_like(lam), torch.ones_like(lam)
        centre, gammas = self.mean @ axes, self._grid(steps)
        for i in range(steps, 0, -1):
            step, a = Step(gammas[i - 1], gammas[i]), alpha(gammas[i])
            gain = a * lam / (a**2 * lam + sigma(gammas[i]) ** 2)
            factor = step.mean(torch.ones_like(lam), gain)
            mean = factor * mean + step.mean(torch.zeros_like(lam), centre - gain * a * centre)
            variance = factor**2 * variance + step.scale**2
        return MultivariateNormal(axes @ mean, axes * variance @ axes.T)

    def chain(self, steps: int) -> MultivariateNormal:
        """p_T(x), the law of the model of T steps."""
        first, g0 = self.first_latents(steps), self._at(0.0)
        eye = torch.eye(len(self.mean), dtype=self.mean.dtype)
        return MultivariateNormal(first.loc / alpha(g0), first.covariance_matrix / alpha(g0) ** 2 + g0.exp() * eye)

    def flow(self) -> MultivariateNormal:
        """The law of z_0 that the flow carries N(0, I) to."""
        lam, axes = self._axes
        g0, g1 = self._at(0.0), self._at(1.0)
        spread0, spread1 = (alpha(g) ** 2 * lam + sigma(g) ** 2 for g in (g0, g1))
        centre = self.mean @ axes
        mean = alpha(g0) * centre - alpha(g1) * centre * (spread0 / spread1).sqrt()
        return MultivariateNormal(axes @ mean, axes * (spread0 / spread1) @ axes.T)


class TwoPoints(Denoiser):
    """The optimal denoiser of x = +-1, each with probability 1/2, for every number by itself."""

    def spread(self, gamma: Tensor) -> Tensor:
        return torch.zeros_like(gamma)

    def forward(self, z: Tensor, gamma: Tensor) -> Tensor:
        return torch.tanh(alpha(gamma) * z / sigma(gamma) ** 2)


def guided_gain(variance: float, others: float, weight: float, first: float, last: float) -> float:
    """What the guided flow multiplies the distance from the mean by, for Gaussians of one mean.

    x|c ~ N(m, variance) and x ~ N(m, others), w the guidance; y = z / alpha goes from the noise level ``first`` to
    ``last``, each sigma / alpha:

        prod of ((last^2 + v) / (first^2 + v))^power   over (v, power) = (variance, (1 + w)/2), (others, -w/2)
    """

    def ratio(v: float) -> float:
        return (last**2 + v) / (first**2 + v)

    return ratio(variance) ** ((1 + weight) / 2) * ratio(others) ** (-weight / 2)
