"""How much memory a plan asks for, so that an absurd one is refused in a sentence before a byte of it is allocated.

Of a trunk with widths w_0 = D, w_1, ..., w_n, w_{n+1} = Z, encoder and decoder have at least

    P  =  2 sum_i w_i w_{i+1}                     numbers, for convolutions 3 x 3 without D and Z
    P  +  w_n Z (Z + 1) / 2                       with a posterior of full covariance
    P  +  Z^2                                     with a flow, whose masks are (Z, Z)
    P  +  w_n sum_l Z_l                           with groups of latents below the top one

and a step of training holds them five times (weights, average, gradient, two moments of Adam) beside
B K (w_0 + ... + w_{n+1}) numbers of its batch. These are lower bounds: what passes may still not fit.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from ..config import Recipe
from ..errors import ConfigError
from ..rows import Schema
from ..runtime.memory import free_memory
from .composition import is_of_images
from .own import is_own

BYTES = 4
COPIES_TO_TRAIN = 5
FLOWS = ("iaf", "spline", "real-nvp", "maf", "autoregressive")


def least_parameters(schema: Schema, recipe: Recipe) -> int:
    """A number of weights that a model has at least; of parts of a user's own, nothing is known.

    Args:
        schema: of the rows.
        recipe: with nothing left open.
    """
    if is_own(recipe.recipe):
        return 0
    z, hidden = recipe.n_latents, recipe.hidden
    if _is_of_maps(schema, recipe):
        n = 2 * 9 * sum(a * b for a, b in pairwise(hidden))
    elif recipe.recipe == "diffusion":
        return 2 * z * hidden[0]
    else:
        n = 2 * sum(a * b for a, b in pairwise((*hidden, z))) + sum(f.size for f in schema.modelled) * hidden[0]
    n += sum(recipe.groups) * hidden[-1]
    n += hidden[-1] * z * (z + 1) // 2 if recipe.posterior == "full" else 0
    return n + (z**2 if {recipe.posterior, recipe.prior} & set(FLOWS) else 0) + z * (recipe.components or 0)


def n_parameters(model: nn.Module) -> int:
    """How many numbers a model learns."""
    return sum(p.numel() for p in model.parameters())


def require_room(schema: Schema, recipe: Recipe, step: int = 0) -> None:
    """
    Args:
        schema: of the rows.
        recipe: with nothing left open.
        step: if the model is to be trained, rows of a step times samples.

    Raises:
        ConfigError: if the model, or a step of its training, needs more memory than is free.
    """
    free = free_memory()
    of_model = BYTES * least_parameters(schema, recipe) * (COPIES_TO_TRAIN if step else 1)
    if of_model > free:
        raise ConfigError(
            f"a model of hidden {','.join(map(str, recipe.hidden))} and {recipe.n_latents} latents takes "
            f"{_gigabytes(of_model)} at least, and {_gigabytes(free)} are free; make --hidden or --latent smaller"
        )
    # of convolutions, whose stages are as large as their strides leave them, the ends alone are counted
    inside = 0 if _is_of_maps(schema, recipe) else sum(recipe.hidden)
    of_step = BYTES * step * (schema.n_dims + inside + recipe.n_latents)
    if of_step > free:
        raise ConfigError(
            f"a training step of {step:,} rows times samples takes {_gigabytes(of_step)} at least, and "
            f"{_gigabytes(free)} are free; make --batch-size or --samples smaller"
        )


def _is_of_maps(schema: Schema, recipe: Recipe) -> bool:
    return recipe.recipe == "conv" or (recipe.recipe == "ladder" and is_of_images(schema, recipe))


def _gigabytes(n: float) -> str:
    return f"{n / 1e9:,.1f} GB"
