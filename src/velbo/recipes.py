"""Named models: each a few lines of composition, rebuilt from config.json alone.

    recipe      encoder trunk             decoder trunk            hidden means
    mlp         MLP                       MLP, mirrored            width of each layer
    resmlp      ResidualMLP               ResidualMLP, mirrored    width of each residual block
    conv        ConvEncoder               ConvDecoder              channels of each stage, finest first

A likelihood's name decides two things that belong together: how values are encoded (what x is) and the head. A prior's
name says what the latents come from; it may use the encoder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import nn

from .config import Recipe
from .data.encodings import Encoding, for_bernoulli, for_levels, for_reals, for_unit_interval
from .data.schema import Schema
from .errors import ConfigError, unknown
from .likelihoods import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    DiscretizedLogistic,
    LearnedScale,
    Likelihood,
    Normal,
    PredictedScale,
)
from .model import VAE
from .nets import MLP, ConvDecoder, ConvEncoder, FillMissing, ResidualMLP
from .posteriors import (
    DiagonalNormal,
    FullNormal,
    MixturePosterior,
    Posterior,
    SemiAmortised,
    inverse_autoregressive,
    spline_coupling,
)
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

Head = Callable[[Schema, int, int, int], Likelihood]
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

DEFAULT_LIKELIHOOD = {"binary": "bernoulli", "byte": "discretized-logistic", "real": "normal"}


@dataclass(frozen=True)
class Choice:
    """What recipe "auto" means for some data, and why."""

    recipe: str
    hidden: tuple[int, ...]
    latent: int
    prior: str
    why: str


DEFAULT_LATENTS = 16
LARGE_IMAGE = 256
FLOW_GAIN = "a flow prior gained a prototype 1.8 nats on binarised MNIST"
BINARY_IMAGES = Choice("resmlp", (512, 512), 40, "real-nvp", FLOW_GAIN)
OTHERWISE = Choice("resmlp", (256, 256), DEFAULT_LATENTS, "standard", "good on tables and images of any kind")


def choice(schema: Schema, likelihood: str) -> Choice:
    """What "auto" takes."""
    is_large_image = schema.image_shape is not None and schema.n_dims >= LARGE_IMAGE
    return BINARY_IMAGES if is_large_image and likelihood == "bernoulli" else OTHERWISE


def check(recipe: Recipe) -> None:
    """Raise ConfigError for a recipe or likelihood of no known name."""
    names = {"recipe": RECIPES, "likelihood": LIKELIHOODS, "prior": PRIORS}
    for field, known in names.items():
        if getattr(recipe, field) not in (*known, "auto"):
            raise unknown(field, getattr(recipe, field), [*known, "auto"])
    if recipe.posterior not in POSTERIORS:
        raise unknown("posterior", recipe.posterior, POSTERIORS)
    if recipe.components is not None and recipe.prior not in MIXING:
        raise ConfigError(f"prior '{recipe.prior}' has no components; they go with {', '.join(MIXING)}")


def resolve(recipe: Recipe, schema: Schema) -> Recipe:
    """With everything left open replaced by what it means for this schema."""
    check(recipe)
    likelihood = DEFAULT_LIKELIHOOD[schema.kind] if recipe.likelihood == "auto" else recipe.likelihood
    recipe = replace(recipe, likelihood=likelihood)
    if recipe.recipe == "auto":
        taken = choice(schema, likelihood)
        recipe = replace(
            recipe,
            recipe=taken.recipe,
            hidden=recipe.hidden or taken.hidden,
            latent=recipe.latent or taken.latent,
            prior=taken.prior if recipe.prior == "auto" else recipe.prior,
        )
    prior = "standard" if recipe.prior == "auto" else recipe.prior
    hidden, latent = recipe.hidden or HIDDEN[recipe.recipe], recipe.latent or DEFAULT_LATENTS
    return replace(recipe, prior=prior, hidden=hidden, latent=latent)


def reasons(recipe: Recipe, schema: Schema) -> dict[str, str]:
    """Why recipe "auto" is what it is; empty for a recipe that was named."""
    if recipe.recipe != "auto":
        return {}
    taken, found = choice(schema, resolve(recipe, schema).likelihood), resolve(recipe, schema)
    return {"recipe": f"{found.recipe} with prior {found.prior}: {taken.why}"}


def encoding(recipe: Recipe, schema: Schema) -> Encoding:
    """What x is under this recipe's likelihood.

    Raises:
        ConfigError: if the likelihood does not suit the kind of the data.
    """
    return LIKELIHOODS[resolve(recipe, schema).likelihood][0](schema)


def build(recipe: Recipe, schema: Schema) -> VAE:
    """A new model; initial weights come from torch's global generator.

    Raises:
        ConfigError: if the recipe does not suit the schema.
    """
    recipe = resolve(recipe, schema)
    encoding(recipe, schema)
    return RECIPES[recipe.recipe](schema, recipe)


def _head(recipe: Recipe, schema: Schema, n_in: int, n_out: int, positions: int = 1) -> Likelihood:
    return LIKELIHOODS[recipe.likelihood][1](schema, n_in, n_out, positions)


def mlp(schema: Schema, recipe: Recipe) -> VAE:
    """Fully connected layers; hidden 200,200 and latent 50 is the layout of Burda et al. (2015)."""
    up = MLP(_n_inputs(schema), *recipe.hidden)
    down = MLP(recipe.n_latents, *recipe.hidden[::-1])
    return _assemble(schema, recipe, up, down, _head(recipe, schema, down.n_features, schema.n_dims))


def resmlp(schema: Schema, recipe: Recipe) -> VAE:
    """Residual fully connected blocks; the default."""
    up = ResidualMLP(_n_inputs(schema), *recipe.hidden, dropout=recipe.dropout)
    down = ResidualMLP(recipe.n_latents, *recipe.hidden[::-1], dropout=recipe.dropout)
    return _assemble(schema, recipe, up, down, _head(recipe, schema, down.n_features, schema.n_dims))


def conv(schema: Schema, recipe: Recipe) -> VAE:
    """Residual convolutions, for images."""
    shape = schema.image_shape
    if shape is None:
        raise ConfigError(
            f"recipe 'conv' needs images (N, H, W) or (N, H, W, C), not rows of {schema.n_dims} numbers; use 'resmlp'"
        )
    up = ConvEncoder(shape, recipe.hidden, n_planes=2 if schema.missing else 1)
    down = ConvDecoder(recipe.n_latents, shape, recipe.hidden)
    return _assemble(schema, recipe, up, down, _head(recipe, schema, down.n_features, shape[2], down.n_positions))


def _n_inputs(schema: Schema) -> int:
    return schema.n_dims * (2 if schema.missing else 1)


def _assemble(schema: Schema, recipe: Recipe, up: nn.Module, down: nn.Module, head: Likelihood) -> VAE:
    posterior = POSTERIORS[recipe.posterior](up.n_features, recipe.n_latents)  # type: ignore[arg-type]
    encoder = nn.Sequential(FillMissing(mask=schema.missing), up, posterior)
    components = () if recipe.components is None else (recipe.components,)
    prior = PRIORS[recipe.prior](recipe.n_latents, encoder, schema.n_dims, *components)
    decoder = nn.Sequential(down, head)
    refined = SemiAmortised(encoder, decoder, prior, recipe.refine) if recipe.refine else encoder
    return VAE(refined, decoder, prior)


RECIPES: dict[str, Callable[[Schema, Recipe], VAE]] = {"mlp": mlp, "resmlp": resmlp, "conv": conv}

HIDDEN: dict[str, tuple[int, ...]] = {"mlp": (256, 256), "resmlp": (256, 256), "conv": (32, 64)}
