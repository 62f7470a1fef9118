"""q(z|x) = N(z; mu(x), L(x) L(x)'), L lower triangular: latents may be correlated given x.

    z = mu + L eps,  eps ~ N(0, I)
    KL(q || N(m, diag(s^2))) = 1/2 sum_j [ ((mu_j - m_j)^2 + sum_i L_ji^2) / s_j^2 - 1 + 2 log s_j - 2 log L_jj ]

Source: Auto-encoding variational Bayes, Kingma and Welling, 2013, https://arxiv.org/abs/1312.6114 (section 2.4);
An introduction to variational autoencoders, Kingma and Welling, 2019, https://arxiv.org/abs/1906.02691 (section 2.5.1).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, register_kl

from ..nets import inverse_softplus
from ..runtime.precision import in_full
from .base import Posterior, positive
from .draw import detach, from_noise


class FullNormal(Posterior):
    """A Normal with full covariance; y = (mu, raw, what is below the diagonal of L), L_jj = softplus(raw_j) + 1e-4.

    What is below the diagonal begins near zero, so that q begins near a diagonal one.
    """

    def __init__(self, n_in: int, n_latents: int) -> None:
        super().__init__(n_in, n_latents, n_latents * (n_latents + 3) // 2)
        with torch.no_grad():
            self.linear.weight[2 * n_latents :] *= 0.1
            self.linear.bias[2 * n_latents :] = 0.0
            self.linear.bias[n_latents : 2 * n_latents] += inverse_softplus(0.7)

    def distribution(self, parameters: Tensor) -> MultivariateNormal:
        n = self.n_latents
        mean, raw, below = parameters.split([n, n, n * (n - 1) // 2], -1)
        rows, columns = torch.tril_indices(n, n, -1, device=parameters.device)
        lower = raw.new_zeros(*raw.shape, n)
        lower[..., rows, columns] = below
        return MultivariateNormal(mean, scale_tril=lower + torch.diag_embed(positive(raw)), validate_args=False)


@detach.register
def _(q: MultivariateNormal) -> MultivariateNormal:
    return MultivariateNormal(q.loc.detach(), scale_tril=q.scale_tril.detach(), validate_args=False)


@from_noise.register
def _(q: MultivariateNormal, eps: Tensor) -> Tensor:
    with in_full(eps.device.type):
        return q.loc + (q.scale_tril @ eps.unsqueeze(-1)).squeeze(-1)


@register_kl(MultivariateNormal, Independent)
def kl_to_independent(q: MultivariateNormal, p: Independent) -> Tensor:
    """KL(q || p) for a p of independent Normals, (B,).

    Raises:
        NotImplementedError: for another p.
    """
    base = p.base_dist
    if not isinstance(base, Normal) or p.reinterpreted_batch_ndims != 1:
        raise NotImplementedError(f"no closed form from MultivariateNormal to {type(base).__name__}")
    square = (q.loc - base.loc).square() + q.scale_tril.square().sum(-1)
    log_ratio = base.scale.log() - q.scale_tril.diagonal(dim1=-2, dim2=-1).log()
    return (0.5 * (square / base.variance - 1) + log_ratio).sum(-1)
