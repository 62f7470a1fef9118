"""The bound of a diffusion in three terms, by one time of all or by a whole path.

    log p(x) >= E log p(x|z_0) - KL( q(z_1|x) || N(0, I) ) - L                                                   (16)
                reconstruction   prior matching              denoising matching

    L_T   = T/2 E_{t, eps} [ (SNR(s) - SNR(t)) |x - x_hat(z_t)|^2 ],   t uniform on 1/T .. 1, s = t - 1/T
    L_inf = 1/2 E_{t, eps} [ gamma'(t) SNR(t) |x - x_hat(z_t)|^2 ],    t uniform on [0, 1]                       (17)

One time    an estimate of L whose mean is right: it may be averaged, and never stand inside an exponential.
Whole path  log p(z_0, .., z_1) - log q(z_0, .., z_1|x) of a path z_1, .., z_0 ~ q(.|x): a true log-weight of the T-step
            model, whose mean is the bound. Its steps are summed up as they are made.

Times of one batch are u + b / n mod 1 with one u: each is uniform, and together they lie evenly.

A weighting replaces the weight of a time in the gradient of the denoiser; the value stays the bound, and so does the
gradient of what comes before z_t, such as an encoder's.

Sources: Variational diffusion models, Kingma, Salimans, Poole and Ho, 2021, https://arxiv.org/abs/2107.00630 (eqs. 11
to 18, appendix I.1); Score-based generative modeling in latent space, Vahdat, Kreis and Kautz, 2021,
https://arxiv.org/abs/2106.05931 (section 3.2: the prior reweighted, the encoder not).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from ..posteriors import Draw
from .denoiser import Denoiser
from .schedule import Schedule, alpha, sigma, snr
from .steps import Step
from .weighting import Weighting

LOG_2_PI = math.log(2 * math.pi)


Cost = Callable[[Tensor, Tensor], Tensor]
"""(x - x_hat (..., D), nu) -> (...,)."""


class Times(Protocol):
    """What times there are."""

    def __call__(
        self, schedule: Schedule, u: Tensor, scatter: Callable[[], Tensor] | None = None
    ) -> tuple[Tensor, Cost]:
        """(gamma_t, cost) of u uniform on [0, 1): L = E[ cost(x - x_hat, nu) ]; ``scatter`` as in `Schedule.at`."""
        ...


@dataclass(frozen=True)
class ContinuousTime:
    """Every time: L_inf."""

    def __call__(
        self, schedule: Schedule, u: Tensor, scatter: Callable[[], Tensor] | None = None
    ) -> tuple[Tensor, Cost]:
        gamma, slope = schedule.at(u, scatter)
        return gamma, lambda error, spread: 0.5 * (slope * snr(gamma) * error.square()).sum(-1)


@dataclass(frozen=True)
class DiscreteTime:
    """T times: L_T.

    Attributes:
        steps: T. A model that is to be used with few steps is to be trained with few.
    """

    steps: int

    def __call__(
        self, schedule: Schedule, u: Tensor, scatter: Callable[[], Tensor] | None = None
    ) -> tuple[Tensor, Cost]:
        late = ((u * self.steps).floor() + 1) / self.steps
        (early, _), (gamma, _) = (schedule.at(t, scatter) for t in (late - 1 / self.steps, late))
        return gamma, lambda error, spread: self.steps * Step(early, gamma).kl(error, spread)


CONTINUOUS = ContinuousTime()


def noise(draw: Draw, like: Tensor, *shape: int) -> Tensor:
    """Standard normal numbers of ``draw`` of the given shape for each of the rows of ``like`` (..., B, D)."""
    size = torch.Size((*like.shape[:-1], *shape))
    zero, one = (like.new_full((), value).expand(size) for value in (0.0, 1.0))
    return draw.noise(Independent(Normal(zero, one, validate_args=False), len(shape), validate_args=False), 1)[0]


def even_times(draw: Draw, like: Tensor) -> Tensor:
    """u of every row and sample of ``like`` (..., B, D), (..., B, 1): each uniform, together even."""
    first = torch.special.ndtr(noise(draw, like, 1)).flatten()[0]
    n = like[..., 0].numel()
    steps = torch.arange(n, dtype=like.dtype, device=like.device).view(*like.shape[:-1], 1)
    return (first + steps / n) % 1.0


def prior_matching(schedule: Schedule, x: Tensor, known: Tensor | None = None) -> Tensor:
    """KL( q(z_1|x) || N(0, I) ), (...,) of x (..., D), over the numbers that are ``known``; see `by_path`."""
    gamma = schedule.end
    variance = sigma(gamma) ** 2
    each = 0.5 * (alpha(gamma) ** 2 * x.square() + variance - 1 - variance.log())
    return (each if known is None else torch.where(known, each, 0.0)).sum(-1)


def by_one_time(
    denoiser: Denoiser,
    schedule: Schedule,
    x: Tensor,
    draw: Draw,
    times: Times = CONTINUOUS,
    weighting: Weighting | None = None,
) -> Tensor:
    """An estimate of L by one time for each row and sample, (..., B) of x (..., B, D)."""
    found = list[Tensor]()
    gamma, cost = times(schedule, even_times(draw, x), lambda: 2 * found[0].detach().unsqueeze(-1))
    eps = noise(draw, x, x.shape[-1])
    if weighting is None:
        seen, ratio = x, None
    else:
        ratio = weighting(gamma.detach())
        seen = _Scaled.apply(x, 1 / ratio)
    x_hat = denoiser(alpha(gamma) * seen + sigma(gamma) * eps, gamma)
    spread = denoiser.spread(gamma.detach())
    loss = cost(seen - x_hat, spread)
    found.append(loss)
    loss = loss if ratio is None else _Scaled.apply(loss, ratio.squeeze(-1))
    return loss + _nothing(spread, (x - x_hat).detach().square()) if spread.requires_grad else loss


def _nothing(spread: Tensor, square: Tensor) -> Tensor:
    """0, whose gradient leads nu to the mean of the squared errors: -log N(error; 0, nu) less itself."""
    learned = 0.5 * (spread.log() + square / spread).sum(-1)
    return learned - learned.detach()


class _Scaled(torch.autograd.Function):
    """The same number, its gradient multiplied."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, factor: Tensor) -> Tensor:  # pyright: ignore
        ctx.save_for_backward(factor)
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore
        return gradient * ctx.saved_tensors[0], None


@dataclass(frozen=True)
class Path:
    """What is summed up along a path z_1, .., z_0 ~ q(.|x).

    Attributes:
        z: z_0, (..., B, D).
        log_ratio: log p(z_0, .., z_1) - log q(z_0, .., z_1|x), (..., B).
    """

    z: Tensor
    log_ratio: Tensor


def by_path(
    denoiser: Denoiser, schedule: Schedule, x: Tensor, draw: Draw, steps: int, known: Tensor | None = None
) -> Path:
    """A whole path.

    Args:
        denoiser: of the model.
        schedule: of the times.
        x: (..., B, D).
        draw: where noise comes from.
        steps: T.
        known: which numbers of x are, (B, D) or as x; all, if not given. Where x is not known, q goes as the model
            goes, from N(0, 1) by p(z_s|z_t): nothing is assumed of x, and nothing is added to the ratio.
    """
    eps = noise(draw, x, steps + 1, x.shape[-1])
    gammas = schedule.grid(steps)
    a, b = alpha(gammas[-1]), sigma(gammas[-1])
    if known is not None:
        a, b = a * known, torch.where(known, b, 1.0)
        x = torch.where(known, x, 0.0)
    z = a * x + b * eps[..., 0, :]
    log_ratio = (0.5 * (eps[..., 0, :].square() - z.square()) + b.log()).sum(-1)
    for i in range(1, steps + 1):
        step, e = Step(gammas[-i - 1], gammas[-i]), eps[..., i, :]
        x_hat = denoiser(z, step.late)
        target = x if known is None else torch.where(known, x, x_hat)
        spread, scale = denoiser.spread(step.late), step.scale
        if known is not None:  # elsewhere q is p, of p's variance: no error, and r = 1
            scale = torch.where(known, scale, step.model_scale(spread))
            spread = torch.where(known, spread, 0.0)
        log_ratio = log_ratio + step.log_ratio(target - x_hat, spread, e)
        z = step.mean(z, target) + scale * e
    return Path(z, log_ratio)


def from_first(denoiser: Denoiser, schedule: Schedule, z: Tensor, draw: Draw, steps: int) -> Tensor:
    """log p(z_0, .., z_1) - log q(z_1/T, .., z_1|z_0) of a path that begins at z_0 = z (..., B, D), (..., B)."""
    eps = noise(draw, z, steps, z.shape[-1])
    gammas = schedule.grid(steps)
    log_ratio = z.new_zeros(z.shape[:-1])
    for i in range(steps):
        step, e = Step(gammas[i], gammas[i + 1]), eps[..., i, :]
        later = step.forwards(z, e)
        scale = step.model_scale(denoiser.spread(step.late))
        off = (z - step.mean(later, denoiser(later, step.late))) / scale
        log_ratio = log_ratio + (0.5 * (e.square() - off.square()) + (step.forward_scale / scale).log()).sum(-1)
        z = later
    return log_ratio - 0.5 * (z.square() + LOG_2_PI).sum(-1)


def end_of_path(schedule: Schedule, x: Tensor, z: Tensor) -> Tensor:
    """log p(x|z_0) = log N(x; z_0 / alpha_0, e^gamma_0 I), (..., B)."""
    gamma = schedule.start
    off = (z - alpha(gamma) * x) / sigma(gamma)
    return -0.5 * (off.square() + LOG_2_PI + gamma).sum(-1)


def expected_end(schedule: Schedule, x: Tensor) -> Tensor:
    """E log N(x; z_0 / alpha_0, e^gamma_0 I) over q(z_0|x), (..., B)."""
    return (-0.5 * x.shape[-1] * (LOG_2_PI + schedule.start + 1)).expand(x.shape[:-1])
