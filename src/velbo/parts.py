"""What the names in a recipe stand for.

A likelihood's name decides two things that belong together: how values are encoded (what x is) and the head. A prior's
name says what the latents come from; it may use the encoder.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from .data.encodings import Encoding, for_bernoulli, for_levels, for_reals, for_table, for_unit_interval
from .data.schema import Schema
from .likelihoods import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    DiscretizedLogistic,
    LearnedScale,
    Mixed,
    Normal,
    PredictedScale,
)
from .posteriors import DiagonalNormal, FullNormal, MixturePosterior, Posterior, inverse_autoregressive, spline_coupling
from .priors import (
    AutoregressivePrior,
    LearnedNormal,
    MixturePrior,
    StandardNormal,
    VampPrior,
    masked_autoregressive,
    neural_spline,
    real_nvp,
)

Head = Callable[[Schema, int, int, int], nn.Module]
"""(schema, n_in, n_out, positions) -> head."""


def _n_levels(schema: Schema) -> int:
    return 2 if schema.kind == "binary" else schema.levels


LIKELIHOODS: dict[str, tuple[Callable[[Schema], Encoding], Head]] = {
    "bernoulli": (for_bernoulli, lambda s, i, o, p: Bernoulli(i, o, p)),
    "continuous-bernoulli": (for_unit_interval, lambda s, i, o, p: ContinuousBernoulli(i, o, p)),
    "normal": (for_reals, lambda s, i, o, p: Normal(i, o, None, p)),
    "normal-fixed": (for_reals, lambda s, i, o, p: Normal(i, o, 1.0, p)),
    "normal-scalar": (for_reals, lambda s, i, o, p: Normal(i, o, LearnedScale(), p)),
    "normal-predicted": (for_reals, lambda s, i, o, p: Normal(i, o, PredictedScale(i, o, p), p)),
    "categorical": (
        for_levels,
        lambda s, i, o, p: Categorical(i, o, _n_levels(s), 1 / (_n_levels(s) - 1), p),
    ),
    "discretized-logistic": (
        for_levels,
        lambda s, i, o, p: DiscretizedLogistic(i, o, _n_levels(s), positions=p),
    ),
    "mixed": (for_table, lambda s, i, o, p: Mixed(i, s.modelled)),
}

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
    "autoregressive": lambda n, encoder, n_dims, *components: AutoregressivePrior(n, *components),
}
"""(Z, encoder, D) -> prior; those that mix take a number of components too."""

MIXING = ("mixture", "vamp", "autoregressive")

DEFAULT_LIKELIHOOD = {
    "binary": "bernoulli",
    "byte": "discretized-logistic",
    "real": "normal",
    "table": "mixed",
}

MECHANISMS: dict[str, bool | None] = {"at-random": None, "self-masked": False, "latent-masked": True}
"""Why cells are missing -> whether that depends on the latents; None where no mask is modelled."""
