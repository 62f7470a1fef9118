"""Mixtures of Normals as smooth functions of noise and of their parameters, though which component z comes from is not.

    F_j(z_j | z_<j) = sum_c w_cj Phi(t_cj),  t_cj = (z_j - m_cj) / s_cj,  w_cj ~ pi_c prod_{i<j} N(z_i; m_ci, s_ci)

where the w_cj of a latent add up to 1. F maps z ~ q to independent uniform numbers. So z moves with the parameters
theta along F(z; theta) = constant:

    dz/dtheta = -J^-1 dF/dtheta,  J = dF/dz, lower triangular:
    J_jj = sum_c w_cj n_cj,       n_cj = N(z_j; m_cj, s_cj)
    J_ji = sum_c w_cj (Phi(t_cj) - F_j) d_ci,  i < j,  d_ci = d log n_ci / dz_i = -t_ci / s_ci

which holds for samples however they were drawn (implicit reparameterisation). And z = F^-1(Phi(eps)) is a function of
normal noise, found latent by latent: F_j(z_j) = Phi(eps_j) has one root, between the smallest and the largest of
m_cj + s_cj eps_j. For one component both are z = m + s eps. All in float64.

Sources: Implicit reparameterization gradients, Figurnov, Mohamed and Mnih, 2018, https://arxiv.org/abs/1805.08498
(section 4); Stochastic backpropagation through mixture density distributions, Graves, 2016,
https://arxiv.org/abs/1607.05690; Remarks on a multivariate transformation, Rosenblatt, 1952,
https://doi.org/10.1214/aoms/1177729394.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

LOG_2_PI = math.log(2 * math.pi)
MAX_STEPS, TOLERANCE = 100, 1e-12


class Parameters(NamedTuple):
    """Of C components: logits (..., C), loc (..., C, Z), scale (..., C, Z)."""

    logits: Tensor
    loc: Tensor
    scale: Tensor


def distributional_transform(z: Tensor, theta: Parameters) -> Tensor:
    """F, (..., Z) in [0, 1], of z (..., Z)."""
    return _transform(z, theta)[0]


def _transform(z: Tensor, theta: Parameters) -> tuple[Tensor, Tensor]:
    """F (..., Z) and J (..., Z, Z)."""
    t = (z.unsqueeze(-2) - theta.loc) / theta.scale
    log_n = _log_density(t, theta.scale)
    earlier = pad(log_n[..., :-1].cumsum(-1), (1, 0))
    w = (theta.logits.unsqueeze(-1) + earlier).softmax(-2)
    below = _cdf(t)
    f = (w * below).sum(-2)
    diagonal = (w * log_n.exp()).sum(-2)
    lower = (w * (below - f.unsqueeze(-2))).mT @ (-t / theta.scale)
    return f, lower.tril(-1) + torch.diag_embed(diagonal)


def _log_density(t: Tensor, scale: Tensor) -> Tensor:
    return -0.5 * (t.square() + LOG_2_PI) - scale.log()


def _cdf(t: Tensor) -> Tensor:
    """Phi, with all its digits in the lower tail, which torch.special.ndtr loses."""
    return 0.5 * torch.erfc(-math.sqrt(0.5) * t)


class _Implicit(torch.autograd.Function):
    """z as it is, with dz/dtheta; differentiable again, for what is saved is z as a function of theta."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, *theta: Tensor) -> Tensor:
        out = z.clone()
        ctx.save_for_backward(out, *theta)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        again = torch.is_grad_enabled()
        z, *saved = ctx.saved_tensors
        wanted = ctx.needs_input_grad[1:]
        with torch.enable_grad():
            # views, for z leads to theta too, and the derivative is wanted at constant z
            theta = Parameters(*(p.view_as(p) for p in saved))
            f, jacobian = _transform(z, theta)
            v = torch.linalg.solve_triangular(jacobian.mT, grads[0].unsqueeze(-1), upper=True).squeeze(-1)
            asked = [p for p, yes in zip(theta, wanted, strict=True) if yes]
            found = iter(torch.autograd.grad(f, asked, -v, create_graph=again))
        return None, *(next(found) if yes else None for yes in wanted)


def reparameterised(z: Tensor, theta: Parameters) -> Tensor:
    """Draws z (..., Z) of the mixture, made a function of theta."""
    if not (torch.is_grad_enabled() and any(p.requires_grad for p in theta)):
        return z
    out = _Implicit.apply(z.detach().double(), *(p.double() for p in theta))
    return out.to(z.dtype)  # pyright: ignore


@torch.no_grad()
def inverse(eps: Tensor, theta: Parameters) -> Tensor:
    """The z (..., Z) at which F is Phi(eps), of eps (..., Z)."""
    noise, (log_w, loc, scale) = eps.double(), (p.double() for p in theta)
    z = torch.empty_like(noise)
    for j in range(eps.shape[-1]):
        m, s = loc[..., j], scale[..., j]
        z[..., j] = _root(noise[..., j], log_w.softmax(-1), m, s)
        log_w = log_w + _log_density((z[..., j, None] - m) / s, s)
    return z.to(eps.dtype)


def _root(eps: Tensor, w: Tensor, m: Tensor, s: Tensor) -> Tensor:
    """z of sum_c w_c Phi((z - m_c) / s_c) = Phi(eps): Newton's steps on the logarithm of the smaller tail, halving of
    the bracket where they leave it.

    Args:
        eps: (...,).
        w: (..., C).
        m: (..., C).
        s: (..., C).
    """
    side = torch.where(eps > 0, -1.0, 1.0).to(eps.dtype)
    log_target = torch.special.log_ndtr(-eps.abs())
    ends = torch.addcmul(m, s, eps.unsqueeze(-1))
    low, high, z = ends.amin(-1), ends.amax(-1), (w * ends).sum(-1)
    tolerance = TOLERANCE * (s.amin(-1) + ends.abs().amax(-1))
    for _ in range(MAX_STEPS):
        t = (z.unsqueeze(-1) - m) / s
        tail = (w * _cdf(side.unsqueeze(-1) * t)).sum(-1)
        slope = (w * _log_density(t, s).exp()).sum(-1)
        excess = side * (tail.log() - log_target)
        low, high = torch.where(excess < 0, z, low), torch.where(excess > 0, z, high)
        newton = z - excess * tail / slope
        step = torch.where((newton >= low) & (newton <= high), newton, 0.5 * (low + high)) - z
        z = z + step
        if bool((step.abs() <= tolerance).all()):
            break
    return z
