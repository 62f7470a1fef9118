"""A VAE whose every number is known exactly: linear decoder, Gaussian everything.

    p(z)   = N(0, I)             p(x|z) = N(W z + b, sigma^2 I)
    p(x)   = N(b, W W' + sigma^2 I)
    p(z|x) = N(M^-1 W'(x - b), sigma^2 M^-1),   M = W'W + sigma^2 I

For any q = N(mu, diag(s^2)), with D numbers in x:

    E_q[log p(x|z)] = -D/2 log(2 pi sigma^2) - ( |x - b - W mu|^2 + sum_j s_j^2 (W'W)_jj ) / (2 sigma^2)
    ELBO = E_q[log p(x|z)] - KL(q || N(0, I)),   gap = log p(x) - ELBO = KL(q || p(z|x))

The gap is 0 at the best diagonal q exactly where W'W is diagonal. Maximum likelihood is probabilistic PCA:
W = U (Lambda - sigma^2 I)^(1/2), sigma^2 = mean of the discarded eigenvalues of the covariance (divided by N).

Sources: Probabilistic principal component analysis, Tipping and Bishop, 1999 (eqs. 4-8),
https://doi.org/10.1111/1467-9868.00196; Don't blame the ELBO!, Lucas, Tucker, Grosse and Norouzi, 2019,
https://arxiv.org/abs/1911.02469.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from ..likelihoods import Normal
from ..model import VAE
from ..nets import inverse_softplus
from ..posteriors import DiagonalNormal
from ..posteriors.diagonal_normal import MIN_SCALE
from ..priors import StandardNormal


@dataclass(frozen=True)
class LinearGaussian:
    """The linear-Gaussian VAE.

    Args:
        weight: W, (D, Z).
        bias: b, (D,).
        sigma: standard deviation of p(x|z), a positive scalar tensor.
    """

    weight: Tensor
    bias: Tensor
    sigma: Tensor

    @classmethod
    def random(cls, n_dims: int, n_latents: int, seed: int = 0, orthogonal: bool = False) -> LinearGaussian:
        """A problem in float64; with ``orthogonal``, W'W is diagonal and a diagonal q can be exact."""
        g = torch.Generator().manual_seed(seed)
        w = torch.randn(n_dims, n_latents, generator=g, dtype=torch.float64)
        if orthogonal:
            w = torch.linalg.qr(w)[0] * (1 + torch.arange(n_latents, dtype=torch.float64))
        bias = torch.randn(n_dims, generator=g, dtype=torch.float64)
        return cls(w, bias, torch.tensor(0.7, dtype=torch.float64))

    @classmethod
    def maximum_likelihood(cls, x: Tensor, n_latents: int) -> LinearGaussian:
        """Probabilistic PCA of x (N, D), in closed form; needs n_latents < D."""
        n_dims = x.shape[1]
        if not 0 < n_latents < n_dims:
            raise ValueError(f"n_latents must be between 1 and {n_dims - 1}, not {n_latents}")
        mean = x.mean(0)
        eigenvalues, vectors = torch.linalg.eigh(torch.cov(x.T, correction=0))
        variance = eigenvalues[: n_dims - n_latents].mean()
        kept = (eigenvalues[-n_latents:] - variance).clamp_min(0).sqrt()
        return cls(vectors[:, -n_latents:] * kept, mean, variance.sqrt())

    @property
    def _m(self) -> Tensor:
        eye = torch.eye(self.weight.shape[1], dtype=self.weight.dtype)
        return self.weight.T @ self.weight + self.sigma**2 * eye

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n draws of x, (n, D)."""
        g = torch.Generator().manual_seed(seed)
        n_dims, n_latents = self.weight.shape
        z = torch.randn(n, n_latents, generator=g, dtype=self.weight.dtype)
        eps = torch.randn(n, n_dims, generator=g, dtype=self.weight.dtype)
        return z @ self.weight.T + self.bias + self.sigma * eps

    def log_px(self, x: Tensor) -> Tensor:
        """log p(x), (B,)."""
        eye = torch.eye(self.weight.shape[0], dtype=self.weight.dtype)
        return MultivariateNormal(self.bias, self.weight @ self.weight.T + self.sigma**2 * eye).log_prob(x)

    def posterior(self, x: Tensor) -> MultivariateNormal:
        """p(z|x), full covariance."""
        inverse = torch.linalg.inv(self._m)
        return MultivariateNormal((x - self.bias) @ self.weight @ inverse, self.sigma**2 * inverse)

    def best_diagonal(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(mean, scale) of the diagonal q with the highest ELBO, each (B, Z)."""
        scale = self.sigma / self._m.diagonal().sqrt()
        mean = self.posterior(x).mean
        return mean, scale.expand_as(mean)

    def elbo(self, x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Exact ELBO of q = N(mean, diag(scale^2)), (B,)."""
        return self.reconstruction(x, mean, scale) - self.rate(mean, scale)

    def reconstruction(self, x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Exact E_q[log p(x|z)], (B,)."""
        residual = (x - self.bias - mean @ self.weight.T).square().sum(-1)
        spread = (scale**2 * self.weight.square().sum(0)).sum(-1)
        constant = 0.5 * x.shape[-1] * torch.log(2 * math.pi * self.sigma**2)
        return -constant - (residual + spread) / (2 * self.sigma**2)

    @staticmethod
    def rate(mean: Tensor, scale: Tensor) -> Tensor:
        """Exact KL(q || N(0, I)), (B,)."""
        return 0.5 * (mean**2 + scale**2 - 1 - 2 * scale.log()).sum(-1)

    def gap(self, x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Exact log p(x) - ELBO = KL(q || p(z|x)), (B,)."""
        return self.log_px(x) - self.elbo(x, mean, scale)

    def vae(self) -> VAE:
        """This model as a VAE in float64, its encoder the best diagonal q."""
        n_dims, n_latents = self.weight.shape
        encoder = DiagonalNormal(n_dims, n_latents).double()
        decoder = Normal(n_latents, n_dims, scale=float(self.sigma)).double()
        inverse = torch.linalg.inv(self._m)
        scales = self.sigma / self._m.diagonal().sqrt()
        with torch.no_grad():
            decoder.linear.weight.copy_(self.weight)
            decoder.linear.bias.copy_(self.bias)
            encoder.linear.weight.zero_()
            encoder.linear.weight[:n_latents] = inverse @ self.weight.T
            encoder.linear.bias[:n_latents] = -(inverse @ self.weight.T @ self.bias)
            encoder.linear.bias[n_latents:] = torch.tensor(
                [inverse_softplus(float(s) - MIN_SCALE) for s in scales], dtype=torch.float64
            )
        return VAE(nn.Sequential(encoder), nn.Sequential(decoder), StandardNormal(n_latents).double())
