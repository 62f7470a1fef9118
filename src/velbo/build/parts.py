"""What the names in a recipe stand for; those of likelihoods are in likelihoods/registry.py.

A prior's name says what the latents come from; it may use the encoder.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ..config import Recipe
from ..diffusion import diffusion_prior
from ..posteriors import (
    DiagonalNormal,
    FullNormal,
    MixturePosterior,
    Posterior,
    inverse_autoregressive,
    spline_coupling,
)
from ..priors import (
    AutoregressivePrior,
    LearnedNormal,
    MixturePrior,
    StandardNormal,
    VampPrior,
    masked_autoregressive,
    neural_spline,
    real_nvp,
)

POSTERIORS: dict[str, Callable[[int, int], Posterior]] = {
    "diagonal": DiagonalNormal,
    "full": FullNormal,
    "mixture": MixturePosterior,
    "iaf": inverse_autoregressive,
    "spline": spline_coupling,
}
"""(F, Z) -> head of q(z|x)."""

PRIORS: dict[str, Callable[..., nn.Module]] = {
    "standard": lambda n, encoder, n_dims: StandardNormal(n),
    "learned": lambda n, encoder, n_dims: LearnedNormal(n),
    "mixture": lambda n, encoder, n_dims, *components: MixturePrior(n, *components),
    "vamp": lambda n, encoder, n_dims, *components: VampPrior(encoder, n_dims, *components),
    "real-nvp": lambda n, encoder, n_dims: real_nvp(n),
    "spline": lambda n, encoder, n_dims: neural_spline(n),
    "maf": lambda n, encoder, n_dims: masked_autoregressive(n),
    "diffusion": lambda n, encoder, n_dims: diffusion_prior(n),
    "autoregressive": lambda n, encoder, n_dims, *components: AutoregressivePrior(n, *components),
}
"""(Z, encoder, D) -> prior; those that mix take a number of components too."""


def prior_of(recipe: Recipe, encoder: nn.Module, n_dims: int) -> nn.Module:
    """The prior that a recipe names, over its latents; it may use the encoder."""
    components = () if recipe.components is None else (recipe.components,)
    return PRIORS[recipe.prior](recipe.n_latents, encoder, n_dims, *components)


MIXING = ("mixture", "vamp", "autoregressive")

MECHANISMS: dict[str, bool | None] = {"at-random": None, "self-masked": False, "latent-masked": True}
"""Why cells are missing -> whether that depends on the latents; None where no mask is modelled."""
