"""A model in whole numbers: q(z|x), p(z) and p(x|z) as laws that a coder takes, the same bits everywhere.

Each is a function of the modules that the model is made of. What has no such form is refused by name: a prior that is a
flow or a diffusion would need bits-back of its own (Integer discrete flows, Hoogeboom, Peters, van den Berg and
Welling, 2019, https://arxiv.org/abs/1905.07376).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any, cast

import numpy as np
from torch import Tensor, nn

from ..conditional import Conditional
from ..errors import ConfigError
from ..likelihoods import Autoregressive, Likelihood, MissingNotAtRandom, Mixed, SideBySide
from ..likelihoods.laws import Below, Masses
from ..model import VAE
from ..nets import Positive
from ..posteriors import DiagonalNormal, FullNormal, MixturePosterior, Posterior, SemiAmortised
from ..posteriors.base import MIN_SCALE
from ..priors import LearnedNormal, MixturePrior, StandardNormal, VampPrior
from ..runtime import fixed_point as fixed
from ..runtime.fixed_point import Floats, Ints
from . import maps  # noqa: F401 (registers convolutions)
from .latents import LEAST_REACH, MOST_REACH, Correlated, Law, Mixture, Normals, SameNormals, Steps
from .networks import Affine, in_order, whole

Heads = Callable[[Floats], list[tuple[Sequence[int], Masses | Below]]]
"""Features -> (where cells are in x, their law) of each head."""


class WholeModel:
    """A model in whole numbers.

    Args:
        model: a VAE.

    Raises:
        ConfigError: if a part of it has no such form.
        MissingMethodError: if a likelihood has none.

    Attributes:
        n_latents: Z.
        prior: p(z), the same for all rows.
    """

    def __init__(self, model: nn.Module) -> None:
        if isinstance(model, Conditional):
            raise ConfigError(
                "this model has given fields, of which it has no law, so rows cannot be coded by it; train one without "
                "--condition and --library-size"
            )
        if not isinstance(model, VAE):
            raise ConfigError(
                f"a {type(model).__name__} has no form in whole numbers; compress with a model of recipe mlp, resmlp, "
                "conv or ladder"
            )
        trunk, head = _encoder(model.encoder)
        self.n_latents = head.n_latents
        self._features = trunk
        self._posterior = posterior_of(head)
        self.steps = Steps(_reach(model.prior))
        self.prior = prior_of(model.prior, self.steps, self.posterior)
        self._heads = heads_of(model.decoder)
        self.heads(np.zeros((1, self.n_latents), np.int64))  # what is missing is said now

    def posterior(self, x: Floats) -> Law:
        """q(z|x) of rows x (B, D), NaN where missing."""
        return self._posterior(self._features(x), self.steps)

    def heads(self, k: Ints) -> list[tuple[Sequence[int], Masses | Below]]:
        """p(x|z) of latents k (B, Z)."""
        return self._heads(self.steps.values(k) * fixed.ONE)


def _encoder(encoder: nn.Module) -> tuple[Callable[[Floats], Floats], Posterior]:
    if isinstance(encoder, SemiAmortised):
        raise ConfigError("--refine moves q(z|x) by gradients, which whole numbers do not have; train one without")
    *trunk, head = encoder.children() if isinstance(encoder, nn.Sequential) else (encoder,)
    if not isinstance(head, Posterior):
        raise ConfigError(f"the encoder, a {type(encoder).__name__}, does not end in a velbo.posteriors.Posterior")
    return in_order([whole(child) for child in trunk]), head


@singledispatch
def posterior_of(head: Posterior) -> Callable[[Floats, Steps], Law]:
    """Features in whole numbers -> q(z|x)."""
    raise ConfigError(
        f"{type(head).__name__}, the posterior, has no form in whole numbers; train with --posterior diagonal, full "
        "or mixture"
    )


@posterior_of.register
def _(head: DiagonalNormal) -> Callable[[Floats, Steps], Law]:
    affine = Affine(head.linear.weight, head.linear.bias)

    def law(a: Floats, steps: Steps) -> Law:
        mean, raw = np.split(affine(a) / fixed.ONE, 2, -1)
        return Normals(steps, mean, fixed.softplus(raw) + MIN_SCALE, least=0)

    return law


@posterior_of.register
def _(head: FullNormal) -> Callable[[Floats, Steps], Law]:
    affine, n = Affine(head.linear.weight, head.linear.bias), head.n_latents
    rows, columns = np.tril_indices(n, -1)

    def law(a: Floats, steps: Steps) -> Law:
        mean, raw, below = np.split(affine(a) / fixed.ONE, [n, 2 * n], -1)
        lower = np.zeros((len(mean), n, n))
        lower[:, rows, columns] = below
        lower[:, np.arange(n), np.arange(n)] = fixed.softplus(raw) + MIN_SCALE
        return Correlated(steps, mean, lower, least=0)

    return law


@posterior_of.register
def _(head: MixturePosterior) -> Callable[[Floats, Steps], Law]:
    affine, c, n = Affine(head.linear.weight, head.linear.bias), head.n_components, head.n_latents

    def law(a: Floats, steps: Steps) -> Law:
        logits, mean, raw = np.split(affine(a) / fixed.ONE, [c, c + c * n], -1)
        scale = fixed.softplus(raw.reshape(-1, c, n)) + MIN_SCALE
        return Mixture(steps, logits, mean.reshape(-1, c, n), scale, least=0)

    return law


def _numbers(t: Tensor) -> Floats:
    """As multiples of 2^-12."""
    return fixed.rounded(t.detach().double().numpy()) / fixed.ONE


def _scales(of: Positive) -> Floats:
    return of.minimum + fixed.softplus(_numbers(of.raw))


def _reach(prior: nn.Module) -> int:
    """How far from 0 latents go."""
    if isinstance(prior, StandardNormal):
        return LEAST_REACH
    if isinstance(prior, LearnedNormal | MixturePrior):
        most = (np.abs(_numbers(prior.loc)) + LEAST_REACH * _scales(prior.scale)).max()
        return min(MOST_REACH, max(LEAST_REACH, math.ceil(most)))
    return 2 * LEAST_REACH


@singledispatch
def prior_of(prior: nn.Module, steps: Steps, posterior: Callable[[Floats], Law]) -> Law:
    """p(z)."""
    raise ConfigError(
        f"{type(prior).__name__}, the prior, has no form in whole numbers; give this model one that has: "
        "velbo refit-prior RUN DATA --to NEW --prior mixture (or standard, learned or vamp)"
    )


@prior_of.register
def _(prior: StandardNormal, steps: Steps, posterior: Any) -> Law:
    n = prior.loc.numel()
    return SameNormals(steps, np.zeros((1, n)), np.ones((1, n)))


@prior_of.register
def _(prior: LearnedNormal, steps: Steps, posterior: Any) -> Law:
    return SameNormals(steps, _numbers(prior.loc)[None], _scales(prior.scale)[None])


@prior_of.register
def _(prior: MixturePrior, steps: Steps, posterior: Any) -> Law:
    return Mixture(steps, _numbers(prior.logits)[None], _numbers(prior.loc)[None], _scales(prior.scale)[None])


@prior_of.register
def _(prior: VampPrior, steps: Steps, posterior: Callable[[Floats], Law]) -> Law:
    q = posterior(prior.pseudo_inputs.detach().double().numpy())
    if not isinstance(q, Normals):
        raise ConfigError("a VampPrior mixes diagonal Normal posteriors; train one with --posterior diagonal")
    return Mixture(steps, np.zeros((1, len(q.mean))), q.mean[None], q.scale[None])


@singledispatch
def heads_of(decoder: nn.Module) -> Heads:
    """A decoder in whole numbers."""
    raise ConfigError(f"{type(decoder).__name__}, in the decoder, has no form in whole numbers")


@heads_of.register
def _(decoder: Autoregressive) -> Heads:
    raise ConfigError(
        "recipe 'autoregressive' has no form in whole numbers: its cells depend on each other, and those of a row are "
        "coded together; train one with recipe 'resmlp'"
    )


@heads_of.register
def _(decoder: nn.Sequential) -> Heads:
    *children, head = decoder.children()
    trunk, heads = in_order([whole(child) for child in children]), heads_of(head)
    return lambda a: heads(trunk(a))


@heads_of.register
def _(decoder: MissingNotAtRandom) -> Heads:
    raise ConfigError("a model of why cells are missing has no form in whole numbers; train with --missing at-random")


@heads_of.register
def _(decoder: SideBySide) -> Heads:
    parts = [
        (cast(Tensor, getattr(decoder, f"places{i}")).tolist(), heads_of(part))
        for i, part in enumerate(decoder.decoders)
    ]
    return lambda a: [([at[i] for i in inner], law) for at, heads in parts for inner, law in heads(a)]


@heads_of.register
def _(decoder: Mixed) -> Heads:
    heads = [
        (cast(Tensor, getattr(decoder, f"positions{i}")).tolist(), _law_of(head))
        for i, head in enumerate(decoder.heads.values())
    ]
    return lambda a: [(at, law(a)) for at, law in heads]


@heads_of.register
def _(decoder: Likelihood) -> Heads:
    law, at = _law_of(decoder), list(range(decoder.n_cells))
    return lambda a: [(at, law(a))]


def _law_of(head: nn.Module) -> Callable[[Floats], Masses | Below]:
    if not isinstance(head, Likelihood):
        raise ConfigError(f"{type(head).__name__}, a likelihood, is no velbo.likelihoods.Likelihood")
    layers: dict[nn.Linear, Affine] = {}

    def law(a: Floats) -> Masses | Below:
        def layer(linear: nn.Linear) -> Floats:
            if linear not in layers:
                layers[linear] = Affine(linear.weight, linear.bias)
            return layers[linear](a) / fixed.ONE

        return head.law(layer)

    return law
