"""A Markovian hierarchy whose every number is known exactly: linear, Gaussian everything.

    z_L ~ N(0, I),   z_l | z_{l+1} ~ N(A_l z_{l+1} + b_l, Q_l),   x = z_0,   Q_l diagonal

Upwards, p(x | z_l) = N(G_l z_l + g_l, R_l) with G_1 = A_0, g_1 = b_0, R_1 = Q_0 and

    G_{l+1} = G_l A_l,   g_{l+1} = g_l + G_l b_l,   R_{l+1} = R_l + G_l Q_l G_l'

so that the exact posterior goes from the top down, each group given the one above it and x:

    p(z_l | z_{l+1}, x) = N( P_l^-1 (Q_l^-1 (A_l z_{l+1} + b_l) + G_l' R_l^-1 (x - g_l)), P_l^-1 )
    P_l = Q_l^-1 + G_l' R_l^-1 G_l                                                   (A_L z = 0, Q_L = I at the top)

With the same means and the variances 1 / (P_l)_jj it is the best q of diagonal groups; where all P_l are diagonal it is
exact, and log w = log p(x) on every sample. Whatever its variances, q is affine in the z above, so with z_{l+1} of mean
e and covariance E under q, and mean of q minus mean of p = B z_{l+1} + c,

    E_q KL( q_l || p_l ) = KL( N(B e + c, S_l) || N(0, Q_l) ) + 1/2 tr( Q_l^-1 B E B' )

Source: Auto-encoding variational Bayes, Kingma and Welling, 2013, https://arxiv.org/abs/1312.6114 (the ELBO); the
conditionals are those of a joint Normal law.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from ..hierarchy import BottomUp, Group, Hierarchy, TopDown
from ..likelihoods import Normal
from ..nets import inverse_softplus
from ..posteriors import DiagonalNormal
from ..posteriors.base import MIN_SCALE
from ..priors import StandardNormal


@dataclass(frozen=True)
class Step:
    """q = N(gain z_{l+1} + slope x + bias, covariance) of z_l, beside p = N(A z_{l+1} + b, Q)."""

    gain: Tensor
    slope: Tensor
    bias: Tensor
    covariance: Tensor
    a: Tensor
    b: Tensor
    q: Tensor


@dataclass(frozen=True)
class LinearGaussianHierarchy:
    """The linear-Gaussian hierarchy of L groups.

    Args:
        a: A_0 .. A_{L-1}; A_l is (d_l, d_{l+1}), d_0 = D.
        b: b_0 .. b_{L-1}, (d_l,).
        q: diagonals of Q_0 .. Q_{L-1}, (d_l,); Q_0 a multiple of I where it is to be made a model.
    """

    a: Sequence[Tensor]
    b: Sequence[Tensor]
    q: Sequence[Tensor]

    @classmethod
    def random(cls, dims: Sequence[int], seed: int = 0, diagonal: bool = False) -> LinearGaussianHierarchy:
        """A problem in float64.

        Args:
            dims: D, d_1, .., d_L, from x to the top.
            seed: of it.
            diagonal: A_l have orthogonal columns of one length and Q_l are multiples of I, so that every P_l is
                diagonal; dims must not rise towards the top.
        """
        g = torch.Generator().manual_seed(seed)
        a, b, q = list[Tensor](), list[Tensor](), list[Tensor]()
        for n, above in pairwise(dims):
            weight = torch.randn(n, above, generator=g, dtype=torch.float64)
            scales = 0.3 + torch.rand(n, generator=g, dtype=torch.float64)
            if diagonal:
                weight = torch.linalg.qr(weight)[0] * (1 + scales[0])
            a.append(weight)
            b.append(torch.randn(n, generator=g, dtype=torch.float64))
            q.append(scales[0].expand(n) if diagonal or not q else scales)
        return cls(a, b, [q[0][:1].expand(dims[0]), *q[1:]])

    def _upwards(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """(G_l, g_l, R_l), l = 1 .. L."""
        found = [(self.a[0], self.b[0], torch.diag(self.q[0]))]
        for a, b, q in zip(self.a[1:], self.b[1:], self.q[1:], strict=True):
            gain, offset, noise = found[-1]
            found.append((gain @ a, offset + gain @ b, noise + (gain * q) @ gain.T))
        return found

    def law_of_x(self) -> MultivariateNormal:
        """p(x)."""
        gain, offset, noise = self._upwards()[-1]
        return MultivariateNormal(offset, noise + gain @ gain.T)

    def log_px(self, x: Tensor) -> Tensor:
        """log p(x), (B,)."""
        return self.law_of_x().log_prob(x)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n draws of x, (n, D)."""
        eps = torch.randn(n, len(self.b[0]), generator=torch.Generator().manual_seed(seed), dtype=self.b[0].dtype)
        law = self.law_of_x()
        return law.loc + eps @ law.scale_tril.T

    def steps(self, diagonal: bool) -> list[Step]:
        """q of every group, from the top; exact, or the best of diagonal groups."""
        steps, upwards = list[Step](), self._upwards()
        for level in range(len(self.a), 0, -1):
            gain, offset, noise = upwards[level - 1]
            is_top, width = level == len(self.a), gain.shape[1]
            a = gain.new_zeros(width, 0) if is_top else self.a[level]
            b = gain.new_zeros(width) if is_top else self.b[level]
            variance = gain.new_ones(width) if is_top else self.q[level]
            weighted = torch.linalg.solve(noise, gain).T
            precision = torch.diag(1 / variance) + weighted @ gain
            covariance = torch.linalg.inv(precision)
            slope, bias = covariance @ weighted, covariance @ (b / variance - weighted @ offset)
            spread = torch.diag(1 / precision.diagonal()) if diagonal else covariance
            steps.append(Step(covariance @ (a / variance[:, None]), slope, bias, spread, a, b, variance))
        return steps

    def group_kl(self, x: Tensor, diagonal: bool = False) -> Tensor:
        """E_q KL of every group, from the top, for one row x (D,); (L,)."""
        return self._expectations(x, diagonal)[0]

    def elbo(self, x: Tensor, diagonal: bool = False) -> Tensor:
        """Exact ELBO of one row x (D,): log p(x) where q is exact."""
        kl, mean, covariance = self._expectations(x, diagonal)
        a, q = self.a[0], self.q[0]
        error = (x - self.b[0] - a @ mean).square() + (a @ covariance * a).sum(-1)
        return -0.5 * (error / q + torch.log(2 * math.pi * q)).sum() - kl.sum()

    def _expectations(self, x: Tensor, diagonal: bool) -> tuple[Tensor, Tensor, Tensor]:
        """(KL of every group, mean and covariance of z_1 under q)."""
        mean, covariance, found = x.new_zeros(0), x.new_zeros(0, 0), list[Tensor]()
        for s in self.steps(diagonal):
            offset, tilt = s.slope @ x + s.bias, s.gain - s.a
            apart = (tilt @ mean + offset - s.b).square() + (tilt @ covariance * tilt).sum(-1)
            spread = (apart + s.covariance.diagonal()) / s.q - 1
            found.append(0.5 * (spread.sum() + s.q.log().sum() - torch.linalg.slogdet(s.covariance)[1]))
            mean, covariance = s.gain @ mean + offset, s.gain @ covariance @ s.gain.T + s.covariance
        return torch.stack(found), mean, covariance

    def model(self) -> Hierarchy:
        """This hierarchy as velbo's, in float64, with the best q of diagonal groups.

        The state of the generator holds z_L, .., z_1, each in places of its own, and 0 where nothing is drawn yet.
        """
        steps = self.steps(diagonal=True)
        n_dims, widths = len(self.b[0]), [len(s.bias) for s in steps]
        places = torch.arange(sum(widths)).split(widths)
        top = steps[0]
        head = DiagonalNormal(n_dims, widths[0]).double()
        _set(head.linear, _stacked(top.slope), torch.cat((top.bias, _raw(top.covariance.diagonal().sqrt()))))
        n_states = sum(widths)
        pairs = [_group(s, *at, n_states) for s, at in zip(steps[1:], pairwise(places), strict=True)]
        decoder = Normal(n_states, n_dims, scale=float(self.q[0][0].sqrt())).double()
        _set(decoder.linear, _in_places(self.a[0], places[-1], n_states), self.b[0])
        generator = TopDown(StandardNormal(widths[0]), _embedding(places[0], n_states), [g for g, _ in pairs])
        encoder = BottomUp(nn.Identity(), nn.Identity(), head, [read for _, read in pairs])
        return Hierarchy(encoder, generator, decoder).double()


def _group(s: Step, above: Tensor, at: Tensor, width: int) -> tuple[Group, nn.Module]:
    """(the group, what it reads of x), with (d, r) of q relative to p affine in z above and x."""
    n, unit = len(s.bias), s.q.sqrt()
    p, q, seen = nn.Linear(width, 2 * n).double(), nn.Linear(n, 2 * n).double(), nn.Linear(width, n).double()
    # the scale of p is 1 where its raw number is 0
    zero = inverse_softplus(1 - MIN_SCALE)
    _set(p, _stacked(_in_places(s.a, above, width)), torch.cat((s.b, _raw(unit) - zero)))
    _set(seen, _in_places((s.gain - s.a) / unit[:, None], above, width), torch.zeros(n))
    _set(q, _stacked(torch.eye(n)), torch.cat((torch.zeros(n), _raw(s.covariance.diagonal().sqrt() / unit) - zero)))
    read = nn.Linear(s.slope.shape[1], n).double()
    _set(read, s.slope / unit[:, None], (s.bias - s.b) / unit)
    return Group((n,), p, seen, q, _embedding(at, width), nn.Identity()), read


def _embedding(at: Tensor, width: int) -> nn.Linear:
    """Numbers into their places among ``width``."""
    layer = nn.Linear(len(at), width).double()
    _set(layer, torch.eye(width)[:, at], torch.zeros(width))
    return layer


def _in_places(weight: Tensor, at: Tensor, width: int) -> Tensor:
    """A matrix (n, m) that takes its m numbers from places among ``width``."""
    found = weight.new_zeros(len(weight), width)
    found[:, at] = weight
    return found


def _stacked(weight: Tensor) -> Tensor:
    """Above zeros: for means and raw scales, of which the latter depend on nothing."""
    return torch.cat((weight, torch.zeros_like(weight)))


def _raw(scale: Tensor) -> Tensor:
    """What softplus and the least scale make to these scales."""
    return torch.tensor([inverse_softplus(float(s) - MIN_SCALE) for s in scale], dtype=scale.dtype)


@torch.no_grad()
def _set(layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
