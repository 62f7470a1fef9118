"""log p(x) from below by annealed importance sampling, and from above by the same run backwards.

    f_t(z) = p(z) p(x|z)^b_t,  0 = b_0 < b_1 < ... < b_T = 1          from the prior to the posterior
    forward    z_0 ~ p(z);  log w = sum_t (b_t - b_{t-1}) log p(x|z_{t-1}),  z_t by HMC that leaves f_t invariant
    backward   z_T ~ p(z|x); the same steps in reverse order; log w likewise

    E[w] = p(x):                 log 1/K sum_k w_k         is below log p(x) in expectation, and above
                                                           log p(x) + c with a probability of at most e^-c
    backward, E[1/w] = 1/p(x):  -log 1/K sum_k 1/w_k       is above it in the same sense

An exact posterior sample is known for data that the model itself has drawn, x ~ p(x|z*), z* ~ p(z): there both sides
bracket log p(x), and the width of the bracket bounds the error of each (bidirectional Monte Carlo).

The forward run also passes every trade-off between rate and distortion: with D_t = -E[log p(x|z_t)],

    R_t = -b_t D_t - E[log w_t]   is at least KL( law of z_t || p(z) )

where w_t are the weights so far: each (R_t, D_t) is a channel x -> z that exists, and so lies on or above the
rate-distortion curve of this prior and decoder; the encoder's own point (rate, -reconstruction) lies above it too.

Step sizes are tuned in a run of their own, to an acceptance rate of 0.65 at every temperature and row, and then kept:
tuning inside the run that is counted would break E[w] = p(x).

Sources: Annealed importance sampling, Neal, 2001, https://arxiv.org/abs/physics/9803008; On the quantitative analysis
of decoder-based generative models, Wu, Burda, Salakhutdinov and Grosse, 2017, https://arxiv.org/abs/1611.04273;
Evaluating lossy compression rates of deep generative models, Huang, Makhzani, Cao and Grosse, 2020,
https://arxiv.org/abs/2008.06653; MCMC using Hamiltonian dynamics, Neal, 2011, https://arxiv.org/abs/1206.1901.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import ConfigError
from ...runtime.generators import OwnGenerator, generator
from ...runtime.threads import threads
from ...terms import Model, log_density, require_density, view_of

TARGET_ACCEPTANCE = 0.65
FIRST_STEP, LEARNING_RATE = 0.1, 0.2
SPAN = 4.0


@dataclass(frozen=True)
class Annealing:
    """How long to anneal.

    Attributes:
        temperatures: T.
        chains: K of each row.
        leapfrog: steps of one HMC proposal.
        seed: of all noise.
    """

    temperatures: int = 1000
    chains: int = 16
    leapfrog: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.temperatures, self.chains, self.leapfrog) < 1:
            raise ConfigError("annealing needs at least 1 temperature, 1 chain and 1 leapfrog step")

    @property
    def schedule(self) -> Tensor:
        """b_0 .. b_T, (T + 1,): a sigmoid over [-4, 4], slow at both ends, scaled to reach 0 and 1."""
        s = torch.sigmoid(torch.linspace(-SPAN, SPAN, self.temperatures + 1, dtype=torch.float64))
        return (s - s[0]) / (s[-1] - s[0])


@dataclass(frozen=True)
class Annealed:
    """What a run gives.

    Attributes:
        log_w: log-weights of the chains, (K, B) float64.
        bound: of log p(x), (B,) float64; lower for a forward run, upper for a backward one.
        acceptance: mean rate of accepted proposals.
        rates: R_t of a forward run, (T + 1, B) float64, nats; empty for a backward one.
        distortions: D_t, likewise.
    """

    log_w: Tensor
    bound: Tensor
    acceptance: float
    rates: Tensor
    distortions: Tensor


@dataclass(frozen=True)
class _Point:
    """z (K, B, Z), and log p(z), log p(x|z) (K, B) there with their gradients: all that any temperature needs."""

    z: Tensor
    log_pz: Tensor
    log_px_z: Tensor
    d_log_pz: Tensor
    d_log_px_z: Tensor

    def log_f(self, b: float) -> Tensor:
        return self.log_pz + b * self.log_px_z

    def d_log_f(self, b: float) -> Tensor:
        return self.d_log_pz + b * self.d_log_px_z

    def where(self, condition: Tensor, other: _Point) -> _Point:
        """This point in chains of which the condition (K, B) holds, the other one elsewhere."""
        wide = condition[..., None]
        return _Point(
            torch.where(wide, self.z, other.z),
            torch.where(condition, self.log_pz, other.log_pz),
            torch.where(condition, self.log_px_z, other.log_px_z),
            torch.where(wide, self.d_log_pz, other.d_log_pz),
            torch.where(wide, self.d_log_px_z, other.d_log_px_z),
        )


class _Chains:
    """HMC on K chains of B rows, (K, B, Z)."""

    def __init__(self, model: Model, x: Tensor, settings: Annealing, stream: str) -> None:
        self.view, self.x, self.settings, self.stream = view_of(model, x), x, settings, stream
        require_density(self.view.prior(), "annealing")
        self.generator = generator(settings.seed, stream, x.device)

    def normal(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.generator, dtype=like.dtype, device=like.device)

    def at(self, z: Tensor) -> _Point:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            log_pz = log_density(self.view.prior(), z, "p(z)")
            log_px_z = self.view.decode(z).log_prob(self.x)
            (d_log_pz,) = torch.autograd.grad(log_pz.sum(), z)
            (d_log_px_z,) = torch.autograd.grad(log_px_z.sum(), z)
        return _Point(z.detach(), log_pz.detach(), log_px_z.detach(), d_log_pz, d_log_px_z)

    def move(self, start: _Point, b: float, step: Tensor) -> tuple[_Point, Tensor]:
        """(point, probability of acceptance (K, B)) after one proposal that leaves f invariant; ``step`` is (B,)."""
        size = step[:, None].to(start.z.dtype)
        momentum, point = self.normal(start.z), start
        before = start.log_f(b) - 0.5 * momentum.square().sum(-1)
        momentum = momentum + 0.5 * size * start.d_log_f(b)
        for i in range(self.settings.leapfrog):
            point = self.at(point.z + size * momentum)
            momentum = momentum + (1.0 if i + 1 < self.settings.leapfrog else 0.5) * size * point.d_log_f(b)
        change = point.log_f(b) - 0.5 * momentum.square().sum(-1) - before
        probability = torch.nan_to_num(change, nan=-math.inf).clamp(max=0).exp()
        uniform = torch.rand(probability.shape, generator=self.generator, dtype=change.dtype, device=change.device)
        return point.where(uniform < probability, start), probability


@threads()
@torch.no_grad()
def anneal(model: Model, x: Tensor, settings: Annealing = Annealing()) -> Annealed:
    """A lower bound of log p(x).

    Args:
        model: in evaluation mode.
        x: (B, D), encoded.
        settings: how long; costs 2 temperatures * leapfrog * chains * B decodings, with gradients: half of them tune.
    """
    steps = tune(model, x, settings)
    chains = _Chains(model, x, settings, "annealing")
    z = _prior_samples(chains, settings.chains)
    return _run(chains, z, settings.schedule.tolist(), steps, lower=True)


@threads()
@torch.no_grad()
def anneal_backwards(model: Model, x: Tensor, z: Tensor, settings: Annealing = Annealing()) -> Annealed:
    """An upper bound of log p(x), for data of the model's own.

    Args:
        model: in evaluation mode.
        x: (B, D), drawn from p(x|z).
        z: (B, Z), the draws of p(z) that x came from: exact samples of p(z|x).
        settings: as for `anneal`.
    """
    steps = tune(model, x, settings)
    chains = _Chains(model, x, settings, "annealing backwards")
    return _run(chains, z.expand(settings.chains, *z.shape), settings.schedule.tolist(), steps, lower=False)


@torch.no_grad()
def tune(model: Model, x: Tensor, settings: Annealing) -> Tensor:
    """Step sizes (T, B) of an acceptance rate near 0.65, from a run with other noise."""
    chains = _Chains(model, x, settings, "tuning")
    point, step = chains.at(_prior_samples(chains, settings.chains)), x.new_full((len(x),), FIRST_STEP)
    steps = list[Tensor]()
    for b in settings.schedule[1:].tolist():
        point, probability = chains.move(point, b, step)
        step = step * (LEARNING_RATE * (probability.mean(0) - TARGET_ACCEPTANCE)).exp()
        steps.append(step)
    return torch.stack(steps)


def _prior_samples(chains: _Chains, k: int) -> Tensor:
    with OwnGenerator(chains.settings.seed, f"start of {chains.stream}"):
        return chains.view.prior().sample(torch.Size((k, len(chains.x))))


def _run(chains: _Chains, z: Tensor, schedule: list[float], steps: Tensor, lower: bool) -> Annealed:
    log_w, accepted, n = torch.zeros(z.shape[:-1], dtype=torch.float64), 0.0, len(schedule) - 1
    point, path = chains.at(z), list[tuple[Tensor, Tensor]]()

    def log_px_z() -> Tensor:
        return point.log_px_z.double().cpu()

    def pass_by(b: float) -> None:
        distortion = -log_px_z().mean(0)
        path.append((-b * distortion - log_w.mean(0), distortion))

    for t in range(1, n + 1) if lower else range(n, 0, -1):
        if lower:
            pass_by(schedule[t - 1])
            log_w += (schedule[t] - schedule[t - 1]) * log_px_z()
        point, probability = chains.move(point, schedule[t], steps[t - 1])
        if not lower:
            log_w += (schedule[t] - schedule[t - 1]) * log_px_z()
        accepted += float(probability.mean())
    if lower:
        pass_by(schedule[n])
    rates, distortions = (torch.stack(side) for side in zip(*path, strict=True)) if path else (torch.empty(0),) * 2
    sign = 1 if lower else -1
    bound = sign * (torch.logsumexp(sign * log_w, 0) - math.log(len(log_w)))
    return Annealed(log_w, bound, accepted / n, rates, distortions)
