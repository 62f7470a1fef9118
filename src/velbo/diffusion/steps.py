"""One step of the chain, between times s < t: what it is where x is known, and what the model makes of it.

    q(z_s|z_t, x) = N( m(z_t, x), sigma_s^2 c ),   m = (alpha_s / alpha_t) (1 - c) z_t + alpha_s c x             (14)
    p(z_s|z_t)    = N( m(z_t, x_hat), sigma_s^2 c + (alpha_s c)^2 nu ),   c = 1 - SNR(t) / SNR(s)

    KL(q || p)    = 1/2 r |d|^2 + D/2 (r - 1 - log r),   d = sqrt(SNR(s) - SNR(t)) (x - x_hat)
                  = 1/2 (SNR(s) - SNR(t)) |x - x_hat|^2   where r = 1                                            (15)

nu is what the model holds the variance of x given z_t to be, and r the ratio of the variances of q and p, 1 where nu is
0. A nu that is the mean squared error of x_hat makes the most of few steps; the more steps, the less it matters.
At z_s = m(z_t, x) + sigma_s sqrt(c) e the ratio of the two is

    log p - log q = -1/2 r |e + d|^2 + 1/2 |e|^2 + D/2 log r

whose mean over e is -KL. And forwards q(z_t|z_s) = N( (alpha_t / alpha_s) z_s, sigma_t^2 c ).

Sources: Variational diffusion models, Kingma, Salimans, Poole and Ho, 2021, https://arxiv.org/abs/2107.00630 (eqs. 9,
13 and appendix A; nu = 0); Analytic-DPM, Bao, Li, Zhu and Zhang, 2022, https://arxiv.org/abs/2201.06503 (theorem 1:
nu).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .schedule import alpha, sigma, snr


@dataclass(frozen=True)
class Step:
    """From t down to s.

    Attributes:
        early: gamma_s.
        late: gamma_t, greater.
    """

    early: Tensor
    late: Tensor

    @property
    def change(self) -> Tensor:
        """c."""
        return -torch.expm1(self.early - self.late)

    @property
    def snr_lost(self) -> Tensor:
        """SNR(s) - SNR(t)."""
        return snr(self.early) * self.change

    def mean(self, z: Tensor, x: Tensor) -> Tensor:
        """m(z_t, x)."""
        kept = alpha(self.early) / alpha(self.late) * torch.exp(self.early - self.late)
        return kept * z + alpha(self.early) * self.change * x

    @property
    def scale(self) -> Tensor:
        """Standard deviation of q(z_s|z_t, x)."""
        return sigma(self.early) * self.change.sqrt()

    def ratio(self, spread: Tensor) -> Tensor:
        """r of nu."""
        return 1 / (1 + snr(self.early) * self.change * spread)

    def model_scale(self, spread: Tensor) -> Tensor:
        """Standard deviation of p(z_s|z_t), of nu."""
        return self.scale / self.ratio(spread).sqrt()

    def off(self, error: Tensor) -> Tensor:
        """d of x - x_hat."""
        return self.snr_lost.sqrt() * error

    def kl(self, error: Tensor, spread: Tensor) -> Tensor:
        """KL of the step, (...,), of x - x_hat (..., D) and nu."""
        r = self.ratio(spread)
        return 0.5 * (r * self.off(error).square() + r - 1 - r.log()).sum(-1)

    def log_ratio(self, error: Tensor, spread: Tensor, noise: Tensor) -> Tensor:
        """log p - log q, (...,), at the z_s that standard normal numbers e (..., D) give."""
        r = self.ratio(spread)
        return 0.5 * (noise.square() - r * (noise + self.off(error)).square() + r.log()).sum(-1)

    def forwards(self, z: Tensor, noise: Tensor) -> Tensor:
        """z_t ~ q(z_t|z_s), of z_s and standard normal numbers."""
        return alpha(self.late) / alpha(self.early) * z + self.forward_scale * noise

    @property
    def forward_scale(self) -> Tensor:
        """Standard deviation of q(z_t|z_s)."""
        return sigma(self.late) * self.change.sqrt()
