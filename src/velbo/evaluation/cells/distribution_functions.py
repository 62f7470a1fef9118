"""F(x) of every cell that velbo has: P(X < x) and P(X = x), by the formula or by SciPy.

density                    P(X < x) = F(x),  P(X = x) = 0
codes and levels           sums of masses
rounded logistics          P(X < x) = sum_m pi_m s((x - w / 2 - mu_m) / sigma_m),  w the step of the grid
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import torch
from scipy import special, stats
from torch import Tensor
from torch.distributions import Bernoulli, Distribution

from ...likelihoods.beta import BetaCell
from ...likelihoods.categorical import OnGrid
from ...likelihoods.coded import CodesCell
from ...likelihoods.discretized_logistic import LogisticBins
from ...likelihoods.gamma import GammaCell
from ...likelihoods.integers import IntegerCell
from ...likelihoods.log_normal import LogNormalCell
from ...likelihoods.logit_normal import LogitNormalCell
from ...likelihoods.mixture import NormalMixtureCell
from ...likelihoods.negative_binomial import NegativeBinomialCell, ZeroInflatedCell
from ...likelihoods.poisson import PoissonCell
from ...likelihoods.student_t import StudentTCell


@singledispatch
def below_and_at(cell: Distribution, x: Tensor) -> tuple[Tensor, Tensor]:
    """(P(X < x), P(X = x)) of every cell; for a density that is its distribution function, and 0.

    Raises:
        NotImplementedError: for a distribution without one; register yours with ``below_and_at.register``.
    """
    return density(cell.cdf(x))


def density(below: Tensor) -> tuple[Tensor, Tensor]:
    return below, torch.zeros_like(below)


def scipy_of(f: Any, *arguments: Tensor) -> Tensor:
    """A function of SciPy at broadcast tensors, in float64."""
    return torch.from_numpy(f(*(a.detach().double().cpu().numpy() for a in torch.broadcast_tensors(*arguments))))


def gathered(masses: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    at, up_to = (t.gather(-1, codes.long().unsqueeze(-1)).squeeze(-1) for t in (masses, masses.cumsum(-1)))
    return up_to - at, at


@below_and_at.register
def _(cell: Bernoulli, x: Tensor) -> tuple[Tensor, Tensor]:
    p = cell.probs
    return x * (1 - p), torch.where(x > 0, p, 1 - p)


@below_and_at.register
def _(cell: LogisticBins, x: Tensor) -> tuple[Tensor, Tensor]:
    k = (x * (cell.n_levels - 1)).round()
    below = cell.up_to(k - 1)
    return below, cell.up_to(k) - below


@below_and_at.register
def _(cell: OnGrid, x: Tensor) -> tuple[Tensor, Tensor]:
    return gathered(cell.probs, (x / cell.step).round())


@below_and_at.register
def _(cell: CodesCell, x: Tensor) -> tuple[Tensor, Tensor]:
    return gathered(cell.log_masses().exp(), x.round())


@below_and_at.register
def _(cell: StudentTCell, x: Tensor) -> tuple[Tensor, Tensor]:
    return density(scipy_of(special.stdtr, cell.df, (x - cell.loc) / cell.scale))


@below_and_at.register
def _(cell: NormalMixtureCell, x: Tensor) -> tuple[Tensor, Tensor]:
    return density((cell.log_pi.exp() * torch.special.ndtr((x.unsqueeze(-1) - cell.loc) / cell.scale)).sum(-1))


@below_and_at.register
def _(cell: LogNormalCell, x: Tensor) -> tuple[Tensor, Tensor]:
    return density(torch.special.ndtr((x.log() - cell.loc) / cell.scale))


@below_and_at.register
def _(cell: LogitNormalCell, x: Tensor) -> tuple[Tensor, Tensor]:
    return density(torch.special.ndtr((torch.logit(x) - cell.loc) / cell.scale))


@below_and_at.register
def _(cell: GammaCell, x: Tensor) -> tuple[Tensor, Tensor]:
    return density(scipy_of(special.gammainc, cell.shape, x * cell.shape * torch.exp(-cell.log_mean)))


@below_and_at.register
def _(cell: BetaCell, x: Tensor) -> tuple[Tensor, Tensor]:
    return density(scipy_of(special.betainc, cell.alpha, cell.beta, x))


@below_and_at.register
def _(cell: PoissonCell, x: Tensor) -> tuple[Tensor, Tensor]:
    return scipy_of(stats.poisson.cdf, x - 1, cell.mean), cell.log_prob(x).exp().double()


@below_and_at.register
def _(cell: NegativeBinomialCell, x: Tensor) -> tuple[Tensor, Tensor]:
    r = cell.log_r.double().exp()
    return scipy_of(stats.nbinom.cdf, x - 1, r, r / (r + cell.rate)), cell.log_prob(x).exp().double()


@below_and_at.register
def _(cell: ZeroInflatedCell, x: Tensor) -> tuple[Tensor, Tensor]:
    zero, (below, _) = torch.sigmoid(cell.logit), below_and_at(cell.counts, x)
    return torch.where(x > 0, zero + (1 - zero) * below, 0.0), cell.log_prob(x).exp().double()


@below_and_at.register
def _(cell: IntegerCell, x: Tensor) -> tuple[Tensor, Tensor]:
    edge = (x.unsqueeze(-1) - cell.step / 2 - cell.loc) / cell.scale
    return (cell.log_pi.exp() * torch.sigmoid(edge)).sum(-1), cell.log_prob(x).exp()
