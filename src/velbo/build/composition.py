"""What several recipes are composed of: the image of a row, what is given, why cells are missing, and heads."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ..conditional import AnyModel, Condition, Conditional
from ..config import Recipe
from ..errors import ConfigError
from ..likelihoods import MissingNotAtRandom, Mixed, SideBySide
from ..model import LatentVariableModel
from ..nets import ConvDecoder, ConvUp, FieldFeatures
from ..rows import Field, Schema
from .parts import MECHANISMS

BESIDE_WIDTH = 64
"""Of the layer that leads to the fields beside an image."""


def given(model: LatentVariableModel, condition: Condition | None) -> AnyModel:
    """The model, around it what is given."""
    return model if condition is None else Conditional(model, condition)


def is_of_images(schema: Schema, recipe: Recipe) -> bool:
    """Whether a row is one image, with or without fields beside it."""
    return len(schema.images(apart=recipe.condition)) == 1


def image_of(schema: Schema, recipe: Recipe) -> Field:
    images = schema.images(apart=recipe.condition)
    if len(images) != 1:
        what = f"{len(images)} images a row" if images else f"rows of {schema.n_dims} numbers that are no image"
        raise ConfigError(
            f"recipe '{recipe.recipe}' needs one image a row, (N, H, W) or (N, H, W, C), not {what}; use recipe "
            "'resmlp'"
        )
    (image,) = images
    if image.shape[0] in (1, 3, 4) and len(image.shape) == 3 and image.shape[1] == image.shape[2] != image.shape[0]:
        raise ConfigError(
            f"'{image.name}' has shape {image.shape}: its channels come first, and velbo wants them last, (H, W, C); "
            "give np.moveaxis(x, 1, -1)"
        )
    return image


def condition_of(schema: Schema, recipe: Recipe) -> Condition | None:
    places = schema.dims(recipe.condition)
    if not places and not recipe.library_size:
        return None
    mask = any(schema.cells[d].has_missing for d in (range(schema.n_dims) if recipe.library_size else places))
    return Condition(schema.cells, places, mask, recipe.library_size)


def with_mask(schema: Schema, recipe: Recipe, head: nn.Module, n_in: int) -> nn.Module:
    """The head, and why cells are missing where that is modelled."""
    by_latents = MECHANISMS[recipe.missing]
    if by_latents is None:
        return head
    given = set(schema.dims(recipe.condition))
    missing = [d for d, cell in enumerate(schema.cells) if cell.has_missing and d not in given]
    names = [cell.name for cell in schema.cells]
    return MissingNotAtRandom(head, n_in, missing, names, by_latents, recipe.mask_slope)


class ImageRows:
    """Rows of one image and fields beside it, which convolutions take apart.

    Args:
        schema: every likelihood named.
        recipe: with nothing left open.

    Attributes:
        shape: (H, W, C) of the image.
        beside: what an encoder sees of the other fields, a module of x; None if there are none.

    Raises:
        ConfigError: if the rows hold not one image, or the recipe asks for what convolutions go without.
    """

    def __init__(self, schema: Schema, recipe: Recipe) -> None:
        image = image_of(schema, recipe)
        assert image.image_shape is not None
        if recipe.missing != "at-random" or recipe.library_size:
            raise ConfigError("convolutions go without --missing and --library-size; use recipe 'resmlp'")
        self.cells, self.image, self.shape = schema.cells, image, image.image_shape
        self.inside = list(range(*schema.places[image.name].indices(schema.n_dims)))
        others = sorted(set(range(schema.n_dims)) - set(self.inside))
        self.free = sorted(set(others) - set(schema.dims(recipe.condition)))
        has_missing = any(schema.cells[d].has_missing for d in others)
        self.beside = FieldFeatures(schema.cells, has_missing, others) if others else None

    @property
    def n_planes(self) -> int:
        """Of an image: its values, and their mask where some are missing."""
        return 2 if self.image.has_missing else 1

    @property
    def pixels(self) -> FieldFeatures:
        """x -> what an encoder sees of the image."""
        return FieldFeatures(self.cells, self.image.has_missing, self.inside)

    def head(self, pixels: ConvUp | ConvDecoder, others: Callable[[], nn.Module]) -> nn.Module:
        """p(x|z) of all fields, from what goes into ``pixels``.

        Args:
            pixels: -> features of every pixel.
            others: makes what gives features of the fields beside the image, `BESIDE_WIDTH` of them.
        """
        cells = [self.cells[d] for d in self.inside]
        head = nn.Sequential(pixels, Mixed(pixels.n_features, cells, positions=pixels.n_positions))
        if self.beside is None:
            return head
        heads: list[tuple[list[int], nn.Module]] = [(self.inside, head)]
        if self.free:
            head = Mixed(BESIDE_WIDTH, [self.cells[d] for d in self.free])
            heads.append((self.free, nn.Sequential(others(), head)))
        return SideBySide(heads, len(self.cells))
