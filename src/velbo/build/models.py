"""Named models: each a few lines of composition, rebuilt from a plan alone.

    recipe      encoder trunk             decoder trunk            hidden means
    mlp         MLP                       MLP, mirrored            width of each layer
    resmlp      ResidualMLP               ResidualMLP, mirrored    width of each residual block
    conv        ConvEncoder               ConvDecoder              channels of each stage, finest first
    ladder      ResidualMLP or ConvDown   groups, then mirrored    as resmlp or conv; see ladder.py
    diffusion   none                      LevelMLP, head           width of each residual block; see by_diffusion.py
    autoregressive  ResidualMLP           masked residual blocks   as resmlp; see by_order.py

A recipe of one's own is a function like these, my_module:make; see own.py.
The names of posteriors and priors are in parts.py. Given fields go into the encoder and, with z, into the decoder.
Convolutions see one image; all other fields go beside them, through an MLP of one layer on the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from torch import nn

from ..conditional import AnyModel, Condition, Conditional, SizedDecoder
from ..config import Recipe
from ..errors import ConfigError, unknown
from ..likelihoods import LIKELIHOODS, Mixed, likelihood_of
from ..model import VAE
from ..nets import MLP, Beside, ConvDecoder, ConvEncoder, FieldFeatures, ResidualMLP
from ..posteriors import SemiAmortised
from ..rows import Encoding, Schema
from ..rows.encodings import standardised
from ..rows.joined import joined
from ..runtime.generators import OwnGenerator
from . import by_diffusion, by_order, ladder
from .composition import BESIDE_WIDTH, ImageRows, condition_of, given, with_mask
from .own import Maker, is_own, made, maker
from .parts import MECHANISMS, MIXING, POSTERIORS, PRIORS, prior_of
from .size import require_room


def encoding(schema: Schema, recipe: Recipe) -> Encoding:
    """What x is: each field by its likelihood; given ones, which have none, in the unit of their kind.

    Raises:
        ConfigError: if a likelihood does not suit the values of its field.
    """
    parts = []
    for field in schema.modelled:
        is_given = field.name in recipe.condition
        of_field = standardised(field, given=True) if is_given else LIKELIHOODS[field.likelihood].encoding(field)
        parts.append((field, of_field))
    return joined(parts)


def build(schema: Schema, recipe: Recipe, own: Maker | None = None) -> AnyModel:
    """A new model; initial weights come from torch's global generator.

    Args:
        schema: every likelihood named.
        recipe: with nothing left open.
        own: what makes the model where the recipe is an import path.

    Raises:
        ConfigError: if the recipe does not suit the schema, or is a path and no function was given.
    """
    encoding(schema, recipe)
    if not is_own(recipe.recipe):
        if own is not None:
            raise ConfigError(f"recipe '{recipe.recipe}' is velbo's and takes no parts from elsewhere; leave model out")
        return RECIPES[recipe.recipe](schema, recipe)
    if own is None:
        raise ConfigError(
            f"its parts are made by '{recipe.recipe}', and velbo runs no code that a file names; if that module is "
            f"yours, say so: --model {recipe.recipe} on the command line, model='{recipe.recipe}' in Python"
        )
    model = made(own, schema, recipe)
    return model if recipe.prior == "auto" else with_prior(model, schema, recipe)


def with_prior(model: AnyModel, schema: Schema, recipe: Recipe) -> AnyModel:
    """A model of one's own with the prior that the recipe names in the place of its own.

    Raises:
        ConfigError: if it has no encoder and prior that can be told apart.
    """
    owner = model.model if isinstance(model, Conditional) else model
    if not isinstance(owner, VAE):
        raise ConfigError(
            f"recipe '{recipe.recipe}' gives a {type(owner).__name__}, and prior '{recipe.prior}' goes into a "
            "velbo.VAE; leave prior out"
        )
    owner.prior = prior_of(replace(recipe, latent=owner.n_latents), owner.encoder, schema.n_dims)
    return model


def check_names(recipe: Recipe) -> None:
    """Raise ConfigError for a name of nothing."""
    known: dict[str, list[str]] = {
        "recipe": [*RECIPES, "auto", *([recipe.recipe] if is_own(recipe.recipe) else [])],
        "likelihood": [*LIKELIHOODS, "auto"],
        "prior": [*PRIORS, "auto"],
        "posterior": list(POSTERIORS),
        "missing": list(MECHANISMS),
    }
    for name, names in known.items():
        if getattr(recipe, name) not in names:
            raise unknown(name, getattr(recipe, name), names)
    if recipe.groups and recipe.recipe != "ladder" and not is_own(recipe.recipe):
        raise ConfigError(f"recipe '{recipe.recipe}' has one group of latents; take 'ladder', or leave groups out")
    if recipe.order and recipe.recipe != "autoregressive" and not is_own(recipe.recipe):
        raise ConfigError(f"recipe '{recipe.recipe}' has no order; take 'autoregressive', or leave order out")
    if recipe.components is not None and recipe.prior not in MIXING:
        raise ConfigError(f"prior '{recipe.prior}' has no components; they go with {', '.join(MIXING)}")


def require_closed(schema: Schema, recipe: Recipe) -> None:
    """
    Raises:
        ConfigError: if a plan that was read leaves something open, or names what does not suit its fields.
    """
    check_names(recipe)
    check_condition(schema, recipe)
    is_open = "auto" in (recipe.recipe, recipe.prior)
    if not is_own(recipe.recipe) and (is_open or sized(schema, recipe) != recipe):
        raise ConfigError("the recipe leaves something open, which a plan does not; fit again")
    _ = recipe.n_latents
    for field in schema.modelled:
        if field.name not in recipe.condition and likelihood_of(field) != field.likelihood:
            raise ConfigError(f"the likelihood of '{field.name}' is left open, which a plan does not do; fit again")
    encoding(schema, recipe)


def check_condition(schema: Schema, recipe: Recipe) -> None:
    """
    Raises:
        ConfigError: for a given field that is none, or if none is left to be modelled.
    """
    names = [f.name for f in schema.modelled]
    for name in recipe.condition:
        if name not in names:
            raise unknown("field to condition on", name, names)
    if set(recipe.condition) == set(names):
        raise ConfigError("every field is given, and none is left to be modelled; condition on fewer")


def mlp(schema: Schema, recipe: Recipe) -> AnyModel:
    """Fully connected layers; hidden 200,200 and latent 50 is the layout of Burda et al. (2015)."""
    return _connected(schema, recipe, MLP)


def resmlp(schema: Schema, recipe: Recipe) -> AnyModel:
    """Residual fully connected blocks; the default."""
    return _connected(schema, recipe, partial(ResidualMLP, dropout=recipe.dropout))


def _connected(schema: Schema, recipe: Recipe, trunk: Callable[..., MLP | ResidualMLP]) -> AnyModel:
    front, condition = FieldFeatures(schema.cells, schema.missing), condition_of(schema, recipe)
    up = trunk(front.n_features, *recipe.hidden)
    down = trunk(recipe.n_latents + (condition.n_features if condition else 0), *recipe.hidden[::-1])
    head = Mixed(down.n_features, schema.cells, schema.dims(recipe.condition), recipe.library_size)
    decoder = down, with_mask(schema, recipe, head, down.n_features)
    return _assemble(schema, recipe, [front, up], up.n_features, decoder, condition)


def conv(schema: Schema, recipe: Recipe) -> AnyModel:
    """Residual convolutions, for one image a row and fields beside it."""
    rows, condition = ImageRows(schema, recipe), condition_of(schema, recipe)
    up = ConvEncoder(rows.shape, recipe.hidden, n_planes=rows.n_planes)
    trunk: nn.Module = nn.Sequential(rows.pixels, up)
    n_features = up.n_features
    if rows.beside is not None:
        trunk, n_features = Beside(trunk, rows.beside), n_features + rows.beside.n_features
    n_in = recipe.n_latents + (condition.n_features if condition else 0)
    down = ConvDecoder(n_in, rows.shape, recipe.hidden)
    return _assemble(schema, recipe, [trunk], n_features, [rows.head(down, lambda: MLP(n_in, BESIDE_WIDTH))], condition)


def _assemble(
    schema: Schema,
    recipe: Recipe,
    up: Sequence[nn.Module],
    n_features: int,
    down: Sequence[nn.Module],
    condition: Condition | None,
) -> AnyModel:
    encoder = nn.Sequential(*up, POSTERIORS[recipe.posterior](n_features, recipe.n_latents))  # type: ignore[arg-type]
    prior = prior_of(recipe, encoder, schema.n_dims)
    if condition is not None:
        decoder = SizedDecoder(*down) if recipe.library_size else nn.Sequential(*down)
        return given(VAE(encoder, decoder, prior), condition)
    decoder = nn.Sequential(*down)
    refined = SemiAmortised(encoder, decoder, prior, recipe.refine) if recipe.refine else encoder
    return VAE(refined, decoder, prior)


RECIPES: dict[str, Callable[[Schema, Recipe], AnyModel]] = {
    "mlp": mlp,
    "resmlp": resmlp,
    "conv": conv,
    "ladder": ladder.ladder,
    "diffusion": by_diffusion.diffusion,
    "autoregressive": by_order.autoregressive,
}

HIDDEN: dict[str, tuple[int, ...]] = {"mlp": (256, 256), "resmlp": (256, 256), "conv": (32, 64)}


def sized(schema: Schema, recipe: Recipe) -> Recipe:
    """The recipe with its widths, if they are open."""
    own = {"ladder": ladder.sized, "diffusion": by_diffusion.sized, "autoregressive": by_order.sized}
    if recipe.recipe in own:
        return own[recipe.recipe](schema, recipe)
    return replace(recipe, hidden=recipe.hidden or HIDDEN[recipe.recipe])


def seeded(schema: Schema, recipe: Recipe, seed: int, own: Maker | str | None = None) -> AnyModel:
    """A new model whose initial weights are a function of the seed; the global generator stays as it is.

    Args:
        schema: every likelihood named.
        recipe: with nothing left open.
        seed: of the weights.
        own: what makes the model where the recipe is an import path: that path once more, or the function.

    Raises:
        ConfigError: if the recipe does not suit the schema, or is a path that was not given once more, or if the model
            needs more memory than is free.
    """
    # before the seed: a module that draws numbers when it is imported does so once
    make = maker(own) if isinstance(own, str) else own
    require_room(schema, recipe)
    with OwnGenerator(seed):
        return build(schema, recipe, make)
