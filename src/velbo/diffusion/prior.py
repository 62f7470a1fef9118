"""p(z) by a diffusion of z: a prior of latents, learned inside the bound of the VAE that it stands in.

    z_1 ~ N(0, I),  z_s ~ p(z_s|z_t) down to z_0,  z ~ N(z_0 / alpha_0, e^gamma_0 I)

    E_q[ -log p(z) ] <= E_q[ -bound(z) ],   the cross entropy of q(z|x) and p(z)                                 (23)

log p(z) is no formula. In training it is estimated by one time; in evaluation by a whole path, which makes every
importance weight a true one. The noise at the end costs 1/2 log(1 + e^gamma_0) nats a latent of unit variance: 1.7e-4
at gamma_0 = -8.

The flow has a density of z_0, which differs from that of z by the noise at the end and by the finite number of steps of
the chain. At first, where the network says 0, it is N(0, I).

Source: Score-based generative modeling in latent space, Vahdat, Kreis and Kautz, 2021,
https://arxiv.org/abs/2106.05931.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import constraints

from ..errors import ConfigError
from ..posteriors import Draw
from ..priors import Estimated
from ..runtime.precision import in_full
from .bound import CONTINUOUS, Times, by_one_time, by_path, end_of_path, expected_end, from_first, prior_matching
from .denoiser import Denoiser, Preconditioned
from .flow import flow_log_prob
from .guidance import ConditionalDenoiser
from .network import LevelMLP
from .samplers import Ancestral, Sampler
from .schedule import LinearSchedule, Schedule, alpha
from .weighting import Weighting

STEPS = 100


class Process(nn.Module):
    """() -> `FirstLatents`: what a law by a diffusion is made of.

    Args:
        denoiser: (z_t, gamma) -> x_hat; a `ConditionalDenoiser` makes one of what is given.
        n: D, numbers of z_t.
        schedule: t -> gamma; linear, if not given.
        steps: T of whole paths and of the sampler.
        sampler: by which z_0 is drawn.
    """

    def __init__(
        self,
        denoiser: Denoiser | ConditionalDenoiser,
        n: int,
        schedule: Schedule | None = None,
        steps: int = STEPS,
        sampler: Callable[[Denoiser, Schedule, int], Sampler] = Ancestral,
    ) -> None:
        super().__init__()
        self.denoiser, self.n = denoiser, n
        self.schedule = LinearSchedule() if schedule is None else schedule
        self.steps, self.sampler = steps, sampler

    def forward(self) -> FirstLatents:
        return FirstLatents(self)

    @property
    def known(self) -> Denoiser:
        """The denoiser, known to be one.

        Raises:
            ConfigError: if what is given is still open.
        """
        if isinstance(self.denoiser, ConditionalDenoiser):
            raise ConfigError("this diffusion is of rows of which something is given; take model.given(x) of them")
        return self.denoiser

    def with_given(self, c: Tensor, guidance: float = 0.0) -> Process:
        """The process of rows whose c (B, F) is given.

        Raises:
            ConfigError: if the denoiser takes nothing given.
        """
        if not isinstance(self.denoiser, ConditionalDenoiser):
            raise ConfigError("the denoiser of this diffusion takes nothing given; make it a ConditionalDenoiser")
        denoiser = self.denoiser.guided(c, guidance) if guidance else self.denoiser.given(c)
        process = Process(denoiser, self.n, self.schedule, self.steps, self.sampler)
        process.training = self.training
        return process

    def first(self, shape: torch.Size) -> Tensor:
        """Draws of z_0, by torch's generator."""
        start = self.schedule.start
        noise = torch.randn(shape, dtype=start.dtype, device=start.device)
        with in_full(start.device.type):
            return self.sampler(self.known, self.schedule, self.steps)(noise)


class FirstLatents(Estimated):
    """The law of z_0, event shape (D,).

    Args:
        process: whose z_0 it is.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore
    support = constraints.real_vector  # pyright: ignore
    is_weight = True

    def __init__(self, process: Process) -> None:
        self.process = process
        super().__init__(torch.Size(), torch.Size((process.n,)), validate_args=False)

    @property
    def numbers(self) -> int:
        """Of the noise of a path."""
        return self.process.steps * self.event_shape[0]

    def estimate(self, value: Tensor, draw: Draw) -> Tensor:
        """The log-weight of a whole path from z_0 = value (..., B, D), (..., B)."""
        p = self.process
        with in_full(value.device.type):
            return from_first(p.known, p.schedule, value, draw, p.steps)

    def log_prob(self, value: Tensor) -> Tensor:
        """Density of the flow, (...,) of z_0 (..., D); exact but for the solver's steps.

        Raises:
            ConfigError: for more than 64 numbers.
        """
        with in_full(value.device.type):
            return flow_log_prob(self.process.known, self.process.schedule, value)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        return self.process.first(torch.Size((*sample_shape, *self.event_shape)))


class Diffused(Estimated):
    """The law of z, event shape (Z,).

    Args:
        first: the law of z_0.
        is_weight: whether an estimate is of a whole path, and its exponential a weight.
        times: of an estimate by one time.
        weighting: of its gradient.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore
    support = constraints.real_vector  # pyright: ignore

    def __init__(
        self, first: FirstLatents, is_weight: bool, times: Times = CONTINUOUS, weighting: Weighting | None = None
    ) -> None:
        self.first, self.is_weight, self.times, self.weighting = first, is_weight, times, weighting
        super().__init__(first.batch_shape, first.event_shape, validate_args=False)

    @property
    def numbers(self) -> int:
        """Of the noise of an estimate."""
        return self.first.numbers + self.event_shape[0] if self.is_weight else self.event_shape[0]

    def estimate(self, value: Tensor, draw: Draw) -> Tensor:
        """The log-weight of a whole path, or an estimate of the bound by one time, (..., B) of z (..., B, Z)."""
        p = self.first.process
        with in_full(value.device.type):
            if self.is_weight:
                path = by_path(p.known, p.schedule, value, draw, p.steps)
                return path.log_ratio + end_of_path(p.schedule, value, path.z)
            matching = by_one_time(p.known, p.schedule, value, draw, self.times, self.weighting)
            return expected_end(p.schedule, value) - prior_matching(p.schedule, value) - matching

    def log_prob(self, value: Tensor) -> Tensor:
        """Density of the flow at z_0 = z; see `FirstLatents.log_prob`."""
        return self.first.log_prob(value)

    @torch.no_grad()
    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        z, start = self.first.sample(sample_shape), self.first.process.schedule.start
        return z / alpha(start) + (start / 2).exp() * torch.randn_like(z)


class DiffusionPrior(nn.Module):
    """() -> `Diffused`.

    Args:
        process: of latents of unit variance or near it.
        times: of training, all by default; few for a model that will be used with few steps.
        weighting: of the gradient of training; by default the bound's.

    Example:
        >>> model = VAE(encoder, decoder, prior=diffusion_prior(32))
    """

    def __init__(self, process: Process, times: Times = CONTINUOUS, weighting: Weighting | None = None) -> None:
        super().__init__()
        self.process, self.times, self.weighting = process, times, weighting

    def forward(self) -> Diffused:
        return Diffused(self.process(), not self.training, self.times, self.weighting)


def diffusion_prior(n_latents: int, hidden: tuple[int, ...] = (128, 128)) -> DiffusionPrior:
    """A diffusion prior whose flow carries N(0, I) to N(0, I) at first."""
    return DiffusionPrior(Process(Preconditioned(LevelMLP(n_latents, n_latents, *hidden)), n_latents))
