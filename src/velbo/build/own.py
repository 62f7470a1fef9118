"""A recipe of one's own: a function, found by an import path such as my_module:make.

    make(schema, recipe) -> model        the signature of velbo's own recipes, models.py

    schema   what the fields of a row are, every likelihood named; D is schema.n_dims
    recipe   the values that were asked for, latent and hidden among them; what make does not read has no effect
    model    a torch module with terms and given: a VAE, a Conditional, or what meets `velbo.terms.Model`

Importing a module runs it. So a path is imported where a user types it, and nowhere else: the name of a module in a
config.json is a stranger's word, and whoever loads that run says by the path, or by the function itself, that the code
is theirs.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from ..config import Recipe
from ..errors import ConfigError, VelboError, nearest

if TYPE_CHECKING:
    from torch import nn

    from ..conditional import AnyModel
    from ..rows import Schema

Maker = Callable[["Schema", Recipe], "nn.Module"]
METHODS = ("terms", "given")


def is_own(recipe: str) -> bool:
    """Whether the name of a recipe is an import path."""
    return ":" in recipe


def import_path(make: Maker) -> str:
    """Of a function of a module."""
    return f"{make.__module__}:{make.__qualname__}"


def maker(path: str) -> Maker:
    """The function of an import path. This runs its module, which may lie in the current folder.

    Raises:
        ConfigError: if there is no such module or function, or the module cannot be imported.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise ConfigError(f"recipe '{path}': an import path is written module:function, as in my_module:make")
    module = _imported(module_name, path)
    found = getattr(module, name, None)
    if not callable(found):
        known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise ConfigError(f"recipe '{path}': there is no function '{name}' in {module_name}.{nearest(name, known)}")
    return cast(Maker, found)


def _imported(name: str, path: str) -> ModuleType:
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)  # for good: the module may import its neighbours later
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _of_user(path, error) from error
        raise ConfigError(
            f"recipe '{path}': there is no module '{error.name}' in this folder or on Python's path; go to the folder "
            "of its file, or install it"
        ) from error
    except Exception as error:
        raise _of_user(path, error) from error


def made(make: Maker, schema: Schema, recipe: Recipe) -> AnyModel:
    """The model that a maker makes.

    Raises:
        ConfigError: if it raises, or gives anything but a model.
    """
    from torch import nn

    from ..conditional import Conditional

    try:
        model: Any = make(schema, recipe)
    except VelboError:
        raise
    except Exception as error:
        raise _of_user(recipe.recipe, error) from error
    left_out = [name for name in METHODS if not callable(getattr(model, name, None))]
    if not isinstance(model, nn.Module) or left_out:
        raise ConfigError(
            f"recipe '{recipe.recipe}' gives a {type(model).__name__}, and a torch module with {' and '.join(METHODS)} "
            "is wanted: return velbo.VAE(encoder, decoder, prior)"
        )
    if recipe.condition and not isinstance(model, Conditional):
        raise ConfigError(
            f"recipe '{recipe.recipe}' gives a model without a condition, and fields are given ("
            f"{', '.join(recipe.condition)}): return velbo.Conditional(velbo.VAE(encoder, decoder, prior), condition)"
        )
    return cast("AnyModel", model)


def _of_user(path: str, error: Exception) -> ConfigError:
    """What a user's code raised, with the place."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    is_syntax = isinstance(error, SyntaxError)
    file, line = (error.filename, error.lineno) if is_syntax else (where.filename, where.lineno)
    why = " ".join((error.msg if is_syntax else str(error)).split())
    place = f"{os.path.basename(file or '')}, line {line}"
    return ConfigError(f"recipe '{path}' raised {type(error).__name__}: {why} ({place})")
