"""A new prior for a trained model: p(z) fitted to the aggregated posterior, encoder and decoder untouched.

    max over p of  1/N sum_n E_q(z|x_n)[ log p(z) ]

Nothing else in the ELBO depends on p, so the ELBO gains what this gains. And samples improve: a decoder knows what to
make of z from where its posteriors were, and of nothing else.

Source: Variational lossy autoencoder, Chen et al., 2016, https://arxiv.org/abs/1611.02731 (section 3.2); ELBO surgery,
Hoffman and Johnson, 2016, http://approximateinference.org/accepted/HoffmanJohnson2016.pdf.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from ..checks import rows_for
from ..conditional import Conditional
from ..config import TrainingConfig
from ..errors import ConfigError
from ..hierarchy import Hierarchy
from ..hierarchy.bottom_up import OfTop
from ..model import VAE
from ..objectives import ELBO, best_rate
from ..posteriors import Draw, RowDraw, SemiAmortised
from ..priors import log_prior
from ..rows import AnyRows, Store
from ..terms import PATHWISE, Model, Terms, closed_form_kl, device_of_model
from .loop import Trainer
from .order import held_out_rows


class Nothing(Distribution):
    """Of no cells: p = 1."""

    parts = ()
    arg_constraints: ClassVar[dict[str, Any]] = {}  # pyright: ignore

    def __init__(self, batch_shape: torch.Size) -> None:
        super().__init__(batch_shape, torch.Size((0,)), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        return value.new_zeros(self.batch_shape)


class AggregatedPosterior(nn.Module):
    """A model of z alone: its bound is -KL(q(z|x) || p(z)), and only the prior is learned.

    Args:
        encoder: x -> q(z|x).
        prior: () -> p(z).
    """

    def __init__(self, encoder: nn.Module, prior: nn.Module) -> None:
        super().__init__()
        self.prior, self._encoder = prior, (encoder,)

    def given(self, x: Tensor) -> AggregatedPosterior:
        return self

    def encode(self, x: Tensor) -> Distribution:
        """q(z|x), which is not learned."""
        return self._encoder[0](x)

    def decode(self, z: Tensor) -> Distribution:
        """No x is modelled."""
        return Nothing(z.shape[:-1])

    def terms(self, x: Tensor, samples: int = 1, draw: Draw = PATHWISE) -> Terms:
        with torch.no_grad():
            q = self.encode(x)
            z = draw.sample(q, samples)
            log_qz = draw.log_prob(q, z)
        p = self.prior()
        log_pz, is_weight = log_prior(p, z, draw)
        kl = closed_form_kl(q, p)
        groups = () if kl is None else (kl.shape[-1],)
        return Terms(log_qz.new_zeros(log_qz.shape), log_pz, log_qz, z, kl, groups, is_weight=is_weight)


@dataclass(frozen=True)
class Place:
    """Where a prior stands in a model: of all latents, or of the top group.

    Attributes:
        model: all of it.
        encoder: x -> q(z|x) of the latents that the prior is of.
        owner: part of the model whose attribute the prior is.
        name: of the attribute.
    """

    model: nn.Module
    encoder: nn.Module
    owner: nn.Module
    name: str

    @property
    def prior(self) -> nn.Module:
        """The prior that stands there."""
        return getattr(self.owner, self.name)

    def put(self, prior: nn.Module) -> None:
        """Another prior in its place."""
        setattr(self.owner, self.name, prior)


def place_of_prior(model: Model) -> Place:
    """Where the prior of a model can be replaced.

    Raises:
        ConfigError: for a model without such parts, or for a refined posterior, which climbs towards its prior and
            would move with it.
    """
    inner = model.model if isinstance(model, Conditional) else model
    if isinstance(inner, Hierarchy):
        return Place(inner, OfTop(inner.encoder), inner.generator, "top")
    if not isinstance(inner, VAE):
        raise ConfigError(
            f"a prior is put into a VAE(encoder, decoder, prior) or a Hierarchy, and this model, a "
            f"{type(inner).__name__}, is neither; train it with the prior that is wanted"
        )
    if isinstance(inner.encoder, SemiAmortised):
        raise ConfigError(
            "a refined posterior follows its prior, so that a new prior would move it; refit a model trained without "
            "--refine, or train one with the prior that is wanted (--prior)"
        )
    return Place(inner, inner.encoder, inner, "prior")


def refit_prior(model: Model, data: AnyRows, prior: nn.Module, training: TrainingConfig) -> float:
    """Fit ``prior`` to the aggregated posterior of the data and put it into the model.

    Args:
        model: trained; its prior is replaced, of a hierarchy that of the top group.
        data: rows x that the model was trained on, (N, D), of any container; see `velbo.checks.rows_for`.
        prior: any of velbo.priors, over as many latents; a standard Normal is put in as it is.
        training: budget and the rest; its held-out rows choose the best weights.

    Returns:
        The gain of the ELBO in nats a row, on the held-out rows (on all rows if none are held out).

    Raises:
        ConfigError: for a model without such parts, or for a refined posterior, which climbs towards its prior and
            would move with it.
    """
    if training.privacy.is_asked:
        raise ConfigError("a new prior is fitted without noise; leave out epsilon, or train a model with that prior")
    place, data = place_of_prior(model), rows_for(model, data)
    inner = place.model
    wanted_before = {p: p.requires_grad for p in inner.parameters()}
    for p in wanted_before:
        p.requires_grad_(False)
    held_out = held_out_rows(data, training.validation.validation, training.machine.seed)
    rows = data.subset(held_out) if len(held_out) else data
    inner.eval()
    before = _rate(AggregatedPosterior(place.encoder, place.prior), inner, rows, training)
    try:
        aggregated = AggregatedPosterior(place.encoder, prior)
        if any(True for _ in prior.parameters()):  # a standard Normal has nothing to fit
            trainer = Trainer(aggregated, data, ELBO(), training)
            inner.to(trainer.device)  # which the aggregated posterior, that owns the prior alone, does not
            trainer.run()
        place.put(prior)
        return before - _rate(aggregated, inner, rows, training)
    finally:
        for p, wanted in wanted_before.items():
            p.requires_grad_(wanted)
        inner.to("cpu")


@torch.no_grad()
def _rate(
    aggregated: AggregatedPosterior, model: Any, data: Store, training: TrainingConfig, samples: int = 20
) -> float:
    """Mean KL(q(z|x) || p(z)), by closed form or the same noise for every prior, nats a row."""
    seed, total, device = training.machine.seed, 0.0, device_of_model(model)
    for chunk in data.chunks(200):
        terms = aggregated.terms(chunk.fixed(seed).to(device), samples, RowDraw(chunk.kept, seed))
        total += float(best_rate(terms).double().sum())
    return total / len(data)
