"""Between the ELBO and the importance-weighted bound: K samples in M groups of K/M.

    MIWAE   1/M sum_m log M/K sum_{k in group m} w_k           M = 1 is IWAE, M = K the ELBO
    CIWAE   mix * 1/K sum_k log w_k + (1 - mix) log 1/K sum_k w_k
    PIWAE   two targets: theta climbs IWAE of all K samples, phi climbs MIWAE

With k = K/M samples a group, the signal-to-noise ratio of the autograd gradient is of order sqrt(M k) for theta, but
sqrt(M / k) for phi: the encoder learns better from more and looser bounds. Each value is a mean of bounds, and so a
bound of log p(x); PIWAE reports that of theta.

The two gradients of PIWAE, doubly reparameterised as DReG's: v~ normalised over all samples, w~ within each group,

    d/dtheta = sum_k v~_k d log w_k / d theta          d/dphi = 1/M sum_k w~_k^2 (d log w_k / d z_k) (d z_k / d phi)

come of one backward pass through sum_k v~_k log w_k, with w~_k^2 / (M v~_k) times the gradient that arrives at z_k.

Source: Tighter variational bounds are not necessarily better, Rainforth et al., 2018,
https://arxiv.org/abs/1802.04537 (section "New estimators"); doubly reparameterised: see iwae.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError
from ..posteriors import Draw, StickingTheLanding
from ..terms import PATHWISE, Terms
from .base import Bound, bound_of_samples, check_samples
from .iwae import log_mean_exp

# its inverse times any weight is a number in float32; what it adds to a gradient is not
SMALLEST_WEIGHT = 1e-10


def in_groups(log_w: Tensor, groups: int) -> Tensor:
    """(K, B) -> (K/M, M, B), of which the first dimension runs within a group."""
    return log_w.unflatten(0, (-1, groups))


def check_groups(samples: int, groups: int) -> None:
    """Raise ConfigError unless samples fall into groups of one size."""
    check_samples(samples)
    if groups < 1:
        raise ConfigError(f"groups must be at least 1, not {groups}")
    if samples % groups:
        enough = groups * -(-samples // groups)
        raise ConfigError(
            f"{samples} samples do not fall into {groups} groups of one size: samples counts those of all groups "
            f"together; use samples={enough}"
        )


@dataclass(frozen=True)
class MIWAE:
    """The mean of M importance-weighted bounds; its own autograd is the gradient.

    Args:
        samples: K, of all groups together.
        groups: M, which divides K.
        draw: how z is drawn.
    """

    samples: int = 8
    groups: int = 2
    draw: Draw = PATHWISE

    def __post_init__(self) -> None:
        check_groups(self.samples, self.groups)

    def __call__(self, terms: Terms, beta: float | Tensor = 1.0) -> Bound:
        terms = terms.as_weights("MIWAE")
        return bound_of_samples(terms, self._bound(terms.log_w), self._bound(terms.tempered_log_w(beta)))

    def _bound(self, log_w: Tensor) -> Tensor:
        return log_mean_exp(in_groups(log_w, self.groups)).mean(0)


@dataclass(frozen=True)
class CIWAE:
    """A mix of the ELBO and IWAE on the same samples; its own autograd is the gradient.

    Args:
        samples: K.
        mix: share of the ELBO, in [0, 1].
        draw: how z is drawn.
    """

    samples: int = 5
    mix: float = 0.5
    draw: Draw = PATHWISE

    def __post_init__(self) -> None:
        check_samples(self.samples)
        if not 0 <= self.mix <= 1:
            raise ConfigError(f"mix is the share of the ELBO, in [0, 1], not {self.mix}")

    def __call__(self, terms: Terms, beta: float | Tensor = 1.0) -> Bound:
        terms = terms.as_weights("CIWAE")
        return bound_of_samples(terms, self._bound(terms.log_w), self._bound(terms.tempered_log_w(beta)))

    def _bound(self, log_w: Tensor) -> Tensor:
        return self.mix * log_w.mean(0) + (1 - self.mix) * log_mean_exp(log_w)


@dataclass(frozen=True)
class PIWAE:
    """IWAE for decoder and prior, MIWAE for the encoder.

    Args:
        samples: K, of all groups together.
        groups: M, which divides K; with one group this is DReG.
        draw: sticking the landing, on which the gradient above rests.
    """

    samples: int = 8
    groups: int = 2
    draw: Draw = StickingTheLanding()

    def __post_init__(self) -> None:
        check_groups(self.samples, self.groups)

    def __call__(self, terms: Terms, beta: float | Tensor = 1.0) -> Bound:
        log_w = terms.as_weights("PIWAE").of_one_group("PIWAE").tempered_log_w(beta)
        overall = torch.softmax(log_w.detach(), 0).clamp_min(SMALLEST_WEIGHT)
        within = torch.softmax(in_groups(log_w.detach(), self.groups), 0).flatten(0, 1)
        if terms.z.requires_grad:
            factor = within.square() / (self.groups * overall)
            terms.z.register_hook(lambda grad: grad * factor.unsqueeze(-1).to(grad.dtype))
        return bound_of_samples(terms, log_mean_exp(terms.log_w), (overall * log_w).sum(0))
