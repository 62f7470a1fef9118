"""The laws of cells in many digits: each density or mass as its textbook states it, none in the form that velbo uses.

A law is made of the parameters of one cell, numbers of mpmath: log p(x), mean and variance; sums and integrals where
there is no closed form. Sources: Univariate discrete distributions, and Continuous univariate distributions, Johnson,
Kotz and others; The continuous Bernoulli, Loaiza-Ganem and Cunningham, 2019, https://arxiv.org/abs/1907.06845 (eq. 8).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import torch
from mpmath import mp

from velbo.likelihoods.bernoulli import BernoulliCell
from velbo.likelihoods.beta import BetaCell
from velbo.likelihoods.categorical_by_class import CodesByClass
from velbo.likelihoods.cell import Cell
from velbo.likelihoods.coded import CodesCell
from velbo.likelihoods.continuous_bernoulli import ContinuousBernoulliCell
from velbo.likelihoods.discretized_logistic import LevelsCell
from velbo.likelihoods.gamma import GammaCell
from velbo.likelihoods.integers import IntegerCell
from velbo.likelihoods.laplace import LaplaceCell
from velbo.likelihoods.log_normal import LogNormalCell
from velbo.likelihoods.logit_normal import LogitNormalCell
from velbo.likelihoods.mixture import NormalMixtureCell
from velbo.likelihoods.negative_binomial import NegativeBinomialCell, ZeroInflatedCell
from velbo.likelihoods.normal import NormalCell
from velbo.likelihoods.poisson import PoissonCell
from velbo.likelihoods.student_t import StudentTCell

Number = Any
"""Of mpmath, which has no types."""
DIGITS = 50
FAR = 5
"""Steps of sigma from which a rounded logistic has the variance of the logistic plus 1/12, to 1e-40."""


@dataclass(frozen=True)
class Law:
    """One cell's."""

    log_p: Callable[[Number], Number]
    mean: Number
    variance: Number


def _log_normal_density(x: Number, mu: Number, sigma: Number) -> Number:
    return -(((x - mu) / sigma) ** 2) / 2 - mp.log(sigma) - mp.log(2 * mp.pi) / 2


def _log_sum(terms: Sequence[Number]) -> Number:
    top = max(terms)
    return top + mp.log(mp.fsum(mp.exp(t - top) for t in terms))


def _sigmoid(y: Number) -> Number:
    return 1 / (1 + mp.exp(-y))


def _log_bin(upper: Number, lower: Number) -> Number:
    """log( s(upper) - s(lower) ), of the smaller tails."""
    a, b = (upper, lower) if upper + lower < 0 else (-lower, -upper)
    return mp.log(_sigmoid(a) - _sigmoid(b))


def _normal(mu: Number, sigma: Number) -> Law:
    return Law(lambda x: _log_normal_density(x, mu, sigma), mu, sigma**2)


def _student_t(nu: Number, mu: Number, sigma: Number) -> Law:
    def log_p(x: Number) -> Number:
        height = mp.loggamma((nu + 1) / 2) - mp.loggamma(nu / 2) - mp.log(nu * mp.pi) / 2 - mp.log(sigma)
        return height - (nu + 1) / 2 * mp.log1p(((x - mu) / sigma) ** 2 / nu)

    return Law(log_p, mu, sigma**2 * nu / (nu - 2))


def _laplace(mu: Number, sigma: Number) -> Law:
    return Law(lambda x: -abs(x - mu) / sigma - mp.log(2 * sigma), mu, 2 * sigma**2)


def _pooled(weights: Sequence[Number], means: Sequence[Number], variances: Sequence[Number]) -> tuple[Number, Number]:
    mean = mp.fdot(weights, means) / mp.fsum(weights)
    spread = [v + (m - mean) ** 2 for m, v in zip(means, variances, strict=True)]
    return mean, mp.fdot(weights, spread) / mp.fsum(weights)


def _normal_mixture(log_pi: list[Number], mu: list[Number], sigma: list[Number]) -> Law:
    def log_p(x: Number) -> Number:
        return _log_sum([p + _log_normal_density(x, m, s) for p, m, s in zip(log_pi, mu, sigma, strict=True)])

    return Law(log_p, *_pooled([mp.exp(p) for p in log_pi], mu, [s**2 for s in sigma]))


def _log_normal(mu: Number, sigma: Number) -> Law:
    square = sigma**2
    return Law(
        lambda x: _log_normal_density(mp.log(x), mu, sigma) - mp.log(x),
        mp.exp(mu + square / 2),
        mp.expm1(square) * mp.exp(2 * mu + square),
    )


def _gamma(log_mean: Number, a: Number) -> Law:
    mean = mp.exp(log_mean)
    return Law(lambda x: a * mp.log(a / mean) - mp.loggamma(a) + (a - 1) * mp.log(x) - a * x / mean, mean, mean**2 / a)


def _beta(logit: Number, k: Number) -> Law:
    m = _sigmoid(logit)
    a, b = k * m, k * _sigmoid(-logit)
    log_b = mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(k)
    return Law(lambda x: (a - 1) * mp.log(x) + (b - 1) * mp.log(1 - x) - log_b, m, m * _sigmoid(-logit) / (1 + k))


def _logit_normal(mu: Number, sigma: Number) -> Law:
    def log_p(x: Number) -> Number:
        return _log_normal_density(mp.log(x / (1 - x)), mu, sigma) - mp.log(x) - mp.log(1 - x)

    def moment(n: int, centre: Number) -> Number:
        """E[(x - c)^n], by parts where sigma is wide: (s(-inf) - c)^n and what it rises by where Y > l."""
        if sigma < 1:
            # the sum over steps of e is exact to exp(-2 pi^2 / 0.2)
            terms = [
                mp.exp(-((i / mp.mpf(5)) ** 2) / 2) * (_sigmoid(mu + sigma * i / 5) - centre) ** n
                for i in range(-70, 71)
            ]
            return mp.fsum(terms) / 5 / mp.sqrt(2 * mp.pi)

        def rise(y: Number) -> Number:
            s = _sigmoid(y)
            return n * (s - centre) ** (n - 1) * s * (1 - s) * mp.ncdf((mu - y) / sigma)

        with mp.workdps(20):
            ends = sorted({-mp.mpf(90), mp.mpf(-20), mp.mpf(0), mp.mpf(20), mp.mpf(60), min(max(mu, -89), 59)})
            return (0 - centre) ** n + mp.quad(rise, ends)

    mean = moment(1, 0)
    return Law(log_p, mean, moment(2, mean))


def _continuous_bernoulli(a: Number) -> Law:
    if a == 0:
        return Law(lambda x: mp.mpf(0), mp.mpf(1) / 2, mp.mpf(1) / 12)
    log_z = a + mp.log(-mp.expm1(-a) / a) if a > 0 else mp.log(mp.expm1(a) / a)
    return Law(
        lambda x: a * x - log_z,
        -1 / mp.expm1(-a) - 1 / a,
        1 / a**2 - 1 / (2 * mp.sinh(a / 2)) ** 2,
    )


def _levels(n_levels: int) -> Callable[..., Law]:
    top = n_levels - 1

    def law(log_pi: list[Number], mu: list[Number], sigma: list[Number]) -> Law:
        def log_p(x: Number) -> Number:
            k = mp.nint(x * top)
            upper, lower = ((k + mp.mpf(1) / 2) / top, (k - mp.mpf(1) / 2) / top)
            return _log_sum(
                [
                    p + _log_bin(mp.inf if k == top else (upper - m) / s, -mp.inf if k == 0 else (lower - m) / s)
                    for p, m, s in zip(log_pi, mu, sigma, strict=True)
                ]
            )

        x = [mp.mpf(k) / top for k in range(n_levels)]
        return Law(log_p, *_pooled([mp.exp(log_p(v)) for v in x], x, [mp.mpf(0)] * n_levels))

    return law


def _rounded(mu: Number, sigma: Number) -> tuple[Number, Number]:
    """Mean and variance of a logistic variable that is rounded to whole numbers."""
    if sigma > FAR:
        return mu, (mp.pi * sigma) ** 2 / 3 + mp.mpf(1) / 12
    middle, reach = int(mp.nint(mu)), int(60 * sigma) + 3
    k = [mp.mpf(i) for i in range(middle - reach, middle + reach + 1)]
    half = mp.mpf(1) / 2
    masses = [mp.exp(_log_bin((i + half - mu) / sigma, (i - half - mu) / sigma)) for i in k]
    return _pooled(masses, k, [mp.mpf(0)] * len(k))


def _integers(
    log_pi: list[Number],
    mu: list[Number],
    sigma: list[Number],
    low: Number,
    step: Number,
    atoms: Sequence[Number] = (),
    of_atoms: Sequence[Number] = (),
) -> Law:
    (low,), (step,) = low, step
    mu, sigma = [*mu, *atoms], [*sigma, *(s for s in of_atoms for _ in atoms)]

    def log_p(x: Number) -> Number:
        return _log_sum(
            [
                p + _log_bin((x + step / 2 - m) / s, (x - step / 2 - m) / s)
                for p, m, s in zip(log_pi, mu, sigma, strict=True)
            ]
        )

    parts = [_rounded((m - low) / step, s / step) for m, s in zip(mu, sigma, strict=True)]
    mean, variance = _pooled([mp.exp(p) for p in log_pi], [m for m, _ in parts], [v for _, v in parts])
    return Law(log_p, low + step * mean, step**2 * variance)


def _poisson(log_rate: Number) -> Law:
    m = mp.exp(log_rate)
    return Law(lambda k: k * log_rate - m - mp.loggamma(k + 1), m, m)


def _negative_binomial(log_rate: Number, log_r: Number) -> Law:
    m, r = mp.exp(log_rate), mp.exp(log_r)

    def log_p(k: Number) -> Number:
        choose = mp.loggamma(k + r) - mp.loggamma(r) - mp.loggamma(k + 1)
        return choose + r * mp.log(r / (r + m)) + k * mp.log(m / (r + m))

    return Law(log_p, m, m + m**2 / r)


def _zero_inflated(log_rate: Number, log_r: Number, logit: Number) -> Law:
    counts, g, rest = _negative_binomial(log_rate, log_r), _sigmoid(logit), _sigmoid(-logit)

    def log_p(k: Number) -> Number:
        return mp.log((g if k == 0 else 0) + rest * mp.exp(counts.log_p(k)))

    return Law(log_p, rest * counts.mean, rest * (counts.variance + g * counts.mean**2))


def _bernoulli(logit: Number) -> Law:
    p, rest = _sigmoid(logit), _sigmoid(-logit)
    return Law(lambda x: mp.log(p if x == 1 else rest), p, p * rest)


def _codes(step: Number) -> Callable[..., Law]:
    def law(log_p: list[Number]) -> Law:
        known = [p for p in log_p if mp.isfinite(p)]
        values = [step * c for c in range(len(known))]
        masses = [mp.exp(p) for p in known]
        return Law(lambda x: log_p[int(mp.nint(x / step))], *_pooled(masses, values, [mp.mpf(0)] * len(known)))

    return law


def _codes_by_class(cell: CodesByClass) -> Callable[..., Law]:
    """Of one cell: every code's logit is that of its class and its own, each less the logarithm of its sum."""
    first, size = int(cell.of.first[0]), int(cell.of.sizes[0])

    def law(log_first: list[Number], query: list[Number]) -> Law:
        known = [p for p in log_first if mp.isfinite(p)]
        log_p = []
        for a, log_class in enumerate(known):
            table = cell.of.table[first + a].tolist()[: size - len(log_p)]
            logits = [mp.fsum(mp.mpf(e) * r for e, r in zip(row, [*query, 1], strict=True)) for row in table]
            log_p += [log_class + y - _log_sum(logits) for y in logits]
        return _codes(mp.mpf(1))(log_p)

    return law


LAWS: dict[type[Cell], Callable[..., Law]] = {
    NormalCell: _normal,
    StudentTCell: _student_t,
    LaplaceCell: _laplace,
    NormalMixtureCell: _normal_mixture,
    LogNormalCell: _log_normal,
    GammaCell: _gamma,
    BetaCell: _beta,
    LogitNormalCell: _logit_normal,
    ContinuousBernoulliCell: _continuous_bernoulli,
    IntegerCell: _integers,
    PoissonCell: _poisson,
    NegativeBinomialCell: _negative_binomial,
    ZeroInflatedCell: _zero_inflated,
    BernoulliCell: _bernoulli,
}


def law_of(cell: Cell, place: int, parameters: Sequence[Number]) -> Law:
    """Of the cell in this place with other parameters: a number each, or a list where it has several of a sort."""
    if isinstance(cell, CodesByClass):
        return _codes_by_class(cell.at(torch.tensor([place])))(*parameters)
    if isinstance(cell, LevelsCell):
        return _levels(cell.n_levels)(*parameters)
    if isinstance(cell, CodesCell):
        return _codes(mp.mpf(cell.step))(*parameters)
    return LAWS[type(cell)](*parameters)


def many_digits() -> Any:
    """To be around what is computed of a law."""
    return mpmath.workdps(DIGITS)
