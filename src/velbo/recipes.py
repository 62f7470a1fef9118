"""Named models: each a few lines of composition, rebuilt from config.json alone.

    recipe      encoder trunk             decoder trunk            hidden means
    mlp         MLP                       MLP, mirrored            width of each layer
    resmlp      ResidualMLP               ResidualMLP, mirrored    width of each residual block
    conv        ConvEncoder               ConvDecoder              channels of each stage, finest first

The names of likelihoods are in likelihoods/registry.py, those of posteriors and priors in parts.py. What is given (a
condition: columns of a table, or the label of an array's rows) goes into the encoder and, with z, into the decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from .conditional import Condition, ConditionalVAE, SizedDecoder
from .config import Recipe
from .data.columns import CODED, Column
from .data.encodings import Encoding, Levels, Standardise, for_table
from .data.labelled import WithLabel, label_columns
from .data.schema import Schema
from .data.sources import LABEL
from .errors import ConfigError, unknown
from .likelihoods import DEFAULT, LIKELIHOODS, MissingNotAtRandom, Mixed, likelihood_of
from .model import VAE
from .nets import MLP, Beside, ColumnFeatures, ConvDecoder, ConvEncoder, FillMissing, ResidualMLP
from .parts import MECHANISMS, MIXING, POSTERIORS, PRIORS
from .posteriors import SemiAmortised


@dataclass(frozen=True)
class Choice:
    """What recipe "auto" means for some data, and why."""

    recipe: str
    hidden: tuple[int, ...]
    latent: int
    prior: str
    why: str


MIXED = "mixed"
"""What stands for the likelihoods of a table's columns where an array's is named."""
DEFAULT_LATENTS = 16
LARGE_IMAGE = 256
FLOW_GAIN = (
    "a flow prior gained 4 nats in ten minutes of one core on binarised MNIST, where convolutions lost 0.8; for an "
    "hour or more take them: recipe conv, hidden 16,32, latent 40, prior real-nvp"
)
BINARY_IMAGES = Choice("resmlp", (512, 512), 40, "real-nvp", FLOW_GAIN)
OTHERWISE = Choice("resmlp", (256, 256), DEFAULT_LATENTS, "standard", "good on tables and images of any kind")


def choice(schema: Schema, likelihood: str) -> Choice:
    """What "auto" takes."""
    is_large_image = schema.image_shape is not None and schema.n_dims >= LARGE_IMAGE
    return BINARY_IMAGES if is_large_image and likelihood == "bernoulli" else OTHERWISE


def settled(schema: Schema) -> Schema:
    """With the likelihood of every column named.

    Raises:
        ConfigError: for a likelihood of no known name, or one that does not suit its column's kind.
    """
    named = (replace(c, likelihood=likelihood_of(c)) if c.is_modelled else c for c in schema.columns)
    return replace(schema, columns=tuple(named))


def check(recipe: Recipe) -> None:
    """Raise ConfigError for a recipe or likelihood of no known name."""
    names = {"recipe": RECIPES, "likelihood": (*LIKELIHOODS, MIXED), "prior": PRIORS}
    if recipe.missing not in MECHANISMS:
        raise unknown("reason for missing cells", recipe.missing, MECHANISMS)
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
    if schema.columns and recipe.likelihood not in ("auto", MIXED):
        raise ConfigError(
            f"likelihood '{recipe.likelihood}' is one for all dimensions, and in a table each column has its own; name "
            "it for a column, as in --column age=count:poisson, or give the numbers as an array"
        )
    if (given(recipe, schema) or recipe.library_size) and recipe.refine:
        raise ConfigError("refine is for models without a condition; leave one of them out")
    if (schema.columns or schema.label) and recipe.prior == "vamp":
        raise ConfigError(
            "prior 'vamp' learns its pseudo-inputs by gradients, which categories do not have; take prior 'mixture' or "
            "'real-nvp' for a table or rows with labels"
        )
    default = MIXED if schema.columns else DEFAULT["array"][schema.kind]
    likelihood = default if recipe.likelihood == "auto" else recipe.likelihood
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
    name = resolve(recipe, schema).likelihood
    of_rows = for_table(schema) if name == MIXED else LIKELIHOODS[name].encoding(schema)
    if schema.label is None:
        return of_rows
    label = schema.label
    coded = label.kind in CODED
    return WithLabel(of_rows, Levels(1) if coded else Standardise((label.location,), (label.scale,)))


def given(recipe: Recipe, schema: Schema) -> list[int]:
    """Positions of the columns that are the condition.

    Raises:
        ConfigError: for a name that is no modelled column, or if nothing is left to be modelled.
    """
    if schema.label is not None and recipe.condition == (LABEL,) and not recipe.library_size:
        return [schema.n_dims]
    if (recipe.condition or recipe.library_size) and not schema.columns:
        raise ConfigError(
            "a condition is made of a table's columns, or is the label of an array's rows, and these data are an array "
            f"without: give a data frame, or velbo.Data(rows, labels=...) and condition '{LABEL}'"
        )
    if schema.label is not None:
        raise ConfigError(f"rows with labels are for a model that is conditioned on them; give condition '{LABEL}'")
    names = [c.name for c in schema.modelled]
    for name in recipe.condition:
        if name not in names:
            raise unknown("column to condition on", name, names)
    if names and len(set(recipe.condition)) == len(names):
        raise ConfigError("every column is given, and none is left to be modelled; condition on fewer")
    return [names.index(name) for name in recipe.condition]


def build(recipe: Recipe, schema: Schema) -> VAE | ConditionalVAE:
    """A new model; initial weights come from torch's global generator.

    Raises:
        ConfigError: if the recipe does not suit the schema.
    """
    recipe = resolve(recipe, schema)
    encoding(recipe, schema)
    return RECIPES[recipe.recipe](schema, recipe)


def _cells(recipe: Recipe, schema: Schema) -> Sequence[Column]:
    """What every number of x is: a column, or what the encoding makes of an array's dimensions, and the label."""
    if schema.columns:
        return schema.modelled
    kinds = LIKELIHOODS[recipe.likelihood].kinds
    cell = Column(
        "",
        schema.kind if schema.kind in kinds else kinds[0],
        likelihood=recipe.likelihood,
        levels=2 if schema.kind == "binary" else schema.levels,
    )
    cells = [cell] * schema.n_dims
    if schema.scale:
        moments = zip(cells, schema.location, schema.scale, strict=True)
        cells = [replace(c, low=schema.low, high=schema.high, location=at, scale=s) for c, at, s in moments]
    return cells if schema.label is None else [*cells, schema.label]


def _head(recipe: Recipe, schema: Schema, n_in: int, positions: int = 1) -> nn.Module:
    head = Mixed(n_in, _cells(recipe, schema), given(recipe, schema), recipe.library_size, positions)
    by_latents = MECHANISMS[recipe.missing]
    if by_latents is None:
        return head
    if schema.label is not None:
        raise ConfigError("the mask is modelled for rows without labels; leave --missing or the condition out")
    holes = [d for d, c in enumerate(schema.modelled) if c.n_missing]
    if not schema.columns:
        holes = list(range(schema.n_dims)) if schema.missing else []
    names = [schema.name(d) for d in range(schema.n_dims)]
    return MissingNotAtRandom(head, n_in, holes, names, by_latents, recipe.mask_slope)


def mlp(schema: Schema, recipe: Recipe) -> VAE | ConditionalVAE:
    """Fully connected layers; hidden 200,200 and latent 50 is the layout of Burda et al. (2015)."""
    return _connected(schema, recipe, MLP)


def resmlp(schema: Schema, recipe: Recipe) -> VAE | ConditionalVAE:
    """Residual fully connected blocks; the default."""
    return _connected(schema, recipe, partial(ResidualMLP, dropout=recipe.dropout))


def _connected(schema: Schema, recipe: Recipe, trunk: Callable[..., MLP | ResidualMLP]) -> VAE | ConditionalVAE:
    front: nn.Module = (
        ColumnFeatures(schema.modelled, schema.missing) if schema.columns else FillMissing(schema.missing)
    )
    width = front.n_features if isinstance(front, ColumnFeatures) else schema.n_dims * (1 + schema.missing)
    condition = _condition(schema, recipe)
    if schema.label is not None and condition is not None:
        front, width = Beside(front, schema.n_dims, condition.features), width + condition.n_features
    n_given = 0 if condition is None else condition.n_features
    up, down = trunk(width, *recipe.hidden), trunk(recipe.n_latents + n_given, *recipe.hidden[::-1])
    head = _head(recipe, schema, down.n_features)
    return _assemble(schema, recipe, nn.Sequential(front, up), up.n_features, down, head, condition)


def _condition(schema: Schema, recipe: Recipe) -> Condition | None:
    places = given(recipe, schema)
    if not places and not recipe.library_size:
        return None
    if schema.label is not None:
        return Condition(label_columns(schema), places, schema.label.n_missing > 0)
    return Condition(schema.modelled, places, schema.missing, recipe.library_size)


def conv(schema: Schema, recipe: Recipe) -> VAE | ConditionalVAE:
    """Residual convolutions, for images."""
    shape = schema.image_shape
    if shape is None:
        raise ConfigError(
            f"recipe 'conv' needs images (N, H, W) or (N, H, W, C), not rows of {schema.n_dims} numbers; use 'resmlp'"
        )
    condition = _condition(schema, recipe)
    n_given = 0 if condition is None else condition.n_features
    up = ConvEncoder(shape, recipe.hidden, n_planes=2 if schema.missing else 1)
    down = ConvDecoder(recipe.n_latents + n_given, shape, recipe.hidden)
    head = _head(recipe, schema, down.n_features, down.n_positions)
    trunk = nn.Sequential(FillMissing(schema.missing), up)
    if condition is not None:
        trunk = nn.Sequential(Beside(trunk, schema.n_dims, condition.features))
    return _assemble(schema, recipe, trunk, up.n_features + n_given, down, head, condition)


def _assemble(
    schema: Schema,
    recipe: Recipe,
    up: nn.Module,
    n_features: int,
    down: nn.Module,
    head: nn.Module,
    condition: Condition | None,
) -> VAE | ConditionalVAE:
    encoder = nn.Sequential(*up.children(), POSTERIORS[recipe.posterior](n_features, recipe.n_latents))  # type: ignore[arg-type]
    components = () if recipe.components is None else (recipe.components,)
    prior = PRIORS[recipe.prior](recipe.n_latents, encoder, schema.n_dims, *components)
    if condition is not None:
        decoder = SizedDecoder(down, head) if recipe.library_size else nn.Sequential(down, head)
        return ConditionalVAE(encoder, decoder, prior, condition)
    decoder = nn.Sequential(down, head)
    refined = SemiAmortised(encoder, decoder, prior, recipe.refine) if recipe.refine else encoder
    return VAE(refined, decoder, prior)


RECIPES: dict[str, Callable[[Schema, Recipe], VAE | ConditionalVAE]] = {"mlp": mlp, "resmlp": resmlp, "conv": conv}

HIDDEN: dict[str, tuple[int, ...]] = {"mlp": (256, 256), "resmlp": (256, 256), "conv": (32, 64)}
