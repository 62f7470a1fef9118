"""The gap between log p(x) and the bound, taken apart.

    log p(x) - ELBO(q_phi)  =  [ log p(x) - ELBO(q*) ]  +  [ ELBO(q*) - ELBO(q_phi) ]
                               approximation gap           amortisation gap

q* is the best member of the posterior's family for this very x, found by gradient ascent on the parameters of q, begun
at the encoder's. A wide approximation gap asks for a richer family; a wide amortisation gap for a better encoder, or
for refinement (posteriors/semi_amortised.py).

log p(x) is not known: the best lower bound of it stands in its place, by importance sampling from the encoder's q and
from q*, or by annealing. So the approximation gap is bounded from below; ELBO(q*) is what the ascent has reached, so
the amortisation gap is too. Parameters that a family shares between rows (a flow's network) stay as they are.

Source: Inference suboptimality in variational autoencoders, Cremer, Li and Duvenaud, 2018,
https://arxiv.org/abs/1801.03558 (section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from ...checks import rows_for
from ...errors import ConfigError
from ...posteriors import Draw, Posterior, RowDraw, SemiAmortised, StickingTheLanding, body_and_head
from ...rows import AnyRows, Store
from ...runtime.adam import Adam
from ...runtime.generators import OwnGenerator, stream_seed
from ...runtime.threads import threads
from ...tables import Figure, Shown, Table, explained
from ...terms import Model, View, device_of_model, log_density, require_density, view_of
from .annealing import Annealing, anneal
from .importance import StreamingWeights
from .summary import standard_error

ROWS = 250
SAMPLES_PER_CHUNK = 50


@dataclass(frozen=True)
class Ascent:
    """How q* is looked for, by Adam, its rate falling to zero along a cosine.

    Attributes:
        steps: of the ascent.
        lr: peak learning rate.
        samples: draws of z a step.
    """

    steps: int = 300
    lr: float = 0.03
    samples: int = 4

    def __post_init__(self) -> None:
        if min(self.steps, self.samples) < 1 or not self.lr > 0:
            raise ConfigError("an ascent needs at least 1 step, 1 sample and a positive learning rate")


@dataclass(frozen=True, repr=False)
class Gaps(Shown):
    """Of every row, (N,) float64 in nats of the data (rows/units.py), on which the gaps do not depend.

    Attributes:
        log_likelihood: the best lower bound of log p(x) that was found.
        best_bound: ELBO(q*).
        bound: ELBO of the encoder's q.
    """

    log_likelihood: Tensor
    best_bound: Tensor
    bound: Tensor

    @property
    def approximation(self) -> Tensor:
        return self.log_likelihood - self.best_bound

    @property
    def amortisation(self) -> Tensor:
        return self.best_bound - self.bound

    def to_json(self) -> dict[str, Any]:
        """Means over rows and their standard errors."""
        record: dict[str, Any] = {"rows": len(self.bound)}
        for name in ("log_likelihood", "best_bound", "bound", "approximation", "amortisation"):
            values = getattr(self, name)
            error = standard_error(values)
            record |= {name: float(values.mean()), f"{name}_se": None if math.isnan(error) else error}
        return record

    def __repr__(self) -> str:
        parts = (f"{name} {float(getattr(self, name).mean()):.3f}" for name in ("approximation", "amortisation"))
        return f"Gaps({len(self.bound)} rows: {', '.join(parts)} nats)"

    def table(self) -> Table:
        """Means over rows with their standard errors and meanings."""
        found = self.to_json()
        meanings = {
            "log_likelihood": ("log-likelihood", "the best lower bound of log p(x), nats a row"),
            "best_bound": ("ELBO of the best q", "of this family, found for each row"),
            "bound": ("ELBO of the encoder", "E_q[log p(x, z) - log q(z|x)]"),
            "approximation": ("approximation gap", "what the posterior's family costs"),
            "amortisation": ("amortisation gap", "what the encoder costs"),
        }
        figures = [Figure(label, found[k], why, found[f"{k}_se"]) for k, (label, why) in meanings.items()]
        return explained([Figure("rows", found["rows"]), *figures])


@threads()
def gaps(
    model: Model,
    data: AnyRows,
    samples: int = 500,
    ascent: Ascent = Ascent(),
    annealing: Annealing | None = None,
    seed: int = 0,
) -> Gaps:
    """Take the gap of every row apart.

    Args:
        model: in evaluation mode; its encoder ends in a `Posterior`.
        data: rows x, (N, D), of any container; see `velbo.checks.rows_for`.
        samples: of every bound; the noise is not that of the ascent.
        ascent: how q* is found.
        annealing: a further estimate of log p(x), dear and often the best.
        seed: of all noise.

    Raises:
        ConfigError: if the encoder's parameters of q cannot be found, or for less than 1 sample.
    """
    if samples < 1:
        raise ConfigError(f"the bounds need at least 1 sample, not {samples}")
    data = rows_for(model, data)
    draw = Landing(OwnGenerator(seed, "ascent"))
    parts = [_gaps_of(model, part, samples, ascent, annealing, draw, seed) for part in data.chunks(ROWS)]
    log_det = data.log_det()
    return Gaps(*(torch.cat(bounds) + log_det for bounds in zip(*parts, strict=True)))


class Landing(StickingTheLanding):
    """Sticking the landing, whose noise vanishes as q comes near the true posterior, by a generator of its own."""

    def __init__(self, own: OwnGenerator) -> None:
        self.own = own

    def noise(self, q: Distribution, n_samples: int) -> Tensor:
        with self.own:
            return super().noise(q, n_samples)

    def sample(self, q: Distribution, n_samples: int) -> Tensor:
        with self.own:
            return super().sample(q, n_samples)


def family(view: View) -> tuple[Callable[[Tensor], Tensor], Posterior]:
    """(x -> parameters of q, head that makes q of them) of a model's encoder, refined or not.

    Raises:
        ConfigError: if the parameters of q cannot be found.
    """
    encoder: Any = getattr(view, "encoder", None)
    n_groups = getattr(view, "n_groups", 1)
    if n_groups > 1:
        raise ConfigError(
            f"gaps look for the best parameters of one q(z|x), and this model has {n_groups} groups of latents, each "
            "with a q given those above it; measure it with velbo anneal, or with more --samples"
        )
    if encoder is None:
        raise ConfigError(
            f"gaps look for the best parameters of q(z|x) of each row, and this {type(view).__name__} has no encoder "
            "that makes q of them; it is for VAE(encoder, decoder, prior)"
        )
    if isinstance(encoder, SemiAmortised):
        return encoder.refined, encoder.head
    body, head = body_and_head(encoder)
    return lambda x: head.linear(body(x)), head


def _gaps_of(
    model: Model, data: Store, samples: int, ascent: Ascent, annealing: Annealing | None, draw: Draw, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    device = device_of_model(model)
    x = data.fixed(seed).to(device)
    view = view_of(model, x)
    parameters, head = family(view)
    require_density(view.prior(), "the ascent of gaps")
    with torch.no_grad():
        start = parameters(x)
    best = best_parameters(model, x, start, ascent, draw)
    own = stream_seed(seed, "gaps")
    (elbo, log_p), (best_elbo, best_log_p) = (
        _bounds(view, x, head.distribution(y), RowDraw(data.kept, own), samples) for y in (start, best)
    )
    # one estimator for all rows: the larger one row by row would be biased upwards
    found = max((log_p, best_log_p), key=lambda bound: float(bound.mean()))
    if annealing is not None:
        found = max((found, anneal(model, x, annealing).bound), key=lambda bound: float(bound.mean()))
    return found, best_elbo, elbo


def best_parameters(model: Model, x: Tensor, start: Tensor, ascent: Ascent, draw: Draw) -> Tensor:
    """y* (B, P) that maximises ELBO(q(z; y); x) row by row, from ``start`` on.

    Args:
        model: whose encoder's head makes q of y; its weights are left alone.
        x: (B, D).
        start: (B, P).
        ascent: steps, learning rate and samples.
        draw: how z is drawn.
    """
    view = view_of(model, x)
    _, head = family(view)
    y = start.detach().clone().requires_grad_()
    optimizer = Adam([y], ascent.lr)
    for step in range(ascent.steps):
        optimizer.param_groups[0]["lr"] = ascent.lr * 0.5 * (1 + math.cos(math.pi * step / ascent.steps))
        with torch.enable_grad():
            log_w = _log_w(view, x, head.distribution(y), draw, ascent.samples)
            (y.grad,) = torch.autograd.grad(-log_w.mean(0).sum(), y)
        optimizer.step()
    return y.detach()


def _log_w(view: View, x: Tensor, q: Distribution, draw: Draw, samples: int) -> Tensor:
    """log p(x, z) - log q(z), (K, B)."""
    z = draw.sample(q, samples)
    return view.decode(z).log_prob(x) + log_density(view.prior(), z, "p(z)") - draw.log_prob(q, z)


@torch.no_grad()
def _bounds(view: View, x: Tensor, q: Distribution, draw: RowDraw, samples: int) -> tuple[Tensor, Tensor]:
    """(ELBO, importance-weighted bound of all samples), (B,) float64."""
    weights, elbo = StreamingWeights(), torch.zeros(len(x), dtype=torch.float64)
    for done in range(0, samples, SAMPLES_PER_CHUNK):
        k = min(SAMPLES_PER_CHUNK, samples - done)
        log_w = _log_w(view, x, q, draw.onwards(), k)
        weights.add(log_w)
        elbo += log_w.double().cpu().sum(0) / samples
    return elbo, weights.log_mean
